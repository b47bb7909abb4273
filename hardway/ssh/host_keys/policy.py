"""Is the machine that answers the one we mean? Strict by default; a refusal always carries the exact remedy."""

from __future__ import annotations

import shlex
from pathlib import Path

import paramiko

from ...errors import HostKeyError
from ..route import Hop
from .known_hosts import Entry, HostKey, remember
from .on_record import OnRecord, on_record

ACCEPT_NEW = "accept-new"


class Policy(paramiko.MissingHostKeyPolicy):
    """Called by paramiko for every connection, as it is given no known keys of its own."""

    def __init__(self, hop: Hop):
        self.hop = hop

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        verify(self.hop, HostKey(key.get_name(), key.asbytes()))


def known_kinds(hop: Hop) -> list[str]:
    """The types of the keys on record for this hop: to be asked for first, so that a second key of another type is no
    surprise."""
    return list(dict.fromkeys(entry.key.kind for entry in _known(hop, on_record(hop.known_hosts))))


def verify(hop: Hop, offered: HostKey) -> None:
    """Return when the key is on record (or may be recorded now); HostKeyError when it is unknown, changed or
    revoked."""
    record = on_record(hop.known_hosts)
    if revoked := [entry for entry in record.revoked if entry.key == offered]:
        where = f"{revoked[0].path} line {revoked[0].number}"
        raise HostKeyError(
            f"{hop.called} offers a host key that is revoked in {where}", hop.host, evidence=_shown("offered", offered)
        )
    known = _known(hop, record)
    if any(entry.key == offered for entry in known):
        return
    if known:
        raise _changed(hop, offered, known)
    if hop.host_keys != ACCEPT_NEW:
        raise _unknown(hop, offered)
    _accept(hop, offered)


def _known(hop: Hop, record: OnRecord) -> list[Entry]:
    # The address decides. A bare name like "controller-0" may stand for another cluster's machine in the same file.
    for name in hop.known_as:
        if found := record.of(name):
            return found
    return []


def _accept(hop: Hop, offered: HostKey) -> None:
    path = hop.record_in
    if path is None:
        hint = "set ssh.known_hosts to a file you can write"
        raise HostKeyError(f"there is no known_hosts file to record the host key of {hop.called}", hop.host, hint=hint)
    try:
        remember(path, [offered.line(hop.known_as[0])])
    except OSError as error:
        message = f"cannot record the host key of {hop.called} in {path}: {error.strerror}"
        raise HostKeyError(message, hop.host, hint="set ssh.known_hosts to a file you can write") from error


def _unknown(hop: Hop, offered: HostKey) -> HostKeyError:
    scan = f"ssh-keyscan -p {hop.port} -t {_short(offered.kind)} {hop.address}"
    record_in = hop.record_in or Path("~/.ssh/known_hosts").expanduser()
    if hop.via:
        scan = hop.via.ssh_command() + " " + scan
    return HostKeyError(
        f"the host key of {hop.called} is not known",
        hop.host,
        evidence=(
            f"{_shown('offered', offered)}\non the machine itself: ssh-keygen -lf"
            f" /etc/ssh/ssh_host_{_short(offered.kind)}_key.pub"
        ),
        hint=f"compare the fingerprint, then: {scan} >> {shlex.quote(str(record_in))}{_other_ways(hop)}",
    )


def _changed(hop: Hop, offered: HostKey, known: list[Entry]) -> HostKeyError:
    same_kind = [entry for entry in known if entry.key.kind == offered.kind] or known
    entry = same_kind[0]
    name = next(name for name in hop.known_as if entry.names(name))
    trust = "" if hop.is_bastion else f"hardway trust INV {hop.host}, or remove its old key: "
    return HostKeyError(
        (
            f"the host key of {hop.called} has changed: the machine was reinstalled or replaced, or the connection is"
            " intercepted"
        ),
        hop.host,
        evidence="\n".join(
            [
                _shown("offered", offered),
                *(f"{_shown('on record', e.key)} ({e.path} line {e.number})" for e in same_kind),
            ]
        ),
        hint=(
            f"if the machine was reinstalled: {trust}ssh-keygen -R {shlex.quote(name)} -f"
            f" {shlex.quote(str(entry.path))}"
        ),
    )


def _other_ways(hop: Hop) -> str:
    ways = (
        ["set ssh.host_keys: accept-new"]
        if hop.is_bastion
        else [f"hardway trust INV {hop.host}", "set ssh.host_keys: accept-new"]
    )
    return f"   (or: {'; '.join(ways)})"


def _shown(what: str, key: HostKey) -> str:
    return f"{what}: {key.kind} {key.fingerprint}"


def _short(kind: str) -> str:
    """The name ssh-keyscan and the files in /etc/ssh use for a type of key."""
    return "ecdsa" if kind.startswith("ecdsa") else kind.removeprefix("ssh-")
