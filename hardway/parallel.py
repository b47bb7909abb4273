"""Doing something for every host at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from .cluster import Host
from .errors import HardwayError, HostErrors


def each(work: Callable[[Host], None], hosts: Sequence[Host] | Mapping[Host, object], parallel: int = 32) -> None:
    """Do something for every host at once; all failures are raised together, in the hosts' order."""
    errors: dict[str, BaseException] = {}
    room = threading.Semaphore(parallel)

    def one(host: Host) -> None:
        try:
            with room:
                work(host)
        except BaseException as error:
            errors[host.name] = error

    threads = [threading.Thread(target=one, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors.values():
        if not isinstance(error, HardwayError):
            raise error
    ours = [errors[host.name] for host in hosts if host.name in errors]
    for name, error in errors.items():
        error.host = error.host or name
    if ours:
        raise ours[0] if len(ours) == 1 else HostErrors("several hosts failed", errors=tuple(ours), exit_code=ours[0].exit_code)
