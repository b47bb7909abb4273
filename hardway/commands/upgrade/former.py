"""The programs that an upgrade has replaced: kept beside the new ones until all is done, so that a host can go back."""

from __future__ import annotations

from ...cluster import Host, Role
from ...errors import HardwayError, HostErrors, NotReachedError
from ...parallel import each
from ...phases.binaries import CNI_PLUGINS, FOR_PEOPLE, PROGRAMS
from ...resources import Binary
from ...resources.file import ours
from ...session import Known
from ...upgrading.standing import MEMBER, SERVERS
from ...vocabulary import Blob, Op

BIN, CNI = "/usr/local/bin", "/opt/cni/bin"
# By phase the units that a failed host would have to start again with the programs of before, and those programs.
UNITS = {
    "etcd": ((MEMBER,), (MEMBER,)),
    "control-plane": (SERVERS, SERVERS),
    "containers": (("containerd",), ("containerd", "containerd-shim-runc-v2", "runc")),
    "kubelet": (("kubelet",), ("kubelet",)),
    "kube-proxy": (("kube-proxy",), ("kube-proxy",)),
}
NEVER = "etcd never goes back by itself, and its data only as long as another member runs the old version"


def places(host: Host) -> list[str]:
    """Where a replaced program of a host is kept."""
    names = dict.fromkeys(name for role in PROGRAMS if host.is_(role) for name in PROGRAMS[role])
    paths = [f"{BIN}/{name}" for name in names if name not in FOR_PEOPLE]
    paths += [f"{CNI}/{name}" for name in CNI_PLUGINS] if host.is_(Role.WORKER) else []
    return [Binary(path, Blob(data=b"")).before for path in paths]


def kept(known: Known) -> dict[str, list[str]]:
    """By host that answers what is kept there."""
    found: dict[str, list[str]] = {}

    def ask(host: Host) -> None:
        probes = {path: ours(path) for path in places(host)}
        answers = known.session.live.remotes[host.name].probe(list(probes.values()))
        found[host.name] = [path for path, probe in probes.items() if answers[probe] == "yes"]

    each(ask, [host for host in known.session.cluster.hosts if known.facts[host.name].cluster], known.session.parallel)
    return {name: paths for name, paths in found.items() if paths}


def forget(known: Known) -> int:
    """Remove all that is kept; the number of hosts that had something."""
    found, remotes = kept(known), known.session.live.remotes
    hosts = [host for host in known.session.cluster.hosts if host.name in found]
    each(lambda host: remotes[host.name].change([Op("drop", (path,)) for path in found[host.name]]), hosts)
    return len(hosts)


def with_way_back(error: HardwayError, again: str) -> HardwayError:
    """The error of a round, which says too how its host can go back, and how the upgrade goes on."""
    for one in error.errors if isinstance(error, HostErrors) else (error,):
        if one.phase in UNITS and one.host and not isinstance(one, NotReachedError):
            onward = [one.hint] if again in one.hint else [one.hint, f"then: {again}"]
            one.hint = "; ".join([*filter(None, onward), f"or go back {back(one.host, one.phase)}"])
    return error


def back(host: str, phase: str) -> str:
    """What to type on a host so that the programs of before run there again."""
    units, programs = UNITS[phase]
    names = " ".join(units)
    moves = f"for p in {' '.join(programs)}; do mv -f {BIN}/.$p.before {BIN}/$p; done"
    told = f" ({NEVER})" if phase == "etcd" else ""
    return f"on {host}: systemctl stop {names}; {moves}; systemctl start {names}{told}"
