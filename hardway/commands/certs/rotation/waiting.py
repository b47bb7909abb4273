"""Waiting for what a rotation needs before its next step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ....checks.scene import on_hosts, told
from ....cluster import Host
from ....errors import NotReadyError
from ....foreign.understanding import understood
from ....session import Known
from ....targets.live import UNREACHABLE, wait
from ....vocabulary import Probe

SECONDS, PACE = 300.0, 1.0
SERVER = "kube-apiserver.service"
NAMED = 3


def await_(known: Known, name: str, check: Callable[[], str], seconds: float = SECONDS, pace: float = PACE) -> None:
    """Until nothing that the check tells is missing; what is missing is said whenever it is something else."""
    said = ""

    def look() -> str:
        nonlocal said
        try:
            missing = check()
        except UNREACHABLE as error:
            missing = f"no answer: {told(error)}"
        if missing and missing != said:
            said = missing
            known.session.report.note(f"{name}: waiting: {missing}")
        return missing

    try:
        wait(look, seconds, str, pace)
    except NotReadyError as error:
        error.hint = "hardway doctor INV; then run the same command again: it continues"
        raise


def seconds(known: Known, host: Host, *probes: Probe) -> tuple[int, ...]:
    """What a host answers to questions about times, 0 for what it does not know; NotUnderstood for anything else."""
    answers = known.session.live.remotes[host.name].probe(probes)
    with understood(host.name, answers, host.name):
        return tuple(int(answers[probe] or 0) for probe in probes)


def on_servers(known: Known, look: Callable[[Host], str]) -> str:
    """What is missing on the first control-plane host that is not ready."""
    return first(on_hosts(look, known.session.cluster.control_plane))


def first(found: Sequence[str]) -> str:
    return found[0] if found else ""


def named(what: str, names: Iterable[object]) -> str:
    """Those that are not ready, the first few by name; nothing when there are none."""
    listed = [str(one) for one in names]
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return f"{what} {', '.join(listed[:NAMED])}{more}" if listed else ""
