"""What stands beside a snapshot, in a file of its own: all that must fit when it is restored. It has no secret."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SnapshotError
from ..foreign.understanding import OTHERWISE, text, texts, whole

KIND, SCHEMA = "snapshot of etcd by hardway", 1


@dataclass(frozen=True)
class Sidecar:
    """`taken` is the moment (UTC, ISO 8601) and `member` the host it came from; `uid` is that of the namespace
    kube-system and `cluster_id` that of etcd, in hexadecimal digits.

    `ca` and `tokens` are digests of the cluster's CA and of the key that signs service account tokens, `keys` name the
    keys that Secrets may be encrypted with, each with the beginning of its digest (see hardway.pki.encryption).
    """

    cluster: str
    taken: str
    member: str
    revision: int
    size: int
    sha256: str
    etcd: str
    storage: str
    kubernetes: str
    cluster_id: str
    uid: str
    ca: str
    tokens: str
    keys: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    hardway: str = ""
    kind: str = field(default=KIND)
    schema: int = field(default=SCHEMA)

    def json(self) -> bytes:
        return f"{json.dumps(dataclasses.asdict(self), indent=2)}\n".encode()


def beside(snapshot: Path) -> Path:
    """Where a snapshot's sidecar is."""
    return snapshot.with_name(f"{snapshot.name}.json")


def parse(content: bytes) -> Sidecar | None:
    """A sidecar, or None when it is not one of hardway's."""
    try:
        found = json.loads(content)
        sidecar = Sidecar(**{**found, **{name: texts(found[name]) for name in ("keys", "members")}})
        for one in dataclasses.fields(Sidecar):
            {"str": text, "int": whole}.get(str(one.type), tuple)(getattr(sidecar, one.name))
    except OTHERWISE:
        return None
    return sidecar if (sidecar.kind, sidecar.schema) == (KIND, SCHEMA) else None


def read(snapshot: Path, sha256: str) -> Sidecar | None:
    """The sidecar of a snapshot, None when there is none; SnapshotError when it is another snapshot's."""
    try:
        content = beside(snapshot).read_bytes()
    except OSError:
        return None
    found = parse(content)
    if found is None:
        raise SnapshotError(
            f"{beside(snapshot)} is damaged: it is not what hardway wrote",
            hint=f"to restore without it: mv {beside(snapshot)} {beside(snapshot)}.old",
        )
    if found.sha256 != sha256:
        raise SnapshotError(
            f"{beside(snapshot)} belongs to another snapshot than {snapshot.name}",
            evidence=f"it names sha256 {found.sha256}\nthe file has  {sha256}",
            hint="put each snapshot beside its own sidecar",
        )
    return found
