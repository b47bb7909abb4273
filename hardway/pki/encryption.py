"""Secrets at rest: the API server's EncryptionConfiguration and the keys in it, which are made once and never replaced."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets

import yaml

from ..errors import PkiError
from ..state.store import Store
from .secret import Secret

PROVIDERS = ("aescbc", "secretbox")
KEY_BYTES = 32


def encryption_config(provider: str, store: Store, changes: list[str]) -> Secret:
    """The configuration for `provider` (aescbc, secretbox or none); a key made for it is added to `changes`.

    Data is written with the first entry and read with any: keys of a former provider stay, so that a changed
    inventory never makes stored Secrets unreadable. PkiError when a key is damaged or was lost.
    """
    entries = {each: _provider(each, store) for each in PROVIDERS if each != provider and _exists(each, store)}
    identity = {"identity": {}}
    if provider == "none":
        providers = [identity, *entries.values()]
    else:
        if not _exists(provider, store):
            _create(provider, store, changes)
        providers = [_provider(provider, store), *entries.values(), identity]
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": providers}],
    }
    return Secret(yaml.safe_dump(document, sort_keys=False).encode())


def _file(provider: str) -> str:
    return f"encryption/{provider}-key1.key"


def _mark(provider: str) -> str:
    return f"encryption/{provider}-key1.sha256"


def _exists(provider: str, store: Store) -> bool:
    if store.read(_file(provider)) is not None:
        return True
    if store.read(_mark(provider)) is not None:
        message = f"the encryption key {store.where(_file(provider))} is gone: without it the cluster's Secrets cannot be read"
        hint = "restore it from a backup, or from /etc/kubernetes/encryption-config.yaml on a control-plane host"
        raise PkiError(message, hint=hint)
    return False


def _create(provider: str, store: Store, changes: list[str]) -> None:
    store.create(_file(provider), base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
    changes.append(f"{_file(provider)}: new encryption key for Secrets at rest")


def _provider(provider: str, store: Store) -> dict:
    where = store.where(_file(provider))
    text = (store.read(_file(provider)) or b"").strip()
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise PkiError(f"{where} is not a base64 key of {KEY_BYTES} bytes", hint="restore it from a backup")
    store.bind(_mark(provider), hashlib.sha256(key).hexdigest(), "encryption key", f"restore {where} from a backup")
    return {provider: {"keys": [{"name": "key1", "secret": text.decode()}]}}
