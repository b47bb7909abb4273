"""Whether a certificate is still what it should be, and if not, why: in words a plan can show."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from .issuing import USAGES, Profile, general_name, subject

# A leaf is renewed in the last tenth of its life: 36 days of a year, enough for the next routine run to come by.
RENEW_FRACTION = 10
# A CA is replaced in stages, for which somebody has to find the time: so long (days) before its end it is said.
CA_DAYS = 180


def authority_fault(ca: x509.Certificate) -> str:
    """Why a certificate cannot serve as an authority, or nothing."""
    extensions = {extension.oid: extension.value for extension in ca.extensions}
    usage = extensions.get(x509.KeyUsage.oid)
    now = datetime.datetime.now(datetime.UTC)
    if not is_authority(ca):
        return "it is not a CA (basicConstraints CA:TRUE is missing)"
    if usage and not usage.key_cert_sign:
        return "it may not sign certificates (keyUsage keyCertSign is missing)"
    if now > ca.not_valid_after_utc:
        return f"it expired on {ca.not_valid_after_utc:%Y-%m-%d}"
    if now < ca.not_valid_before_utc:
        return f"it is valid only from {ca.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: check this machine's clock"
    return ""


def authority_ending(ca: x509.Certificate) -> str:
    """When an authority ends, in words, if that is soon."""
    left = (ca.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days
    when = "expired" if left < 0 else f"expires in {left} days,"
    return f"{when} on {ca.not_valid_after_utc:%Y-%m-%d}" if left < CA_DAYS else ""


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def difference(leaf: x509.Certificate, profile: Profile, ca: x509.Certificate) -> str:
    """Why a leaf must be issued again, in words, or nothing when it is as it should be."""
    return next(differences(leaf, profile, ca), "")


def differences(leaf: x509.Certificate, profile: Profile, ca: x509.Certificate) -> Iterator[str]:
    """Everything in which a leaf is not as it should be, in words."""
    if leaf.subject != subject(profile):
        yield f"subject {leaf.subject.rfc4514_string()} becomes {subject(profile).rfc4514_string()}"
    if not signed_by(leaf, ca):
        yield f"it is not signed by the CA {ca.subject.rfc4514_string()}"
    wanted = frozenset(USAGES[usage] for usage in profile.usages)
    if _usages(leaf) != wanted:
        yield f"usages change to {', '.join(profile.usages)}"
    yield from filter(None, (_san_difference(leaf, profile), _time_difference(leaf)))


def signed_by(leaf: x509.Certificate, ca: x509.Certificate) -> bool:
    """Whether it was this authority's key that signed it, in this authority's name."""
    try:
        leaf.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _usages(leaf: x509.Certificate) -> frozenset[x509.ObjectIdentifier]:
    try:
        return frozenset(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return frozenset()


def sans(leaf: x509.Certificate) -> frozenset[str]:
    """The names and addresses a certificate is valid for."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(str(name.value) for name in names)


def _san_difference(leaf: x509.Certificate, profile: Profile) -> str:
    """A name too many is no reason: it leads to nobody else's key, and somebody may still use it. It goes with the next
    issue."""
    wanted, actual = frozenset(str(general_name(san).value) for san in profile.sans), sans(leaf)
    words = [f"adds {san}" for san in sorted(wanted - actual)] + [f"drops {san}" for san in sorted(actual - wanted)]
    return f"SAN {', '.join(words)}" if wanted - actual else ""


def _time_difference(leaf: x509.Certificate) -> str:
    now = datetime.datetime.now(datetime.UTC)
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now > end:
        return f"expired on {end:%Y-%m-%d}"
    if now < start:
        return f"valid only from {start:%Y-%m-%d %H:%M} UTC"
    if end - now < (end - start) / RENEW_FRACTION:
        return f"expires on {end:%Y-%m-%d}"
    return ""


def end_of(pem: bytes) -> datetime.datetime:
    """The last moment of a certificate (PEM)."""
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def remaining_days(pem: bytes) -> int:
    """Whole days until a certificate (PEM) ends; negative when it has."""
    return (end_of(pem) - datetime.datetime.now(datetime.UTC)).days
