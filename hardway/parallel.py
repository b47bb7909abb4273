"""Doing something for every host at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from .errors import HardwayError, HostErrors


class Named(Protocol):
    """A host, or what else a phase works on."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def each(work: Callable[[T], None], hosts: Sequence[T], parallel: int = 32) -> None:
    """Do something for every host at once; all failures are raised together, in the hosts' order."""
    errors: dict[str, HardwayError] = {}
    bugs: list[BaseException] = []
    room = threading.Semaphore(parallel)

    def one(host: T) -> None:
        try:
            with room:
                work(host)
        except HardwayError as error:
            errors[host.name] = error
        except BaseException as error:
            bugs.append(error)

    threads = [threading.Thread(target=one, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if bugs:
        raise bugs[0]
    ours = [errors[host.name] for host in hosts if host.name in errors]
    for name, error in errors.items():
        error.host = error.host or name
    if ours:
        raise (
            ours[0]
            if len(ours) == 1
            else HostErrors("several hosts failed", errors=tuple(ours), exit_code=ours[0].exit_code)
        )
