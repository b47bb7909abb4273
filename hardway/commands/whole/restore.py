"""`hardway restore`: a whole cluster from its backup, on machines that have nothing of it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...archive import Backup
from ...cluster import Cluster
from ...living import Lives, what_lives
from ...living.restoration import Restoration
from ...phase import Phase
from ...phases.restoring import whole
from ...pki.credentials import Credentials
from ...pki.encryption import retirement
from ...plans import steps
from ...plans.plan import Planned
from ...preflight import judge
from ...run.failures import of_left_out
from ...run.runner import Runner
from ...session import Known, Session
from ...snapshots import fit
from ...snapshots.fit import Offer
from ...snapshots.restoring import assembled, follow, forget, prove
from ...state.statedir import Overlay
from ...state.store import Store
from ...vocabulary import Blob
from . import keys, refusals

COMMAND = "restore"


@dataclass(frozen=True)
class Wanted:
    """What was asked for: the cluster of `backup`; `older`: although the state directory has keys that it lacks."""

    backup: Backup
    older: bool = False
    ignore: tuple[str, ...] = ()

    def command(self, inventory: object) -> str:
        """What continues it."""
        words = [
            "hardway",
            COMMAND,
            str(inventory or "INV"),
            str(self.backup.path),
            *(["--older"] if self.older else []),
        ]
        return " ".join(words)


@dataclass(frozen=True)
class Ready:
    """All that is decided before anything is changed; `missing` are the files that the state directory gets, `lines`
    say what is restored and what does not fit in all."""

    known: Known
    restoration: Restoration
    missing: tuple[str, ...]
    lines: tuple[str, ...]

    def phases(self, wanted: Wanted) -> tuple[Phase, ...]:
        """Those until the API answers."""
        return whole.control_plane(self.restoration, blob(wanted))


def blob(wanted: Wanted) -> Blob:
    found = wanted.backup.snapshot
    return Blob(path=found.path, known_sha256=found.sha256, secret=True)


def look(session: Session, wanted: Wanted) -> Ready:
    """Asked with the keys of the backup, without changing anything anywhere."""
    backup = wanted.backup
    refusals.require_fit(session.cluster, backup)
    missing = keys.missing(session.store, backup, wanted.older)
    trusted = _trusting(session, backup)
    refusals.require_issuable(trusted)
    known = _known(assembled(trusted, wanted.ignore))
    begun = refusals.require_gone(known, backup)
    fit.require(known.inputs, Offer(backup.snapshot, backup.sidecar), other=False)
    judge(known.inputs)
    moment = now()
    restoration = begun or replace(
        Restoration.begun(backup.snapshot.sha256, backup.snapshot.top, 0, moment), whole=True
    )
    fit.require_room(known.inputs, Offer(backup.snapshot, backup.sidecar), restoration)
    return Ready(known, restoration, missing, tuple(_lines(known, wanted, missing, begun, moment)))


def _trusting(session: Session, backup: Backup) -> Session:
    """The same with all that the backup has and the state directory lacks, in memory alone."""
    store = Overlay(session.store)
    return replace(session.trusting(_laid(session.cluster, store, backup)), store=store)


def _laid(cluster: Cluster, store: Store, backup: Backup) -> Credentials:
    """Those of a state directory that has what the backup has, and reads what its snapshot has."""
    keys.lay(store, backup)
    credentials = Credentials(cluster, store)
    retirement.recall(store, fit.recalled(credentials, Offer(backup.snapshot, backup.sidecar)))
    return credentials


def _known(known: Known) -> Known:
    names = frozenset(phase.name for phase in whole.control_plane(Restoration("", "", 0), Blob()))
    return replace(known, phases=names)


def _lines(
    known: Known, wanted: Wanted, missing: Sequence[str], begun: Restoration | None, moment: datetime.datetime
) -> list[str]:
    backup, about = wanted.backup, wanted.backup.sidecar
    age = fit.age(about.taken, moment)
    lines = [f"backup {backup.path} of cluster {backup.manifest.cluster}, taken {about.taken} ({age} ago)"]
    if begun:
        return [f"the restore that began at {begun.id} is continued", *lines]
    lines.append("all that was written in the cluster since then is lost")
    if missing:
        lines.append(f"{known.session.store.where()} gets {len(missing)} files of the backup")
    lines += refusals.moved(known.session.cluster, backup)
    return lines + list(fit.warnings(known.inputs, Offer(backup.snapshot, about)))


def foresee(ready: Ready, wanted: Wanted) -> list[Planned]:
    """The exact steps until the API answers; what bootstrap's phases find to do afterwards depends on it. The session
    of `ready` must be unable to write."""
    inputs = replace(ready.known.inputs, lives=Lives())
    return steps.foresee(ready.known, inputs, ready.phases(wanted), ready.known.wanted or frozenset())


def restore(session: Session, wanted: Wanted) -> None:
    """Do it, or continue it. DriftError when a check fails afterwards; the error of workers that did not answer."""
    first, rest = whole.control_plane(Restoration("", "", 0), Blob()), whole.the_rest(Restoration("", "", 0))
    announced = {phase.name: phase for phase in (*rest, *first)}
    session.report.run_started(COMMAND, session.cluster, tuple(announced.values()), str(wanted.backup.path))
    with session.report.watched(), session.locked(COMMAND):
        ready = look(session, wanted)
        for line in (*map(str, judge(ready.known.inputs)), *ready.lines):
            session.report.note(line)
        credentials = _laid(session.cluster, session.store, wanted.backup)
        ready.known.gather()
        session = session.trusting(credentials)
        known = replace(ready.known, session=session)
        _run(known, ready.phases(wanted), wanted, blind=True)
        follow(session, now().date().isoformat())
        known = _known(assembled(session, wanted.ignore))
        judge(known.inputs)
        _run(known, whole.the_rest(ready.restoration), wanted)
        forget(session)
        lives = what_lives(session.live)
    prove(known, lives)
    session.report.summary()
    if known.left_out:
        raise of_left_out(list(known.left_out.values()), f"hardway bootstrap {session.cluster.source or 'INV'}")


def _run(known: Known, phases: tuple[Phase, ...], wanted: Wanted, blind: bool = False) -> None:
    """`blind`: nothing follows from what etcd and the API say now."""
    session = known.session
    inputs = replace(known.inputs, lives=Lives()) if blind else known.inputs
    command = wanted.command(session.cluster.source)
    hosts = known.wanted or frozenset()
    where = (inputs, session.live, known.remotes())
    Runner(*where, phases, hosts, session.report, session.parallel, command=command).run()


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
