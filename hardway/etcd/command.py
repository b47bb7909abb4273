"""etcd through etcdctl on a member, over the host's own connection: what is left where the library cannot be used."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, TypeVar

from ..cluster import Host
from ..errors import RemoteCommandError
from ..foreign.understanding import integer, mapping, mappings, text, texts, understood, whole, without_nulls
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


T = TypeVar("T")
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
        return self._read(lambda said: in_order([_member(one) for one in said["members"]]), "member list")

    def health(self) -> tuple[Health, ...]:
        # The exit code tells of any ill member, and so does the answer.
        entries = self._entries(_health, "endpoint", "endpoint health")
        missing = Health("", False, "no answer")
        return tuple(replace(entries.get(url, missing), name=name) for url, name in self._names.items())

    def status(self) -> tuple[Status, ...]:
        entries = self._entries(_status, "Endpoint", "endpoint status")
        return tuple(replace(entries[url], name=name) for url, name in self._names.items() if url in entries)

    def add_member(self, name: str, peer_urls: tuple[str, ...]) -> Member:
        words = ("member add", name, "--learner", f"--peer-urls={','.join(peer_urls)}")
        return self._read(lambda said: _member(said["member"]), *words)

    def promote_member(self, member_id: int) -> None:
        self._answer("member promote", f"{member_id:x}")

    def update_member(self, member_id: int, peer_urls: tuple[str, ...]) -> None:
        self._answer("member update", f"{member_id:x}", f"--peer-urls={','.join(peer_urls)}")

    def remove_member(self, member_id: int) -> None:
        self._answer("member remove", f"{member_id:x}")

    def move_leader(self, member_id: int) -> None:
        self._answer("move-leader", f"{member_id:x}")

    def get(self, key: str) -> bytes | None:
        return self._read(_value, "get", "--", key)

    def hashes(self, revision: int) -> Mapping[str, Hash]:
        entries = self._entries(_hash, "Endpoint", "endpoint hashkv", f"--rev={revision}", seconds=HASH_SECONDS)
        return {name: entries[url] for url, name in self._names.items() if url in entries}

    def compact(self, revision: int) -> None:
        result = self._run("compact --physical", str(revision), seconds=COMPACT_SECONDS)
        if result.code and COMPACTED not in result.error_text:
            raise self._failure(f"compact {revision}", result)

    def alarms(self) -> tuple[Alarm, ...]:
        return self._read(_alarms, "alarm list")

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

    def _read(self, taken: Callable[[dict[str, Any]], T], action: str, *arguments: str) -> T:
        """What `taken` makes of the answer; NotUnderstood where it cannot make anything of it."""
        said = self._answer(action, *arguments)
        with self._understood(action, said):
            return taken(mapping(without_nulls(said)))

    def _entries(
        self, taken: Callable[[dict[str, Any]], T], key: str, action: str, *arguments: str, seconds: float = 0.0
    ) -> dict[str, T]:
        """What `taken` makes of each member's answer, by the URL that stands below `key`."""
        said = self._json(self._run(action, *arguments, seconds=seconds), action)
        with self._understood(action, said):
            return {text(entry[key]): taken(entry) for entry in mappings(without_nulls(said))}

    def _understood(self, action: str, said: Any) -> AbstractContextManager[None]:
        host = self._transport.host.name
        shown = None if action.startswith("get") else said  # what is stored may be a secret
        return understood(f"`etcdctl {action}` on {host}", shown, host, f"on {host}: journalctl -u etcd -n 50")

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
    urls = texts(entry.get("peerURLs")), texts(entry.get("clientURLs"))
    return Member(whole(entry["ID"]), text(entry.get("name", "")), *urls, learner=entry.get("isLearner") is True)


def _health(entry: dict[str, Any]) -> Health:
    return Health("", entry["health"] is True, str(entry.get("error", "")))


def _status(answer: dict[str, Any]) -> Status:
    entry = mapping(answer["Status"])
    header = mapping(entry["header"])
    number = lambda of, key: whole(of.get(key, 0))  # noqa: E731
    return Status(
        name="",
        member_id=whole(header["member_id"]),
        leader=number(entry, "leader"),
        revision=number(header, "revision"),
        raft_term=number(header, "raft_term"),
        db_size=number(entry, "dbSize"),
        version=text(entry["version"]),
        cluster_id=number(header, "cluster_id"),
        raft_index=number(entry, "raftIndex"),
        raft_applied_index=number(entry, "raftAppliedIndex"),
        is_learner=entry.get("isLearner") is True,
        db_in_use=number(entry, "dbSizeInUse"),
        db_quota=number(entry, "dbSizeQuota"),
        storage=text(entry.get("storageVersion", "")),
        alarms=alarms(texts(entry.get("errors"))),
    )


def _value(said: dict[str, Any]) -> bytes | None:
    found = mappings(said.get("kvs"))
    return base64.b64decode(text(found[0].get("value", "")), validate=True) if found else None


def _alarms(said: dict[str, Any]) -> tuple[Alarm, ...]:
    return tuple(sorted(map(_alarm, mappings(said.get("alarms"))), key=in_kind))


def _alarm(entry: dict[str, Any]) -> Alarm:
    """Of an alarm etcdctl writes the number."""
    kind = entry.get("alarm", 0)
    return Alarm(whole(entry["memberID"]), kind if isinstance(kind, str) else KINDS[whole(kind)])


def _hash(answer: dict[str, Any]) -> Hash:
    entry = mapping(answer["HashKV"])
    # etcd says -1 of a member that was never compacted.
    return Hash(whole(entry.get("hash", 0)), integer(entry.get("compact_revision", 0)))
