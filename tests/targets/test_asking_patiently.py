"""Asking the API through whatever server is ready: one that is away for a moment is asked again, and not for ever."""

from __future__ import annotations

import pytest

from hardway.errors import ApiUnavailable, ConflictError, ConnectionFailed
from hardway.targets.patience import patiently


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def asked(*failures: Exception, seconds: float = 60.0) -> tuple[object, Clock]:
    """The answer after these failures, and the clock; a server is chosen each time."""
    clock, left = Clock(), list(failures)
    servers = iter(range(100))

    def work(server: int) -> int:
        if left:
            raise left.pop(0)
        return server

    return patiently(lambda: next(servers), work, seconds, clock, clock.pause), clock


@pytest.mark.parametrize(
    "failure", [ConnectionRefusedError(), ConnectionFailed("away"), ApiUnavailable("429"), TimeoutError()]
)
def test_it_is_asked_again_through_another_server(failure):
    answer, clock = asked(failure, failure)
    assert answer == 2 and clock.now == 1.0


def test_a_refusal_is_an_answer():
    with pytest.raises(ConflictError):
        asked(ConflictError("changed"))


def test_it_is_given_up_with_what_was_waited_for():
    with pytest.raises(ApiUnavailable) as caught:
        asked(*[ConnectionRefusedError("refused")] * 50, seconds=5)
    error = caught.value
    assert (
        error.waited_for == "any API server to answer" and 5 < error.waited_seconds < 6 and error.evidence == "refused"
    )
    assert error.hint == "hardway doctor INV"
