"""`hardway encryption rotate`: a new key for all Secrets, in passes of which each leaves every Secret readable.

Nothing is recorded but keys: which pass is next follows from the keys there are, from what the API servers have loaded,
and from what etcd has under which key.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...errors import NotReadyError
from ...living.asking import with_encryption
from ...living.rotation import AGAIN, unfinished
from ...phase import OPERATOR, SECRETS, Inputs, Phase
from ...pki.encryption import IDENTITY, new_key
from ...pki.encryption.retirement import recall, retire
from ...plans import steps
from ...plans.plan import Planned
from ...preflight import judge
from ...report import plural
from ...resources import Rewritten
from ...resources.base import Change
from ...run.runner import Runner
from ...run.selection import Selection
from ...session import Known, Session
from ...state.store import Overlay, Store
from ...targets.live import Live
from .required import needed_again, require_all, require_built, require_known, require_provider, shown

COMMAND = "encryption rotate"
PASSES = Selection(only=("encryption", "encryption-read", "control-plane"))


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def may_write(inputs: Inputs, live: Live, target: object, changes: Sequence[Change]) -> None:
    """Refuse to have Secrets rewritten while any API server writes with another key: they are asked just before."""
    loaded = {host.name: live.encryption(host) for host in inputs.cluster.control_plane}
    said = {name: digest for name, digest in loaded.items() if digest is not None}
    require_all(replace(inputs, lives=replace(inputs.lives, loaded=said)).encryption)


REWRITE = Phase(
    name="encryption-rewrite",
    title="Write every Secret with the newest key",
    targets=lambda cluster: (SECRETS,),
    desired=lambda inputs, target: [Rewritten(inputs.encryption.wanted)],
    needs=lambda inputs: ("control-plane",),
    before_change=may_write,
    marks=False,
)


@dataclass(frozen=True)
class Foreseen:
    """`lines` say what is decided and what follows the steps; `found` are the steps of the passes up to the proof."""

    begun: str
    key: str
    found: list[Planned]
    drops: tuple[str, ...]
    hosts: tuple[str, ...]

    @property
    def first(self) -> list[str]:
        """What comes before the steps."""
        if self.begun:
            return [f"a rotation to {self.key} is continued: {self.begun}"]
        return [f"a new key {self.key} is created in the state directory; no key is replaced"]

    @property
    def last(self) -> list[str]:
        """What follows them."""
        if not self.drops:
            return []
        names = ", ".join(self.drops)
        return [
            f"etcd is asked again: nothing may be under another key than {self.key}",
            f"{names} retired: kept in the state directory for snapshots of etcd from before",
            *(f"{host}: {names} leaves the encryption configuration; restart kube-apiserver" for host in self.hosts),
        ]

    def text(self, verbose: bool = False) -> str:
        return "\n".join([*self.first, steps.text(self.found, verbose), *self.last])


def foresee(session: Session) -> Foreseen:
    """The exact steps, by reading alone."""
    require_provider(session.cluster)
    overlay = Overlay(session.store)
    known = _over(_asked(session).looking(), overlay)
    require_built(known)
    if not recall(overlay, needed_again(known)):
        require_known(known)
    begun = unfinished(known.inputs.encryption)
    if not begun:
        new_key(session.cluster.encryption.provider, overlay)
    judge(known.inputs)
    inputs = known.inputs
    found = steps.foresee(known, inputs, [*PASSES.phases(), REWRITE], _targets(known))
    encryption = inputs.encryption
    drops = [key for key in encryption.credentials.used_keys() if key != encryption.wanted]
    hosts = tuple(host.name for host in session.cluster.control_plane)
    return Foreseen(begun, encryption.wanted, found, tuple(drops), hosts)


def _over(known: Known, store: Store) -> Known:
    """The same with keys that are tried in memory."""
    return replace(known, session=replace(known.session, credentials=known.session.credentials.over(store)))


def rotate(session: Session) -> None:
    """Do it, or continue what was begun. Every API server and etcd must answer."""
    require_provider(session.cluster)
    phases = (*PASSES.phases(), REWRITE)
    session.report.run_started(COMMAND, session.cluster, phases)
    with session.report.watched(), session.locked(COMMAND):
        known = _readable(_asked(session))
        require_known(known)
        known = _begun(known)
        for warning in judge(known.inputs):
            session.report.note(str(warning))
        known.gather()
        _run(known, phases)
        if _retire(_asked(session)):
            _run(_asked(session), PASSES.phases())
        _prove(_asked(session))
    session.report.summary()


def _readable(known: Known) -> Known:
    """With every key that is needed: an API server reads again what an image or a snapshot from before has brought
    back. Without that it would never get ready, so this comes before the API is needed for anything."""
    require_built(known)
    session = known.session
    if back := recall(session.store, needed_again(known)):
        session.report.note(f"{', '.join(back)} is needed again, so it is no longer retired")
        judge(known.inputs)
        known.gather()
        _run(known, PASSES.phases())
        return _asked(session)
    return known


def _begun(known: Known) -> Known:
    """With the key that is rotated to: that of the rotation that was begun, or a new one."""
    session, encryption = known.session, known.inputs.encryption
    if begun := unfinished(encryption):
        session.report.note(f"a rotation to {encryption.wanted} is continued: {begun}")
        return known
    judge(known.inputs)  # a cluster that cannot be changed gets no key
    made = new_key(session.cluster.encryption.provider, session.store)
    session.report.note(f"new encryption key {made}")
    return _asked(session)


def _asked(session: Session) -> Known:
    """Every host that matters, and what each API server has loaded."""
    known = session.assemble(PASSES)
    return replace(known, lives=with_encryption(session.live, known.facts, known.lives))


def _run(known: Known, phases: Sequence[Phase]) -> None:
    session = known.session
    command = f"hardway {COMMAND} {session.cluster.source or 'INV'}"
    where = (known.inputs, session.live, known.remotes())
    Runner(*where, phases, _targets(known), session.report, session.parallel, command=command).run()


def _targets(known: Known) -> frozenset[str]:
    """The hosts of the passes; without what names none there is all."""
    everywhere = known.wanted or frozenset(host.name for host in known.session.cluster.hosts)
    return everywhere | {SECRETS.name, OPERATOR.name}


def _retire(known: Known) -> list[str]:
    """When no API server writes with another key, and then etcd has nothing under one: the keys that API servers need
    no more. What comes later is under the newest."""
    require_known(known)
    require_all(known.inputs.encryption)
    session, credentials = known.session, known.inputs.credentials
    wanted, found = credentials.encryption_writer(), session.live.stored()
    if left := found.but(wanted):
        raise _left(left, wanted)
    session.report.note(f"etcd: {plural(len(found.keys), 'Secret')} under {wanted}, none under another key")
    older = [key for key in credentials.used_keys() if key != wanted]
    if older:
        retire(session.store, older, now().isoformat(timespec="seconds"), found.revision)
        session.report.note(f"retired: {', '.join(older)}; the state directory keeps them for older snapshots")
    return older


def _left(left: dict[str, str], wanted: str) -> NotReadyError:
    return NotReadyError(
        f"etcd has {plural(len(left), 'Secret')} under another key than {wanted}, so the older keys stay in use",
        host="etcd",
        evidence=shown(left),
        hint=AGAIN,
    )


def _prove(known: Known) -> None:
    """Every API server runs without the retired keys, and etcd has nothing under them; else they are used again."""
    session, encryption = known.session, known.inputs.encryption
    require_all(encryption)
    left = session.live.stored().but(encryption.wanted)
    if left:
        recall(session.store, [*set(left.values()) - {IDENTITY}])
        raise _left(left, encryption.wanted)
