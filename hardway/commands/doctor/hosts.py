"""The hosts themselves: not to be reached, not fit, full."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ...cluster import Host
from ...preflight import restoring
from ...vocabulary import Probe
from .diagnosis import Diagnosis, Finding
from .patient import Patient

# Where our data grows. A kubelet begins to throw out pods when a tenth of its disk is left.
FOLDERS = (
    "/",
    "/etc",
    "/usr/local",
    "/var/lib",
    "/var/lib/etcd",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log",
)
FULL_PERCENT, NEARLY_PERCENT = 97, 90
# Preflight's warnings that are told otherwise: the disk of a host that is built is looked at below, wherever its data
# is; a node that left the inventory is found by a check of verify; a boot that is not finished counts when units wait;
# a CA has a diagnosis of its own.
ELSEWHERE = ("Disk", "Departed", "Booting", "CaExpires", "CaRotation")
# Errors of preflight that explain much else.
CAUSES = ("Forwarding", "Ports", "NextHop", restoring.NAME)
SPACE = Probe("space", FOLDERS)


def away(patient: Patient) -> Iterator[Finding]:
    for name, error in patient.away.items():
        evidence = tuple(line.strip() for line in error.evidence.splitlines() if line.strip())
        yield Finding(name, error.message, error.hint or "hardway status INV", evidence)


def unfit(patient: Patient) -> Iterator[Finding]:
    """What preflight would say."""
    for found in patient.unfit:
        if not (found.warning and found.name in ELSEWHERE) and found.name not in CAUSES:
            yield Finding(found.host, found.what, found.remedy, warning=found.warning)


def named(name: str) -> Callable[[Patient], Iterator[Finding]]:
    """What one check of preflight would say."""

    def look(patient: Patient) -> Iterator[Finding]:
        for found in patient.unfit:
            if found.name == name:
                yield Finding(found.host, found.what, found.remedy, warning=found.warning)

    return look


@dataclass(frozen=True)
class Space:
    """One file system of a host: percent used of its blocks and of its inodes (0 where it has no fixed number), and
    free MB."""

    mount: str
    blocks: int
    free_mb: int
    inodes: int


def spaces(answer: str) -> list[Space]:
    """The answer to `space`: lines of mount point, used percent, free KB and used percent of the inodes."""
    rows = [words for line in answer.splitlines() if len(words := line.split()) == 4]
    percent = lambda word: int(word.rstrip("%")) if word.rstrip("%").isdecimal() else 0  # noqa: E731
    return [Space(mount, percent(used), int(free) // 1024, percent(inodes)) for mount, used, free, inodes in rows]


def space_findings(host: Host, found: Iterable[Space]) -> Iterator[Finding]:
    for space in found:
        for used, kind, option in ((space.blocks, "disk", "-h"), (space.inodes, "inodes", "-i")):
            if used >= NEARLY_PERCENT:
                left = f", {space.free_mb} MB free" if kind == "disk" else ""
                look = f"on {host.name}: df {option} {space.mount}; du -xh --max-depth=2 {space.mount} | sort -h | tail"
                yield Finding(
                    host.name, f"the {kind} of {space.mount}: {used}% used{left}", look, warning=used < FULL_PERCENT
                )


def full(patient: Patient) -> Iterator[Finding]:
    for host in patient.there:
        yield from space_findings(host, spaces(patient.scene.ask(host, [SPACE])[SPACE]))


AWAY = Diagnosis("host-away", "A host does not answer", away)
FORWARDING = Diagnosis("forwarding", "sshd forbids what hardway asks etcd and the API through", named("Forwarding"))
PORTS = Diagnosis("port-closed", "Hosts do not reach each other", named("Ports"))
NEXT_HOP = Diagnosis("next-hop", "A router is between hosts", named("NextHop"))
UNFIT = Diagnosis("host-unfit", "A host does not meet the requirements", unfit, instead_of=("hosts-fit",))
FULL = Diagnosis("disk-full", "A disk is full", full)
