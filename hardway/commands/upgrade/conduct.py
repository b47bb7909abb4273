"""An upgrade from its first look to its last: checks, a snapshot, the passes, the workers, and what is left.

Nothing is recorded. Whatever ended an earlier run, this one finds from what runs what is still to be done, and after
every pass again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ... import snapshots
from ...drain import Options as DrainOptions
from ...errors import DriftError, HardwayError, NotReadyError
from ...phases import PHASES
from ...progress.closing import plural
from ...progress.events import PassStarted
from ...run.failures import of_left_out
from ...run.planning import plan
from ...run.runner import Runner
from ...session import Session
from ...state.growing import sweep
from ...targets.live import wait
from ...upgrading import Pass
from . import checks, former, room, rounds, workers
from .aim import Aim
from .health import Health, health
from .view import COMMAND, again, first

SETTLING = 60.0  # seconds


@dataclass(frozen=True)
class Options:
    """`workers_at_once` are drained and upgraded together; `keep` what was replaced on the hosts afterwards. `snapshot`
    is a file or folder, None for the current one; `ignore` are names of checks, of preflight or of an upgrade."""

    drain: DrainOptions = field(default_factory=DrainOptions)
    workers_at_once: int = 1
    keep: bool = False
    snapshot: Path | None = None
    ignore: tuple[str, ...] = ()
    typed: str = "hardway upgrade INV"

    @property
    def of_preflight(self) -> tuple[str, ...]:
        return tuple(name for name in self.ignore if name not in checks.IGNORABLE)


def upgrade(session: Session, aim: Aim, options: Options) -> None:
    """Bring the cluster to the versions of the aim; another run is kept out all the while.

    The errors of a first look name everything that is wrong, and nothing is changed then. ConnectionFailed at the end
    for workers that were left out.
    """
    report = session.report
    report.run_started(COMMAND, aim.cluster)
    with report.watched(), session.locked(COMMAND):
        Course(session.about(aim.cluster), aim, options).run()
    report.summary()


class Course:
    """One run. `session` is about the versions that are wanted."""

    def __init__(self, session: Session, aim: Aim, options: Options):
        self.session, self.aim, self.options = session, aim, options
        self.report = session.report
        self.view = first(session, options.of_preflight)
        self.rounds = self.done = 0

    def run(self) -> None:
        """All of it, or what an earlier run has left of it."""
        self._judge()
        rounds.gather(self.view)
        checks.require(list(room.lacking(self.view)))
        todo = self.view.way
        if todo and todo.passes:
            self._snapshot()
        self.rounds = len(todo.passes) + len(self._batches()) + 1 if todo else 1
        self._passes()
        self._workers()
        changed = self._rest()
        changed += 0 if self.options.keep else former.forget(self.view.known)
        if not (todo or changed):
            self.report.note(f"nothing to do: {self._versions()} run everywhere")
        for line in self.aim.note.splitlines():
            self.report.note(line)
        self._left_out()

    def _judge(self) -> None:
        """Stop before the first change for anything that would stop the upgrade later, or harm somebody."""
        found = checks.findings(self.view, self.aim, self.options.drain, self.options.typed, self.options.ignore)
        for warning in (one for one in found if one.warning):
            self.report.note(str(warning))
        checks.require(found)
        if not self._begun_pass():
            self._healthy("the upgrade", 0.0)

    def _begun_pass(self) -> Pass | None:
        """A pass that an earlier run has left half done: it may itself be what makes the cluster healthy again, and
        rolling restarts see to it that no healthy host is touched while another is not."""
        passes = self.view.way.passes if self.view.way else ()
        return passes[0] if passes and passes[0].begun else None

    def _healthy(self, before: str, seconds: float = SETTLING) -> None:
        """verify's checks. After what this run has changed, leaders and leases may need a moment."""
        found = Health(0)

        def bad() -> tuple[str, ...]:
            nonlocal found
            found = health(self.view, self.view.apart)
            return found.bad

        with contextlib.suppress(NotReadyError):
            wait(bad, seconds, "; ".join, interval=2.0)
        for line in found.told:
            self.report.note(line)
        found.require(before)
        self.report.note(f"healthy: {plural(found.checks, 'check')} of verify passed before {before}")

    def _snapshot(self) -> None:
        session, target = self.session, self.options.snapshot
        final = snapshots.where(session.cluster, target)
        member = snapshots.choose(snapshots.ask(session), session.cluster)
        sweep(final.parent)
        snapshots.require_room(final.parent, member)
        about = snapshots.save(session, member, final)
        told = f"{final}: revision {about.revision}, {about.size / 1e6:.1f} MB, sha256 {about.sha256[:12]} verified"
        self.report.note(f"snapshot of etcd: {told}")

    def _passes(self) -> None:
        """The next one is found from what runs, as often as there is one."""
        last: Pass | None = None
        while self.view.way and self.view.way.passes:
            one = self.view.way.passes[0]
            if last and (one.versions, one.roles) == (last.versions, last.roles):
                raise DriftError(
                    f"{one.title} does not run on {', '.join(one.hosts)} after its pass", hint="hardway doctor INV"
                )
            if last:
                self._healthy(one.title)
            self._round(one.title, one.hosts)
            try:
                rounds.carry_out(self.view, one, self.options.typed)
            except HardwayError as error:
                raise former.with_way_back(error, self.options.typed) from None
            last, self.view = one, again(self.view)
        if last:
            self._healthy("the workers' upgrade" if self._batches() else "the end")

    def _workers(self) -> None:
        """One batch after the other; a failure leaves the rest as they are."""
        for names in self._batches():
            self.done += 1
            try:
                numbers = (self.done, max(self.rounds, self.done))
                workers.upgrade(self.view, names, self.options.drain, self.options.typed, *numbers)
            except HardwayError as error:
                raise former.with_way_back(error, self.options.typed) from None
        if self._batches():
            self.view = again(self.view)

    def _batches(self) -> list[tuple[str, ...]]:
        names = self.view.way.names if self.view.way else ()
        return workers.batches(names, self.options.workers_at_once)

    def _rest(self) -> int:
        """A whole bootstrap: cluster DNS, what hosts without a version need, and the proof that nothing is left."""
        known, session = self.view.known, self.session
        hosts = known.wanted or frozenset()
        self._round("everything else", [host.name for host in session.cluster.hosts if host.name in hosts])
        where = (known.inputs, session.live, known.remotes(), PHASES, hosts, self.report)
        done = Runner(
            *where, session.parallel, workers_at_once=self.options.workers_at_once, command=self.options.typed
        ).run()
        self.view = again(self.view)
        known = self.view.known.looking()
        left = plan(known.inputs, known.readers(), PHASES, known.wanted or frozenset(), session.parallel)
        if lines := [f"{step.target}: {change.key}" for step in left for change in step.changes]:
            raise DriftError("hosts still differ after the upgrade", evidence="\n".join(lines), hint="hardway plan INV")
        self._healthy("the end")
        return sum(len(step.changes) for step in done)

    def _round(self, title: str, hosts: Sequence[str]) -> None:
        self.done += 1
        self.report.emit(PassStarted(self.done, max(self.rounds, self.done), title, list(hosts)))

    def _versions(self) -> str:
        versions = self.session.cluster.versions
        return f"Kubernetes {versions.kubernetes}, etcd {versions.etcd} and containerd {versions.containerd}"

    def _left_out(self) -> None:
        """Workers that did not answer keep their old versions, and this run ends with their error."""
        if errors := list(self.view.known.left_out.values()):
            raise of_left_out(errors, self.options.typed)
