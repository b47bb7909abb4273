"""etcd as a whole: whether it has a quorum and room to write, and whether it is about to be restored."""

from __future__ import annotations

import contextlib
import http.client
import re
from collections.abc import Iterator, Mapping

from ...checks.scene import at_once
from ...cluster import Host
from ...etcd.interface import quorum as majority
from ...patience import stretched
from ...ports import ETCD_HEALTH
from ...preflight import restoring
from ...targets.live import UNREACHABLE
from ...vocabulary import Probe
from .diagnosis import Diagnosis, Finding
from .patient import Patient

SECONDS = 5.0
STATUS, ALARM = Probe("etcd"), "NOSPACE"
SIZE, QUOTA = "etcd_mvcc_db_total_size_in_bytes", "etcd_server_quota_backend_bytes"
NEARLY, FULL = 0.8, 0.95
RECLAIM = "hardway etcd defrag INV --compact"
DISARM = "hardway etcd disarm INV"
RAISE = (
    "if the data is needed, first raise extra_args.etcd.quota-backend-bytes in INV: hardway bootstrap INV --until etcd"
)


def half_restored(patient: Patient) -> Iterator[Finding]:
    """What stopped everything on purpose, and ended before it started it again."""
    facts, hosts = patient.known.facts, (*patient.cluster.etcd_members, *patient.cluster.control_plane)
    if said := next(filter(None, (restoring.told(facts, host) for host in hosts)), ""):
        where = dict.fromkeys(host.name for host in hosts if restoring.told(facts, host))
        yield Finding("", said, restoring.remedy(facts), (f"noted on {', '.join(where)}",))


def quorum(patient: Patient) -> Iterator[Finding]:
    members = patient.cluster.etcd_members
    sick = {name: problem for name, problem in health(patient).items() if problem}
    healthy, wanted = len(members) - len(sick), majority(len(members))
    if healthy < wanted:
        what = f"etcd has no quorum: {healthy} of {len(members)} members are healthy, {wanted} are needed"
        look = f"start or repair members: on {', '.join(sick)}: systemctl status etcd; journalctl -b -u etcd -n 50"
        yield Finding("", what, look, tuple(f"{name}: {problem}" for name, problem in sick.items()))


def down(patient: Patient) -> Iterator[Finding]:
    for name, problem in health(patient).items():
        if problem:
            look = f"on {name}: systemctl status etcd; journalctl -b -u etcd -n 50"
            yield Finding(name, f"the etcd member is unhealthy: {problem}", look)


def health(patient: Patient) -> Mapping[str, str]:
    """Why each member is not healthy, or an empty string; asked once."""

    def ask() -> dict[str, str]:
        found: dict[str, str] = {}

        def look(host: Host) -> str:
            found[host.name] = patient.session.live.etcd_health(host)
            return ""

        at_once(look, patient.cluster.etcd_members)
        return found

    return patient.scene.once("etcd health", ask)


def metrics(patient: Patient, host: Host) -> dict[str, float]:
    """The numbers a member tells on its loopback port, where it serves nothing secret; none when it does not answer."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", timeout=stretched(SECONDS))
        connection.sock = patient.session.live.transports[host.name].dial(ETCD_HEALTH)
        with contextlib.closing(connection):
            connection.sock.settimeout(stretched(SECONDS))
            connection.request("GET", "/metrics")
            return numbers(connection.getresponse().read().decode("utf-8", "replace"))
    except UNREACHABLE:
        return {}


def numbers(text: str) -> dict[str, float]:
    """Metrics without labels."""
    return {name: float(value) for name, value in re.findall(r"^(\w+) ([\d.e+]+)$", text, re.MULTILINE)}


def room_finding(host: str, seen: Mapping[str, float]) -> Finding | None:
    """A database near its quota: at the quota etcd raises the alarm NOSPACE and takes no more writes."""
    size, quota = seen.get(SIZE, 0.0), seen.get(QUOTA, 0.0)
    if not quota or size < NEARLY * quota:
        return None
    what = (
        f"etcd's database uses {size / 1e6:.0f} MB of its quota of {quota / 1e6:.0f} MB: at the quota etcd refuses"
        " every write"
    )
    return Finding(host, what, f"free space: {RECLAIM}; {RAISE}", warning=size < FULL * quota)


def room(patient: Patient) -> Iterator[Finding]:
    for host in patient.cluster.etcd_members:
        if found := room_finding(host.name, metrics(patient, host)):
            yield found


def alarm(patient: Patient) -> Iterator[Finding]:
    """The alarm that etcd raises at its quota, which outlives its cause: the whole way out, in order."""
    members = [host for host in patient.cluster.etcd_members if host in patient.there]
    told = {host: patient.scene.ask(host, [STATUS])[STATUS] for host in members}
    raised = [host.name for host in members if re.search(rf"alarm:\s*{ALARM}", told[host])]
    if not raised:
        return
    seen = {host.name: metrics(patient, host) for host in members}
    full = [name for name, found in seen.items() if found.get(SIZE, 0.0) >= NEARLY * found.get(QUOTA, 0.0) > 0]
    to_do = f"free space: {RECLAIM}; then clear the alarm: {DISARM}; {RAISE}"
    if not full:
        to_do = f"there is room again, so clear the alarm: {DISARM}"
    sizes = tuple(
        f"{name}: {found.get(SIZE, 0.0) / 1e6:.0f} MB of {found.get(QUOTA, 0.0) / 1e6:.0f} MB"
        for name, found in seen.items()
    )
    yield Finding("", f"etcd has raised the alarm {ALARM}: it refuses every write", to_do, sizes)


RESTORE = Diagnosis("etcd-restore", "A restore is not finished", half_restored)
FULL_ALARM = Diagnosis("etcd-alarm", "etcd refuses writes", alarm)
ROOM = Diagnosis("etcd-space", "etcd's database is full", room, anywhere=("etcd-alarm",))
DOWN = Diagnosis(
    "etcd-member",
    "An etcd member is unhealthy",
    down,
    here=("etcd-restore", "etcd-removed", "port-closed", "unit-etcd", "etcd-space", "disk-full", "certificate"),
)
QUORUM = Diagnosis(
    "etcd-quorum",
    "etcd has no quorum",
    quorum,
    anywhere=("etcd-restore", "forwarding", "port-closed", "etcd-member"),
)
