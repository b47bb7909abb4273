"""`hardway etcd restore`: one snapshot on all members, everything else stopped before and started after."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import UsageError
from ...living import Lives
from ...living.restoration import Restoration, ongoing
from ...phase import Inputs, Phase
from ...phases.restoring import phases
from ...pki.encryption import retirement
from ...plans import steps
from ...plans.plan import Planned
from ...preflight import continuity, judge
from ...run.failures import of_left_out
from ...run.runner import Runner
from ...session import Known, Session
from ...snapshots import Said, ask, fit, require_member
from ...snapshots.fit import Offer
from ...snapshots.restoring import assembled, follow, forget, prove
from ...vocabulary import Blob
from . import survivor

COMMAND = "etcd restore"


@dataclass(frozen=True)
class Wanted:
    """What was asked for: a snapshot's `file`, or the `member` to take it from; `other` is the cluster's name, typed
    because the snapshot is another cluster's."""

    file: Path | None = None
    member: str = ""
    other: str | None = None
    ignore: tuple[str, ...] = ()

    def command(self, inventory: object) -> str:
        """What continues it."""
        words = [f"--from-member {self.member}"] if self.member else [str(self.file)]
        words += [f"--of-another-cluster {self.other}"] if self.other is not None else []
        return " ".join(["hardway", COMMAND, str(inventory or "INV"), *words])


@dataclass(frozen=True)
class Ready:
    """All that is decided before anything is changed: `lines` say what is lost, what does not fit in all, what is
    continued; `keys` are retired encryption keys that the snapshot needs."""

    known: Known
    inputs: Inputs
    restoration: Restoration
    phases: tuple[Phase, ...]
    lines: tuple[str, ...]
    keys: tuple[str, ...] = ()


def look(session: Session, wanted: Wanted) -> Ready:
    """Asked without changing anything; the session cannot write. The snapshot of a member is taken later."""
    offer = _given(session, wanted)
    known, said = _asked(session, wanted)
    if offer:
        return _decided(known, said, wanted, offer)
    survivor.require_lost(known, said, wanted.member)
    return _of_member(known, said, wanted)


def foresee(ready: Ready) -> list[Planned]:
    """The exact steps."""
    looking = ready.known.looking()
    inputs = replace(ready.inputs, credentials=looking.inputs.credentials)
    retirement.recall(inputs.credentials.store, ready.keys)
    return steps.foresee(looking, inputs, ready.phases, ready.known.wanted or frozenset())


def restore(session: Session, wanted: Wanted) -> None:
    """Do it, or continue it: what hosts have already is left as it is. DriftError when a check fails afterwards."""
    options = wanted.command("").partition("INV ")[2]
    session.report.run_started(COMMAND, session.cluster, phases(Restoration("", "", 0), Blob()), options)
    with session.report.watched(), session.locked(COMMAND):
        offer = _given(session, wanted)
        known, said = _asked(session, wanted)
        offer = offer or survivor.take(known, said, wanted.member)
        ready = _decided(known, said, wanted, offer)
        for line in (*map(str, judge(known.inputs)), *ready.lines):
            session.report.note(line)
        known.gather()
        retirement.recall(session.store, ready.keys)
        where = (ready.inputs, session.live, known.remotes())
        hosts, command = known.wanted or frozenset(), wanted.command(session.cluster.source)
        Runner(*where, ready.phases, hosts, session.report, session.parallel, command=command).run()
        lives = _finish(session)
    prove(known, lives)
    session.report.summary()
    if known.left_out:
        raise of_left_out(list(known.left_out.values()), f"hardway bootstrap {session.cluster.source or 'INV'}")


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _given(session: Session, wanted: Wanted) -> Offer | None:
    """The snapshot, when it is here already; wrong words and damaged files are refused before anybody is asked."""
    fit.require_name(session.cluster, wanted.other)
    if bool(wanted.file) == bool(wanted.member):
        raise UsageError("name either a snapshot's FILE or --from-member HOST", hint="hardway etcd restore -h")
    if wanted.file:
        return survivor.offered(wanted.file)
    require_member(session.cluster, wanted.member)
    return None


def _asked(session: Session, wanted: Wanted) -> tuple[Known, tuple[Said, ...]]:
    """Every host, and every member; whoever may serve or write old data must answer."""
    known = assembled(session, wanted.ignore)
    known = replace(known, phases=frozenset(phase.name for phase in phases(Restoration("", "", 0), Blob())))
    # A restore of another cluster's snapshot makes it another one, before that is recorded here.
    if not ongoing(known.facts) and (fault := continuity.other(known.inputs)):
        raise fault
    judge(known.inputs)
    return known, ask(session)


def _decided(known: Known, said: Sequence[Said], wanted: Wanted, offer: Offer) -> Ready:
    inputs, found = known.inputs, offer.snapshot
    fit.require(inputs, offer, wanted.other is not None)
    moment = now()
    begun = next((one for one in ongoing(known.facts) if one.sha256 == found.sha256), None)
    restoration = begun or Restoration.begun(found.sha256, found.top, fit.revision_now(said), moment)
    fit.require_room(inputs, offer, restoration)
    blob = Blob(path=found.path, known_sha256=found.sha256, secret=True)
    lines = [*fit.losses(offer, said, moment), *fit.warnings(inputs, offer)]
    lines = [f"the restore that began at {begun.id} is continued", *lines[:1]] if begun else lines
    keys = fit.recalled(inputs.credentials, offer)
    lines += [f"API servers read with the retired encryption key {key} again: the snapshot needs it" for key in keys]
    return Ready(known, _blind(inputs), restoration, phases(restoration, blob), tuple(lines), keys)


def _of_member(known: Known, said: Sequence[Said], wanted: Wanted) -> Ready:
    """The same while there is no snapshot yet: what is known of it is where it comes from."""
    restoration = Restoration.begun("0" * 64, 0, fit.revision_now(said), now())
    found = next(iter(ongoing(known.facts)), restoration)
    lines = (f"the snapshot is taken from {wanted.member} first", *survivor.further(said, wanted.member))
    blob = Blob(data=b"", known_sha256=found.sha256, secret=True)
    return Ready(known, _blind(known.inputs), found, phases(found, blob), lines)


def _blind(inputs: Inputs) -> Inputs:
    """Nothing follows from what etcd and the API say now: they are about to be replaced."""
    return replace(inputs, lives=Lives())


def _finish(session: Session) -> Lives:
    """The record of the cluster follows it, then the notes on the hosts go: while one is there, it is not finished."""
    lives = follow(session, now().date().isoformat())
    forget(session)
    return lives
