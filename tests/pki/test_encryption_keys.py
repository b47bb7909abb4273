"""The keys that encrypt Secrets: made once, never given up, and every configuration with them readable for ever."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import secrets

import pytest
import yaml

from hardway.errors import PkiError
from hardway.pki.credentials import Credentials
from hardway.pki.encryption import keys
from hardway.settings import Encryption
from hardway.state.statedir import Overlay, StateDir

# Of the configuration with aescbc and a key of zeros.
DIGEST = "9d342081cca111781e3c3f202c2bfa79545adb32ff9f2f1510d14bae05ef1c45"


def providers(credentials):
    document = yaml.safe_load(credentials.encryption_config().reveal())
    assert document["apiVersion"] == "apiserver.config.k8s.io/v1" and document["kind"] == "EncryptionConfiguration"
    assert [entry["resources"] for entry in document["resources"]] == [["secrets"]]
    return document["resources"][0]["providers"]


def test_the_encryption_key_is_32_bytes_and_stays(credentials, cluster, again):
    first, last = providers(credentials)
    assert last == {"identity": {}}
    (key,) = first["aescbc"]["keys"]
    assert key["name"] == "key1" and len(base64.b64decode(key["secret"], validate=True)) == 32
    assert again(cluster).encryption_config() == credentials.encryption_config()


def test_a_changed_provider_keeps_the_old_key_for_reading(credentials, cluster, again):
    old, _ = providers(credentials)
    new, kept, identity = providers(again(cluster, encryption=Encryption("secretbox")))
    assert list(new) == ["secretbox"] and kept == old and identity == {"identity": {}}
    assert new["secretbox"]["keys"][0]["secret"] != old["aescbc"]["keys"][0]["secret"]
    assert providers(again(cluster)) == [old, new, identity]
    assert providers(again(cluster, encryption=Encryption("none"))) == [identity, old, new]


def test_without_encryption_there_is_no_key(cluster, store):
    credentials = Credentials(dataclasses.replace(cluster, encryption=Encryption("none")), store)
    assert providers(credentials) == [{"identity": {}}]
    assert not [name for name in store.names() if name.startswith("encryption")]


def test_a_lost_encryption_key_is_not_made_anew(credentials, cluster, again, store):
    credentials.encryption_config()
    (store.path / "encryption/aescbc-key1.key").unlink()
    with pytest.raises(PkiError, match="cannot be read") as lost:
        again(cluster).encryption_config()
    assert "/etc/kubernetes/encryption-config.yaml" in lost.value.hint
    (store.path / "encryption/aescbc-key1.key").write_bytes(base64.b64encode(bytes(32)))
    with pytest.raises(PkiError, match="another encryption key"):
        again(cluster).encryption_config()


def test_a_new_key_is_added_behind_the_one_that_writes(credentials, cluster, again):
    """What an API server gets before any of them writes with the new one."""
    old, identity = providers(credentials)
    other = again(cluster, encryption=Encryption("secretbox"))
    first = yaml.safe_load(other.encryption_config("aescbc:key1").reveal())["resources"][0]["providers"]
    new, *_ = providers(other)
    assert first == [old, new, identity]
    assert providers(again(cluster, encryption=Encryption("none"))) == [identity, old, new]


def entry(provider):
    """How hardway names an entry of a configuration."""
    (kind, body), *_ = provider.items()
    return f"{kind}:{body['keys'][0]['name']}" if body else kind


def test_every_configuration_that_was_ever_written_is_known_by_its_digest(credentials, cluster, again):
    seen = [credentials.encryption_config()]
    seen += [again(cluster, encryption=Encryption("none")).encryption_config()]
    for provider in ("secretbox", "none", "aescbc"):
        now = again(cluster, encryption=Encryption(provider))
        now.encryption_config()
        seen += [now.encryption_config(writer) for writer in ("aescbc:key1", "secretbox:key1", "identity")]
    known = again(cluster).encryption_configs()
    for config in seen:
        document = yaml.safe_load(config.reveal())["resources"][0]["providers"]
        assert known[hashlib.sha256(config.reveal()).hexdigest()] == tuple(map(entry, document))
    assert len(known) == 8, "one for each set of keys and each of it that writes, and plain without any"


@pytest.fixture
def empty(cluster, tmp_path):
    """Credentials of a state directory in which nothing is."""
    return Credentials(cluster, Overlay(StateDir(tmp_path / "empty")))


def test_the_bytes_of_a_configuration_never_change(empty):
    """API servers report the digest of what they run with: one that hardway no longer knows could not be changed."""
    empty.store.create("encryption/aescbc-key1.key", base64.b64encode(bytes(32)) + b"\n")
    assert hashlib.sha256(empty.encryption_config().reveal()).hexdigest() == DIGEST


def test_keys_are_named_by_their_digest_and_nothing_is_written_for_that(empty):
    assert empty.encryption_keys() == {}
    empty.store.create("encryption/aescbc-key1.key", base64.b64encode(bytes(32)) + b"\n")
    assert empty.encryption_keys() == {"aescbc:key1": "aescbc:key1=66687aadf862bd77"}
    assert empty.encryption_configs()[DIGEST] == ("aescbc:key1", "identity")
    assert empty.store.names() == {"encryption/aescbc-key1.key"}


def test_a_lost_key_is_missed_whatever_is_asked(credentials, cluster, again, store):
    credentials.encryption_config()
    (store.path / "encryption/aescbc-key1.key").unlink()
    for provider in ("aescbc", "secretbox", "none"):
        other = again(cluster, encryption=Encryption(provider))
        for question in (other.encryption_config, other.encryption_keys, other.encryption_configs):
            with pytest.raises(PkiError, match="aescbc-key1.key is missing"):
                question()


@pytest.mark.parametrize("kind", ["aescbc", "secretbox"])
def test_a_configuration_is_the_same_text_with_and_without_libyaml(kind, monkeypatch):
    """Its digest says which one an API server has."""
    for number in range(40):
        found = {f"{kind}:key{n}": base64.b64encode(secrets.token_bytes(32)).decode() for n in range(1, 3 + number % 9)}
        order = keys.ordered(f"{kind}:key1", found)
        monkeypatch.setattr(keys, "DUMPER", yaml.CSafeDumper)
        quick = keys._document(order, found)
        monkeypatch.setattr(keys, "DUMPER", yaml.SafeDumper)
        assert keys._document(order, found) == quick
