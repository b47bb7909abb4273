"""systemd units that do not run, crash again and again, or would not come back, each with its program's last words."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...checks.hosts import unit_findings
from ...cluster import Host
from ...errors import HardwayError
from ...parallel import each
from ...report import plural
from ...resources import Unit
from ...resources.unit_state import UnitState, properties
from ...run.refusals import USAGE_LINES, Refusal, last_words, refusal
from ...targets.steadiness import STEADY, restarted, young
from ...vocabulary import Answers, Probe
from .diagnosis import MEND, Diagnosis, Finding
from .patient import Patient

# Every unit we run, with what makes it fail on its host.
CAUSES: dict[str, tuple[str, ...]] = {
    "etcd": ("etcd-restore", "disk-full", "certificate"),
    "kube-apiserver": ("etcd-restore", "disk-full", "certificate", "etcd-quorum"),
    "kube-controller-manager": ("etcd-restore", "unit-kube-apiserver", "certificate"),
    "kube-scheduler": ("etcd-restore", "unit-kube-apiserver", "certificate"),
    "haproxy": (),
    "keepalived": (),
    "containerd": ("disk-full",),
    "pod-routes": ("next-hop",),
    "kubelet": ("swap-off", "disk-full", "certificate", "unit-containerd"),
    "kube-proxy": ("kernel-settings", "certificate"),
}


LOOK = 0.3


@dataclass(frozen=True)
class Sick:
    """A unit that is not as it should be."""

    host: Host
    unit: str
    state: UnitState
    finding: str
    journal: str

    @property
    def restarts(self) -> int:
        return int(self.state.said.get("NRestarts") or 0)

    @property
    def crashing(self) -> bool:
        again = self.restarts > 0 and self.state.active in ("activating", "failed", "deactivating")
        return not self.state.queued and (again or self.state.exited)

    @property
    def starting(self) -> bool:
        """Waiting, as a member of etcd does for the others, or behind such a unit of ours."""
        if self.state.queued:
            return self.state.behind is not None and _ours(self.state.behind.unit)
        return self.state.active == "activating" and not self.crashing


def _ours(unit: str) -> bool:
    return unit.removesuffix(".service") in CAUSES


def sick(patient: Patient) -> list[Sick]:
    """Every sick unit of every host that answers, read once."""
    return patient.scene.once("sick units", lambda: _read(patient))


def _read(patient: Patient) -> list[Sick]:
    found: dict[str, list[Sick]] = {}

    def look(host: Host) -> None:
        try:
            found[host.name] = _on(patient, host)
        except HardwayError:  # it went away while we looked; the next run says so
            found[host.name] = []

    each(look, patient.there, patient.session.parallel)
    return [one for host in patient.there for one in found[host.name]]


def _on(patient: Patient, host: Host) -> list[Sick]:
    units = patient.scene.wanted(host, Unit)
    # The same look that the check units-steady compares with a later one.
    probes = [probe for unit in units for probe in unit.probes()]
    answers = patient.scene.once(("units", host.name), lambda: patient.scene.ask(host, probes))
    answers = _looked_at_again(patient, host, [unit.name for unit in units], answers)
    wrong = {unit.name: text for unit in units for text in unit_findings([unit], answers)}
    journals = {name: Probe("journal", (name, str(USAGE_LINES))) for name in wrong}
    said = patient.scene.ask(host, list(journals.values()))
    state = {name: UnitState.parse(answers[Probe("unit", (name,))]) for name in wrong}
    return [Sick(host, name, state[name], text, said[journals[name]]) for name, text in wrong.items()]


def _looked_at_again(patient: Patient, host: Host, units: Sequence[str], answers: Answers) -> Answers:
    """The answers, with those of a unit that ends within seconds of each start as they are after an end.

    systemd calls a plain program active as soon as it is started. One that refuses a flag is that for a moment each
    time, and whether it is called sick must not depend on the moment at which it was looked at.
    """
    fresh = restarted(units, answers)
    until = time.monotonic() + STEADY
    while fresh and time.monotonic() < until:
        fresh = young(fresh, lambda probes: patient.scene.ask(host, probes))
        if not fresh or patient.scene.stop.wait(LOOK):
            break
        again = patient.scene.ask(host, [Probe("unit", (name,)) for name in fresh])
        answers = {**answers, **{probe: _since(answers[probe], answer) for probe, answer in again.items()}}
        fresh = restarted(fresh, answers)
    return answers


def _since(before: str, now: str) -> str:
    """What is said of a unit now; one that was started anew between two looks is not steady, though it runs at both."""
    same = properties(before).get("NRestarts") == properties(now).get("NRestarts")
    return now if same or properties(now)["ActiveState"] != "active" else f"{now}\nActiveState=activating"


def described(one: Sick) -> Finding:
    """What is wrong with a unit, what its program said last, what to do."""
    name, state = one.host.name, one.state
    look = f"on {name}: journalctl -b -u {one.unit} -n 50"
    if state.queued:
        return Finding(name, one.finding, f"on {name}: {state.look}")
    if one.crashing:
        often = f"{one.unit} keeps exiting: systemd restarted it {plural(one.restarts, 'time')}"
        return Finding(name, often if one.restarts else one.finding, f"{look}; {MEND}", last_words(one.journal))
    if state.active == "active" or (state.said.get("Result"), state.active) == ("success", "inactive"):
        off = {"disabled": " and disabled", "masked": " and masked"}.get(state.said["UnitFileState"], "")
        return Finding(name, one.finding if state.active == "active" else f"{one.unit} is stopped{off}", MEND)
    if one.starting:
        return Finding(name, f"{one.unit} is starting and not ready yet", look, last_words(one.journal))
    return Finding(name, one.finding, f"{look}; {MEND}", last_words(one.journal))


def held_up(patient: Patient) -> Iterator[Finding]:
    """What systemd waits for before it starts units of ours, and is none itself: nothing that bootstrap can repair."""
    waiting: dict[tuple[str, str], list[Sick]] = defaultdict(list)
    for one in sick(patient):
        if one.state.queued and not one.starting:
            waiting[one.host.name, one.state.look].append(one)
    for (host, look), units in waiting.items():
        what = units[0].state.behind or "something that it does not name"
        told = f"systemd waits for {what} before it starts {plural(len(units), 'unit')} of the cluster"
        queue = f"in systemd's queue: {', '.join(one.unit for one in units)}"
        yield Finding(host, told, f"on {host}: {look}", (queue,))


def refused(patient: Patient) -> Iterator[Finding]:
    """Flags that a crash-looping program does not know."""
    for one in sick(patient):
        said = _refusal(patient, one)
        if said:
            yield Finding(one.host.name, said.message, said.remedy, (said.line,))


def _refusal(patient: Patient, one: Sick) -> Refusal | None:
    return refusal(patient.cluster, one.unit, one.journal) if one.crashing else None


def starting(patient: Patient) -> Iterator[Finding]:
    return (described(one) for one in sick(patient) if one.starting)


def _look(component: str) -> Callable[[Patient], Iterator[Finding]]:
    def look(patient: Patient) -> Iterator[Finding]:
        return (described(one) for one in sick(patient) if one.unit == f"{component}.service" and not one.starting)

    return look


HELD_UP = Diagnosis("systemd-waits", "systemd does not start units yet", held_up)
REFUSED = Diagnosis("argument-refused", "A program refuses one of its flags", refused)
STARTING = Diagnosis(
    "unit-starting",
    "A unit waits for something",
    starting,
    here=("disk-full", "certificate", "etcd-quorum", "api-down"),
)
UNITS = {
    component: Diagnosis(
        f"unit-{component}",
        f"{component} does not run correctly",
        _look(component),
        here=("argument-refused", "systemd-waits", *here),
        instead_of=("units-active",),
    )
    for component, here in CAUSES.items()
}
