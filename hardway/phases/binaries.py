"""Copy the programs: to each host those its roles need, verified before they leave your machine.

A program is sent only when its sha256 on the host differs. It becomes visible under its final
name in one rename, so a run that dies leaves no half of a program.

By hand: `sha256sum /usr/local/bin/kubelet` on the host, `hardway assets list` here.

Goes wrong: a program of the wrong architecture answers `Exec format error`; a full /usr/local cuts a copy
short, which its sha256 shows.
"""

from ..cluster import Host, Role
from ..phase import Inputs, Phase
from ..resources import Binary, Directory
from ..vocabulary import Blob

PROGRAMS = {
    Role.ETCD: ("etcd", "etcdctl", "etcdutl"),
    Role.CONTROL_PLANE: ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    Role.WORKER: ("kubelet", "kube-proxy", "containerd", "containerd-shim-runc-v2", "ctr", "runc", "crictl"),
}
RUN_BY = {
    **{
        name: (f"{name}.service",)
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    },
    **{name: ("containerd.service",) for name in ("containerd", "containerd-shim-runc-v2", "runc")},
}
CNI_PLUGINS = ("bridge", "host-local", "loopback", "portmap")


def program(inputs: Inputs, host: Host, name: str, folder: str = "/usr/local/bin") -> Binary:
    """One program as it must stand on a host, for its architecture."""
    asset = inputs.assets.binary(name, inputs.facts[host.name].arch)
    return Binary(f"{folder}/{name}", Blob(path=asset.path, known_sha256=asset.sha256), units=RUN_BY.get(name, ()))


def programs(inputs: Inputs, host: Host) -> list[Binary]:
    """Every program of a host."""
    names = dict.fromkeys(name for role in Role for name in (PROGRAMS.get(role, ()) if host.is_(role) else ()))
    return [program(inputs, host, name) for name in names]


def desired(inputs: Inputs, host: Host) -> list:
    wanted = [Directory("/usr/local/bin", shared=True), *programs(inputs, host)]
    if host.is_(Role.WORKER):
        plugins = (program(inputs, host, name, "/opt/cni/bin") for name in CNI_PLUGINS)
        wanted += [Directory("/opt/cni"), Directory("/opt/cni/bin"), *plugins]
    return wanted


PHASE = Phase(
    name="binaries",
    title="Copy the programs",
    targets=lambda cluster: cluster.with_role(Role.ETCD, Role.CONTROL_PLANE, Role.WORKER),
    desired=desired,
)
