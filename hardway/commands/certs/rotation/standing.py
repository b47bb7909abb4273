"""How far rotations are, by the state directory and by what the hosts have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ....cluster import Host
from ....errors import HardwayError, typable
from ....parallel import each
from ....phases.control_plane import PKI
from ....pki.reading import parsed
from ....pki.rotation import KINDS, TOKENS, Rotation, Stage
from ....pki.tokens import key_id
from ....session import Session
from ....state.store import Overlay
from ....vocabulary import Blob, Probe
from ..listing import collect
from ..picture import Copy
from ..places import Kind


@dataclass(frozen=True)
class Standing:
    """One rotation. `old` and `new` name the CAs, or keys; `left` are the files on hosts that do not list yet, or list
    still, what this stage wants; `unknown` those of hosts that gave no answer."""

    kind: str
    stage: str
    told: str
    old: str = ""
    new: str = ""
    left: Sequence[str] = ()
    unknown: Sequence[str] = ()


def standings(session: Session, kinds: Sequence[str]) -> list[Standing]:
    """Of each kind that is asked for; writes nothing."""
    found = []
    for kind in kinds:
        rotation = Rotation(KINDS[kind], Overlay(session.store))
        rotation.complete()
        copies = _of_tokens(session, rotation) if rotation.name == TOKENS else _of_authority(session, rotation)
        found.append(_standing(kind, rotation, copies))
    return found


def _of_authority(session: Session, rotation: Rotation) -> list[Copy]:
    """The lists of trusted CAs on the hosts, and the CA that signs there."""
    copies = next((row.copies for row in collect(session).rows if row.name == rotation.name), ())
    return [one for one in copies if one.kind in (Kind.TRUST, Kind.SIGNER)]


def _of_tokens(session: Session, rotation: Rotation) -> list[Copy]:
    """The lists of keys by which API servers check tokens."""
    probe, wanted = Probe("hash", (f"{PKI}/sa.pub",)), Blob(rotation.trusted).sha256
    states: dict[str, tuple[str, str]] = {}

    def look(host: Host) -> None:
        try:
            session.live.transports[host.name].connect()
            there = session.live.remotes[host.name].probe((probe,))[probe]
            states[host.name] = ("same" if there == wanted else "missing" if there == "absent" else "other", "")
        except HardwayError as error:
            states[host.name] = ("unknown", error.message)

    hosts = session.cluster.control_plane
    each(look, hosts, session.parallel)
    return [
        Copy(one.name, "public keys", *probe.args, states[one.name][0], problem=states[one.name][1]) for one in hosts
    ]


def _standing(kind: str, rotation: Rotation, copies: Sequence[Copy]) -> Standing:
    lists = {
        state: tuple(f"{one.host}: {one.where}" for one in copies if one.state == state) for state in _states(copies)
    }
    left = tuple(line for state, lines in lists.items() if state not in ("same", "unknown") for line in lines)
    old = rotation.older if rotation.stage is not Stage.NONE else None
    names = (_named(rotation, old) if old else "", _named(rotation, rotation.newer))
    return Standing(kind, rotation.stage.value, rotation.stage.told, *names, left, lists.get("unknown", ()))


def _states(copies: Sequence[Copy]) -> list[str]:
    return list(dict.fromkeys(one.state for one in copies))


def _named(rotation: Rotation, pem: bytes) -> str:
    if rotation.name == TOKENS:
        return f"key {key_id(pem)}" if pem else ""
    found = parsed(pem)
    return f"{found[0].subject.rfc4514_string()}, expires {found[0].not_valid_after_utc:%Y-%m-%d}" if found else ""


def as_text(found: Sequence[Standing], inventory: str) -> str:
    """Each with the command that continues it, or brings what is missing without a rotation."""
    return "\n".join(typable([line for one in found for line in _lines(one)], inventory))


def _lines(one: Standing) -> list[str]:
    lines = [f"{one.kind}: {one.told}"]
    lines += [f"  old: {one.old}"] if one.old else []
    lines += [f"  {'new' if one.old else 'now'}: {one.new}"] if one.new else []
    lines += [f"  not yet: {line}" for line in one.left] + [f"  no answer: {line}" for line in one.unknown]
    following = f"hardway certs rotate-ca {one.kind} INV" if one.old else "hardway bootstrap INV"
    return [*lines, *([f"  next: {following}"] if one.old or one.left else [])]


def as_json(cluster: str, found: Sequence[Standing]) -> str:
    return json.dumps({"schema": 1, "cluster": cluster, "rotations": [asdict(one) for one in found]}, indent=2)
