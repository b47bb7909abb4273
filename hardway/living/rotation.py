"""Whether a rotation of the encryption key was begun and not finished, as the state directory and the hosts show it."""

from __future__ import annotations

from collections.abc import Iterator

from ..pki.encryption import IDENTITY, kind_of
from ..pki.encryption.retirement import retired
from .encryption import Encryption, in_file, ours

AGAIN = "hardway encryption rotate INV"


def unfinished(encryption: Encryption) -> str:
    """What is left of a rotation, in a sentence; empty when there is nothing.

    A provider that was changed leaves older keys too: those are no rotation's.
    """
    return next(_left(encryption), "") if ours(encryption.cluster) else ""


def _left(encryption: Encryption) -> Iterator[str]:
    wanted, gone = encryption.wanted, retired(encryption.credentials.store)
    used = encryption.credentials.used_keys()
    older = [key for key in used if key != wanted and kind_of(key) == kind_of(wanted) != IDENTITY]
    if older:
        yield f"{' and '.join(older)} {'is' if len(older) == 1 else 'are'} still in use beside the newer {wanted}"
    for host in encryption.servers:
        read = {*in_file(encryption.of(host)), *(encryption.loaded(host) or ())}
        if late := sorted(read & gone.keys()):
            yield f"kube-apiserver on {host.name} still has the retired key {', '.join(late)}"


def recalled(encryption: Encryption) -> list[str]:
    """Retired keys that an API server writes with: its machine was put back to an image from before."""
    gone = retired(encryption.credentials.store)
    writers = [(encryption.loaded(host) or in_file(encryption.of(host)))[:1] for host in encryption.servers]
    return sorted({first for writer in writers for first in writer if first in gone})
