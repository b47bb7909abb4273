"""Is the machine that answers the one we mean? Strict by default; a refusal always carries the exact remedy."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from ...errors import HostKeyError
from ..config.powers import SIGNATURES_OF_CAS
from ..hop import Hop
from . import command
from .certificates import SUFFIX, HostCertificate, shown
from .known_hosts import AUTHORITY, NEW_KEYS, REVOKED, Entry, HostKey, bare, known_name, remember, written
from .on_record import OnRecord, on_record

ACCEPT_NEW = "accept-new"


class Policy(paramiko.MissingHostKeyPolicy):
    """Called by paramiko for every connection, as it is given no known keys of its own."""

    def __init__(self, hop: Hop):
        self.hop = hop

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        verify(self.hop, HostKey(key.get_name(), key.asbytes()), shown(key))


def preferred(hop: Hop, algorithms: Sequence[str]) -> list[str]:
    """The algorithms for host keys in the order to ask for them: certificates where a CA is on record, then the types
    of the keys on record, so that a second key of another type is no surprise."""
    record = _record(hop, command.ORDER)
    kinds = [entry.key.kind for entry in _known(hop, record)]
    certificates = [f"{name}{SUFFIX}" for name in algorithms] if _authorities(hop, record) else []
    wanted = [*certificates, *sorted(algorithms, key=lambda name: _kind(name) not in kinds)]
    return hop.allowed("hostkeyalgorithms", wanted)


def _kind(algorithm: str) -> str:
    """The type of key a signature algorithm works with."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def verify(hop: Hop, offered: HostKey, certificate: HostCertificate | None = None) -> None:
    """Return when the key is on record or vouched for (or may be recorded now); HostKeyError when it is unknown,
    changed or revoked."""
    if hop.too_short(offered.blob):
        raise _too_short(hop, offered)
    record = _record(hop, command.HOSTNAME, offered)
    blobs = (offered.blob, certificate.authority) if certificate else (offered.blob,)
    if revoked := [entry for entry in _all(hop, record, REVOKED) if entry.key.blob in blobs]:
        where = f"{revoked[0].path} line {revoked[0].number}"
        message = f"{hop.called} offers a host key that is revoked in {where}"
        raise HostKeyError(message, hop.host, evidence=_shown("offered", offered), hint=NEW_KEYS)
    known = _known(hop, record)
    if (certificate and _vouched(hop, record, certificate)) or any(entry.key == offered for entry in known):
        return
    if known:
        raise _changed(hop, offered, known)
    # Like ssh: an entry that names no port will do, and says nothing when it is of another key.
    if any(entry.key == offered for name in hop.known_also for entry in record.of(name) if not entry.marker):
        return
    if hop.host_keys != ACCEPT_NEW:
        raise _unknown(hop, offered, certificate)
    _accept(hop, offered)


@dataclass(frozen=True)
class _Record:
    """What the files say, and what a program prints of the one name that ssh asks it for."""

    files: OnRecord
    printed: Mapping[str, list[Entry]]

    def of(self, name: str) -> list[Entry]:
        return [*self.files.of(name), *self.printed.get(name, ())]


def _record(hop: Hop, why: str, offered: HostKey | None = None) -> _Record:
    name = hop.known_as[0]
    return _Record(on_record(hop.known_hosts), {name: command.printed(hop, name, why, offered)})


def _known(hop: Hop, record: _Record) -> list[Entry]:
    # The address decides. A bare name like "controller-0" may stand for another cluster's machine in the same file.
    for name in hop.known_as:
        if found := [entry for entry in record.of(name) if not entry.marker]:
            return found
    return []


def _all(hop: Hop, record: _Record, marker: str) -> list[Entry]:
    names = (*hop.known_as, *hop.known_also)
    return [entry for name in names for entry in record.of(name) if entry.marker == marker]


def _authorities(hop: Hop, record: _Record) -> list[Entry]:
    return _all(hop, record, AUTHORITY)


def _vouched(hop: Hop, record: _Record, certificate: HostCertificate) -> bool:
    """Whether a CA that is on record for one of its names has signed it for this very name."""
    return bool(hop.allowed(SIGNATURES_OF_CAS, [certificate.signed_with])) and any(
        entry.marker == AUTHORITY and entry.key.blob == certificate.authority and not certificate.wrong(bare(name))
        for name in (*hop.known_as, *hop.known_also)
        for entry in record.of(name)
    )


def _accept(hop: Hop, offered: HostKey) -> None:
    path = hop.record_in
    if path is None and hop.forgets:
        return
    if path is None:
        hint = "set ssh.known_hosts to a file you can write"
        raise HostKeyError(f"there is no known_hosts file to record the host key of {hop.called}", hop.host, hint=hint)
    try:
        remember(path, [offered.line(written(hop.known_as[0], hop.hashed))])
    except OSError as error:
        message = f"cannot record the host key of {hop.called} in {path}: {error.strerror}"
        raise HostKeyError(message, hop.host, hint="set ssh.known_hosts to a file you can write") from error


def _unknown(hop: Hop, offered: HostKey, certificate: HostCertificate | None) -> HostKeyError:
    return HostKeyError(
        f"the host key of {hop.called} is not known",
        hop.host,
        evidence="\n".join(
            [
                _shown("offered", offered),
                *([f"its certificate does not count: {why}"] if (why := _why_not(hop, certificate)) else []),
                f"on the machine itself: ssh-keygen -lf /etc/ssh/ssh_host_{_short(offered.kind)}_key.pub",
                *hop.no_host_keys_from,
            ]
        ),
        hint=f"compare the fingerprint, then: {_on_record(hop, offered)}",
    )


def _on_record(hop: Hop, offered: HostKey) -> str:
    """How the offered key gets on record; where there is no file for it, nothing else helps."""
    if hop.record_in is None:
        return "set ssh.known_hosts in INV to a file you can write, and run the same command again"
    return f"{_line(hop, offered)} >> {shlex.quote(str(hop.record_in))}{_other_ways(hop)}"


def _line(hop: Hop, offered: HostKey) -> str:
    """The command that prints the line for known_hosts; no scan goes through a ProxyCommand, or knows of an alias."""
    if hop.proxy_command or hop.known_as[0] != known_name(hop.address, hop.port):
        return f"echo {shlex.quote(offered.line(hop.known_as[0]))}"
    scan = f"ssh-keyscan -p {hop.port} -t {_short(offered.kind)} {hop.address}"
    return f"{hop.via.ssh_command()} {scan}" if hop.via else scan


def _why_not(hop: Hop, certificate: HostCertificate | None) -> str:
    if certificate is None:
        return ""
    if not hop.allowed(SIGNATURES_OF_CAS, [certificate.signed_with]):
        return f"CASignatureAlgorithms of the SSH configuration does not allow {certificate.signed_with}"
    return certificate.wrong(bare(hop.known_as[0])) or "its CA is not on record for this host"


def _too_short(hop: Hop, offered: HostKey) -> HostKeyError:
    message = f"the host key of {hop.called} is shorter than RequiredRSASize of the SSH configuration allows"
    evidence = f"{_shown('offered', offered)}\nRequiredRSASize: {hop.rsa_size}"
    return HostKeyError(message, hop.host, evidence=evidence, hint=NEW_KEYS)


def _changed(hop: Hop, offered: HostKey, known: list[Entry]) -> HostKeyError:
    same_kind = [entry for entry in known if entry.key.kind == offered.kind] or known
    entry = same_kind[0]
    name = next(name for name in hop.known_as if entry.names(name))
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
        hint=f"if the machine was reinstalled: {_exchange(hop, name, entry.path)}",
    )


def _exchange(hop: Hop, name: str, path: Path) -> str:
    """How the new key gets on record."""
    if path not in hop.known_hosts:
        return f"have {path} print its new key"
    trust = "" if hop.is_bastion else f"hardway trust INV {hop.host}, or remove its old key: "
    return f"{trust}ssh-keygen -R {shlex.quote(name)} -f {shlex.quote(str(path))}"


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
