"""Whether a host can come to these versions from those it runs now: Kubernetes, etcd and containerd."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..cluster import Host
from ..facts import Facts
from ..phase import Inputs
from ..settings import Versions
from .finding import ClusterCheck, HostCheck

Version = tuple[int, ...]
Found = Iterator[tuple[str, str]]
FoundOn = Iterator[tuple[Host, str, str]]

# The first patch of the minor before from which each minor of etcd may be reached: every member must run it. Before
# these, removed members can come back, and learners are lost (etcd's upgrade guides).
ETCD_FLOORS: dict[Version, str] = {(3, 6): "3.5.32", (3, 7): "3.6.11"}
# containerd is upgraded by one minor, or from one long-term release to the next (RELEASES.md of containerd).
LONG_TERM: tuple[Version, ...] = ((1, 7), (2, 3))
# What follows the last minor of a major version.
NEXT_MAJOR: dict[Version, Version] = {(1, 7): (2, 0)}


@dataclass(frozen=True)
class Program:
    """What is asked about one program: its name, the version wanted and that of a host, and the inventory's key."""

    name: str
    key: str
    wanted: Callable[[Versions], str]
    runs: Callable[[Inputs, Host, Facts], str]
    leaps: tuple[tuple[Version, Version], ...] = ()


def _etcd(inputs: Inputs, host: Host, facts: Facts) -> str:
    """The member that runs decides, and where none does the program: it was perhaps replaced, and never started."""
    return inputs.lives.etcd_versions.get(host.name, "") or facts.etcd


KUBERNETES = Program(
    "Kubernetes", "kubernetes", lambda versions: versions.kubernetes, lambda _, __, facts: facts.kubernetes
)
ETCD = Program("etcd", "versions.etcd", lambda versions: versions.etcd, _etcd)
CONTAINERD = Program(
    "containerd",
    "versions.containerd",
    lambda versions: versions.containerd,
    lambda _, __, facts: facts.containerd,
    tuple(zip(LONG_TERM, LONG_TERM[1:], strict=False)),
)
PROGRAMS = (KUBERNETES, ETCD, CONTAINERD)
UPGRADE = "hardway upgrade INV   goes through every version between, and drains each worker"


def parsed(version: str) -> Version:
    """Major, minor and patch; empty when unknown."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def steps(inputs: Inputs, host: Host, facts: Facts) -> Iterator[tuple[Program, str, str]]:
    """Each program whose version changes on a host: what it runs, and what is wanted. An upgrade has judged its whole
    way before it began, and each of its passes is a part of that."""
    for program in () if inputs.upgrading else PROGRAMS:
        there, wanted = program.runs(inputs, host, facts), program.wanted(inputs.cluster.versions)
        if parsed(there) and parsed(there) != parsed(wanted):
            yield program, there, wanted


def version_jump(inputs: Inputs, host: Host, facts: Facts) -> Found:
    for program, there, wanted in steps(inputs, host, facts):
        now, then = parsed(there)[:2], parsed(wanted)[:2]
        if then > now and then != following(now) and (now, then) not in program.leaps:
            yield f"has {program.name} {there}; upgrade to {wanted} one minor version at a time", UPGRADE


def following(minor: Version) -> Version:
    """The minor after this one."""
    return NEXT_MAJOR.get(minor, (minor[0], minor[1] + 1))


def floor(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """A minor of etcd that asks for a certain patch of the one before."""
    for program, there, wanted in steps(inputs, host, facts):
        lowest = ETCD_FLOORS.get(parsed(wanted)[:2], "") if program is ETCD else ""
        if lowest and parsed(lowest)[:2] == parsed(there)[:2] and parsed(there) < parsed(lowest):
            yield f"has etcd {there}; etcd {wanted} needs {lowest} or newer on every member before it", UPGRADE


def downgrade(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """What a newer minor has stored, an older one may be unable to read."""
    for program, there, wanted in steps(inputs, host, facts):
        if parsed(wanted)[:2] < parsed(there)[:2]:
            what = (
                f"has {program.name} {there}, newer than {wanted}: a return to an older minor version is not possible"
            )
            yield what, f"set {program.key}: {there} in the inventory; a downgrade can lose objects"


def older_patch(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """Patches of one minor read what the others of it have written: the way back from one that does harm stays open."""
    for program, there, wanted in steps(inputs, host, facts):
        if parsed(wanted)[:2] == parsed(there)[:2] and parsed(wanted) < parsed(there):
            what = f"has {program.name} {there}, newer than {wanted}: errors that were corrected come back"
            yield what, f"set {program.key}: {there} in the inventory, unless you return to {wanted} on purpose"


def unknown_member(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    """All members must have reached the floor: of one that does not answer nobody knows it."""
    wanted = inputs.cluster.versions.etcd
    lowest = ETCD_FLOORS.get(parsed(wanted)[:2], "")
    rising = [
        host
        for host in hosts
        if lowest
        and not inputs.upgrading
        and (runs := parsed(_etcd(inputs, host, inputs.facts[host.name])))
        and runs[:2] < parsed(wanted)[:2]
    ]
    for member in inputs.cluster.etcd_members:
        if rising and member not in hosts:
            what = f"does not answer, and etcd {wanted} needs {lowest} or newer on every member before it"
            yield member, what, f"make {member.name} reachable first: hardway status INV"


def kubelet_ahead(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    """A kubelet must never be newer than an API server (Kubernetes' version skew policy)."""
    if inputs.upgrading:
        return
    wanted, phases = inputs.cluster.versions.kubernetes, inputs.phases
    raised = inputs.among(hosts) if not phases or "control-plane" in phases else ()
    behind = [
        (host.name, version)
        for host in inputs.cluster.control_plane
        if host in hosts and host not in raised
        if (version := inputs.facts[host.name].kubernetes) and parsed(version)[:2] < parsed(wanted)[:2]
    ]
    for worker in inputs.among(inputs.cluster.workers) if behind and (not phases or "kubelet" in phases) else ():
        if worker in hosts and parsed(inputs.facts[worker.name].kubernetes)[:2] != parsed(wanted)[:2]:
            name, version = behind[0]
            what = f"its kubelet would be {wanted}, newer than the API server of {name} ({version})"
            yield worker, what, "upgrade the control plane first: hardway bootstrap INV, without --limit and --only"


def in_place(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    """A run goes on with it, for it must be able to repair what an upgrade has left; Kubernetes itself supports another
    minor of the kubelet only on a node that is empty."""
    raised = [
        (host, there)
        for host in inputs.among(hosts)
        for program, there, wanted in steps(inputs, host, inputs.facts[host.name])
        if program is KUBERNETES and following(parsed(there)[:2]) == parsed(wanted)[:2]
    ]
    if raised:
        host, there = raised[0]
        count = f", and {len(raised) - 1} more" if len(raised) > 1 else ""
        what = f"Kubernetes {there} becomes {inputs.cluster.versions.kubernetes} on {host.name}{count}"
        yield (
            host,
            f"{what}: a bootstrap drains no worker and takes no snapshot of etcd",
            "hardway upgrade INV   does both",
        )


CHECKS = (
    HostCheck("VersionJump", "No program skips a minor version.", version_jump),
    HostCheck("VersionJump", "etcd has the patch that its next minor version needs.", floor),
    HostCheck("Downgrade", "No program goes back to an older minor version.", downgrade),
    HostCheck("OlderPatch", "No program goes back to an older patch.", older_patch, warning=True),
)
TOGETHER = (
    ClusterCheck(
        "VersionUnknown", "Before etcd's minor version changes, every member reports its version.", unknown_member
    ),
    ClusterCheck("KubeletAhead", "No kubelet becomes newer than an API server.", kubelet_ahead),
    ClusterCheck("MinorUpgrade", "No minor version of Kubernetes changes without a drain.", in_place, warning=True),
)
