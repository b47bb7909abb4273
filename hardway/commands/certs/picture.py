"""What `hardway certs list` finds, as plain values: the JSON it prints has these names, and docs/operating.md explains
them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import NameOID

from ...pki.inspection import sans

SCHEMA = 1


@dataclass(frozen=True)
class Shown:
    """A certificate in short: what it says of itself. `days` are whole ones until it ends, negative when it has."""

    subject: str = ""
    issuer: str = ""
    sans: tuple[str, ...] = ()
    serial: str = ""
    ends: str = ""
    days: int | None = None


@dataclass(frozen=True)
class Copy:
    """The certificate in one place: a file on a host, or a port (`where` is the path, or address:port).

    `state` is same or other (than in the state directory), missing, unreadable, or unknown where the host, or whoever
    listens there, cannot be asked: `problem` says why.
    """

    host: str
    kind: str
    where: str
    state: str
    serial: str = ""
    ends: str = ""
    days: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class Row:
    """One certificate, or CA, and all its copies. `ca` is the CA of the state directory that signs it, empty for a CA;
    `key` says whether that CA's key is here, so that it can be renewed. `state` is that of the file here: valid,
    missing, unreadable, or what a run would issue it again for."""

    name: str
    kind: str
    ca: str
    key: bool
    state: str
    here: Shown = Shown()
    copies: tuple[Copy, ...] = ()

    @property
    def unknown(self) -> tuple[Copy, ...]:
        """The copies that could not be asked for."""
        return tuple(one for one in self.copies if one.state == "unknown")


@dataclass(frozen=True)
class Certificates:
    """All of them; `away` are the hosts that gave no answer, each with the reason."""

    cluster: str
    rows: tuple[Row, ...]
    away: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


def shown(certificate: x509.Certificate) -> Shown:
    """What a certificate says of itself."""
    ends = certificate.not_valid_after_utc
    return Shown(
        certificate.subject.rfc4514_string(),
        _name(certificate.issuer),
        tuple(sorted(sans(certificate))),
        serial(certificate),
        ends.isoformat(timespec="seconds"),
        days_left(certificate),
    )


def serial(certificate: x509.Certificate) -> str:
    """As openssl prints it."""
    return f"{certificate.serial_number:X}"


def days_left(certificate: x509.Certificate) -> int:
    return (certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days


def _name(name: x509.Name) -> str:
    """An issuer by its common name alone, where it has one."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()
