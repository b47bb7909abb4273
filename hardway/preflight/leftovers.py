"""What others left on a host where our programs read it, or run into it: settings of units, networks, pods, mounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface

from ..cluster import Host, Role
from ..facts import Facts
from ..leftovers import DropIn
from ..phase import Inputs
from ..render import COMPONENTS
from .finding import HostCheck

Found = Iterator[tuple[str, str]]
NETWORKS, MANIFESTS = "/etc/cni/net.d", "/etc/kubernetes/manifests"
OURS, RESOLV_CONF = "10-bridge.conflist", "/etc/resolv.conf"
ROLES: Mapping[str, Role] = {**COMPONENTS, "haproxy": Role.LB, "keepalived": Role.LB}
# A proxy is often set this way, and changes nothing in how a program serves.
PROXIES = frozenset(f"Environment:{name}" for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"))
# Another program, other flags, another user, or no start at all. What else a unit may be told (limits, an order) is not
# about what runs in it.
DECISIVE = ("Exec", "Environment", "Type", "User", "Group", "DynamicUser", "Root", "Working", "Condition", "Assert")
# The lab's own, where a machine may not lower an oom score; a person may use its machines as any others.
LAB = "/run/systemd/system/containerd.service.d/10-lab.conf"
RUNNING = {"/usr/local/bin": (Role.CONTROL_PLANE, Role.ETCD, Role.WORKER), "/opt/cni": (Role.WORKER,)}
RUNNING |= {"/var/lib/containerd": (Role.WORKER,)}


def _concerning(inputs: Inputs, host: Host, facts: Facts) -> Iterator[tuple[DropIn, list[str], bool]]:
    """Each file that changes a unit which runs on this host, what it sets, and whether that decides what runs."""
    for one in facts.beside.drop_ins:
        role = ROLES.get(one.unit)
        if (role is None or host.is_(role)) and one.path != LAB:
            keys = sorted(set(one.keys))
            decides = any(key.startswith(DECISIVE) and not _proxy(key) for key in keys)
            yield one, keys, decides


def _proxy(key: str) -> bool:
    kind, _, name = key.partition(":")
    return f"{kind}:{name.upper()}" in PROXIES


def changed_units(inputs: Inputs, host: Host, facts: Facts) -> Found:
    for one, keys, decides in _concerning(inputs, host, facts):
        if decides:
            yield _told(one, keys, facts)


def limited_units(inputs: Inputs, host: Host, facts: Facts) -> Found:
    for one, keys, decides in _concerning(inputs, host, facts):
        if keys and not decides:
            yield _told(one, keys, facts)


def _told(one: DropIn, keys: list[str], facts: Facts) -> tuple[str, str]:
    again = f" && systemctl restart {one.unit}" if facts.cluster else ""
    what = f"{one.path} changes {one.unit}.service: it sets {', '.join(key.rpartition(':')[2] for key in keys)}"
    return what, f"if you do not need it: mv {one.path} {one.path}.off && systemctl daemon-reload{again}"


def networks(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """containerd takes the first file by its name, in the order of bytes."""
    for name in facts.beside.cni if host.is_(Role.WORKER) else ():
        if name < OURS:
            kept = "; then delete the pods that it gave a network" if facts.cluster else ""
            yield (
                f"{NETWORKS}/{name} comes before {OURS}, so pods get the network it describes",
                f"mv {NETWORKS}/{name} {NETWORKS}/{name}.off{kept}",
            )


def static_pods(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if host.is_(Role.WORKER) and facts.beside.static_pods:
        names = facts.beside.static_pods
        paths = " ".join(f"{MANIFESTS}/{name}" for name in names)
        what = f"the kubelet would run what {', '.join(names)} in {MANIFESTS} describe{'s' if len(names) == 1 else ''}"
        yield what, f"if you do not need it: mkdir -p {MANIFESTS}.off && mv {paths} {MANIFESTS}.off"


def bridge(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if not host.is_(Role.WORKER) or host.pod_cidr is None or facts.pod_block not in ("", str(host.pod_cidr)):
        return  # another block is told by itself
    wanted = str(IPv4Interface(f"{host.pod_cidr[1]}/{host.pod_cidr.prefixlen}"))
    have = [one for one in facts.beside.bridge if one != "none"]
    if have and have != [wanted]:
        shown = "is no bridge" if have == ["other"] else f"has {', '.join(have)}"
        yield f"interface cni0 {shown}, but the bridge of the pods here needs {wanted}", _bridge_remedy(wanted, have)


def _bridge_remedy(wanted: str, have: list[str]) -> str:
    """A bridge of ours that has one address more has pods on it, and they need it."""
    if wanted not in have:
        return "ip link delete cni0"
    return " && ".join(f"ip address delete {one} dev cni0" for one in have if one != wanted)


def no_resolver(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if host.is_(Role.WORKER):
        yield from _unreadable(facts)


def no_resolver_elsewhere(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if not host.is_(Role.WORKER):
        yield from _unreadable(facts)


def _unreadable(facts: Facts) -> Found:
    path, why = facts.resolv_conf, facts.beside.resolver
    if not why or path != RESOLV_CONF:  # where systemd-resolved writes another, that one is used
        return
    target = why.removeprefix("link to ")
    what = f"{path} is missing" if why == "missing" else f"{path} is a link to {target}, which does not exist"
    yield what, f"write {path} with a line: nameserver ADDRESS   (or start the service that writes it)"


def useless_resolver(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """A pod is in another network than its host, so it reaches no server by a host's own link."""
    dns = inputs.cluster.coredns
    if facts.beside.resolver or not host.is_(Role.WORKER) or not dns.enabled or dns.forward != "auto":
        return
    remedy = "name one there that pods can reach, or set addons.coredns.forward: [ADDRESS]"
    if not facts.nameservers and inputs.cluster.lab is None:
        yield f"{facts.resolv_conf} names no name server, so pods cannot resolve outside names", remedy
    elif facts.nameservers and all("%" in one for one in facts.nameservers):
        yield f"pods cannot reach the only name server in {facts.resolv_conf}: {facts.nameservers[0]}", remedy


def not_executable(inputs: Inputs, host: Host, facts: Facts) -> Found:
    for folder, roles in RUNNING.items():
        found = facts.beside.folders.get(folder)
        if found and "noexec" in found.options and any(host.is_(role) for role in roles):
            yield (
                f"{found.mount} is mounted noexec, so no program in {folder} can run",
                f"mount -o remount,exec {found.mount}; and take noexec out of its line in /etc/fstab",
            )


def half_installed(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if names := " ".join(facts.beside.packages):
        what = f"a package is only half installed: {names}; others may not be installable until it is whole"
        yield what, f"dpkg --configure -a; if that fails: apt-get remove {names}"


CHECKS = (
    HostCheck(
        "DropIn",
        "No file of others changes the program, flags, environment or user of a unit that hardway writes.",
        changed_units,
    ),
    HostCheck(
        "DropIn",
        "No file of others changes limits, the order or a proxy of a unit that hardway writes.",
        limited_units,
        warning=True,
    ),
    HostCheck("PodNetwork", "No network configuration comes before hardway's (workers).", networks),
    HostCheck("StaticPod", "The kubelet's folder of static pods is empty (workers).", static_pods),
    HostCheck("Bridge", "cni0 does not exist, or is the bridge of this worker's pods.", bridge),
    HostCheck("Resolver", "/etc/resolv.conf can be read (workers).", no_resolver),
    HostCheck("Resolver", "The same on other hosts.", no_resolver_elsewhere, warning=True),
    HostCheck("Resolver", "Pods can reach a name server of the host's.", useless_resolver, warning=True),
    HostCheck("NoExec", "No folder of programs or of containers is mounted noexec.", not_executable),
    HostCheck("HalfInstalled", "No Debian package is half installed.", half_installed, warning=True),
)
