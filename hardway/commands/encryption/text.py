"""The state of encryption for people."""

from __future__ import annotations

from collections.abc import Iterator

from ...living.encryption import FLAG
from .status import NOT_OURS, EncryptionStatus, Key, Server, under


def text(found: EncryptionStatus) -> str:
    """Counts, keys, API servers, and what is wrong."""
    return "\n".join(_lines(found))


def _lines(found: EncryptionStatus) -> Iterator[str]:
    how = f"with {found.writer} (encryption.provider: {found.provider})"
    how = how if found.writer else f"as the inventory's --{FLAG} says, a configuration of your own"
    yield f"cluster {found.cluster}: Secrets are written {how}"
    for resource, counts in found.resources.items():
        said = ", ".join(f"{count} {under(key)}" for key, count in counts.items())
        yield f"etcd, revision {found.revision}: {resource}: {said or 'none'}"
    yield from map(_key, found.keys)
    yield from map(_server, found.servers)
    yield from (f"problem: {problem}" for problem in found.problems)


def _key(key: Key) -> str:
    said = f"key {key.key}: {key.state}, {key.file}"
    if key.state != "retired":
        return said
    where = said if key.here else f"key {key.key}: retired, no longer in the state directory"
    return f"{where}; snapshots of etcd from before {key.since} (revision {key.revision}) need it"


def _server(one: Server) -> str:
    if not one.answers:
        return f"kube-apiserver on {one.host}: does not answer, so nobody knows what it reads with"
    return f"kube-apiserver on {one.host}: reads with {', '.join(one.loaded or (NOT_OURS,))}"
