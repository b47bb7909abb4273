"""`hardway kubeconfig` and `hardway env`: how a person gets at the cluster."""

from __future__ import annotations

import platform
import shlex
from pathlib import Path

from ..assets import AssetStore
from ..cluster import Cluster
from ..errors import PkiError, UsageError
from ..facts import ARCHITECTURES
from ..pki import kubeconfig as documents
from ..pki.credentials import Credentials
from ..state.statedir import Overlay, StateDir, write_synced


def _with_kubeconfig(cluster: Cluster, state_dir: Path) -> StateDir:
    store = StateDir(state_dir)
    if store.read("admin.conf") is None:
        raise PkiError(
            f"{state_dir} holds no kubeconfig of cluster {cluster.name}",
            hint=f"create it: hardway bootstrap {cluster.source}",
        )
    return store


def kubeconfig(cluster: Cluster, state_dir: Path, output: Path | None, merge_into: Path | None) -> str:
    """The administrator's kubeconfig: as text, in a new private file, or merged into another. Returns what to print."""
    store = _with_kubeconfig(cluster, state_dir)
    document = Credentials(cluster, Overlay(store)).kubeconfig("admin")
    if merge_into:
        return _merged(merge_into, documents.merge(merge_into, document), cluster)
    if output:
        try:
            write_synced(output, document.reveal(), 0o600)
        except OSError as error:
            raise UsageError(
                f"cannot write {output}: {error.strerror}", hint="name a new file in an existing folder"
            ) from error
        return f"written to {output}\n"
    return document.reveal().decode()


def _merged(path: Path, done: documents.Merge, cluster: Cluster) -> str:
    if not (done.added or done.replaced or done.backup):
        return f"{path} already holds the same entries\n"
    was = f"; it was {done.context}" if done.context else ""
    lines = [f"merged into {path}; the current context is now {cluster.name}{was}"]
    lines += [f"warning: it replaces another {other}" for other in done.strange]
    lines += [f"warning: {context}" for context in done.mixed]
    if done.replaced:
        lines.append(f"replaced: {', '.join(done.replaced)}")
    if done.backup:
        lines.append(f"the old file is {done.backup}")
    # In the file a name may have several lines.
    return "".join(f"{' '.join(line.split())}\n" for line in lines)


def environment(cluster: Cluster, state_dir: Path) -> str:
    """Shell lines that put this cluster's kubeconfig and its own kubectl at hand; the comments are for people."""
    _with_kubeconfig(cluster, state_dir)
    kubectl = AssetStore(cluster).binary("kubectl", ARCHITECTURES.get(platform.machine(), "amd64")).path
    typed = shlex.quote(str(cluster.source or "INV"))
    lines = [
        f"export KUBECONFIG={shlex.quote(str((state_dir / 'admin.conf').resolve()))}",
        f"alias kubectl={shlex.quote(str(kubectl))}",
        f'# use it:       eval "$(hardway env {typed})"',
        "# then:         kubectl get nodes",
    ]
    return "\n".join(
        [
            *lines,
            *(
                [f"# take it down: hardway lab down {typed} (keeps the disks) or hardway lab wipe {typed}"]
                if cluster.lab
                else []
            ),
        ]
    )
