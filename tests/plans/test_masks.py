"""What is yet to be issued is told by its name in a plan, wherever it stands; how much there is of it costs nothing."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from hardway.facts import authority
from hardway.pki.issuing import certificate_pem, issue_ca, key_pem, new_key
from hardway.plans.masks import Masks
from hardway.state.statedir import Overlay, StateDir
from hardway.vocabulary import Blob

KEY = new_key("ecdsa-p256")
CRT, PEM = certificate_pem(issue_ca("one", KEY, 10)), key_pem(KEY)
OTHER = certificate_pem(issue_ca("other", new_key("ecdsa-p256"), 10))
PASSWORD = b"9f86d081\n"


@pytest.fixture(params=["on disk", "in memory"])
def store(request, tmp_path):
    return StateDir(tmp_path / "state") if request.param == "on disk" else Overlay(StateDir(Path("/nonexistent")))


def filled(store):
    store.create("pki/ca.crt", CRT)
    store.create("pki/ca.key", PEM)
    store.create("passwords/keepalived.key", PASSWORD)
    return Masks(store, ["pki/ca.crt", "pki/ca.key", "passwords/keepalived.key", "cluster"])


def masked(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (CRT, b"<pki/ca.crt>\n"),
        (PEM.strip(), b"<pki/ca.key>"),
        (b"ca: " + base64.b64encode(CRT) + b"\nkey: " + base64.b64encode(PEM), b"ca: <pki/ca.crt>\nkey: <pki/ca.key>"),
        (OTHER + CRT + OTHER, OTHER + b"<pki/ca.crt>\n" + OTHER),
        (b"auth_pass 9f86d081;", b"auth_pass <passwords/keepalived.key>;"),
        (base64.b64encode(PASSWORD), b"<passwords/keepalived.key>"),
    ],
    ids=["alone", "without its last newline", "in a kubeconfig", "in a chain", "a password", "a password in base64"],
)
def test_in_every_form_in_which_it_is_written(store, content, told):
    masks = filled(store)
    assert masks.hides(Blob(data=content)) and masks.digest(Blob(data=content)) == masked(told)


def test_everything_else_stays_as_it_is(store, tmp_path):
    masks = filled(store)
    for content in (OTHER, base64.b64encode(OTHER), b"LS0tLS1CRUdJTiA", b"-----BEGIN CERTIFICATE-----\n", b""):
        assert not masks.hides(Blob(data=content)) and masks.digest(Blob(data=content)) == masked(content)
    (tmp_path / "program").write_bytes(CRT)
    program = Blob(path=tmp_path / "program", known_sha256="1" * 64)
    assert not masks.hides(program) and masks.digest(program) == "1" * 64
    assert masks.names == ("passwords/keepalived.key", "pki/ca.crt", "pki/ca.key")


def test_a_word_that_is_the_digest_of_a_certificate(store):
    masks = filled(store)
    assert masks.word(authority(CRT)) == "<pki/ca.crt>"
    assert masks.word(authority(OTHER)) == authority(OTHER) and masks.word("644") == "644"


def test_files_that_appear_while_a_run_goes_on_are_known_then(store):
    masks = Masks(store, ["pki/ca.crt"])
    assert not masks.hides(Blob(data=CRT))
    store.create("pki/other.crt", OTHER)
    store.create("pki/ca.crt", CRT)
    assert masks.hides(Blob(data=CRT)) and not masks.hides(Blob(data=OTHER))
    assert masks.word(authority(CRT)) == "<pki/ca.crt>"


def test_a_certificate_that_is_renewed_while_a_run_goes_on_is_told_by_its_name_too(store):
    """A step may have been looked at before it was."""
    store.create("pki/ca.crt", OTHER)
    masks = Masks(store, ["pki/ca.crt"])
    assert masks.hides(Blob(data=OTHER))
    store.replace("pki/ca.crt", CRT)
    assert masks.digest(Blob(data=base64.b64encode(CRT))) == masked(b"<pki/ca.crt>")


def test_nothing_is_read_a_second_time(store, monkeypatch):
    masks = filled(store)
    reads: list[str] = []
    monkeypatch.setattr(store, "read", lambda name: reads.append(name))
    for _ in range(100):
        masks.word("644")
        masks.digest(Blob(data=CRT))
    assert reads == []
