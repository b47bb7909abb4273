"""The lease on one host: a conversation that lasts as long as the run, and starts over when its connection breaks."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable

from ..cluster import Host
from ..errors import AuthenticationError, HardwayError
from ..targets import host as shell
from ..targets.remote import ask
from ..transport import Transport
from ..vocabulary import Probe
from .holder import TTL, WORKING, Holder

# Seconds: between two signs of life, between two looks at whether one is due, before a lost host is tried again.
BEAT, ROUND, PAUSE = 10.0, 2.0, 2.0
# The host counts from when it heard of us, we from when we spoke; clocks may run a little differently.
MARGIN = 10.0
# As lease.sh ends.
HELD_BY_ANOTHER, UNABLE = 75, 69
LEASE = Probe("lease")
# A clock that also runs while this computer sleeps: what it does not know of counts.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    return time.clock_gettime(CLOCK)


class Term:
    """What all keepers of one lease share: whose it is, whether its run is `working`, and whether it is `over`.

    Changed inside `news` only, which tells all who wait.
    """

    def __init__(self, me: Holder):
        self.me, self.working, self.over, self.news = me, False, threading.Event(), threading.Condition()


# Told of another run that holds a host, if it has said who it is, and for how many seconds it does.
Meeting = Callable[[Holder | None, Host, float], None]


class Keeper:
    """Holds the lease on one host, in a thread of its own, until the term is over.

    It is `settled` once the first attempt has come to an end; with an `error` it has given up. It is `able` unless the
    host cannot hold a lease at all. The host holds it for certain until the moment `until`.
    `superseded` is called when another run has worked since this one had the lease here.
    """

    def __init__(self, term: Term, transport: Transport, met: Meeting, superseded: Callable[[], None]):
        self.term, self.transport, self.met, self.superseded = term, transport, met, superseded
        self.settled, self.able, self.until = False, True, 0.0
        self.error: Exception | None = None
        self._said: tuple[float, bool] | None = None
        self._heard_at = 0.0
        self._met: float | None = None
        self._had, self._ended = False, ""

    def start(self) -> None:
        threading.Thread(target=self._guarded, daemon=True, name=f"hardway-lease-{self.transport.host.name}").start()

    def _guarded(self) -> None:
        try:
            self._keep()
        except Exception as bug:  # of ours: whoever waits gets it, it is never lost in a thread
            self.error = bug
            self._settle()

    def _settle(self) -> None:
        with self.term.news:
            self.settled = True
            self.term.news.notify_all()

    def _keep(self) -> None:
        while self.able and not self.error and not self.term.over.is_set():
            code = self._hold()
            if code == HELD_BY_ANOTHER:
                self._meet()
                continue
            held, self.until, self.able = self.until > 0.0, 0.0, code != UNABLE
            self._settle()
            # What has just been lost is taken again at once.
            self.term.over.wait(0.0 if held else PAUSE)

    def _hold(self) -> int | None:
        """The code with which the conversation ended; None when the connection broke."""
        self._said = None
        holding = shlex.join(("hold", self.term.me.token, f"{TTL:.0f}", self._ended))
        try:
            return self.transport.talk(f"{shell.LEASE}\n{holding}", self._heard, self._say, ROUND)
        except HardwayError as error:
            # A host that was there is tried until it is back. Nobody is asked for a password in the background.
            if not self.settled or isinstance(error, AuthenticationError):
                self.error = error
        return None

    def _say(self) -> bytes | None:
        now, working = clock(), self.term.working
        self._heard_at = self._heard_at if self._said else now
        if self.term.over.is_set() or now - self._heard_at > TTL:
            return None
        if self._said and self._said[0] + BEAT > now and self._said[1] == working:
            return b""
        self._said = now, working
        return f"{self.term.me.beat(now, working)}\n".encode()

    def _heard(self, line: str) -> None:
        """Who had the lease before, or a sign of life that has arrived."""
        first, token, *rest = [*line.split(), "", "", ""]
        if first == "after" and self._had and token != self.term.me.token and rest[0] == WORKING:
            self.superseded()
        if first == self.term.me.token:
            self._confirmed(float(rest[0]))

    def _confirmed(self, sent: float) -> None:
        with self.term.news:
            self.settled, self._had, self._met, self._heard_at = True, True, None, clock()
            self.until = sent + TTL - MARGIN
            self.term.news.notify_all()

    def _meet(self) -> None:
        self._met = clock() if self._met is None else self._met
        try:
            holder = Holder.parse(ask(self.transport, (LEASE,))[LEASE])
        except HardwayError:
            holder = None
        if holder and holder.outlived_by(self.term.me):
            self._ended = holder.token
            return
        self.met(holder, self.transport.host, clock() - self._met)
