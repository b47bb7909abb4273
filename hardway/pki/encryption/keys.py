"""Secrets at rest: the API server's EncryptionConfiguration and the keys in it, which are made once and never replaced.

A key is named by its provider and its number, as in `aescbc:key2`. One that no Secret is under any more is retired: API
servers do not have it any longer, and the state directory keeps it for older snapshots of etcd.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import re
import secrets
from collections.abc import Collection, Mapping

import yaml

from ...errors import PkiError
from ...state.store import Store
from ..secret import Secret
from .retirement import RETIRED, retired

PROVIDERS = ("aescbc", "secretbox")
IDENTITY = "identity"
KEY_BYTES = 32
MANY = 7
# An API server is judged by the digest of its file, so both must write the same text: a test holds them to it.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
RESOURCES = ("secrets",)  # what is encrypted, by the names of the API's core group


def encryption_config(provider: str, writer: str, store: Store, changes: list[str]) -> Secret:
    """The configuration that writes with the key `writer`, or the newest; one made for `provider` (the inventory's) is
    added to `changes`.

    Data is written with the first entry and read with any: every key that is not retired stays in it, so that no change
    of the inventory makes a stored Secret unreadable. PkiError when a key is damaged or was lost.
    """
    first = writer_of(provider, store)
    if first != IDENTITY and first not in _numbered(store):
        _create(first, store, changes)
    keys = _keys(store)
    for one, key in keys.items():
        hint = f"restore {store.where(file_of(one))} from a backup"
        store.bind(_mark(one), _digest(key), "encryption key", hint)
    return Secret(_document(ordered(writer or first, _used(keys, store)), keys))


def writer_of(provider: str, store: Store) -> str:
    """The key that the inventory's provider writes with: its newest that is not retired, there or not yet."""
    if provider not in PROVIDERS:
        return IDENTITY
    used = [number(one) for one in _used(_numbered(store), store) if kind_of(one) == provider]
    return f"{provider}:key{max(used) if used else _next(provider, store)}"


def new_key(provider: str, store: Store) -> str:
    """Make one more key of a provider, which is its writer from then on; its name."""
    name = f"{provider}:key{_next(provider, store)}"
    _create(name, store, [])
    return name


def _next(provider: str, store: Store) -> int:
    """A number that no key of the provider ever had: old snapshots know keys by it."""
    every = {*_numbered(store), *retired(store)}
    return max((number(one) for one in every if kind_of(one) == provider), default=0) + 1


def kind_of(key: str) -> str:
    """The provider of a key, by the key's name."""
    return key.partition(":")[0]


def of_hardway(key: str) -> bool:
    """Whether a key has a name as hardway gives it."""
    return bool(re.fullmatch(rf"({'|'.join(PROVIDERS)}):key[0-9]+", key))


def number(key: str) -> int:
    return int(key.rpartition(":key")[2])


def ordered(writer: str, keys: Collection[str]) -> tuple[str, ...]:
    """The entries of a configuration that writes with one of them and reads with all: plain data is tried last."""
    newest = sorted(keys, key=lambda one: (PROVIDERS.index(kind_of(one)), -number(one)))
    return tuple(dict.fromkeys((writer, *newest, IDENTITY)))


def encryption_keys(store: Store) -> Mapping[str, str]:
    """Each key, and how a host's facts name it; PkiError like `encryption_config`."""
    return {one: named(kind_of(one), f"key{number(one)}", key) for one, key in _keys(store).items()}


def named(kind: str, name: str, key: str) -> str:
    """A key (base64) as s_providers in hardway/targets/host/read.sh names it: with the beginning of its digest."""
    return f"{kind}:{name}={_digest(key)[:16]}"


def encryption_configs(store: Store) -> Mapping[str, tuple[str, ...]]:
    """Every configuration that may be in use and was written with the keys of this store, by its sha256: its entries in
    order. Of retired keys only those that were retired last can still be in one. Of more than MANY keys, which nobody
    needs, those are left out of which more than one key is missing.

    A cluster whose API servers run with one from before a change of `_document` needs that older form here too.
    """
    keys, gone = _keys(store), retired(store)
    last = max((one.since for one in gone.values()), default="")
    recent = [one for one in keys if one not in gone or gone[one].since == last]
    counts = range(len(recent) + 1) if len(recent) <= MANY else (0, 1, len(recent) - 1, len(recent))
    some = (chosen for count in counts for chosen in itertools.combinations(recent, count))
    orders = (ordered(writer, chosen) for chosen in some for writer in (*chosen, IDENTITY))
    return {hashlib.sha256(_document(order, keys)).hexdigest(): order for order in orders}


def _document(order: Collection[str], keys: Mapping[str, str]) -> bytes:
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": [*RESOURCES], "providers": [_entry(one, keys) for one in order]}],
    }
    return yaml.dump(document, Dumper=DUMPER, sort_keys=False).encode()


def _entry(key: str, keys: Mapping[str, str]) -> dict[str, dict]:
    kind, _, name = key.partition(":")
    return {kind: {"keys": [{"name": name, "secret": keys[key]}]} if key in keys else {}}


def file_of(key: str) -> str:
    """Where the state directory keeps a key."""
    return f"encryption/{key.replace(':', '-')}.key"


def _mark(key: str) -> str:
    return f"encryption/{key.replace(':', '-')}.sha256"


def _used(keys: Collection[str], store: Store) -> list[str]:
    gone = retired(store)
    return [one for one in keys if one not in gone]


def _numbered(store: Store) -> list[str]:
    """The keys that there are, or were once."""
    found = {_name(name) for name in store.names() if name.startswith("encryption/") and name != RETIRED}
    return sorted(filter(None, found), key=lambda one: (PROVIDERS.index(kind_of(one)), number(one)))


def _name(file: str) -> str:
    stem, _, ending = file.removeprefix("encryption/").partition(".")
    kind, _, number = stem.partition("-key")
    return f"{kind}:key{number}" if kind in PROVIDERS and number.isdecimal() and ending in ("key", "sha256") else ""


def _create(key: str, store: Store, changes: list[str]) -> None:
    store.create(file_of(key), base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
    changes.append(f"{file_of(key)}: new encryption key for Secrets at rest")


def _keys(store: Store) -> dict[str, str]:
    """Every key in base64; a retired one may be gone with the last snapshot that needed it."""
    gone, found = retired(store), dict[str, str]()
    for one in _numbered(store):
        content = store.read(file_of(one))
        if content is None and one not in gone:
            raise _lost(one, store)
        if content is not None:
            found[one] = _checked(one, content, store)
    return found


def _lost(key: str, store: Store) -> PkiError:
    return PkiError(
        f"the encryption key {store.where(file_of(key))} is missing: without it the cluster's Secrets cannot be read",
        hint="restore it from a backup, or from /etc/kubernetes/encryption-config.yaml on a control-plane host",
    )


def _checked(name: str, content: bytes, store: Store) -> str:
    text = content.strip()
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        where = store.where(file_of(name))
        raise PkiError(f"{where} is not a base64 key of {KEY_BYTES} bytes", hint="restore it from a backup")
    return text.decode()


def _digest(key: str) -> str:
    return hashlib.sha256(base64.b64decode(key)).hexdigest()
