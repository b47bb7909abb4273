"""Rolling restarts: the sick first, one target at a time or a few workers, each ready before the next."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..errors import NotReachedError, NotReadyError, QuorumError, SickPeerError
from ..parallel import each
from ..phase import Pending, Phase, Target
from ..report import Report
from ..resources.base import Change
from ..targets.live import Live, wait
from .crashing import state_of
from .ledger import Ledger
from .waiting import answered, missing

# Waits until something is no longer missing.
Await = Callable[[Phase, Callable[[], Pending | None]], object]


@dataclass
class Round:
    """The turns of one phase: who is still to come, in this order, and who is at it.

    `sick` are those of them that were not ready before; `hurt` are targets without a turn that were not, and `starting`
    says that one of all these has only just been started. `broken` are the changes of those whose turn ended before
    they were well again: nobody else begins until they are.
    """

    coming: list[str] = field(default_factory=list)
    active: set[str] = field(default_factory=set)
    sick: set[str] = field(default_factory=set)
    hurt: list[Target] = field(default_factory=list)
    broken: dict[str, tuple[Change, ...]] = field(default_factory=dict)
    starting: bool = False
    begun: bool = False
    beginning: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, at_once: int) -> None:
        """Let the next ones begin; a sick one has its turn alone."""
        while self.coming and len(self.active) < (1 if self._sick_now() else at_once):
            self.active.add(self.coming.pop(0))

    def _sick_now(self) -> bool:
        return bool(self.sick & {self.coming[0], *self.active})


class Turns:
    """Who may restart what is running, and when.

    Nobody healthy has its turn while somebody else of the phase is sick: what made that one sick may be the very change
    that is being carried out, and whoever is left is needed.
    """

    def __init__(self, live: Live, ledger: Ledger, plan: Sequence[Phase], report: Report, workers: int, until: Await):
        """`workers` is how many targets of a phase that runs `side_by_side` may have their turns at a time."""
        self.live, self.ledger, self.report, self.workers, self.until = live, ledger, report, workers, until
        self.rounds = {phase.name: Round() for phase in plan}

    @contextlib.contextmanager
    def turn(self, phase: Phase, target: Target, changes: Sequence[Change]) -> Iterator[None]:
        """For changes that restart something: entered when it is the target's turn, left when it is well again.

        A turn that fails is not left: whoever comes again, because its connection broke, goes on with it; and if nobody
        does, the run ends.
        """
        self.report.queued(phase.name, target.name)
        with self._in_queue(phase.name, target):
            self._await(lambda: self.ledger.left[phase.name] == len(self.ledger.queued[phase.name]))
            self._join(phase, target)
            self._await(lambda: target.name in self.rounds[phase.name].active)
            begun = [*self.rounds[phase.name].broken.pop(target.name, ()), *changes]
            try:
                self._permitted(phase, target)
                whole = not answered(phase.beside, self.live, target)
                yield
                self.until(phase, lambda: self._not_back(phase, target, begun, whole))
            except BaseException:
                self._break_off(phase, target, begun)
                raise
            self._leave(phase, target)

    def broken_off(self, phase: Phase, target: Target) -> bool:
        """Whether a turn of the target began and did not come to its end."""
        return target.name in self.rounds[phase.name].broken

    def _await(self, come: Callable[[], bool]) -> None:
        if not self.ledger.wait_for(come):
            raise NotReachedError("not restarted, because another host failed first")

    @contextlib.contextmanager
    def _in_queue(self, phase: str, target: Target) -> Iterator[None]:
        with self.ledger.news():
            self.ledger.queued[phase].add(target.name)
        try:
            yield
        finally:
            with self.ledger.news():
                self.ledger.queued[phase].discard(target.name)

    def _join(self, phase: Phase, target: Target) -> None:
        """The first to come finds out the order; who comes again, because its connection broke, is next."""
        round = self.rounds[phase.name]
        with round.beginning:
            if not round.begun:
                self._begin(phase, round)
        with self.ledger.news():
            if target.name not in round.coming and target.name not in round.active:
                round.coming.insert(0, target.name)
                round.sick.add(target.name)
            round.admit(self._at_once(phase))

    def _break_off(self, phase: Phase, target: Target, begun: Sequence[Change]) -> None:
        """It stays the one whose turn it is, and counts as sick, so that it is alone."""
        round = self.rounds[phase.name]
        with self.ledger.news():
            round.sick.add(target.name)
            round.broken[target.name] = tuple(begun)

    def _leave(self, phase: Phase, target: Target) -> None:
        round = self.rounds[phase.name]
        with self.ledger.news():
            round.active.discard(target.name)
            round.admit(self._at_once(phase))

    def _at_once(self, phase: Phase) -> int:
        return self.workers if phase.side_by_side else 1

    def _begin(self, phase: Phase, round: Round) -> None:
        queued = self.ledger.queued[phase.name]
        # Of many workers some may be away for long; an API server or an etcd member that is, is one too few.
        asked = [target for target in phase.targets(self.live.cluster) if target.name in queued or self._counts(phase)]
        sick: set[str] = set()

        def ask(target: Target) -> None:
            if found := missing(phase, self.live, target):
                sick.add(target.name)
                if state_of(self.live, found).has_just_started(phase.deadline):
                    round.starting = True

        each(ask, asked)
        order = sorted((target for target in asked if target.name in queued), key=lambda one: one.name not in sick)
        with self.ledger.news():
            round.coming, round.sick = [target.name for target in order], sick & queued
            round.hurt = [target for target in asked if target.name in sick - queued]
            round.begun = True

    def _counts(self, phase: Phase) -> bool:
        return not phase.side_by_side

    def _permitted(self, phase: Phase, target: Target) -> None:
        """Ask before a restart; what has only just been started is given time to become healthy: by this very run, or
        by one that was killed a moment ago."""
        refusals: list[QuorumError | SickPeerError] = []

        def refused() -> list[QuorumError | SickPeerError]:
            refusals[:] = [error for error in (self._refusal(phase, target),) if error]
            return refusals

        fresh = phase.name in self.ledger.changed or self.rounds[phase.name].starting
        try:
            wait(refused, phase.deadline if fresh else 0.0, lambda found: found[0].message)
        except NotReadyError:
            if not refusals:  # it says by itself what it has waited for
                raise
            raise refusals[0] from None

    def _refusal(self, phase: Phase, target: Target) -> QuorumError | SickPeerError | None:
        try:
            if phase.before_restart:
                phase.before_restart(self.live, target)
        except QuorumError as error:
            return error
        round = self.rounds[phase.name]
        if target.name in round.sick:
            return None
        for other in round.hurt:
            if found := missing(phase, self.live, other):
                return _sick_peer(phase, target, other, found)
        return None

    def _not_back(self, phase: Phase, target: Target, changes: Sequence[Change], whole: bool) -> Pending | None:
        """What is missing until a target that had its turn is well; it is the new processes that are asked. `whole`:
        what runs beside it was well, too."""
        for change in changes:
            unit = change.key.removeprefix("unit ")
            if change.restarts and change.process and not self._anew(target, unit, change.process):
                return Pending(f"{unit} on {target.name} to start again", target.name, unit)
        if found := missing(phase, self.live, target):
            return found
        if phase.caught_up and (found := phase.caught_up(self.live, target)):
            return found
        return answered(phase.beside, self.live, target) if whole else None

    def _anew(self, target: Target, unit: str, before: str) -> bool:
        """Whether another process than `before` runs. A service that closes slowly answers for seconds after it was
        told to restart."""
        state = self.live.unit(target.name, unit)
        return state.get("ActiveState") == "active" and state.get("InvocationID") not in ("", before)


def _sick_peer(phase: Phase, target: Target, other: Target, found: Pending) -> SickPeerError:
    unit = found.unit.removesuffix(".service") or phase.name
    return SickPeerError(
        f"{target.name} was not restarted in phase {phase.name}: {other.name} is not ready",
        host=target.name,
        phase=phase.name,
        waited_for=found.what,
        evidence=f"{other.name}: {found.what}",
        hint=f"repair {other.name} first: on {other.name}: journalctl -b -u {unit} -n 50; hardway doctor INV",
    )
