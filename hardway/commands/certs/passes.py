"""A pass over the cluster: what the state directory has now of certificates and keys is brought to every host, by the
engine of bootstrap: what restarts nothing everywhere first, then restarts in turns."""

from __future__ import annotations

from dataclasses import replace

from ...errors import DriftError, HardwayError
from ...phases import PHASES, etcd
from ...plans import Plan, foresee, permitted
from ...plans.plan import Planned
from ...preflight import judge
from ...report import plural
from ...resources import File, OwnCertificate
from ...run.failures import of_left_out
from ...run.mark import MARK
from ...run.runner import Runner
from ...run.selection import Selection
from ...run.step import Done
from ...run.supposed import supposed
from ...session import Known, Session
from ...state.store import Overlay, Store

EVERYTHING = Selection()
BROUGHT = tuple(etcd.UNNOTICED if phase is etcd.PHASE else phase for phase in PHASES)
OF_OPERATOR = ("keys and certificates", "state file admin.conf", "state file super-admin.conf")
OF_UNITS = ("unit ", "stamp of ")  # they follow what they read
SHOWN = 6


def surveyed(session: Session) -> Known:
    """The cluster as it is, fit for a pass: every host was asked, workers that give no answer are left out of it."""
    known = permitted(session.assemble(EVERYTHING), EVERYTHING)
    for warning in judge(known.inputs):
        session.report.note(str(warning))
    known.gather()
    return known


def fresh(session: Session) -> Session:
    """The same with keys and certificates as they are in the state directory now."""
    return session.trusting(session.credentials.over(session.store))


def again(known: Known) -> Known:
    """The same cluster, so."""
    return replace(known, session=fresh(known.session))


def plan(known: Known, store: Store | None = None) -> Plan:
    """What a pass would change now, or if this were the state directory."""
    looking = known.looking()
    if store is not None:
        session = looking.session
        session = session.trusting(session.credentials.over(Overlay(store)))
        looking = replace(looking, session=replace(session, store=store))
    hosts = known.wanted or frozenset()
    return foresee(looking.inputs, looking.readers(), PHASES, hosts, (), known.session.parallel)


def bring(known: Known) -> list[Done]:
    """Carry it out."""
    session = known.session
    where = (known.inputs, session.live, known.remotes())
    return Runner(*where, BROUGHT, known.wanted or frozenset(), session.report, session.parallel).run()


def require_all(known: Known, command: str) -> None:
    """The error of the hosts that were left out, if there are any."""
    if known.left_out:
        raise of_left_out(list(known.left_out.values()), command)


def require_certificates_alone(known: Known) -> None:
    """DriftError when a pass would change anything but certificates and keys: whoever renews them means nothing
    else."""
    ours = _resources(known)
    others = [one for one in plan(known).changes if not (one.unknown or one.resource in ours)]
    if others := [one for one in others if not one.resource.startswith(OF_UNITS)]:
        raise drift(others, str(known.session.cluster.source or "INV"))


def drift(others: list[Planned], inventory: str) -> HardwayError:
    lines = [f"{one.host}: {one.resource}: {', '.join(one.why)}" for one in others[:SHOWN]]
    # Other programs come host by host, drained and in the order of versions.
    versions = any(one.resource.startswith("binary ") for one in others)
    first = f"hardway {'upgrade' if versions else 'bootstrap'} {inventory}"
    more = [f"and {len(others) - SHOWN} more"] if len(others) > SHOWN else []
    return DriftError(
        f"nothing was changed: {plural(len(others), 'difference')} between hosts and inventory besides certificates",
        evidence="\n".join([*lines, *more]),
        hint=f"first: {first}; hardway plan {inventory}   shows all of them",
    )


def _resources(known: Known) -> frozenset[str]:
    """The keys of all resources that are made of certificates and keys, and of what goes with them."""
    inputs = supposed(known.session.cluster)
    found = {MARK, *OF_OPERATOR}
    for phase in PHASES:
        for host in (host for host in inputs.cluster.hosts if phase.works_on(inputs.cluster, host)):
            found |= {one.key for one in phase.desired(inputs, host) if isinstance(one, OwnCertificate) or _pem(one)}
    return frozenset(found)


def _pem(resource: object) -> bool:
    """Whether a file is made of certificates or keys: PEM, or a kubeconfig."""
    data = (resource.blob.data or b"") if isinstance(resource, File) else b""
    return data.startswith(b"-----BEGIN ") or b"client-certificate-data: " in data
