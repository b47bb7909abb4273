"""Asking the API through whatever server of it is ready: one that restarts just then is no failure."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import ApiUnavailable
from ..patience import stretched
from .kube import BROKEN, KubeApi

T = TypeVar("T")
SECONDS, PACE = 60.0, 0.5


def patiently(
    api: Callable[[], KubeApi],
    work: Callable[[KubeApi], T],
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """What `work` returns with the server that `api` chooses each time; asked again for so many seconds while there is
    no answer, and ApiUnavailable then. The work may be begun twice."""
    began = clock()
    while True:
        try:
            return work(api())
        except (*BROKEN, ApiUnavailable) as error:
            waited = clock() - began
            if waited > stretched(seconds):
                raise _silent(error, waited) from error
        pause(PACE)


def _silent(error: Exception, waited: float) -> ApiUnavailable:
    return ApiUnavailable(
        "the API does not answer",
        host="kubernetes",
        waited_for="any API server to answer",
        waited_seconds=waited,
        evidence=str(error) or type(error).__name__,
        hint="hardway doctor INV",
    )
