"""What every restore needs before and after its phases: hosts that answer, notes that go, a cluster that works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from .. import checks
from ..errors import ConnectionFailed, DriftError, HardwayError, HostErrors
from ..living import Founded, Lives, what_lives
from ..living.extensions import FIELDS, take_out
from ..living.restoration import NOTE
from ..parallel import each
from ..pki.rotation import Rotation
from ..run.selection import Selection
from ..session import Known, Session
from ..targets.patience import patiently
from ..vocabulary import Op

PROOFS = frozenset(
    {"etcd-members", "apiservers-ready", "api-address", "kubernetes-service", "leaders", "nodes-ready", "coredns-ready"}
)


def assembled(session: Session, ignore: Sequence[str] = ()) -> Known:
    """Every host asked; a worker need not answer. The error of any other: a host that runs on without hardway's
    knowledge would serve old data, and write it back."""
    try:
        return session.assemble(Selection(ignore=tuple(ignore)))
    except HardwayError as error:
        for one in error.errors if isinstance(error, HostErrors) else (error,):
            if isinstance(one, ConnectionFailed):
                gone = f"if {one.host} will never come back, remove it from INV; nothing has been changed"
                one.hint = "; ".join(filter(None, [one.hint, gone]))
        raise


def follow(session: Session, day: str) -> Lives:
    """CAs that were replaced since the snapshot are trusted no more, and the record of the cluster follows what lives
    since `day` (ISO 8601): etcd has another id by now."""
    for name in FIELDS:
        patiently(session.live.kube, partial(take_out, rotation=Rotation(name, session.store)))
    lives = what_lives(session.live)
    Founded.of(session.cluster, lives, day).follow(session.store)
    return lives


def forget(session: Session) -> None:
    """Remove the notes on the hosts: while one is there, the restore is not finished."""
    cluster = session.cluster
    noted = {host.name: host for host in (*cluster.etcd_members, *cluster.control_plane)}
    each(
        lambda host: session.live.remotes[host.name].change([Op("dropnote", (NOTE,))]),
        list(noted.values()),
        session.parallel,
    )


def prove(known: Known, lives: Lives) -> None:
    """Check that it works; Nodes of the snapshot whose workers are not in the inventory are named."""
    session = known.session
    inputs = replace(known.inputs, lives=lives)
    for gone in inputs.departed:
        session.report.note(f"the snapshot has the Node {gone}, and the inventory does not: {gone.removal}")
    proofs = PROOFS - {"nodes-ready"} if known.left_out else PROOFS
    outcomes = checks.verify(session.live, inputs, (), proofs, session.report)
    if failed := [check.name for check, outcome in outcomes if outcome.status == "failed"]:
        raise DriftError(
            f"etcd is restored, but {', '.join(failed)} failed",
            hint="hardway doctor INV   shows why; after machines were reinstalled: hardway bootstrap INV",
        )
