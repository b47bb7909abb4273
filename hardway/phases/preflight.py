"""Look before touching: is every host fit, are they really different machines, is anything in the way?

All checks run on all hosts at once and every finding is shown together, each with its remedy.
What can be mended safely, missing tools, is installed through the host's own package manager.

By hand: `hardway plan INV` shows the findings without changing anything.

Goes wrong: two machines cloned from one image share a machine-id, a clock is off and certificates are not
valid yet, or a port is held by an earlier cluster.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from ..cluster import Cluster, Host, Role
from ..errors import PreflightError
from ..facts import Facts, authority, etcd_born
from ..features import features
from ..phase import Inputs, Phase
from ..resources import Packages, Records

CLOCK_SKEW_SECONDS = 30.0
NFTABLES_KERNEL = (5, 13)
MEMORY_MB = {Role.CONTROL_PLANE: 1700, Role.WORKER: 900, Role.ETCD: 400, Role.LB: 200}
PORTS = {
    Role.LB: (),
    Role.ETCD: ((2379, "etcd.service"), (2380, "etcd.service"), (2381, "etcd.service")),
    Role.CONTROL_PLANE: ((10257, "kube-controller-manager.service"), (10259, "kube-scheduler.service")),
    Role.WORKER: (
        (10248, "kubelet.service"),
        (10250, "kubelet.service"),
        (10249, "kube-proxy.service"),
        (10256, "kube-proxy.service"),
    ),
}
TOOLS = {
    "conntrack": "conntrack",
    "socat": "socat",
    "ipset": "ipset",
    "iptables": "iptables",
    "ip": "iproute2",
    "mount": "mount",
    "libseccomp.so.2": "libseccomp2",
}
RPM_NAMES = {"conntrack": "conntrack-tools", "iproute2": "iproute", "libseccomp2": "libseccomp", "mount": "util-linux"}


@dataclass(frozen=True)
class Finding:
    """One thing wrong with one host. A warning is shown; anything else stops the run."""

    name: str
    host: str
    what: str
    remedy: str
    warning: bool = False

    def __str__(self):
        return f"{self.headline}; {self.remedy}"

    @property
    def headline(self) -> str:
        return f"[{'WARNING' if self.warning else 'ERROR'} {self.name}] {self.host}: {self.what}"

    def lines(self) -> tuple[str, str]:
        return self.headline, f"  next: {self.remedy}"


def findings(inputs: Inputs) -> list[Finding]:
    """Everything preflight has to say about the surveyed hosts; pure."""
    hosts = [host for host in inputs.cluster.hosts if host.name in inputs.facts and inputs.facts[host.name].known]
    out = [found for host in hosts for found in _host(inputs, host, inputs.facts[host.name])]
    return [*out, *_together(hosts, inputs.facts), *_founding(inputs, hosts)]


def judge(inputs: Inputs) -> list[Finding]:
    """The warnings; PreflightError when there is anything worse."""
    found = findings(inputs)
    bad = [finding for finding in found if not finding.warning]
    if bad:
        raise PreflightError(
            f"{len(bad)} finding(s) stand in the way",
            phase="preflight",
            evidence="\n".join(line for finding in bad for line in finding.lines()),
            hint="mend these and run the same command again; nothing has been changed",
        )
    return found


def _host(inputs: Inputs, host: Host, facts: Facts) -> Iterator[Finding]:
    error = lambda name, what, remedy: Finding(name, host.name, what, remedy)  # noqa: E731
    if facts.arch not in ("amd64", "arm64"):
        yield error("Architecture", f"{facts.arch} is not supported", "use an amd64 or arm64 machine")
    if facts.init != "systemd":
        yield error("Systemd", f"PID 1 is {facts.init}, not systemd", "use a distribution that runs systemd")
    if facts.uid != 0:
        yield error("Privileges", "we are not root", "give the ssh user sudo, or log in as root")
    if facts.read_only:
        what, first = f"{' '.join(facts.read_only)} cannot be written", facts.read_only[0]
        yield error("ReadOnly", what, f"mount -o remount,rw $(findmnt -no TARGET -T {first})   (dmesg may tell why it is so)")
    if host.is_(Role.WORKER) and not facts.overlay:
        yield error("Overlay", "the kernel knows no overlay file system", "modprobe overlay, or use a kernel that has it")
    if str(host.address) not in facts.addresses:
        yield error(
            "Address", f"{host.address} is not on any interface (found {' '.join(facts.addresses)})", "correct `address` in the inventory"
        )
    if abs(facts.clock_offset) > CLOCK_SKEW_SECONDS and inputs.cluster.lab is None:
        yield error("Clock", f"its clock is {facts.clock_offset:+.0f} s from ours", "start a time service: timedatectl set-ntp true")
    if facts.cluster:
        yield from _ownership(inputs, host, facts)
        yield from _former_roles(host, facts)
    else:
        for folder in facts.occupied:
            yield error("Occupied", f"{folder} holds data that is not ours", f"if nobody needs it, move it away: mv {folder} {folder}.old")
    yield from _resources(host, facts)
    yield from _versions(inputs, host, facts)
    yield from _ports(inputs, host, facts)
    yield from _network(inputs, host, facts)
    if not facts.package_manager:
        remedy = f"install by hand what is missing: {' '.join(tools(inputs.cluster))}"
        yield Finding("PackageManager", host.name, "no known package manager", remedy, True)


def _ownership(inputs: Inputs, host: Host, facts: Facts) -> Iterator[Finding]:
    """A living cluster is only ever touched with the keys it was built with."""
    store = inputs.credentials.store
    ours = store.read("pki/ca.crt")
    if facts.cluster != inputs.cluster.name:
        remedy = f"reset it with that cluster's inventory, or name this cluster {facts.cluster}"
        yield Finding("Foreign", host.name, f"belongs to cluster {facts.cluster}", remedy)
    elif ours is None:
        remedy = "restore it from a backup, or give up the cluster: hardway reset INV"
        yield Finding("LostState", host.name, f"belongs to cluster {facts.cluster}, whose keys are not in {store.where()}", remedy)
    elif authority(ours) != facts.authority:
        remedy = "use the state directory it was built with; to give that cluster up: hardway reset INV --state-dir EMPTY"
        yield Finding("OtherState", host.name, f"was built with another authority than the one in {store.where()}", remedy)


def _former_roles(host: Host, facts: Facts) -> Iterator[Finding]:
    """What a host of ours does for a role that an edited inventory took from it: no phase concerns itself with that any more."""
    for role in Role:
        units = sorted({unit for _, unit in PORTS[role]} & facts.units)
        if role not in host.roles and units:
            what = f"runs {', '.join(units)}, and the inventory does not give it the role {role.value} any more"
            yield Finding("Role", host.name, what, f"with the inventory as it was: hardway reset INV --limit {host.name}; then this again")


def _resources(host: Host, facts: Facts) -> Iterator[Finding]:
    wanted = sum(MEMORY_MB[role] for role in host.roles)
    if facts.memory_mb and facts.memory_mb < wanted:
        yield Finding(
            "Memory",
            host.name,
            f"{facts.memory_mb} MB of memory, {wanted} MB wanted for its roles",
            "expect it to be slow or to fail",
            True,
        )
    known = bool(facts.cluster)  # what we need is there already, so a disk that has filled up since is no reason to refuse
    if (host.is_(Role.WORKER) or host.is_(Role.CONTROL_PLANE)) and facts.disk_free_mb < 700:
        what = f"{facts.disk_free_mb} MB free under /usr/local, 700 MB needed"
        yield Finding("Disk", host.name, what, "free some space: df -h /usr/local", known)
    if not host.roles <= {Role.LB} and facts.var_free_mb < 1000:
        what = f"{facts.var_free_mb} MB free under /var/lib, 1000 MB needed"
        yield Finding("Disk", host.name, what, "free some space: df -h /var/lib", known)


def _versions(inputs: Inputs, host: Host, facts: Facts) -> Iterator[Finding]:
    cluster = inputs.cluster
    if host.is_(Role.WORKER) and facts.cgroup == 1 and features(cluster.versions).needs_cgroup_v2 and cluster.kubelet.fail_cgroup_v1:
        yield Finding(
            "Cgroup",
            host.name,
            f"has cgroup v1, which the kubelet of Kubernetes {cluster.versions.kubernetes} refuses",
            "boot it with cgroup v2, or write `kubelet: {fail_cgroup_v1: false}` in the inventory",
        )
    there, wanted = _minor(facts.kubernetes), cluster.versions.minor
    if there > (0, 0) and (there[0], there[1] + 1) < wanted:
        what = f"has Kubernetes {facts.kubernetes}; from there to {cluster.versions.kubernetes} it goes one minor at a time"
        remedy = f"write the newest patch of {there[0]}.{there[1] + 1} in the inventory, bootstrap and verify; then the next"
        yield Finding("VersionJump", host.name, what, remedy)
    if wanted < there:
        what = f"has Kubernetes {facts.kubernetes}, newer than {cluster.versions.kubernetes}: going back is not supported"
        yield Finding("Downgrade", host.name, what, f"write {facts.kubernetes} in the inventory, or fear for objects", True)
    if host.is_(Role.WORKER) and cluster.proxy_mode == "nftables" and (0, 0) < _minor(facts.kernel) < NFTABLES_KERNEL:
        remedy = "boot a kernel of 5.13 or newer, or write `kube_proxy: {mode: iptables}` in the inventory"
        yield Finding("Kernel", host.name, f"has Linux {facts.kernel}, too old for kube-proxy's mode nftables", remedy)


def _minor(version: str) -> tuple[int, int]:
    """Major and minor; zeros when unknown."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _ports(inputs: Inputs, host: Host, facts: Facts) -> Iterator[Finding]:
    wanted = [port for role in host.roles for port in PORTS[role]]
    if host.is_(Role.CONTROL_PLANE):
        wanted.append((inputs.cluster.apiserver_port(host), "kube-apiserver.service"))
    if host in inputs.cluster.load_balancers:
        wanted.append((inputs.cluster.api.port, "haproxy.service"))
    for port, unit in sorted(set(wanted)):
        if port in facts.listening and unit not in facts.units:
            program, process = facts.holders.get(port, ("something", ""))
            what = f"port {port} is taken by {program}{process and f' (process {process})'}, not by our {unit}"
            find = f"systemctl status {process}   tells what it belongs to" if process else f"find it with: ss -ltnp sport = :{port}"
            yield Finding(f"Port-{port}", host.name, what, f"{find}; stop it there")


def _network(inputs: Inputs, host: Host, facts: Facts) -> Iterator[Finding]:
    cluster = inputs.cluster
    if facts.firewall:
        off = {"ufw": "ufw disable", "firewalld": "systemctl disable --now firewalld"}[facts.firewall]
        remedy = f"have it let in all from {cluster.network.node_cidr or 'the other hosts'} and {cluster.network.pod_cidr}, or: {off}"
        yield Finding("Firewall", host.name, f"{facts.firewall} is active and may keep hosts and pods apart", remedy, True)
    if host.is_(Role.WORKER) and facts.own_nameservers and cluster.coredns.enabled and cluster.coredns.forward == "auto":
        what = f"its name server {facts.own_nameservers[0]} is its own, where no pod can ask it; the cluster's DNS will know no other names"
        yield Finding("Nameserver", host.name, what, "write addons.coredns.forward: [ADDRESS] with one that all hosts reach", True)


def _together(hosts: list[Host], facts: dict[str, Facts]) -> Iterator[Finding]:
    for name, text in (("hostname", "Hostname"), ("machine_id", "MachineId")):
        counts = Counter(getattr(facts[host.name], name) for host in hosts)
        for host in hosts:
            value = getattr(facts[host.name], name)
            if value and counts[value] > 1:
                others = ", ".join(other.name for other in hosts if other != host and getattr(facts[other.name], name) == value)
                what = f"{name.replace('_', '-')} {value} is also that of {others}"
                # systemd would take the old one over again from D-Bus's copy.
                anew = "rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup && reboot"
                yield Finding(text, host.name, what, anew if name == "machine_id" else f"hostnamectl set-hostname {host.name}")
    offsets = [facts[host.name].clock_offset for host in hosts]
    for host in hosts:
        apart = facts[host.name].clock_offset - median(offsets)
        if abs(apart) > CLOCK_SKEW_SECONDS:
            yield Finding(
                "ClockSkew",
                host.name,
                f"its clock is {apart:+.0f} s from the other hosts'",
                "start a time service: timedatectl set-ntp true",
            )
    for host in hosts:
        # The kubelet registers by the machine's name in lower case, and its certificate is good for the inventory's alone.
        if host.is_(Role.WORKER) and facts[host.name].hostname.lower() != host.name:
            what = f"calls itself {facts[host.name].hostname}, and by that name its kubelet may not register"
            yield Finding("NodeName", host.name, what, f"hostnamectl set-hostname {host.name}, or rename it in the inventory")


def _founding(inputs: Inputs, hosts: list[Host]) -> Iterator[Finding]:
    """A member without data may only found an etcd when every other one says that there is none yet: a second would split the first."""
    away = [member.name for member in inputs.cluster.etcd_members if member not in hosts]
    if etcd_born(inputs.facts) or not away:
        return
    for member in inputs.cluster.etcd_members:
        if member in hosts and not inputs.facts[member.name].etcd_data:
            what = f"has no etcd data, and whether there is an etcd to join, only {', '.join(away)} could tell, which cannot be asked"
            yield Finding("EtcdUnknown", member.name, what, f"bring back {away[0]} first: hardway plan INV  tells why it does not answer")


def desired(inputs: Inputs, host: Host) -> list:
    facts = inputs.facts[host.name]
    if not host.is_(Role.WORKER) or not facts.package_manager:
        return [Records()]
    names = RPM_NAMES if facts.package_manager != "apt-get" else {}
    wanted = tuple((tool, names.get(package, package)) for tool, package in tools(inputs.cluster).items())
    return [Records(), Packages(facts.package_manager, wanted)]


def tools(cluster: Cluster) -> dict[str, str]:
    """Programs and libraries that a worker needs, with the Debian packages they come from."""
    return TOOLS | ({"nft": "nftables"} if cluster.proxy_mode == "nftables" else {})


PHASE = Phase(
    name="preflight",
    title="Look at the hosts before touching them",
    targets=lambda cluster: cluster.hosts,
    desired=desired,
)
