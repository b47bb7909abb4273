"""The authorities of one cluster in its state directory: made once, brought by the user, or without a key here.

Never overwritten; only a rotation puts another one in its place (see hardway.pki.rotation).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from cryptography import x509

from ..errors import PkiError
from ..settings import Pki
from ..state.store import Store
from .certificates import Authority, authorities, definitions
from .inspection import authority_fault
from .issuing import (
    PrivateKey,
    certificate_pem,
    fingerprint,
    issue_ca,
    key_pem,
    load_certificate,
    load_key,
    matches,
    new_key,
)
from .rotation import Rotation
from .secret import Secret


@dataclass(frozen=True)
class Signer:
    """An authority ready for use; `key` is None when it is kept elsewhere.

    `pem` is its file as it is, chain included; `trusted` is that and, during a rotation, the other one.
    """

    name: str
    certificate: x509.Certificate
    pem: bytes
    key: PrivateKey | None
    key_pem: Secret | None
    trusted: bytes


def open_signer(name: str, pki: Pki, store: Store, changes: list[str]) -> Signer:
    """The authority of that name, made when there is none; what was made is added to `changes`.

    PkiError when its files are damaged, do not belong together, have expired, are those of another cluster, or are
    gone while certificates it signed are still there.
    """
    authority = {each.name: each for each in authorities()}[name]
    rotation = Rotation(name, store)
    rotation.complete()
    rotation.check()
    if store.read(f"pki/{name}.crt") is None:
        _create(authority, pki, store, changes)
    pem, secret = store.read(f"pki/{name}.crt") or b"", store.read(f"pki/{name}.key")
    signer = Signer(name, *_checked(name, pem, secret, store), rotation.trusted)
    mark = f"pki/{name}.sha256"
    hint = (
        f"restore pki/{name}.crt and .key from a backup; a running cluster gets another CA by {rotation.command}; where"
        f" none is built yet, remove {store.where(mark)}"
    )
    store.bind(mark, fingerprint(signer.certificate), f"CA (pki/{name}.crt)", hint)
    return signer


def _create(authority: Authority, pki: Pki, store: Store, changes: list[str]) -> None:
    _refuse_if_lost(authority.name, store)
    where = f"pki/{authority.name}"
    # The key comes first: a run that dies in between goes on with the same key, and nothing was signed by it yet.
    secret = store.read(f"{where}.key")
    key = load_key(secret, store.where(f"{where}.key")) if secret else new_key(pki.algorithm)
    if not secret:
        store.create(f"{where}.key", key_pem(key))
    store.create(f"{where}.crt", certificate_pem(issue_ca(authority.cn, key, pki.ca_validity_days)))
    changes.append(f"{where}.crt: new CA {authority.cn}")


def _refuse_if_lost(name: str, store: Store) -> None:
    """A new authority in place of a lost one would cut off every component of the running cluster."""
    leaves = {row.name for row in definitions() if row.ca == name}
    present = [
        path
        for path in store.names()
        if path.startswith("pki/") and path.endswith(".crt") and PurePath(path).stem in leaves
    ]
    if store.read(f"pki/{name}.sha256") is not None:
        present.append(f"pki/{name}.sha256")
    if present:
        hint = "restore it from a backup; to create a new cluster, use another --state-dir"
        message = f"the CA {store.where(f'pki/{name}.crt')} is missing, but files that depend on it exist"
        raise PkiError(message, evidence="\n".join(sorted(present)), hint=hint)


def _checked(
    name: str, pem: bytes, secret: bytes | None, store: Store
) -> tuple[x509.Certificate, bytes, PrivateKey | None, Secret | None]:
    where = store.where(f"pki/{name}.crt")
    certificate = load_certificate(pem, where)
    fault = authority_fault(certificate)
    if fault:
        raise PkiError(f"the CA {where} cannot be used: {fault}", hint=f"openssl x509 -in {where} -noout -text")
    if secret is None:
        return certificate, pem, None, None
    key = load_key(secret, store.where(f"pki/{name}.key"))
    if not matches(certificate, key):
        hint = "restore both from the same backup"
        raise PkiError(f"{store.where(f'pki/{name}.key')} is not the key of {where}", hint=hint)
    return certificate, pem, key, Secret(secret)
