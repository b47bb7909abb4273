"""Secrets at rest: the API server's EncryptionConfiguration and the keys in it, which are made once, never replaced and
never taken out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import secrets
from collections.abc import Collection, Mapping

import yaml

from ..errors import PkiError
from ..state.store import Store
from .secret import Secret

PROVIDERS = ("aescbc", "secretbox")
IDENTITY = "identity"
KEY_BYTES = 32


def encryption_config(provider: str, writer: str, store: Store, changes: list[str]) -> Secret:
    """The configuration that writes with `writer`; a key made for `provider` (the inventory's) is added to `changes`.

    Data is written with the first entry and read with any: every key there is stays in it, so that no change of the
    inventory makes a stored Secret unreadable. PkiError when a key is damaged or was lost.
    """
    if provider in PROVIDERS and not _exists(provider, store):
        _create(provider, store, changes)
    keys = _keys(store)
    for kind, key in keys.items():
        hint = f"restore {store.where(_file(kind))} from a backup"
        store.bind(_mark(kind), _digest(key), "encryption key", hint)
    return Secret(_document(ordered(writer, keys), keys))


def ordered(writer: str, kinds: Collection[str]) -> tuple[str, ...]:
    """The providers of a configuration that writes with one of them and reads with all: plain data is tried last."""
    return tuple(dict.fromkeys((writer, *(kind for kind in PROVIDERS if kind in kinds), IDENTITY)))


def encryption_keys(store: Store) -> Mapping[str, str]:
    """Each kind of provider with a key, and how a host's facts name that key; PkiError like `encryption_config`."""
    return {kind: named(kind, "key1", key) for kind, key in _keys(store).items()}


def named(kind: str, name: str, key: str) -> str:
    """A key (base64) as s_providers in hardway/targets/host/read.sh names it: with the beginning of its digest."""
    return f"{kind}:{name}={_digest(key)[:16]}"


def encryption_configs(store: Store) -> Mapping[str, tuple[str, ...]]:
    """Every configuration that was ever written with the keys of this store, by its sha256: its providers in order.

    A cluster whose API servers run with one from before a change of `_document` needs that older form here too.
    """
    keys = _keys(store)
    some = (kinds for count in range(len(keys) + 1) for kinds in itertools.combinations(keys, count))
    orders = (ordered(writer, kinds) for kinds in some for writer in (*kinds, IDENTITY))
    return {hashlib.sha256(_document(order, keys)).hexdigest(): order for order in orders}


def _document(order: Collection[str], keys: Mapping[str, str]) -> bytes:
    providers = [{kind: {"keys": [{"name": "key1", "secret": keys[kind]}]} if kind in keys else {}} for kind in order]
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": providers}],
    }
    return yaml.safe_dump(document, sort_keys=False).encode()


def _file(provider: str) -> str:
    return f"encryption/{provider}-key1.key"


def _mark(provider: str) -> str:
    return f"encryption/{provider}-key1.sha256"


def _exists(provider: str, store: Store) -> bool:
    if store.read(_file(provider)) is not None:
        return True
    if store.read(_mark(provider)) is not None:
        message = (
            f"the encryption key {store.where(_file(provider))} is missing: without it the cluster's Secrets cannot be"
            " read"
        )
        hint = "restore it from a backup, or from /etc/kubernetes/encryption-config.yaml on a control-plane host"
        raise PkiError(message, hint=hint)
    return False


def _create(provider: str, store: Store, changes: list[str]) -> None:
    store.create(_file(provider), base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
    changes.append(f"{_file(provider)}: new encryption key for Secrets at rest")


def _keys(store: Store) -> dict[str, str]:
    """The key of each kind of provider that has one, in base64."""
    return {kind: _key(kind, store) for kind in PROVIDERS if _exists(kind, store)}


def _key(provider: str, store: Store) -> str:
    where = store.where(_file(provider))
    text = (store.read(_file(provider)) or b"").strip()
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise PkiError(f"{where} is not a base64 key of {KEY_BYTES} bytes", hint="restore it from a backup")
    return text.decode()


def _digest(key: str) -> str:
    return hashlib.sha256(base64.b64decode(key)).hexdigest()
