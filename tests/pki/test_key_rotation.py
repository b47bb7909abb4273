"""More than one key of a provider: numbered, never replaced, retired and used again."""

from __future__ import annotations

import base64
import hashlib

import pytest
import yaml

from hardway.errors import PkiError
from hardway.pki.encryption import file_of, new_key
from hardway.pki.encryption.retirement import RETIRED, Retirement, recall, retire, retired
from hardway.settings import Encryption

SINCE = "2026-11-30T12:00:00+00:00"


@pytest.fixture
def kept(credentials):
    """Credentials with the key of a new cluster."""
    credentials.encryption_config()
    return credentials


def entries(credentials, writer=""):
    document = yaml.safe_load(credentials.encryption_config(writer).reveal())
    providers = document["resources"][0]["providers"]
    return [f"{kind}:{body['keys'][0]['name']}" if body else kind for one in providers for kind, body in one.items()]


def test_a_new_key_writes_and_the_older_one_still_reads(kept):
    before = kept.store.read("encryption/aescbc-key1.key")
    assert new_key("aescbc", kept.store) == "aescbc:key2" == kept.encryption_writer()
    assert entries(kept) == ["aescbc:key2", "aescbc:key1", "identity"]
    assert entries(kept, "aescbc:key1") == ["aescbc:key1", "aescbc:key2", "identity"]
    assert kept.store.read("encryption/aescbc-key1.key") == before
    assert len(base64.b64decode(kept.store.read("encryption/aescbc-key2.key"))) == 32
    assert kept.store.read("encryption/aescbc-key2.sha256")


def test_a_retired_key_leaves_the_configuration_and_not_the_state_directory(kept):
    new_key("aescbc", kept.store)
    retire(kept.store, ["aescbc:key1"], SINCE, 42)
    assert entries(kept) == ["aescbc:key2", "identity"]
    assert sorted(kept.encryption_keys()) == ["aescbc:key1", "aescbc:key2"] and list(kept.used_keys()) == [
        "aescbc:key2"
    ]
    assert retired(kept.store) == {"aescbc:key1": Retirement(SINCE, 42)}
    assert recall(kept.store, ["aescbc:key1", "aescbc:key2"]) == ["aescbc:key1"]
    assert entries(kept) == ["aescbc:key2", "aescbc:key1", "identity"] and retired(kept.store) == {}


def test_a_number_is_never_given_twice(kept):
    """Also when the last snapshot that needed a key is gone, and the key with it."""
    new_key("aescbc", kept.store)
    kept.encryption_config()
    retire(kept.store, ["aescbc:key1", "aescbc:key2"], SINCE, 42)
    for ending in ("key", "sha256"):
        (kept.store.path / f"encryption/aescbc-key2.{ending}").unlink()
    assert entries(kept) == ["aescbc:key3", "identity"]


def test_only_a_retired_key_may_be_missing(kept):
    new_key("aescbc", kept.store)
    (kept.store.path / file_of("aescbc:key1")).unlink()
    with pytest.raises(PkiError, match="aescbc-key1.key is missing"):
        kept.encryption_config()
    retire(kept.store, ["aescbc:key1"], SINCE, 42)
    assert entries(kept) == ["aescbc:key2", "identity"]


def test_a_provider_whose_keys_are_retired_gets_a_new_one(kept, again):
    other = again(kept.cluster, encryption=Encryption("secretbox"))
    other.encryption_config()
    retire(other.store, ["aescbc:key1"], SINCE, 42)
    assert entries(again(kept.cluster)) == ["aescbc:key2", "secretbox:key1", "identity"]


def test_every_configuration_of_a_rotation_is_known_by_its_digest(kept):
    seen = {}

    def note(writer=""):
        seen[hashlib.sha256(kept.encryption_config(writer).reveal()).hexdigest()] = tuple(entries(kept, writer))

    note()
    new_key("aescbc", kept.store)
    note("aescbc:key1"), note()
    retire(kept.store, ["aescbc:key1"], SINCE, 42)
    note()
    assert len(seen) == 4 and seen.items() <= kept.encryption_configs().items()
    new_key("aescbc", kept.store)
    note("aescbc:key2"), note()
    retire(kept.store, ["aescbc:key2"], "2026-12-01T12:00:00+00:00", 43)
    note()
    recent = {digest: order for digest, order in seen.items() if "aescbc:key1" not in order}
    assert recent.items() <= kept.encryption_configs().items()


def test_many_keys_in_use_are_no_burden(kept):
    """The record of the retired ones can be lost: then all are in use."""
    for _ in range(20):
        new_key("aescbc", kept.store)
    known = kept.encryption_configs()
    assert len(known) < 1000
    for writer in ("", "aescbc:key20", "aescbc:key1"):
        assert hashlib.sha256(kept.encryption_config(writer).reveal()).hexdigest() in known


def test_a_damaged_record_is_an_error_that_names_it(kept):
    retire(kept.store, ["secretbox:key1"], SINCE, 42)
    for content in (b"{", b"[]", b'{"aescbc:key1": {"since": 1, "x": 2}}'):
        (kept.store.path / RETIRED).write_bytes(content)
        with pytest.raises(PkiError, match="retired.json is damaged"):
            kept.encryption_config()
