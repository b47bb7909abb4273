"""The proof that an old CA, or an old key of tokens, is gone: what it signs now is refused everywhere, while what the
new one signs in the same way is accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ....checks import peer
from ....checks.scene import on_hosts
from ....cluster import Cluster, Host, Role
from ....errors import NotReadyError, PkiError
from ....pki.issuing import Profile, certificate_pem, issue_leaf, key_pem, load_certificate, load_key, new_key
from ....pki.leaf import Pair
from ....pki.rotation import TOKENS, Rotation
from ....pki.secret import Secret
from ....pki.tokens import Account, token
from ....ports import ETCD_CLIENT, ETCD_PEER, KUBELET
from ....session import Known

# An administrator of a cluster and of etcd, and the name that front proxies must have: refused only because of the CA.
WHO = {
    "ca": Profile("hardway-proof-of-rotation", ("system:masters",)),
    "etcd-ca": Profile("hardway-proof-of-rotation"),
    "front-proxy-ca": Profile("front-proxy-client"),
}
AS_ADMIN = {"X-Remote-User": "hardway-proof-of-rotation", "X-Remote-Group": "system:masters"}
ACCOUNT = ("kube-system", "default")
DAYS = 1
REFUSED = (0, 401)  # by the handshake, by the server
Answer = tuple[int, str]


@dataclass(frozen=True)
class Question:
    """A request to a port, as the holder of a certificate or of a token; `ca` is that of the server."""

    port: int
    path: str
    ca: str = "ca"
    pair: Pair | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def require(known: Known, rotation: Rotation) -> int:
    """NotReadyError where the old one is still accepted, or the new one is not; on how many hosts it was asked."""
    questions = {newer: _questions(known, rotation, newer) for newer in (False, True)}
    hosts = [host for host in known.session.cluster.hosts if questions[True](host)]

    def look(host: Host) -> str:
        old = [(one, answer(known, host, one)) for one in questions[False](host)]
        new = [(one, answer(known, host, one)) for one in questions[True](host)]
        found = [f"port {one.port} accepts the old one: {_told(said)}" for one, said in old if said[0] not in REFUSED]
        return "; ".join(
            found + [f"port {one.port} refuses the new one: {_told(said)}" for one, said in new if said[0] in REFUSED]
        )

    if found := on_hosts(look, hosts):
        raise NotReadyError(
            f"the old {rotation.name} is not refused everywhere, or the new one is not accepted",
            host=found[0].partition(":")[0],
            waited_for=f"what the old {rotation.name} signs to be refused",
            evidence="\n".join(found),
            hint="hardway plan INV   shows what differs there; run the same command again: it asks again",
        )
    return len(hosts)


def answer(known: Known, host: Host, asked: Question) -> Answer:
    """(HTTP status, body); (0, reason) when the handshake is refused."""
    session = known.session
    settings = peer.context(session.credentials.ca(asked.ca), asked.pair, believe=False)
    dial = lambda: session.live.transports[host.name].dial(asked.port, str(host.address))  # noqa: E731
    return peer.status(dial, asked.path, settings, asked.headers)


def _told(said: Answer) -> str:
    return f"{said[0]} {said[1][:80]}"


def _questions(known: Known, rotation: Rotation, newer: bool) -> Callable[[Host], list[Question]]:
    """What is asked of each host with what the new one, or the old one, signs."""
    cluster, name = known.session.cluster, rotation.name
    if name == TOKENS:
        bearer = {"Authorization": f"Bearer {_token(known, rotation, newer).reveal().decode()}"}
        asked = lambda host: [Question(cluster.apiserver_port(host), "/api", headers=bearer)]  # noqa: E731
        return lambda host: asked(host) if host.is_(Role.CONTROL_PLANE) else []
    pair = signed_for_proof(rotation, newer)
    return lambda host: list(_of_certificates(cluster, name, host, pair))


def _of_certificates(cluster: Cluster, name: str, host: Host, pair: Pair) -> Iterator[Question]:
    """For everything on a host that judges certificates of this CA."""
    if name == "etcd-ca" and host.is_(Role.ETCD):
        yield from (Question(port, "/version", name, pair) for port in (ETCD_CLIENT, ETCD_PEER))
    if name != "etcd-ca" and host.is_(Role.CONTROL_PLANE):
        headers = AS_ADMIN if name == "front-proxy-ca" else {}
        yield Question(cluster.apiserver_port(host), "/api", "ca", pair, headers)
    if name == "ca" and host.is_(Role.WORKER):
        yield Question(KUBELET, "/pods", "ca", pair)


def signed_for_proof(rotation: Rotation, newer: bool) -> Pair:
    """A client's certificate by the old CA or the new one, which is kept nowhere; PkiError when its key is not here."""
    store, where = rotation.store, rotation.store.where(rotation.file())
    pem = rotation.newer if newer else rotation.older
    key = store.read(rotation.file("", "key")) if newer else rotation.older_key
    if not pem or not key:
        raise _nothing_to_prove_with(rotation)
    own, ca = new_key("ecdsa-p256"), load_certificate(pem, where)
    made = issue_leaf(WHO[rotation.name], own, ca, load_key(key, where), DAYS)
    return Pair(certificate_pem(made), Secret(key_pem(own)))


def _token(known: Known, rotation: Rotation, newer: bool) -> Secret:
    key = rotation.store.read(rotation.file("", "key")) if newer else rotation.older_key
    if not key:
        raise _nothing_to_prove_with(rotation)
    found = known.session.live.kube().get(f"/api/v1/namespaces/{ACCOUNT[0]}/serviceaccounts/{ACCOUNT[1]}") or {}
    account = Account(*ACCOUNT, found.get("metadata", {}).get("uid", ""))
    return token(key, known.session.cluster.service_account_issuer, account)


def _nothing_to_prove_with(rotation: Rotation) -> PkiError:
    where = rotation.store.where(rotation.file("former", "key"))
    kept = rotation.store.where(f"pki/old/*/{rotation.file('', 'key')}")
    return PkiError(
        f"a key of {rotation.kind} is not here: there is nothing to prove with that the old one is refused",
        evidence=f"the old one: {where}\nthe new one: {rotation.store.where(rotation.file('', 'key'))}",
        hint=f"restore it from a backup; the old key, which was replaced last, is also kept as {kept}",
    )
