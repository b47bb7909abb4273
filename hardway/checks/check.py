"""What a check is: a named question about the running cluster, why it matters, and where to look when the answer is
no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .outcome import Outcome
from .scene import Scene


@dataclass(frozen=True)
class Check:
    """`reason` is one sentence on why it matters, `remedy` the next command to try; `needs_smoke` ones run beside our
    own pods."""

    name: str
    title: str
    reason: str
    remedy: str
    run: Callable[[Scene], Outcome]
    needs_smoke: bool = False
