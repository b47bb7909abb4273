"""How patient this run is: a person may stretch every deadline (`--patience 3`), and where something moves it is put
off."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

# So many times its length a deadline may last, however much moves: what moves may also lead nowhere.
MOST = 4
_factor = 1.0


def stretch(factor: float) -> None:
    """From now on each deadline is so many times as long."""
    global _factor
    _factor = factor


def stretched(seconds: float) -> float:
    """A deadline as long as this run is patient."""
    return seconds * _factor


class Deadline:
    """A deadline of `seconds` that starts again whenever something new is seen; it lasts at most MOST times as long."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic):
        self._each, self._clock, self._start = stretched(seconds), clock, clock()
        self._seen: set[Hashable] = set()
        self.seconds = self._each

    def see(self, sign: Hashable) -> None:
        """Something is as it is; when it never was so before, there is progress."""
        if sign not in self._seen:
            self._seen.add(sign)
            self.moved()

    def moved(self) -> None:
        """There is progress."""
        self.seconds = min(MOST * self._each, max(self.seconds, self._clock() - self._start + self._each))

    @property
    def passed(self) -> bool:
        return self._clock() - self._start > self.seconds
