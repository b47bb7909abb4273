"""Authorities the user brings: with a key, without one, and such as cannot be used."""

from __future__ import annotations

import dataclasses
import datetime
import subprocess

import pytest
from cryptography import x509

from hardway.errors import PkiError
from hardway.pki import issuing
from hardway.pki.credentials import Credentials

pytestmark = pytest.mark.slow


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def pki(store):
    """The folder a user puts an authority into before the first run."""
    folder = store.path / "pki"
    folder.mkdir(parents=True)
    return folder


def self_signed(folder, *key_options, name="ca", config="basicConstraints=critical,CA:TRUE"):
    request = ["req", "-x509", "-nodes", "-days", "900", "-subj", "/O=Example Org/CN=Example Root", "-addext", config]
    openssl(folder, *request, *key_options, "-keyout", f"{name}.key", "-out", f"{name}.crt")


@pytest.mark.parametrize(
    "key_options", [("-newkey", "rsa:2048"), ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384")]
)
def test_an_authority_of_ones_own_is_used_and_left_as_it_is(cluster, store, pki, key_options):
    self_signed(pki, *key_options)
    before = {name: (pki / name).read_bytes() for name in ("ca.crt", "ca.key")}
    credentials = Credentials(cluster, store)
    assert not any(line.startswith("pki/ca.crt") for line in credentials.ensure_all())
    assert {name: (pki / name).read_bytes() for name in before} == before
    assert credentials.ca() == before["ca.crt"] and credentials.ca_key().reveal() == before["ca.key"]
    for name in ("apiserver.crt", "admin.crt", "hosts/worker-0/kubelet-server.crt"):
        openssl(pki, "verify", "-CAfile", "ca.crt", name)
    assert Credentials(cluster, store).ensure_all() == []


def test_an_older_key_format_is_read(cluster, store, pki):
    openssl(pki, "genrsa", "-traditional", "-out", "ca.key", "2048")
    openssl(pki, "req", "-x509", "-new", "-key", "ca.key", "-days", "900", "-subj", "/CN=old", "-out", "ca.crt")
    assert (pki / "ca.key").read_bytes().startswith(b"-----BEGIN RSA PRIVATE KEY")
    Credentials(cluster, store).ensure_all()
    openssl(pki, "verify", "-CAfile", "ca.crt", "admin.crt")


def test_an_intermediate_authority_signs_and_its_chain_is_handed_on(cluster, store, pki):
    self_signed(pki, "-newkey", "rsa:2048", name="root")
    openssl(
        pki,
        "req",
        "-new",
        "-nodes",
        "-newkey",
        "rsa:2048",
        "-subj",
        "/CN=Intermediate",
        "-keyout",
        "ca.key",
        "-out",
        "ca.csr",
    )
    (pki / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
    signing = ["x509", "-req", "-in", "ca.csr", "-CA", "root.crt", "-CAkey", "root.key", "-days", "400"]
    openssl(pki, *signing, "-extfile", "ca.ext", "-out", "one.crt")
    (pki / "ca.crt").write_bytes((pki / "one.crt").read_bytes() + (pki / "root.crt").read_bytes())
    credentials = Credentials(cluster, store)
    credentials.ensure_all()
    assert credentials.ca().count(b"BEGIN CERTIFICATE") == 2
    openssl(pki, "verify", "-CAfile", "root.crt", "-untrusted", "one.crt", "apiserver.crt")


def test_a_different_authority_later_is_refused_until_the_mark_is_removed(credentials, cluster, again, store, contents):
    admin, etcd = store.read("pki/admin.crt"), store.read("pki/etcd-ca.crt")
    self_signed(store.path / "pki", "-newkey", "rsa:2048")
    before = contents()
    with pytest.raises(PkiError, match="another CA .pki/ca.crt.") as other:
        again(cluster).ensure_all()
    assert contents() == before and "pki/ca.sha256" in other.value.hint
    (store.path / "pki/ca.sha256").unlink()
    lines = again(cluster).ensure_all()
    assert "pki/admin.crt: it is not signed by the CA CN=Example Root,O=Example Org" in lines
    assert not any("etcd" in line or "front-proxy" in line for line in lines)
    assert store.read("pki/admin.crt") != admin and store.read("pki/etcd-ca.crt") == etcd
    openssl(store.path / "pki", "verify", "-CAfile", "ca.crt", "admin.crt")


# Without its key


def test_without_the_authoritys_key_valid_leaves_are_accepted(credentials, cluster, again, store):
    (store.path / "pki/ca.key").unlink()
    later = again(cluster)
    assert later.ensure_all() == [] and not later.has_ca_key() and later.has_ca_key("etcd-ca")
    assert later.certificate("admin") == credentials.certificate("admin")
    with pytest.raises(PkiError, match="the key of the CA ca is not in the state directory"):
        later.ca_key()


def test_without_the_authoritys_key_every_missing_leaf_is_named_at_once(credentials, cluster, again, store, contents):
    (store.path / "pki/ca.key").unlink()
    for name in ("pki/scheduler", "pki/hosts/worker-1/kubelet"):
        (store.path / f"{name}.crt").unlink()
    wanted = dataclasses.replace(cluster, api=dataclasses.replace(cluster.api, extra_sans=("k8s.example.org",)))
    before = contents()
    for attempt in (again(wanted).plan, again(wanted).ensure_all):
        with pytest.raises(PkiError, match="has no key of the CA that must sign") as missing:
            attempt()
        assert missing.value.evidence.splitlines() == [
            "pki/apiserver.crt: SAN adds k8s.example.org",
            "pki/scheduler.crt: new, signed by ca",
            "pki/hosts/worker-1/kubelet.crt: new, signed by ca",
        ]
    with pytest.raises(PkiError, match="has no key of the CA that must sign"):
        again(wanted).certificate("scheduler")
    assert contents() == before


# Not fit for use


def test_a_certificate_that_is_no_authority_is_refused(cluster, store, pki):
    self_signed(pki, "-newkey", "rsa:2048", config="basicConstraints=critical,CA:FALSE")
    with pytest.raises(PkiError, match="CA:TRUE is missing"):
        Credentials(cluster, store).ensure_all()


def test_an_authority_that_may_not_sign_is_refused(cluster, store, pki):
    options = ("-newkey", "rsa:2048", "-addext", "keyUsage=critical,digitalSignature")
    self_signed(pki, *options)
    with pytest.raises(PkiError, match="keyCertSign is missing"):
        Credentials(cluster, store).ensure_all()


@pytest.mark.parametrize(("offset", "words"), [(-30, "it expired on"), (30, "it is valid only from")])
def test_an_authority_out_of_its_time_is_refused(cluster, store, pki, offset, words):
    key = issuing.new_key("ecdsa-p256")
    now = datetime.datetime.now(datetime.UTC)
    ca = issuing.issue_ca("ca", key, 1)
    start = now + datetime.timedelta(days=offset)
    builder = x509.CertificateBuilder(
        ca.issuer, ca.subject, key.public_key(), 5, start, start + datetime.timedelta(days=1)
    )
    for extension in ca.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    (pki / "ca.crt").write_bytes(issuing.certificate_pem(builder.sign(key, issuing._digest(key))))
    (pki / "ca.key").write_bytes(issuing.key_pem(key))
    with pytest.raises(PkiError, match=words):
        Credentials(cluster, store).ensure_all()


def test_an_encrypted_key_is_refused_with_a_remedy_that_works(cluster, store, pki):
    self_signed(pki, "-newkey", "rsa:2048")
    openssl(pki, "rsa", "-aes256", "-passout", "pass:word", "-in", "ca.key", "-out", "locked.key")
    (pki / "locked.key").rename(pki / "ca.key")
    with pytest.raises(PkiError, match="encrypted with a passphrase") as locked:
        Credentials(cluster, store).ensure_all()
    command = locked.value.hint.removeprefix("decrypt it: ").replace("openssl pkey", "openssl pkey -passin pass:word")
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)
    assert Credentials(cluster, store).ensure_all()


def test_a_kind_of_key_not_every_component_reads_is_refused(cluster, store, pki):
    self_signed(pki, "-newkey", "ed25519")
    with pytest.raises(PkiError, match="neither an RSA nor an ECDSA key"):
        Credentials(cluster, store).ensure_all()
