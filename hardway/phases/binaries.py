"""Copy the programs: to each host those its roles need, verified before they leave your machine.

hardway sends a program only when its sha256 on the host differs. The last step is a rename to the
final name, so an interrupted run never leaves a partial program behind. A new program for a unit
that has one already waits beside it, and takes its place when the unit is restarted.

By hand: `sha256sum /usr/local/bin/kubelet` on the host, `hardway assets list` here.

Goes wrong: a program for the wrong architecture fails with `Exec format error`; a full /usr/local cuts a copy
short, which its sha256 shows.
"""

from collections.abc import Collection
from dataclasses import replace

from ..cluster import Host, Role
from ..phase import Inputs, Phase
from ..resources import Binary, Delivered, Directory
from ..vocabulary import Blob

PROGRAMS = {
    Role.ETCD: ("etcd", "etcdctl", "etcdutl"),
    Role.CONTROL_PLANE: ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    Role.WORKER: ("kubelet", "kube-proxy", "containerd", "containerd-shim-runc-v2", "ctr", "runc", "crictl"),
}
CNI_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
# These are replaced at once; a new one of the others waits for the turn of the unit that runs it.
FOR_PEOPLE = ("etcdctl", "etcdutl", "kubectl", "ctr", "crictl")


def program(inputs: Inputs, host: Host, name: str, folder: str = "/usr/local/bin") -> Binary:
    """One program as it must stand on a host, for its architecture."""
    asset = inputs.assets.binary(name, inputs.facts[host.name].arch)
    return Binary(f"{folder}/{name}", Blob(path=asset.path, known_sha256=asset.sha256), keep=inputs.upgrading)


def cni_plugins(inputs: Inputs, host: Host) -> list[Binary]:
    """What containerd calls for each pod, and so is put in force with it."""
    return [program(inputs, host, name, "/opt/cni/bin") for name in CNI_PLUGINS]


def programs(inputs: Inputs, host: Host, roles: Collection[Role] = tuple(Role)) -> list[Binary]:
    """Every program of a host, or those for some of its roles."""
    mine = [role for role in PROGRAMS if role in roles and host.is_(role)]
    names = dict.fromkeys(name for role in mine for name in PROGRAMS[role])
    plugins = cni_plugins(inputs, host) if Role.WORKER in mine else []
    return [*(program(inputs, host, name) for name in names), *plugins]


def desired(inputs: Inputs, host: Host, roles: Collection[Role] = tuple(Role)) -> list:
    folders = [Directory("/opt/cni"), Directory("/opt/cni/bin")] if host.is_(Role.WORKER) else []
    brought = [
        one if one.path.rpartition("/")[2] in FOR_PEOPLE else Delivered(one) for one in programs(inputs, host, roles)
    ]
    return [Directory("/usr/local/bin", shared=True), *folders, *brought]


def of(*roles: Role) -> Phase:
    """The same for some of the roles alone: the others of a host get theirs another time."""
    return replace(PHASE, desired=lambda inputs, host: desired(inputs, host, roles))


PHASE = Phase(
    name="binaries",
    title="Copy the programs",
    targets=lambda cluster: cluster.with_role(Role.ETCD, Role.CONTROL_PLANE, Role.WORKER),
    desired=desired,
)
