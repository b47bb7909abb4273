"""The whole cluster in one file, and back: what is in it, how it is opened by hand, the steps of its restore."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from ....cluster import Cluster
from ....living.restoration import Restoration
from ....phases.restoring import whole as restoring
from ....vocabulary import Blob
from ..writing.document import Heading, Part, Table, Text

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
    ("save a snapshot", "as in the chapter about etcd: `etcd.db`"),
    ("save all of it", "`tar -c etcd.db INV .hardway/CLUSTER | age -r RECIPIENT > FILE`"),
    ("read it", "`age -d -i KEY FILE | tar -t`   (with a passphrase: without -i)"),
    ("put the keys back", "`umask 077; age -d -i KEY FILE | tar -x`"),
    ("if hardway backup has written FILE", "`mkdir -p .hardway; mv state .hardway/CLUSTER; mv inventory.yaml INV`"),
    ("prepare the machines", "`hardway bootstrap INV --until binaries`"),
    ("restore etcd", "as in the chapter about etcd, with the `etcd.db` of the file"),
    ("do the rest", "`hardway bootstrap INV`"),
    ("have the nodes look again", "on each worker: `systemctl restart kubelet kube-proxy`"),
)


def whole(cluster: Cluster) -> Iterator[Part]:
    """The guide's chapter."""
    yield from (Heading("Save everything"), Text(SAVE), Heading("After everything was lost"), Text(BACK))
    yield from (Text(" ".join(part.split())) for part in (inspect.getdoc(restoring) or "").split("\n\n"))
    yield Table(("step", "hosts"), tuple(_steps(cluster)))
    yield Heading("The same by hand")
    rows = tuple((what, how.replace("CLUSTER", cluster.name)) for what, how in BY_HAND)
    yield Table(("step", "by hand"), rows)


def _steps(cluster: Cluster) -> Iterator[tuple[str, str]]:
    for phase in restoring.control_plane(Restoration("", "", 0), Blob()):
        yield phase.title, ", ".join(target.name for target in phase.targets(cluster))
    yield "When the API answers: what bootstrap does; kubelets, kube-proxies and cluster DNS start over", "all"
