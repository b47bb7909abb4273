"""Certificates that are signed elsewhere: what is asked for, and whether what comes back is what was asked for."""

from __future__ import annotations

from cryptography import x509

from .authority import Signer
from .inspection import differences, is_authority
from .issuing import matches
from .leaf import Leaf
from .reading import parsed


def faults(leaf: Leaf, pem: bytes, signer: Signer | None) -> list[str]:
    """Why a certificate (PEM) cannot take the place of a leaf, in words: its key, chain, names, usages, dates."""
    certificate = next(iter(parsed(pem)), None)
    if certificate is None:
        return ["it is not a readable certificate"]
    found = [] if any(matches(certificate, key) for key in leaf.keys) else ["it is for another key than those here"]
    found += ["it is a CA, not a certificate for a program"] if is_authority(certificate) else []
    found += [] if _signs(certificate) else ["it may not be used for signatures (keyUsage digitalSignature is missing)"]
    if signer is None:
        return [*found, f"its CA {leaf.row.ca} is not in the state directory, and not among these files"]
    return [*found, *(_told(one) for one in differences(certificate, leaf.profile, signer.certificate))]


def _signs(certificate: x509.Certificate) -> bool:
    """Whether it may prove in a handshake who it is."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return True


def _told(difference: str) -> str:
    """What is wrong with it, where a plan says what becomes of it."""
    words = {" becomes ": " should be ", "usages change to": "its usages should be", "SAN ": "",
             "adds ": "lacks the name ", "drops ": "has the name "}  # fmt: skip
    for one, other in words.items():
        difference = difference.replace(one, other)
    return difference
