"""etcd through etcdctl on a member, over the host's own connection: what is left where the library cannot be used."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from ..cluster import Host
from ..errors import RemoteCommandError
from ..patience import stretched
from .interface import (
    CALL_SECONDS,
    COMPACT_SECONDS,
    COMPACTED,
    HASH_SECONDS,
    KINDS,
    LEARNER,
    PKI,
    Alarm,
    Hash,
    Health,
    Member,
    Status,
    alarms,
    in_kind,
    in_order,
    refused,
    silent,
    tls_flags,
)

if TYPE_CHECKING:
    from ..transport import Result, Transport


LOOPBACK = IPv4Address("127.0.0.1")


def beside(host: Host, members: tuple[Host, ...]) -> tuple[Host, ...]:
    """The members as a program on `host` reaches them: its own by the loopback address, where it also answers while the
    host's other address changes."""
    return tuple(replace(member, address=LOOPBACK) if member.name == host.name else member for member in members)


class Etcdctl:
    """An EtcdClient that runs etcdctl on the host of `transport`; `reason` says why the library is not in use."""

    def __init__(self, transport: Transport, members: tuple[Host, ...], pki: str = PKI, reason: str = ""):
        self._transport = transport
        self._hosts = members
        self._names = {host.client_url: host.name for host in members}
        self._pki = pki
        self.how = f"etcdctl on {transport.host.name}" + (f" ({reason})" if reason else "")

    def __enter__(self) -> Etcdctl:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to give up: the transport is the caller's."""

    def members(self) -> tuple[Member, ...]:
        return in_order([_member(each) for each in self._answer("member list")["members"]])

    def health(self) -> tuple[Health, ...]:
        # The exit code tells of any ill member, and so does the answer.
        entries = {entry["endpoint"]: entry for entry in self._entries("endpoint health")}
        return tuple(_health(name, entries.get(url)) for url, name in self._names.items())

    def status(self) -> tuple[Status, ...]:
        entries = {entry["Endpoint"]: entry["Status"] for entry in self._entries("endpoint status")}
        return tuple(_status(name, entries[url]) for url, name in self._names.items() if url in entries)

    def add_member(self, name: str, peer_urls: tuple[str, ...]) -> Member:
        return _member(self._answer("member add", name, "--learner", f"--peer-urls={','.join(peer_urls)}")["member"])

    def promote_member(self, member_id: int) -> None:
        self._answer("member promote", f"{member_id:x}")

    def update_member(self, member_id: int, peer_urls: tuple[str, ...]) -> None:
        self._answer("member update", f"{member_id:x}", f"--peer-urls={','.join(peer_urls)}")

    def remove_member(self, member_id: int) -> None:
        self._answer("member remove", f"{member_id:x}")

    def move_leader(self, member_id: int) -> None:
        self._answer("move-leader", f"{member_id:x}")

    def get(self, key: str) -> bytes | None:
        found = self._answer("get", "--", key).get("kvs")
        return base64.b64decode(found[0].get("value", "")) if found else None

    def hashes(self, revision: int) -> Mapping[str, Hash]:
        found = self._entries("endpoint hashkv", f"--rev={revision}", seconds=HASH_SECONDS)
        entries = {entry["Endpoint"]: entry["HashKV"] for entry in found}
        return {name: _hash(entries[url]) for url, name in self._names.items() if url in entries}

    def compact(self, revision: int) -> None:
        result = self._run("compact --physical", str(revision), seconds=COMPACT_SECONDS)
        if result.code and COMPACTED not in result.error_text:
            raise self._failure(f"compact {revision}", result)

    def alarms(self) -> tuple[Alarm, ...]:
        found = (_alarm(entry) for entry in self._answer("alarm list").get("alarms") or ())
        return tuple(sorted(found, key=in_kind))

    def disarm(self) -> None:
        result = self._run("alarm disarm")
        if result.code:
            raise self._failure("alarm disarm", result)

    def _run(self, action: str, *arguments: str, seconds: float = 0.0) -> Result:
        files, seconds = tls_flags(self._pki), seconds or CALL_SECONDS
        limits = f"--dial-timeout={stretched(CALL_SECONDS):g}s --command-timeout={stretched(seconds):g}s"
        script = (
            f"PATH=/usr/local/bin:$PATH\nexec etcdctl --endpoints={','.join(self._names)} {files} {limits} -w json"
            f" {action}"
        )
        # etcdctl asks its endpoints one after the other where it asks all of them.
        timeout = seconds * (len(self._names) + 2)
        return self._transport.run(" ".join([script, *map(shlex.quote, arguments)]), timeout=timeout)

    def _answer(self, action: str, *arguments: str) -> dict[str, Any]:
        result = self._run(action, *arguments)
        for _ in self._hosts:
            # etcdctl chooses any endpoint, and a learner answers nothing but this.
            if not (result.code and LEARNER in result.error_text):
                break
            result = self._run(action, *arguments)
        if result.code:
            raise self._failure(" ".join([action, *arguments]), result)
        return self._json(result, action)

    def _entries(self, action: str, *arguments: str, seconds: float = 0.0) -> list[dict[str, Any]]:
        result = self._run(action, *arguments, seconds=seconds)
        return self._json(result, action) or []

    def _json(self, result: Result, action: str) -> Any:
        try:
            return json.loads(result.out)
        except ValueError:
            raise self._failure(action, result) from None

    def _failure(self, action: str, result: Result) -> Exception:
        # Lines that are JSON are the client's own retry log.
        evidence = "\n".join(line for line in result.error_text.splitlines() if not line.startswith("{"))
        if "deadline exceeded" in evidence or "connection refused" in evidence or "no leader" in evidence:
            return silent(action, self._hosts, evidence)
        host = self._transport.host.name
        reason = evidence.rsplit("Error: ", 1)[-1].strip()
        if reason.startswith("etcdserver:"):
            return refused(action, host, reason)
        message, hint = f"etcdctl failed on {host} with exit code {result.code}", f"on {host}: journalctl -u etcd -n 50"
        return RemoteCommandError(message, host=host, command=f"etcdctl {action}", evidence=evidence, hint=hint)


def _member(entry: dict[str, Any]) -> Member:
    urls = tuple(entry.get("peerURLs", ())), tuple(entry.get("clientURLs", ()))
    return Member(entry["ID"], entry.get("name", ""), *urls, learner=entry.get("isLearner", False))


def _health(name: str, entry: dict[str, Any] | None) -> Health:
    if entry is None:
        return Health(name, False, "no answer")
    return Health(name, entry["health"], entry.get("error", ""))


def _status(name: str, entry: dict[str, Any]) -> Status:
    header = entry["header"]
    return Status(
        name=name,
        member_id=header["member_id"],
        leader=entry.get("leader", 0),
        revision=header.get("revision", 0),
        raft_term=header.get("raft_term", 0),
        db_size=entry.get("dbSize", 0),
        version=entry["version"],
        cluster_id=header.get("cluster_id", 0),
        raft_index=entry.get("raftIndex", 0),
        raft_applied_index=entry.get("raftAppliedIndex", 0),
        is_learner=entry.get("isLearner", False),
        db_in_use=entry.get("dbSizeInUse", 0),
        db_quota=entry.get("dbSizeQuota", 0),
        storage=entry.get("storageVersion", ""),
        alarms=alarms(entry.get("errors") or ()),
    )


def _alarm(entry: dict[str, Any]) -> Alarm:
    """Of an alarm etcdctl writes the number."""
    kind = entry.get("alarm", 0)
    return Alarm(entry["memberID"], KINDS[kind] if isinstance(kind, int) else kind)


def _hash(entry: dict[str, Any]) -> Hash:
    return Hash(entry.get("hash", 0), entry.get("compact_revision", 0))
