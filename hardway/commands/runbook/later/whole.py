"""The whole cluster in one file, and back: what is in it, how it is opened by hand, the steps of its restore."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator

from ....cluster import Cluster
from ....living.restoration import Restoration
from ....phases.restoring import whole
from ....vocabulary import Blob
from ..writing.document import Heading, Part, Table, Text

WIDTH = 110
NAME, TITLE = "restore", "Back up and restore the whole cluster"
SAVE = (
    "etcd's data is of no use without the keys: with another CA every connection is refused, without the encryption key"
    " nobody reads a Secret. `hardway backup` puts all of it into one file: the snapshot, the state directory, the"
    " inventory. It is encrypted in the format of age, and inside is an archive of tar."
)
BACK = (
    "When every control-plane machine is lost, `hardway restore` brings the cluster back on new ones. Workers keep"
    " running meanwhile: their kubelets need no API for that. They accept the new control plane because it has the old"
    " keys. If it has other addresses, write them in the inventory first."
)
# By hand: what, and how.
BY_HAND = (
    ("save a snapshot", "as in the chapter about etcd: etcd.db"),
    ("save all of it", "tar -c etcd.db INV .hardway/CLUSTER | age -r RECIPIENT > FILE"),
    ("read it", "age -d -i KEY FILE | tar -t   (with a passphrase: without -i)"),
    ("put the keys back", "umask 077; age -d -i KEY FILE | tar -x"),
    ("if hardway backup has written FILE", "mkdir -p .hardway; mv state .hardway/CLUSTER; mv inventory.yaml INV"),
    ("prepare the machines", "hardway bootstrap INV --until binaries"),
    ("restore etcd", "as in the chapter about etcd, with the etcd.db of the file"),
    ("do the rest", "hardway bootstrap INV"),
    ("have the nodes look again", "on each worker: systemctl restart kubelet kube-proxy"),
)


def chapter(cluster: Cluster) -> Iterator[Part]:
    """The guide's chapter."""
    yield from (Heading("Save everything"), Text(SAVE), Heading("After everything was lost"), Text(BACK))
    rows = tuple((what, f"`{how.replace('CLUSTER', cluster.name)}`") for what, how in BY_HAND)
    yield Table(("step", "by hand"), rows)


def explain_whole(cluster: Cluster) -> str:
    """What `hardway restore` does for a cluster, in its order, and why."""
    title = f"{NAME}: {TITLE}"
    reasons = [" ".join(part.split()) for part in (inspect.getdoc(whole) or "").split("\n\n")]
    texts = [textwrap.fill(text.replace("`", ""), WIDTH) for text in (SAVE, BACK, *reasons)]
    hand = [line for number, (what, how) in enumerate(BY_HAND, 1) for line in (f"{number}. {what}:", f"     {how}")]
    head = [f"{title}\n{'=' * len(title)}", *texts, "\n".join(_steps(cluster))]
    return "\n\n".join([*head, "By hand:\n" + "\n".join(hand)])


def _steps(cluster: Cluster) -> Iterator[str]:
    phases = whole.control_plane(Restoration("", "", 0), Blob())
    for number, phase in enumerate(phases, 1):
        hosts = ", ".join(target.name for target in phase.targets(cluster))
        yield from _wrapped(f"{number}. {phase.title}: {hosts} ({phase.name})")
    more = "all phases of a bootstrap; kubelets, kube-proxies and cluster DNS start over"
    yield from _wrapped(f"{len(phases) + 1}. When the API answers: {more}")


def _wrapped(text: str) -> list[str]:
    options = {"break_long_words": False, "break_on_hyphens": False, "subsequent_indent": "    "}
    return textwrap.wrap(text, WIDTH, **options)
