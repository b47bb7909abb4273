"""Whether a host can be a machine of the cluster at all."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Host, Role
from ..facts import Facts
from ..phase import Inputs
from ..progress.closing import plural
from ..resources.unit_state import Boot
from .finding import HostCheck
from .tools import tools

MEMORY_MB = {Role.CONTROL_PLANE: 1700, Role.WORKER: 900, Role.ETCD: 400, Role.LB: 200}
PROGRAMS_MB, DATA_MB = 700, 1000
# Of a folder that has a file system of its own; what is not in /usr/local or /var/lib is counted by itself.
OWN_MB = {
    "/usr/local/bin": (PROGRAMS_MB, (Role.CONTROL_PLANE, Role.ETCD, Role.WORKER)),
    "/opt/cni": (100, (Role.WORKER,)),
    "/var/lib/etcd": (500, (Role.ETCD,)),
    "/var/lib/containerd": (600, (Role.WORKER,)),
    "/var/lib/kubelet": (100, (Role.WORKER,)),
}
Found = Iterator[tuple[str, str]]


def architecture(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if facts.arch not in ("amd64", "arm64"):
        yield f"{facts.arch} is not supported", "use an amd64 or arm64 machine"


def systemd(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if facts.init != "systemd":
        yield f"PID 1 is {facts.init}, not systemd", "use a distribution that runs systemd"


def booting(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """Units of ours start when the network is up, so they wait for what it waits for. A run waits for them, but not for
    ever."""
    boot = Boot.parse(facts.boot)
    if boot and boot.word == "stopping":
        yield "is shutting down", "wait until it is back: hardway status INV"
    elif boot and (behind := boot.behind):
        what = f"has not finished its boot: {plural(boot.jobs, 'job')} in systemd's queue; it waits for {behind}"
        yield what, f"if it stays so: {behind.look}"


def privileges(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if facts.uid != 0:
        yield "hardway does not run as root there", "give the ssh user sudo, or log in as root"


def read_only(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if facts.read_only:
        remount = f"mount -o remount,rw $(findmnt -no TARGET -T {facts.read_only[0]})"
        yield f"{' '.join(facts.read_only)} cannot be written", f"{remount}   (dmesg may show why)"


def overlay(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if host.is_(Role.WORKER) and not facts.overlay:
        yield "the kernel does not support the overlay file system", "modprobe overlay, or use a kernel that has it"


def memory(inputs: Inputs, host: Host, facts: Facts) -> Found:
    wanted = sum(MEMORY_MB[role] for role in host.roles)
    if facts.memory_mb and facts.memory_mb < wanted:
        yield (
            f"{facts.memory_mb} MB of memory, {wanted} MB needed for its roles",
            "add memory, or it may be slow or fail",
        )


def disk(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if not facts.cluster:
        yield from _full(host, facts)


def disk_later(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """What we need is there already, so a disk that has filled up since is no reason to refuse."""
    if facts.cluster:
        yield from _full(host, facts)


def _full(host: Host, facts: Facts) -> Found:
    if (host.is_(Role.WORKER) or host.is_(Role.CONTROL_PLANE)) and facts.disk_free_mb < PROGRAMS_MB:
        what = f"{facts.disk_free_mb} MB free under /usr/local, {PROGRAMS_MB} MB needed"
        yield what, "free some space: df -h /usr/local"
    if not host.roles <= {Role.LB} and facts.var_free_mb < DATA_MB:
        yield f"{facts.var_free_mb} MB free under /var/lib, {DATA_MB} MB needed", "free some space: df -h /var/lib"
    folders = facts.beside.folders
    shared = {folders[one].mount for one in ("/usr/local", "/var/lib") if one in folders}
    for folder, (wanted, roles) in OWN_MB.items():
        found = folders.get(folder)
        if found and found.mount not in shared and found.free_mb < wanted and any(host.is_(role) for role in roles):
            what = f"{found.free_mb} MB free under {folder}, {wanted} MB needed"
            yield what, f"free some space, or give it a larger file system: df -h {folder}"


def package_manager(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if not facts.package_manager:
        yield "no supported package manager", f"install by hand what is missing: {' '.join(tools(inputs.cluster))}"


FIRST = (
    HostCheck("Architecture", "The processor is amd64 or arm64.", architecture),
    HostCheck("Systemd", "PID 1 is systemd.", systemd),
    HostCheck("Booting", "The machine has finished its boot.", booting, warning=True),
    HostCheck("Privileges", "hardway runs as root there, by login or by sudo.", privileges),
    HostCheck("ReadOnly", "/etc, /usr/local and /var/lib can be written.", read_only),
    HostCheck("Overlay", "The kernel has the overlay file system (workers).", overlay),
)
ROOM = (
    HostCheck("Memory", "There is enough memory for the host's roles.", memory, warning=True),
    HostCheck(
        "Disk", "There is enough room for programs and data, also in folders that are file systems of their own.", disk
    ),
    HostCheck("Disk", "The same on a host that is built already.", disk_later, warning=True),
)
LAST = (HostCheck("PackageManager", "There is a package manager that hardway can use.", package_manager, warning=True),)
