"""Another CA, or another key of tokens, in place of the one there is, while the cluster lives.

A loop of passes: each brings what the state directory says to every host, then what must be true before the next stage
is asked of the cluster, then the state directory takes one step. Nothing else is remembered, so the same command goes
on wherever it was ended.
"""

from __future__ import annotations

import contextlib

from ....errors import PkiError, UsageError
from ....phases import PHASES
from ....pki.authority import open_signer
from ....pki.rotation import KINDS, TOKENS, Rotation, Stage, rotations
from ....plans import Plan
from ....report import plural
from ....run.failures import together
from ....session import Known, Session
from ....state.store import Overlay, Store
from ....targets.live import UNREACHABLE
from .. import passes
from . import gates, refused, workloads


def rotate(session: Session, kind: str, choice: str) -> None:
    """All stages, from the one that is there. `choice`: see gates.before_signing."""
    name = KINDS[kind]
    session.report.run_started("certs rotate-ca", session.cluster, PHASES, kind)
    with session.report.watched(), session.locked("certs rotate-ca"):
        rotation = Rotation(name, session.store)
        _require_alone(session.store, name)
        rotation.complete()
        rotation.check_keys()
        known = _whole(session, kind)
        passes.require_certificates_alone(known)
        if rotation.stage is Stage.NONE:
            _require_key(session, name)
            gates.require_nodes_known(known, rotation)
            rotation.begin(session.cluster.pki)
        while rotation.stage is not Stage.NONE:
            session.report.note(f"{kind}: stage {rotation.stage.told}")
            known = _whole(passes.fresh(session), kind)
            passes.bring(known)
            _step(known, rotation, choice)
    merge = f"hardway kubeconfig {session.cluster.source or 'INV'} --merge"
    session.report.note(f"{kind}: the new one is the only one; get a new kubeconfig: {merge}")
    session.report.summary()


def foresee(session: Session, kind: str) -> tuple[Plan, Known]:
    """What is left to change in the present stage, else what the next one would change; nothing is written."""
    store = Overlay(session.store)
    rotation = Rotation(KINDS[kind], store)
    _require_alone(store, rotation.name)
    rotation.complete()
    rotation.check_keys()
    known = _whole(session, kind)
    passes.require_certificates_alone(known)
    if rotation.stage is Stage.NONE:
        _require_key(session, rotation.name)
        gates.require_nodes_known(known, rotation)
        rotation.begin(session.cluster.pki)
    found = passes.plan(known, store)
    if not found.changes and rotation.stage in NEXT:
        NEXT[rotation.stage](rotation)
        found = passes.plan(known, store)
    session.report.note(f"{kind}: stage {rotation.stage.told}")
    if rotation.name == "ca" and rotation.stage is Stage.TRUST:
        _foresee_pods(known)
    return found, known


NEXT = {Stage.TRUST: Rotation.sign, Stage.SIGN: Rotation.drop}


def _foresee_pods(known: Known) -> None:
    """Say whose pods may have to be replaced before the new CA signs."""
    with contextlib.suppress(*UNREACHABLE):
        for owner, count in workloads.readers(known.session.live.kube()).items():
            known.session.report.note(f"ca: before stage 2, --workloads decides about {owner}: {plural(count, 'pod')}")


def _whole(session: Session, kind: str) -> Known:
    """Every host answers: one that does not would be left without trust in what the others use."""
    known = passes.surveyed(session)
    if errors := list(known.left_out.values()):
        for error in errors:
            error.hint = "; ".join(filter(None, [error.hint, f"then: hardway certs rotate-ca {kind} INV"]))
        raise together(errors, "a rotation needs all hosts")
    return known


def _step(known: Known, rotation: Rotation, choice: str) -> None:
    """The next stage, once the cluster is ready for it; not when another run has changed it during a long wait."""
    if rotation.stage is Stage.TRUST:
        gates.before_signing(known, rotation, choice)
        known.session.permission.require()
        rotation.sign()
    elif rotation.stage is Stage.SIGN:
        gates.before_dropping(known, rotation)
        known.session.permission.require()
        rotation.drop()
    else:
        gates.before_the_end(known, rotation)
        hosts = refused.require(known, rotation)
        known.session.report.note(f"{rotation.name}: the old one is refused and the new one accepted on {hosts} hosts")
        rotation.finish()


def _require_alone(store: Store, name: str) -> None:
    """UsageError while another rotation is under way."""
    for other in rotations(store):
        if other.name != name and other.stage is not Stage.NONE:
            raise UsageError(
                f"another rotation is not finished: {other.kind}, stage {other.stage.told}",
                hint=f"finish it first: {other.command}",
            )


def _require_key(session: Session, name: str) -> None:
    """PkiError for a CA whose key is kept elsewhere: its successor could not be proven to have taken its place."""
    if name != TOKENS and open_signer(name, session.cluster.pki, Overlay(session.store), []).key is None:
        raise PkiError(
            f"the key of the CA {name} is not in the state directory, so hardway cannot rotate it",
            hint=f"copy it to {session.store.where(f'pki/{name}.key')} for the time of the rotation",
        )
