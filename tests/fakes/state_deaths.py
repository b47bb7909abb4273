"""A process that is killed between any two writes to the state directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hardway.state.statedir import StateDir

WRITES = ("create", "replace", "succeed", "retire", "discard")


class Dies(BaseException):
    """The process was killed: nothing catches this."""


def each_death(act: Callable[[], object], start: Callable[[], None]) -> Iterator[int]:
    """Kill an act before each of its writes, one after the other, every time from the `start`; the number of those that
    were done. It ends when the act comes to its own end."""
    for allowed in range(1000):
        start()
        with pytest.MonkeyPatch.context() as patch:
            left = {"writes": allowed}
            for name in WRITES:
                patch.setattr(StateDir, name, _counting(getattr(StateDir, name), left))
            try:
                act()
            except Dies:
                pass
            else:
                return
        yield allowed


def _counting(real: Callable, left: dict[str, int]) -> Callable:
    def write(self, *arguments, **options):
        if left["writes"] == 0:
            raise Dies
        left["writes"] -= 1
        return real(self, *arguments, **options)

    return write
