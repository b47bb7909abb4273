"""`hardway certs renew`: new certificates by the same CAs, without a gap in the API.

Each is marked in the state directory first. From then on any run issues it again, here or in `bootstrap`: so whatever
ends a run, the next one goes on.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ...cluster import Host
from ...errors import PkiError
from ...parallel import each
from ...phases import PHASES
from ...pki.credentials import Credentials
from ...pki.leaf import Leaf
from ...pki.reading import held, parsed
from ...plans import Plan
from ...report import plural
from ...session import Known, Session
from ...state.store import Overlay
from ...vocabulary import Probe
from . import passes, proof
from .choosing import chosen, leaves
from .places import Kind, Place, places

AGAIN = "hardway bootstrap INV"


def renew(session: Session, names: Sequence[str], all_: bool, keep_keys: bool) -> list[str]:
    """Renew the certificates that are meant; what they are called. `keep_keys`: with the keys they have."""
    every = leaves(session.cluster, session.store)
    wanted = chosen(every, names, all_)
    session.report.run_started("certs renew", session.cluster, PHASES, " ".join(names) or "--all")
    with session.report.watched(), session.locked("certs renew"):
        known = passes.surveyed(session)
        passes.require_certificates_alone(known)
        require_signers(session.credentials, [every[name] for name in wanted])
        ask(known, {name: every[name] for name in wanted}, keep_keys)
        renewed = passes.again(known)
        passes.bring(renewed)
        proof.shown(renewed, wanted)
    session.report.note(
        f"renewed: {', '.join(wanted)}" if len(wanted) < 10 else f"renewed {plural(len(wanted), 'certificate')}"
    )
    session.report.summary()
    passes.require_all(known, f"{AGAIN}, which brings the new certificates there")
    return wanted


def foresee(session: Session, names: Sequence[str], all_: bool, keep_keys: bool) -> tuple[Plan, Known]:
    """What `renew` would do, found without writing anything."""
    every = leaves(session.cluster, session.credentials.store)
    wanted = chosen(every, names, all_)
    known = passes.surveyed(session)
    passes.require_certificates_alone(known)
    require_signers(session.credentials, [every[name] for name in wanted])
    store = Overlay(session.store)
    ask(known, {name: leaves(session.cluster, store)[name] for name in wanted}, keep_keys)
    return passes.plan(known, store), known


def require_signers(credentials: Credentials, some: Sequence[Leaf]) -> None:
    """PkiError when the key of a CA that must sign one of these is not here."""
    lacking = [leaf for leaf in some if not credentials.has_ca_key(leaf.row.ca)]
    if lacking:
        raise PkiError(
            f"the key of the CA {lacking[0].row.ca} is not in the state directory: it cannot sign",
            evidence="\n".join(f"{leaf.path}.crt: signed by {leaf.row.ca}" for leaf in lacking),
            hint="have them signed where it is: hardway certs csr INV --out DIR; then hardway certs import INV DIR",
        )


def ask(known: Known, some: Mapping[str, Leaf], keep_keys: bool) -> None:
    """Mark these, but for those that an earlier run has issued and not brought everywhere yet."""
    under_way = _under_way(known, some)
    for name, leaf in some.items():
        if name in under_way:
            known.session.report.note(f"{name}: already issued by an earlier run, and now brought to its hosts")
        else:
            leaf.ask(keep_keys)


def _under_way(known: Known, some: Mapping[str, Leaf]) -> set[str]:
    """Those of which a host has an older one than is here."""
    session, found, guard = known.session, set[str](), threading.Lock()
    where = defaultdict[str, list[Place]](list)
    for place in places(session.cluster):
        if place.label in some and place.kind in (Kind.FILE, Kind.KUBECONFIG):
            where[place.host].append(place)

    def look(host: Host) -> None:
        probes = {one: Probe("certificates", (one.path,)) for one in where[host.name]}
        answers = session.live.remotes[host.name].probe(list(probes.values()))
        older = {one.label for one, probe in probes.items() if _older(some[one.label], answers[probe])}
        with guard:
            found.update(older)

    asked = [host for host in session.cluster.hosts if known.facts[host.name].known and host.name in where]
    each(look, asked, session.parallel)
    return found


def _older(leaf: Leaf, answer: str) -> bool:
    """Whether a file holds one that was issued before the one here; a certificate's moments are whole seconds."""
    here, there = next(iter(parsed(leaf.read().cert)), None), held(answer).first
    return bool(here and there and here != there and there.not_valid_before_utc <= here.not_valid_before_utc)
