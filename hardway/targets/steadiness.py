"""Whether a unit that systemd says runs can be believed: one that ends at once is active for a moment each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..resources.unit_state import properties
from ..vocabulary import Answers, Probe

# A program that systemd has had to start anew is believed to run when it has done so for this long. One
# that refuses a flag ends within some seconds, on a busy machine too.
STEADY = 10.0


def restarted(units: Sequence[str], answers: Answers) -> list[str]:
    """Those that run, and have been started anew by systemd before."""
    state = {name: properties(answers[Probe("unit", (name,))]) for name in units}
    runs = [name for name in units if state[name]["ActiveState"] == "active"]
    return [name for name in runs if state[name].get("NRestarts", "") not in ("", "0")]


def young(units: Sequence[str], ask: Callable[[Sequence[Probe]], Answers]) -> list[str]:
    """Those that have not run for long enough yet to be believed; one that tells no time is gone again."""
    lived = ask([Probe("lived", (name,)) for name in units])
    said = {name: lived[Probe("lived", (name,))] for name in units}
    return [name for name in units if not said[name].isdecimal() or int(said[name]) < STEADY]
