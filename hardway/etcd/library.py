"""etcd through the etcd3 library: gRPC with mutual TLS over ports forwarded through one host.

The only module that imports etcd3, and only when it is needed. etcd3 0.12 was generated for an older protobuf; with
protobuf's pure Python implementation it works, which must be chosen before protobuf is imported for the first time.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..cluster import Cluster, Host
from ..errors import HardwayError, RemoteCommandError
from ..patience import stretched
from ..ports import ETCD_CLIENT
from .interface import (
    CALL_SECONDS,
    COMPACT_SECONDS,
    COMPACTED,
    HASH_SECONDS,
    KINDS,
    LEARNER,
    PROBE_SECONDS,
    Alarm,
    Hash,
    Health,
    Member,
    Status,
    in_kind,
    in_order,
    refused,
    silent,
)
from .messages import member, status

if TYPE_CHECKING:
    from ..pki.credentials import Credentials, Pair
    from ..transport import Transport

ENVIRONMENT = {
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python",
    "GRPC_VERBOSITY": "NONE",
    "GRPC_ENABLE_FORK_SUPPORT": "0",
}
# A tunnel begins on our own loopback: a proxy of the environment has no business there. A member that starts is seen
# soon.
CHANNEL = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
# MemberAddRequest's isLearner, field 2, as it is sent: true.
AS_LEARNER = b"\x10\x01"
PROMOTE = "/etcdserverpb.Cluster/MemberPromote"
ONCE = ("member add", "member remove")

_importing = threading.Lock()


class Unusable(Exception):
    """The library cannot be imported here, or no connection comes about with it."""


@dataclass(frozen=True)
class Endpoint:
    """One member: its host in the inventory, and the port on our loopback that leads to it."""

    host: Host
    port: int


def library() -> ModuleType:
    """etcd3, imported with what it needs; Unusable with the reason when that fails."""
    with _importing, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import etcd3
        except Exception as error:
            # Whatever it is, etcdctl does without: protobuf raises TypeError, a missing system library OSError, and so
            # on.
            raise Unusable(f"etcd3 cannot be imported: {error}".splitlines()[0]) from error
        return etcd3


def open_library(cluster: Cluster, transport: Transport, credentials: Credentials) -> Etcd3:
    """Tunnels to every member and a client over them; Unusable when no member can be talked to."""
    library()
    with contextlib.ExitStack() as tunnels:
        try:
            ports = [
                tunnels.enter_context(transport.forward(ETCD_CLIENT, str(host.address)))
                for host in cluster.etcd_members
            ]
            endpoints = tuple(map(Endpoint, cluster.etcd_members, ports))
            client = Etcd3(endpoints, credentials.ca("etcd-ca"), credentials.certificate("etcd-healthcheck-client"))
            # Closed in reverse: first the channels, then the tunnels under them.
            tunnels.enter_context(client.resources)
            client.probe()
        except HardwayError as error:
            raise Unusable(f"etcd3 cannot connect: {error.evidence or error}") from error
        client.resources = tunnels.pop_all()
        return client


class Etcd3:
    """An EtcdClient over tunnels that are already there."""

    how = "etcd3 through a tunnel"

    def __init__(self, endpoints: tuple[Endpoint, ...], ca: bytes, pair: Pair):
        self._endpoints = endpoints
        self._hosts = tuple(endpoint.host for endpoint in endpoints)
        self._clients = [_client(endpoint.port, ca, pair) for endpoint in endpoints]
        self.resources = contextlib.ExitStack()
        for client in self._clients:
            self.resources.callback(client.close)

    def __enter__(self) -> Etcd3:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        self.resources.close()

    def probe(self) -> None:
        """Whether any member can be talked to at all, quorum or not; NotReadyError when not."""
        self._any(
            "member list", lambda client: client.clusterstub.MemberList, _requests().MemberListRequest(), PROBE_SECONDS
        )

    def members(self) -> tuple[Member, ...]:
        request = _requests().MemberListRequest()
        return in_order(
            [
                member(each)
                for each in self._any("member list", lambda client: client.clusterstub.MemberList, request).members
            ]
        )

    def health(self) -> tuple[Health, ...]:
        request = _requests().RangeRequest(key=b"health")
        answers = self._all(lambda client: client.kvstub.Range, request)
        return tuple(Health(host.name, not error, error) for host, (_, error) in zip(self._hosts, answers, strict=True))

    def status(self) -> tuple[Status, ...]:
        answers = self._all(lambda client: client.maintenancestub.Status, _requests().StatusRequest())
        return tuple(
            status(host, answer) for host, (answer, error) in zip(self._hosts, answers, strict=True) if not error
        )

    def add_member(self, name: str, peer_urls: tuple[str, ...]) -> Member:
        request = _requests().MemberAddRequest(peerURLs=peer_urls)
        request.MergeFromString(AS_LEARNER)
        return member(self._any(f"member add {name}", lambda client: client.clusterstub.MemberAdd, request).member)

    def promote_member(self, member_id: int) -> None:
        request = _requests().MemberRemoveRequest(ID=member_id)  # a promotion's has the same field
        self._any(f"member promote {member_id:x}", _promotion, request)

    def update_member(self, member_id: int, peer_urls: tuple[str, ...]) -> None:
        request = _requests().MemberUpdateRequest(ID=member_id, peerURLs=peer_urls)
        self._any(f"member update {member_id:x}", lambda client: client.clusterstub.MemberUpdate, request)

    def remove_member(self, member_id: int) -> None:
        request = _requests().MemberRemoveRequest(ID=member_id)
        self._any(f"member remove {member_id:x}", lambda client: client.clusterstub.MemberRemove, request)

    def move_leader(self, member_id: int) -> None:
        leading = {status.name for status in self.status() if status.is_leader}
        request = _requests().MoveLeaderRequest(targetID=member_id)
        method = lambda client: client.maintenancestub.MoveLeader  # noqa: E731
        self._any(f"move-leader {member_id:x}", method, request, among=leading)

    def get(self, key: str) -> bytes | None:
        request = _requests().RangeRequest(key=key.encode())
        answer = self._any(f"get {key}", lambda client: client.kvstub.Range, request)
        return answer.kvs[0].value if answer.kvs else None

    def hashes(self, revision: int) -> Mapping[str, Hash]:
        request = _requests().HashKVRequest(revision=revision)
        answers = self._all(lambda client: client.maintenancestub.HashKV, request, HASH_SECONDS)
        found = zip(self._hosts, answers, strict=True)
        return {host.name: Hash(answer.hash, answer.compact_revision) for host, (answer, error) in found if not error}

    def compact(self, revision: int) -> None:
        request = _requests().CompactionRequest(revision=revision, physical=True)
        try:
            self._any(f"compact {revision}", lambda client: client.kvstub.Compact, request, COMPACT_SECONDS)
        except RemoteCommandError as error:
            if COMPACTED not in error.evidence:
                raise

    def alarms(self) -> tuple[Alarm, ...]:
        request = _requests().AlarmRequest(action=_requests().AlarmRequest.GET)
        found = self._any("alarm list", lambda client: client.maintenancestub.Alarm, request).alarms
        return tuple(sorted((Alarm(one.memberID, KINDS[one.alarm]) for one in found), key=in_kind))

    def disarm(self) -> None:
        request = _requests().AlarmRequest
        for raised in self.alarms():
            ended = request(action=request.DEACTIVATE, memberID=raised.member_id, alarm=KINDS.index(raised.kind))
            self._any("alarm disarm", lambda client: client.maintenancestub.Alarm, ended)

    def _any(
        self,
        action: str,
        method: Callable[[Any], Any],
        request: object,
        seconds: float = CALL_SECONDS,
        among: Set[str] | None = None,
    ) -> Any:
        """The answer of the first member that gives one; of those `among` these hosts."""
        import grpc

        errors = []
        for endpoint, client in zip(self._endpoints, self._clients, strict=True):
            if among is not None and endpoint.host.name not in among:
                continue
            try:
                return method(client)(request, stretched(seconds))
            except grpc.RpcError as error:
                if _refused(error):
                    raise refused(action, endpoint.host.name, error.details()) from None
                errors.append(f"{endpoint.host.name}: {error.details()}")
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and action.startswith(ONCE):
                    # It may have been carried out: asking another member to do it again would add or remove twice.
                    break
        raise silent(action, self._hosts, "\n".join(errors)) from None

    def _all(
        self, method: Callable[[Any], Any], request: object, seconds: float = CALL_SECONDS
    ) -> list[tuple[Any, str]]:
        """(answer, "") or (None, error) of every member, asked at the same time."""
        import grpc

        answers = []
        for call in [method(client).future(request, stretched(seconds)) for client in self._clients]:
            try:
                answers.append((call.result(), ""))
            except grpc.RpcError as error:
                answers.append((None, error.details() or str(error.code())))
        return answers


def _requests() -> ModuleType:
    return library().etcdrpc


def _promotion(client: Any) -> Any:
    """A call that the library's protocol files do not know; what is sent and answered is as in MemberRemove."""
    known = _requests()
    forms = known.MemberRemoveRequest.SerializeToString, known.MemberRemoveResponse.FromString
    return client.channel.unary_unary(PROMOTE, *forms)


def _client(port: int, ca: bytes, pair: Pair) -> Any:
    import grpc

    class FromMemory(library().Etcd3Client):  # type: ignore[misc]
        """The library reads its keys from files; ours stay in memory."""

        def _get_secure_creds(self, ca_cert, cert_key=None, cert_cert=None):
            return grpc.ssl_channel_credentials(ca_cert, cert_key, cert_cert)

    return FromMemory(
        "127.0.0.1", port, ca, pair.key.reveal(), pair.cert, timeout=stretched(CALL_SECONDS), grpc_options=CHANNEL
    )


def _refused(error: Any) -> bool:
    """Whether etcd understood and said no, unlike a member that is away, waits for a leader or is a learner."""
    import grpc

    if LEARNER in (error.details() or ""):
        return False
    away = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return error.code() not in away or "unhealthy cluster" in (error.details() or "")
