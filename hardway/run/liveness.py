"""Whether the hosts of a run are still there, and at its end the units that it is about.

A host that has gone is noticed by whoever waits for something else. A Node stays Ready for 40 s after its kubelet has
ended, so it is the process that is asked, not what others remember.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

from ..errors import ConnectionFailed, ConnectionLost, NotReadyError
from ..patience import stretched
from ..resources.unit_state import UnitState
from ..targets.live import Live
from ..targets.steadiness import STEADY, restarted, young
from ..transport import Transport
from ..vocabulary import Answers, Probe, Reader
from .crashing import QUEUE_SECONDS, not_started
from .refusals import USAGE_LINES, last_words, refusal

PACE = 2.0  # seconds between two rounds; asking about a connection that is open costs nothing
PATIENCE = 3  # so many rounds in a row may be refused at once: the machine may be up, and its sshd be starting
SETTLING = 3 * STEADY  # seconds for a unit that has just been started anew
LOOK = 0.5
ENDINGS = 2  # so often a unit ends while it is watched until nobody waits for it any longer
RUNS = ("active", "reloading")


def watch(hosts: Sequence[Transport], over: threading.Event) -> None:
    """Keep every host's connection open until it is `over`; ConnectionFailed when one stays broken.

    That a connection is dead, the connection itself finds out (see hardway.ssh.link): it asks for signs of life.
    """
    failures = dict.fromkeys((host.host.name for host in hosts), 0)
    while not over.wait(PACE):
        for host in hosts:
            try:
                host.connect()
                failures[host.host.name] = 0
            except ConnectionFailed as error:
                failures[host.host.name] += 1
                if (error.waited_for or failures[host.host.name] >= PATIENCE) and not over.is_set():
                    before = "before: it answered, then the connection broke during this run"
                    error.evidence = f"{error.evidence}\n{before}".strip()
                    raise


def require_steady(live: Live, remote: Reader, host: str, names: Iterable[str]) -> None:
    """Ask a host for these units of its, which says too that it is still there; on a new connection when the old one
    proves broken.

    ConnectionFailed when it does not answer, NotReadyError when one of the units does not run, or not for long.
    """
    units = sorted(names)
    answers = _asked(remote, units)
    began, counted = time.monotonic(), {name: _restarts(answers, name) for name in units}
    while left := _unproven(remote, units, answers):
        ended = {name: _restarts(answers, name) - counted[name] for name in left}
        worst = max(left, key=lambda name: ended[name])
        waited = time.monotonic() - began
        state = _state(answers, worst)
        if ended[worst] >= ENDINGS or waited > stretched(QUEUE_SECONDS if state.queued else SETTLING):
            raise _failed(live, host, worst, state, waited)
        time.sleep(LOOK)
        answers = _asked(remote, units)


def _asked(remote: Reader, units: Sequence[str]) -> Answers:
    anything = [Probe("unit", (name,)) for name in units] or [Probe("tool", ("sh",))]
    try:
        return remote.probe(anything)
    except ConnectionLost:
        return remote.probe(anything)


def _unproven(remote: Reader, units: Sequence[str], answers: Answers) -> list[str]:
    stopped = [name for name in units if _state(answers, name).active not in RUNS]
    again = restarted(units, answers)
    return [*stopped, *(young(again, remote.probe) if again else ())]


def _state(answers: Answers, name: str) -> UnitState:
    return UnitState.parse(answers[Probe("unit", (name,))])


def _restarts(answers: Answers, name: str) -> int:
    count = _state(answers, name).said.get("NRestarts", "")
    return int(count) if count.isdecimal() else 0


def _failed(live: Live, host: str, unit: str, state: UnitState, waited: float) -> NotReadyError:
    if state.queued:
        return not_started(host, unit, state, waited)
    journal = live.journal(host, unit, USAGE_LINES)
    refused = refusal(live.cluster, unit, journal)
    often = f"systemd restarted it {state.said.get('NRestarts', '0')} times"
    return NotReadyError(
        refused.message if refused else f"{unit} does not keep running: {often}",
        host=host,
        waited_for=f"{unit} to run for {STEADY:.0f} s",
        waited_seconds=waited,
        evidence="\n".join(last_words(journal)) or f"it {state.told}",
        hint=refused.remedy if refused else f"on {host}: systemctl cat {unit}; journalctl -b -u {unit} -n 50",
    )
