"""The errors of a run: which is told first, and what each must say besides its own words."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ..cluster import Host
from ..errors import ConnectionFailed, HardwayError, HostErrors, InUseError, NotReachedError
from ..phase import Inputs, Phase, Target


def in_order(
    errors: Sequence[HardwayError], phases: Sequence[Phase], hosts: Sequence[Host]
) -> tuple[HardwayError, ...]:
    """The errors, those nearer to the cause first; the first gives the exit code.

    Of a host that cannot be reached one alone: its own steps may tell of it as well as those who watch. Two phases may
    wait in vain for the same unit, and that is one cause.
    """
    names = [phase.name for phase in phases], [host.name for host in hosts]
    first: dict[object, HardwayError] = {}
    for error in sorted(errors, key=lambda error: _distance(error, *names)):
        first.setdefault(_cause(error), error)
    return tuple(first.values())


def _cause(error: HardwayError) -> Hashable:
    """The same of errors that tell of the same thing."""
    if isinstance(error, ConnectionFailed):
        return error.host, ConnectionFailed
    return error.host, type(error), error.message, error.command, error.waited_for


def _distance(error: HardwayError, phases: list[str], hosts: list[str]) -> tuple:
    """All else follows from a host that is gone, or from another run at work; of the rest an earlier phase is nearer.

    Who told first counts nothing.
    """
    named = ((phases, error.phase), (hosts, error.host))
    place = [names.index(name) if name in names else len(names) for names, name in named]
    kinds = [not isinstance(error, kind) for kind in (ConnectionFailed, InUseError)]
    return (isinstance(error, NotReachedError), *kinds, *place, error.message)


def explained(
    error: HardwayError, inputs: Inputs, phase: Phase, target: Target | None = None, command: str = ""
) -> HardwayError:
    """The error with its phase, its host and the next command, where it does not name them itself: `command`, or a
    bootstrap."""
    error.phase = error.phase or phase.name
    error.host = error.host or (target.name if target else "")
    inventory = inputs.cluster.source or "INV"
    # The same once more would end the same way.
    look = f"hardway doctor {inventory}   shows the cause; then: {command or f'hardway bootstrap {inventory}'}"
    error.hint = error.hint or look
    return error


def together(errors: Sequence[HardwayError], message: str = "several hosts failed") -> HardwayError:
    """One error for all of them: the first gives the exit code."""
    return errors[0] if len(errors) == 1 else HostErrors(message, errors=tuple(errors), exit_code=errors[0].exit_code)


def of_left_out(errors: Sequence[HardwayError], command: str) -> HardwayError:
    """What is said last of workers that were left out of a run; those that do not answer first."""
    for error in errors:
        error.evidence = f"{error.evidence}\nleft out: everything else was done without this host".strip()
        error.hint = "; ".join(filter(None, [error.hint, f"then: {command}"]))
    return together(sorted(errors, key=lambda error: not isinstance(error, ConnectionFailed)), "hosts were left out")
