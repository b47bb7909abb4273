"""What the workers are told: where the images of the suite come from, and to have them before a test wants one."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from stage import Stage

# The folder that hardway's configuration of containerd names; what lies there counts from the next pull on.
PLACE = "/etc/containerd/certs.d/{registry}"


def hosts_toml(url: str) -> str:
    """One registry in the place of another. Nothing about TLS: with it containerd would try https first."""
    return f'server = "{url}"\ncapabilities = ["pull", "resolve"]\n'


def point(stage: Stage, workers: Iterable[str], url: str, references: Iterable[str]) -> None:
    """The registries of these images are the one at `url`, on every worker."""
    for worker in workers:
        for registry in sorted({reference.partition("/")[0] for reference in references}):
            place = shlex.quote(PLACE.format(registry=registry))
            stage.ssh(worker, f"mkdir -p {place} && cat >{place}/hosts.toml", stdin=hosts_toml(url))


def pull(stage: Stage, workers: Sequence[str], references: Iterable[str]) -> None:
    """Have every image on every worker, by the way a kubelet has it; AssertionError with what crictl says otherwise."""
    for reference in references:
        for worker in workers:
            stage.hardway("lab", "ssh", "INV", worker, f"crictl pull {shlex.quote(reference)}", timeout=600).ok()
