"""One step of a run: a phase on a target, what it changed there and how long that took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..resources.base import Change

# Told of a step's phase, target and changes before any is made, and whether it begins again; it raises to forbid them.
Permit = Callable[[str, str, Sequence[Change], bool], None]


@dataclass(frozen=True)
class Done:
    """A finished step; `seconds` is how long it took."""

    phase: str
    target: str
    changes: tuple[Change, ...]
    seconds: float
