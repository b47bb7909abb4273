"""One connection to a bastion, however many hosts are behind it: opened for the first, closed after the last.

A bastion that is given hundreds of connections at once drops most of them, and each costs a login.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from ..errors import HardwayError
from .hop import Hop


class Connection(Protocol):
    """What is shared: see hardway.ssh.link.Link."""

    @property
    def alive(self) -> bool: ...

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)


class _Shared(Generic[C]):
    """A connection that one of its users opens while the others wait; `users` is how many there are of both."""

    def __init__(self) -> None:
        self.users = 0
        self.connection: C | None = None
        self.failure: HardwayError | None = None
        self.settled = threading.Event()

    @property
    def usable(self) -> bool:
        return not self.settled.is_set() or (self.connection is not None and self.connection.alive)

    def open(self, opened: Callable[[], C]) -> None:
        try:
            self.connection = opened()
        except HardwayError as error:
            self.failure = error
        finally:
            self.settled.set()


class Lease(Generic[C]):
    """One user's part in a shared connection; it counts until it is closed, once."""

    def __init__(self, connection: C, done: Callable[[], None]):
        self.connection = connection
        self._done = done
        self._open = threading.Lock()  # taken for good by whoever closes it first

    @property
    def alive(self) -> bool:
        return self.connection.alive

    def close(self) -> None:
        if self._open.acquire(blocking=False):
            self._done()


class Sharing(Generic[C]):
    """The connections that are open now, by where they lead. Safe to use from many threads."""

    def __init__(self) -> None:
        self._shared: dict[Hop, _Shared[C]] = {}
        self._lock = threading.Lock()

    def lease(self, hop: Hop, opened: Callable[[], C]) -> Lease[C]:
        """A part in the connection to `hop`, which `opened` makes if there is none, or none that is alive.

        When that fails, all who waited for it fail with the same HardwayError, each for its own host; whoever comes
        later tries again.
        """
        while True:
            shared, ours = self._join(hop)
            try:
                if ours:
                    shared.open(opened)
                shared.settled.wait()
            except BaseException:
                self._leave(hop, shared)
                raise
            if shared.connection is not None:
                return Lease(shared.connection, lambda shared=shared: self._leave(hop, shared))
            self._leave(hop, shared)
            if shared.failure:
                raise dataclasses.replace(shared.failure, host=hop.host) from shared.failure
            # Whoever was to open it was interrupted: somebody else tries.

    def _join(self, hop: Hop) -> tuple[_Shared[C], bool]:
        """The connection to use, and whether it is ours to open."""
        with self._lock:
            shared = self._shared.get(_place(hop))
            new = shared is None or not shared.usable
            if shared is None or new:
                shared = self._shared[_place(hop)] = _Shared()
            shared.users += 1
            return shared, new

    def _leave(self, hop: Hop, shared: _Shared[C]) -> None:
        with self._lock:
            shared.users -= 1
            last = shared.users == 0
            if last and self._shared.get(_place(hop)) is shared:
                del self._shared[_place(hop)]
        if last and shared.connection is not None:
            shared.connection.close()


def _place(hop: Hop) -> Hop:
    """A hop without the host it was worked out for: equal places are reached alike."""
    return dataclasses.replace(hop, host="", via=hop.via and _place(hop.via))
