"""`hardway encryption status`: what etcd has under which key, which keys there are, and what each API server reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from ...living import Lives
from ...living.asking import with_encryption
from ...living.encryption import Encryption, in_file, ours
from ...living.rotation import AGAIN, unfinished
from ...pki.encryption import IDENTITY, RESOURCES, file_of
from ...pki.encryption.retirement import retired
from ...report import plural
from ...session import Session
from ...targets.secrets.stored import Stored

SCHEMA = 1
LOST = "docs/operating.md, A Secret that nobody can read"
NOT_OURS = "a configuration that hardway did not write"


@dataclass(frozen=True)
class Key:
    """`state` is writes, reads or retired; a retired one is needed for snapshots of etcd from before `since`, whose
    revision is at most `revision`. `secrets` are how many etcd has under it."""

    key: str
    state: str
    file: str
    here: bool
    secrets: int
    since: str = ""
    revision: int = 0


@dataclass(frozen=True)
class Server:
    """What an API server reads with, the key it writes with first: its process, as far as that says, and its file."""

    host: str
    loaded: tuple[str, ...] | None
    file: tuple[str, ...]
    answers: bool


@dataclass(frozen=True)
class EncryptionStatus:
    """`resources` says of each encrypted resource how many objects are under which key; `identity` is in the clear.

    `writer` is empty when a flag in the inventory names another configuration, which is the operator's own.
    `unknown` are hosts of which nobody can say what their API server does.
    """

    cluster: str
    provider: str
    writer: str
    revision: int
    resources: dict[str, dict[str, int]]
    keys: tuple[Key, ...]
    servers: tuple[Server, ...]
    rotation: str
    problems: tuple[str, ...]
    unknown: tuple[str, ...]
    schema: int = SCHEMA

    @property
    def healthy(self) -> bool:
        return not self.problems

    def asdict(self) -> dict:
        return asdict(self)


def collect(session: Session) -> EncryptionStatus:
    """Ask etcd, every control-plane host, and the API server on each."""
    known = session.survey(frozenset())
    lives = with_encryption(session.live, known.facts, Lives())
    encryption = replace(known, lives=lives).inputs.encryption
    found = session.live.stored()
    rotation = unfinished(encryption)
    servers = tuple(_servers(encryption))
    return EncryptionStatus(
        session.cluster.name,
        session.cluster.encryption.provider,
        encryption.wanted if ours(session.cluster) else "",
        found.revision,
        {resource: found.counts for resource in RESOURCES},
        tuple(_keys(encryption, found)),
        servers,
        rotation,
        tuple(_problems(encryption, found, servers, rotation)),
        tuple(one.host for one in servers if not one.answers),
    )


def _keys(encryption: Encryption, found: Stored) -> Iterator[Key]:
    credentials, counts = encryption.credentials, found.counts
    gone, here = retired(credentials.store), credentials.encryption_keys()
    for key in [*here, *(one for one in gone if one not in here)]:
        state = "retired" if key in gone else "writes" if key == encryption.wanted else "reads"
        state = state if ours(encryption.cluster) else "unused"
        more = (gone[key].since, gone[key].revision) if key in gone else ()
        yield Key(key, state, credentials.store.where(file_of(key)), key in here, counts.get(key, 0), *more)


def _servers(encryption: Encryption) -> Iterator[Server]:
    for host in encryption.cluster.control_plane:
        loaded = encryption.loaded(host)
        answers = encryption.of(host).known and host.name in (encryption.lives.loaded or {})
        yield Server(host.name, loaded, in_file(encryption.of(host)), answers)


def _problems(encryption: Encryption, found: Stored, servers: tuple[Server, ...], rotation: str) -> Iterator[str]:
    if not ours(encryption.cluster):
        return
    wanted, here = encryption.wanted, encryption.credentials.encryption_keys()
    for key, count in found.counts.items():
        if key not in (IDENTITY, *here):
            yield f"{plural(count, 'Secret')} {under(key)}, which is not in the state directory: {LOST}"
        elif key != wanted:
            yield f"{plural(count, 'Secret')} {under(key)}, not under {wanted}: {_remedy(wanted)}"
    for one in servers:
        now = (one.loaded or (NOT_OURS,))[0]
        if one.answers and now != wanted:
            yield f"kube-apiserver on {one.host} writes with {now}, not {wanted}: hardway bootstrap INV"
    if rotation:
        yield f"a rotation is not finished: {rotation}: {AGAIN}"


def under(key: str) -> str:
    return "in the clear" if key == IDENTITY else f"under {key}"


def _remedy(wanted: str) -> str:
    return AGAIN if wanted != IDENTITY else "kubectl get secrets -A -o json | kubectl replace -f -"
