"""The key pair that signs and checks service account tokens: made once, for a new one would make every token in use
invalid. A rotation lets two check them for a while (see hardway.pki.rotation)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import PkiError
from ..state.store import Store
from .issuing import key_pem, load_key, new_key, public_pem
from .rotation import TOKENS, Rotation
from .secret import Secret

PRIVATE = "pki/sa.key"
PUBLIC = "pki/sa.pub"


@dataclass(frozen=True)
class KeyPair:
    """A private key that signs, and the public keys by which tokens are accepted: its own, and during a rotation
    another one. All PEM."""

    public: bytes
    private: Secret


def service_account(algorithm: str, store: Store, changes: list[str]) -> KeyPair:
    """The pair in the store, made when there is none and then added to `changes`; PkiError when it is damaged or half
    gone."""
    rotation = Rotation(TOKENS, store)
    rotation.complete()
    rotation.check()
    private, public, where = store.read(PRIVATE), store.read(PUBLIC), store.where(PRIVATE)
    if private is None:
        if public is not None:
            raise PkiError(f"{where} is missing: tokens in use would become invalid", hint="restore it from a backup")
        private = key_pem(new_key(algorithm))
        store.create(PRIVATE, private)
        changes.append(f"{PRIVATE}: new signing key for service accounts")
    derived = public_pem(load_key(private, where))
    if public is None:
        store.create(PUBLIC, derived)
    elif public.split() != derived.split():
        message = f"{store.where(PUBLIC)} is not the public half of {where}"
        raise PkiError(message, hint="restore both from the same backup")
    return KeyPair(rotation.trusted, Secret(private))
