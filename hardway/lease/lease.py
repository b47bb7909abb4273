"""One run at a time may change a cluster. It holds a lock on every host that answers, for as long as it lives.

The lock is the kernel's (see host/lease.sh), held by a process at the end of an SSH session. So it needs no etcd and no
API: it serves before there is a cluster, and while bootstrap repairs one whose etcd has no quorum. It ends with the
run, and by itself on a host that hears nothing of the run any more. A Lease object of the API would need all that
besides, for just those cases, and a change from one to the other in the middle of a bootstrap.

Every host takes part, so that two runs meet wherever their inventories, limits and networks overlap; a host that does
not answer is neither needed nor waited for. When two runs begin at once, each may get some hosts first. The one with
the smaller token then waits, and the other gives way: whatever the order in which they came, one of them goes on. What
an earlier run from the same state directory has left on a host that was cut off is ended: we have the lock that it had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..cluster import Host
from ..errors import InUseError
from ..patience import stretched
from ..transport import Transport
from ..vocabulary import Op, Remote
from .holder import Holder
from .keeper import Keeper, Term, clock

# So long, in seconds, a run waits for another one that has only just begun too to give way.
PATIENCE = 20.0
# And so long for a host to confirm the lease again before it gives up; one that reboots needs about as much.
RECOVERY = 30.0
AGAIN = "then run the same command again: it continues"


class Lease:
    """The lease of one run. Safe to use from several threads.

    Once every host that answers has given it the lease, the run is working: from then on it gives way to nobody.
    """

    def __init__(self, command: str, lock: str = ""):
        self.term = Term(Holder.of_this_run(command, lock))
        self.keepers: dict[str, Keeper] = {}
        self._error: InUseError | None = None

    @property
    def me(self) -> Holder:
        return self.term.me

    def take(self, transport: Transport) -> None:
        """Hold it on a host too; InUseError when another run does, an error of the connection's when there is none."""
        name = transport.host.name
        transport.connect()
        with self.term.news:
            self.intact()
            if name in self.keepers:
                return
            keeper = self.keepers[name] = Keeper(self.term, transport, self._met, self._superseded)
            keeper.start()
            self.term.news.wait_for(lambda: keeper.settled or self.term.over.is_set())
            self.intact()
            if keeper.error:
                del self.keepers[name]
                raise keeper.error

    def work(self) -> None:
        """Begin to change the cluster, now that every host was asked; InUseError when another run does."""
        with self.term.news:
            self.intact()
            self.term.working = True

    def require(self) -> None:
        """Before a change: InUseError when no host is certain to hold the lease still, or another run has it.

        After a break it is waited for; this computer may also have slept.
        """
        with self.term.news:
            self.term.news.wait_for(lambda: self.term.over.is_set() or self._held(), RECOVERY)
            if not self._error and not self._held():
                self._fail(_lost("no host has confirmed it for too long", f"check this computer's network; {AGAIN}"))
            self.intact()

    def intact(self) -> None:
        """InUseError when another run has it. All who ask get the same one: it is one error."""
        if self._error:
            raise self._error

    def end(self) -> None:
        """Let go of it everywhere."""
        with self.term.news:
            self.term.over.set()
            self.term.news.notify_all()

    def _met(self, holder: Holder | None, host: Host, seconds: float) -> None:
        """Go on trying, or give up everything."""
        with self.term.news:
            working = self.term.working
            if working and holder and holder.working:
                self._fail(_lost(str(holder), holder.remedy))
            elif not working and (seconds > stretched(PATIENCE) or (holder and self._gives_way_to(holder))):
                self._fail(_refused(holder, host))

    def _superseded(self) -> None:
        with self.term.news:
            self._fail(
                _lost(
                    "another run has changed the cluster meanwhile", f"hardway plan INV   shows what is left; {AGAIN}"
                )
            )

    def _gives_way_to(self, holder: Holder) -> bool:
        return holder.working or holder.token < self.me.token

    def _held(self) -> bool:
        """Whether some host holds it for certain; there may be none that can."""
        able = [keeper for keeper in self.keepers.values() if keeper.able]
        return not able or any(keeper.until > clock() for keeper in able)

    def _fail(self, error: InUseError) -> None:
        if not self.term.over.is_set():
            self._error = error
        self.end()


class Leased:
    """A target that can be changed only as long as `permit` raises nothing; a host asks by itself (see HostRemote)."""

    def __init__(self, remote: Remote, permit: Callable[[], None]):
        self.probe, self._change, self._permit = remote.probe, remote.change, permit

    def change(self, ops: Sequence[Op]) -> None:
        self._permit()
        self._change(ops)


def _refused(holder: Holder | None, host: Host) -> InUseError:
    if holder is None:
        message = "another run has the lease of this cluster, and has not reported who it is"
        return InUseError(message, host.name, hint="wait two minutes, then run the same command again")
    evidence = f"process {holder.pid} on {holder.computer}"
    return InUseError(str(holder), host.name, evidence=evidence, hint=holder.remedy)


def _lost(why: str, remedy: str) -> InUseError:
    return InUseError(f"this run has lost its lease of the cluster: {why}", hint=remedy)
