"""Collecting what there is of every certificate: here, in the hosts' files, at the ports. Whatever cannot be asked is
said to be unknown."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence

from cryptography import x509

from ...checks.doors import TO_ETCD, Door, doors
from ...checks.scene import told
from ...cluster import Host
from ...errors import HardwayError, PkiError
from ...parallel import each
from ...pki.authority import Signer, open_signer
from ...pki.certificates import Definition, authorities, definition, issued, label
from ...pki.inspection import signed_by
from ...pki.issuing import certificate_pem
from ...pki.leaf import Leaf, Pair
from ...pki.reading import Held, held, of, parsed
from ...pki.rotation import Rotation
from ...session import Session
from ...state.store import Overlay
from ...targets.live import UNREACHABLE
from ...vocabulary import Probe
from .picture import Certificates, Copy, Row, days_left, serial, shown
from .places import Kind, Place, places

KUBECONFIGS = ("admin", "super-admin")  # those that lie in the state directory
HERE = "this computer"


def collect(session: Session) -> Certificates:
    """Every certificate and CA with all its copies; writes nothing anywhere."""
    state, where = Here(session), defaultdict[str, list[Place]](list)
    for place in places(session.cluster):
        where[place.host].append(place)
    copies: dict[str, list[Copy]] = defaultdict(list)
    held: dict[str, tuple[list[tuple[str, Copy]], str]] = {}

    def look(host: Host) -> None:
        held[host.name] = _on(session, state, host, where[host.name])

    each(look, session.cluster.hosts, session.parallel)
    in_order = [(host.name, *held[host.name]) for host in session.cluster.hosts]
    away = {name: problem for name, _, problem in in_order if problem}
    for _, found, _ in in_order:
        for name, copy in found:
            copies[name].append(copy)
    through = next((host for host in session.cluster.control_plane if host.name not in away), None)
    for name, copy in _at_ports(session, state, away, through):
        copies[name].append(copy)
    return Certificates(session.cluster.name, tuple(_rows(state, copies)), away)


class Here:
    """The state directory, looked at as it is: nothing is issued for this, not even in memory."""

    def __init__(self, session: Session):
        self.cluster, self.store = session.cluster, Overlay(session.store)
        self.leaves = {
            label(row, host): Leaf(row, host, self.cluster, self.store) for row, host in issued(self.cluster)
        }
        self.signers: dict[str, Signer] = {}
        self.problems: dict[str, str] = {}  # of CAs that cannot be used, for instance because they have expired
        for authority in authorities():
            self._open(authority.name)

    def _open(self, name: str) -> None:
        if self.store.read(f"pki/{name}.crt") is None:
            self.problems[name] = "missing"
            return
        try:
            self.signers[name] = open_signer(name, self.cluster.pki, self.store, [])
        except PkiError as error:
            self.problems[name] = error.message

    def certificate(self, name: str) -> x509.Certificate | None:
        """The certificate of that label, or the CA's; None when it is missing or damaged."""
        path = f"{self.leaves[name].path}.crt" if name in self.leaves else f"pki/{name}.crt"
        return next(iter(parsed(self.store.read(path) or b"")), None)

    def state(self, name: str) -> str:
        """Of a certificate: valid, or what is wrong with it or its CA."""
        leaf = self.leaves[name]
        if self.store.read(f"{leaf.path}.crt") is None:
            return "missing"
        try:
            signer = self.signers.get(leaf.row.ca)
            reason = leaf.fault(signer) if signer else f"its CA {leaf.row.ca}: {self.problems[leaf.row.ca]}"
        except PkiError as error:
            return error.message
        return reason or "valid"

    def trusted(self, name: str) -> tuple[x509.Certificate, ...]:
        return parsed(Rotation(name, self.store).trusted)

    def client(self) -> Pair | None:
        """hardway's own identity towards etcd, if it is here."""
        leaf = self.leaves[TO_ETCD]
        pair = leaf.read()
        return pair if pair.cert and pair.key.reveal() else None


def _on(session: Session, state: Here, host: Host, some: Sequence[Place]) -> tuple[list[tuple[str, Copy]], str]:
    """The copies in a host's files, and why it gave no answer."""
    probes = {place.path: Probe("certificates", (place.path,)) for place in some}
    try:
        session.live.transports[host.name].connect()
        answers = session.live.remotes[host.name].probe(list(probes.values()))
    except HardwayError as error:
        return [
            (p.label, Copy(host.name, p.kind, p.path, "unknown", problem=error.message)) for p in some
        ], error.message
    return [(place.label, in_file(state, place, held(answers[probes[place.path]]))) for place in some], ""


def in_file(state: Here, place: Place, found: Held) -> Copy:
    """What a file says of its certificate, compared with the one here."""
    about = (place.host, place.kind)
    there = _meant(place, found)
    if not found.there:
        return Copy(*about, place.path, "missing")
    if not there:
        return Copy(*about, place.path, "unreadable")
    first = min(there, key=lambda one: one.not_valid_after_utc)
    verdict = "same" if _agrees(state, place, there) else "other"
    return Copy(*about, place.path, verdict, serial(first), first.not_valid_after_utc.isoformat(), days_left(first))


def _meant(place: Place, found: Held) -> tuple[x509.Certificate, ...]:
    """The certificates in a file that a place is about."""
    if place.kind is Kind.KUBECONFIG:
        return (found.client,) if found.client else ()
    if place.kind is Kind.TRUST:
        return found.authorities or found.own
    return found.own[:1]


def _agrees(state: Here, place: Place, there: tuple[x509.Certificate, ...]) -> bool:
    if place.kind is Kind.TRUST:
        return set(there) == set(state.trusted(place.label))
    if place.kind is Kind.OWN:  # the cluster's own signer has signed it, so that nobody here has it
        signer = state.signers.get(state.leaves[place.label].row.ca)
        return bool(signer) and signed_by(there[0], signer.certificate)
    return there[0] == state.certificate(place.label)


def _at_ports(session: Session, state: Here, away: dict[str, str], through: Host | None) -> Iterator[tuple[str, Copy]]:
    """What is shown at every port."""
    found: list[tuple[str, Copy]] = []
    client, guard = state.client(), threading.Lock()
    listed = doors(session.cluster, through or session.cluster.control_plane[0])

    def look(host: Host) -> None:
        for door in [one for one in listed if one.host == host]:
            copy = at_port(session, state, door, client, away.get(host.name, ""))
            with guard:
                found.append((door.label, copy))

    each(look, session.cluster.hosts, session.parallel)
    order = {(door.label, door.host.name, door.where): i for i, door in enumerate(listed)}
    yield from sorted(found, key=lambda one: order[one[0], one[1].host, one[1].where])


def at_port(session: Session, state: Here, door: Door, client: Pair | None, away: str) -> Copy:
    """What a port shows, compared with the file here."""
    about = (door.host.name, "port", door.where)
    if away:
        return Copy(*about, "unknown", problem=away)
    ca = b"".join(certificate_pem(one) for one in state.trusted(definition(door.row).ca))
    try:
        there = x509.load_der_x509_certificate(door.shown(session.live.transports, ca, client))
    except (*UNREACHABLE, ValueError) as error:
        return Copy(*about, "unknown", problem=told(error))
    verdict = "same" if there == state.certificate(door.label) else "other"
    return Copy(*about, verdict, serial(there), there.not_valid_after_utc.isoformat(), days_left(there))


def _rows(state: Here, copies: dict[str, list[Copy]]) -> Iterator[Row]:
    """CAs first, then certificates in the table's order; what lies in kubeconfigs here belongs to them too."""
    for authority in authorities():
        yield from _authority(state, authority.name, copies[authority.name])
    for name, leaf in state.leaves.items():
        own = list(_in_kubeconfigs(state, leaf.row, name))
        certificate = state.certificate(name)
        signer = state.signers.get(leaf.row.ca)
        says = shown(certificate) if certificate else None
        about = (name, "certificate", leaf.row.ca, bool(signer and signer.key), state.state(name))
        yield Row(*about, *([says] if says else []), copies=(*own, *copies[name]))


def _authority(state: Here, name: str, copies: Sequence[Copy]) -> Iterator[Row]:
    """A CA, and during a rotation the other one."""
    certificate, rotation = state.certificate(name), Rotation(name, state.store)
    has_key = state.store.read(f"pki/{name}.key") is not None
    says = shown(certificate) if certificate else None
    yield Row(
        name, "CA", "", has_key, state.problems.get(name, "valid"), *([says] if says else []), copies=tuple(copies)
    )
    others = [(word, pem) for word in ("next", "former", "retired") if (pem := state.store.read(rotation.file(word)))]
    for word, pem in others:
        yield from (
            Row(f"{name}.{word}", "CA", "", has_key, f"rotation: {rotation.stage}", shown(one))
            for one in parsed(pem)[:1]
        )


def _in_kubeconfigs(state: Here, row: Definition, name: str) -> Iterator[Copy]:
    """The copies in the kubeconfigs of the state directory."""
    if name not in KUBECONFIGS:
        return
    content = state.store.read(f"{name}.conf")
    place = Place(name, HERE, state.store.where(f"{name}.conf"), Kind.KUBECONFIG, "")
    yield in_file(state, place, of(content) if content is not None else Held(there=False))
