"""A session's right to change the cluster: it has it while it is locked, by a lease on the hosts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from ..errors import ReadOnlyError
from ..facts import Facts
from ..transport import Transport
from .holder import Holder
from .lease import Lease


class Permission:
    """There is none, and nothing to ask the hosts for, before `held`."""

    def __init__(self) -> None:
        self.lease: Lease | None = None

    @contextlib.contextmanager
    def held(self, command: str, lock: str) -> Iterator[None]:
        """While this lasts hosts are asked for a lease; others see the command, `lock` is as in Holder."""
        self.lease = lease = Lease(command, lock)
        try:
            yield
        finally:
            self.lease = None
            lease.end()

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """While every host is asked for the lease. Afterwards the run has it; where another one has, InUseError is
        raised, whatever else has failed."""
        try:
            yield
        finally:
            if self.lease:
                self.lease.intact()
        if self.lease:
            self.lease.work()

    def take(self, transport: Transport) -> None:
        """Ask one host; see Lease.take."""
        if self.lease:
            self.lease.take(transport)

    def require(self) -> None:
        """Before a change: see Lease.require."""
        if not self.lease:
            raise ReadOnlyError("a run tried to change the cluster without its lease")
        self.lease.require()

    def of_others(self, facts: Facts) -> Facts:
        """The facts without our own lease."""
        holder = Holder.parse(facts.lease)
        ours = self.lease and holder and holder.token == self.lease.me.token
        return replace(facts, lease="") if ours else facts
