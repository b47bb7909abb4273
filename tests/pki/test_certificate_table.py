"""Every row of the table as the issued certificate says it: names, usages, extensions, and where it goes."""

from __future__ import annotations

import dataclasses
import datetime
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pki_lab import lab

from hardway.pki.certificates import authorities, definition, definitions
from hardway.pki.credentials import Credentials
from hardway.pki.inspection import sans
from hardway.pki.issuing import load_key
from hardway.settings import Pki
from hardway.state.statedir import StateDir

LOOPBACK = {"localhost", "127.0.0.1"}
API_SANS = LOOPBACK | {
    *(
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "10.32.0.1",
    ),
    *("lb", "10.240.0.9", "controller-0", "10.240.0.10", "controller-1", "10.240.0.11", "controller-2", "10.240.0.12"),
}
# name, host: (authority, CN, O, usages, SANs, files on which hosts)
EXPECTED = {
    ("apiserver", ""): ("ca", "kube-apiserver", [], {"server"}, API_SANS, "controller"),
    ("apiserver-kubelet-client", ""): ("ca", "kube-apiserver-kubelet-client", [], {"client"}, set(), "controller"),
    ("apiserver-etcd-client", ""): ("etcd-ca", "kube-apiserver-etcd-client", [], {"client"}, set(), "controller"),
    ("front-proxy-client", ""): ("front-proxy-ca", "front-proxy-client", [], {"client"}, set(), "controller"),
    ("etcd-healthcheck-client", ""): ("etcd-ca", "kube-etcd-healthcheck-client", [], {"client"}, set(), ""),
    ("admin", ""): ("ca", "kubernetes-admin", ["hardway:cluster-admins"], {"client"}, set(), "controller"),
    ("super-admin", ""): ("ca", "kubernetes-super-admin", ["system:masters"], {"client"}, set(), ""),
    ("controller-manager", ""): ("ca", "system:kube-controller-manager", [], {"client"}, set(), "controller"),
    ("scheduler", ""): ("ca", "system:kube-scheduler", [], {"client"}, set(), "controller"),
}
for i in range(3):
    host, names = f"controller-{i}", LOOPBACK | {f"controller-{i}", f"10.240.0.1{i}"}
    EXPECTED["etcd-server", host] = ("etcd-ca", host, [], {"server", "client"}, names, "controller")
    EXPECTED["etcd-peer", host] = ("etcd-ca", host, [], {"server", "client"}, names, "controller")
for i in range(2):
    host, names = f"worker-{i}", LOOPBACK | {f"worker-{i}", f"10.240.0.2{i}"}
    EXPECTED["kubelet", host] = ("ca", f"system:node:{host}", ["system:nodes"], {"client"}, set(), "worker")
    EXPECTED["kube-proxy", host] = ("ca", f"kube-proxy:{host}", ["hardway:kube-proxies"], {"client"}, set(), "worker")
    EXPECTED["kubelet-server", host] = ("ca", f"system:node:{host}", ["system:nodes"], {"server"}, names, "worker")

USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
FORBIDDEN = ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


def attributes(certificate, oid):
    return [attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid)]


def public_key_bytes(certificate):
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def leaf_of(credentials, name, host):
    pair = credentials.certificate(name, credentials.cluster.host(host) if host else None)
    return x509.load_pem_x509_certificate(pair.cert), pair


@pytest.fixture(scope="module", params=["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
def issued(request, tmp_path_factory):
    cluster = dataclasses.replace(lab(), pki=Pki(algorithm=request.param))
    credentials = Credentials(cluster, StateDir(tmp_path_factory.mktemp("state") / "lab"))
    credentials.ensure_all()
    return credentials


def test_the_table_has_exactly_these_rows():
    cluster = lab()
    rows = {
        (row.name, host.name if host else "")
        for row in definitions()
        for host in (row.hosts(cluster) if row.per_host else (None,))
    }
    assert rows == set(EXPECTED)
    assert [authority.name for authority in authorities()] == ["ca", "etcd-ca", "front-proxy-ca"]


@pytest.mark.parametrize(("name", "host"), EXPECTED)
def test_identity_usages_and_names(issued, name, host):
    ca, cn, o, usages, names, _ = EXPECTED[name, host]
    leaf, _ = leaf_of(issued, name, host)
    assert attributes(leaf, NameOID.COMMON_NAME) == [cn]
    assert attributes(leaf, NameOID.ORGANIZATION_NAME) == o
    assert set(extension(leaf, x509.ExtendedKeyUsage).value) == {USAGES[usage] for usage in usages}
    assert sans(leaf) == names
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(issued.ca(ca)))


@pytest.mark.parametrize(("name", "host"), EXPECTED)
def test_extensions_of_a_leaf(issued, name, host):
    leaf, pair = leaf_of(issued, name, host)
    ca = x509.load_pem_x509_certificate(issued.ca(EXPECTED[name, host][0]))
    constraints, usage = extension(leaf, x509.BasicConstraints), extension(leaf, x509.KeyUsage)
    assert constraints.critical and not constraints.value.ca
    assert usage.critical and usage.value.digital_signature
    assert not any(getattr(usage.value, forbidden) for forbidden in FORBIDDEN)
    assert usage.value.key_encipherment == isinstance(leaf.public_key(), rsa.RSAPublicKey)
    subject_key = extension(ca, x509.SubjectKeyIdentifier).value.digest
    assert extension(leaf, x509.AuthorityKeyIdentifier).value.key_identifier == subject_key
    assert extension(leaf, x509.SubjectKeyIdentifier).value == x509.SubjectKeyIdentifier.from_public_key(
        leaf.public_key()
    )
    assert load_key(pair.key.reveal(), "key").public_key() == leaf.public_key()
    assert pair.key.reveal().startswith(b"-----BEGIN PRIVATE KEY-----\n")


def test_addresses_are_addresses_and_names_are_names(issued):
    leaf, _ = leaf_of(issued, "apiserver", "")
    names = extension(leaf, x509.SubjectAlternativeName).value
    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {
        name for name in API_SANS if name[0].isdigit()
    }
    assert set(names.get_values_for_type(x509.DNSName)) == {name for name in API_SANS if not name[0].isdigit()}


@pytest.mark.parametrize("name", ["ca", "etcd-ca", "front-proxy-ca"])
def test_extensions_of_an_authority(issued, name):
    ca = x509.load_pem_x509_certificate(issued.ca(name))
    constraints, usage = extension(ca, x509.BasicConstraints), extension(ca, x509.KeyUsage)
    assert constraints.critical and constraints.value.ca and constraints.value.path_length == 0
    assert usage.critical and usage.value.key_cert_sign and usage.value.crl_sign and not usage.value.digital_signature
    assert (
        extension(ca, x509.AuthorityKeyIdentifier).value.key_identifier
        == extension(ca, x509.SubjectKeyIdentifier).value.digest
    )
    ca.verify_directly_issued_by(ca)


def test_authorities_are_told_apart_by_name_and_key(issued):
    cas = [x509.load_pem_x509_certificate(issued.ca(authority.name)) for authority in authorities()]
    assert [ca.subject.rfc4514_string() for ca in cas] == ["CN=kubernetes-ca", "CN=etcd-ca", "CN=front-proxy-ca"]
    assert len({public_key_bytes(ca) for ca in cas}) == 3


def test_the_algorithm_is_the_inventorys(issued):
    kind, size = issued.cluster.pki.algorithm.split("-")
    keys = [leaf_of(issued, name, host)[0].public_key() for name, host in EXPECTED]
    keys += [x509.load_pem_x509_certificate(issued.ca(authority.name)).public_key() for authority in authorities()]
    keys += [load_key(issued.service_account().private.reveal(), "sa").public_key()]
    assert all(isinstance(key, rsa.RSAPublicKey if kind == "rsa" else ec.EllipticCurvePublicKey) for key in keys)
    assert {key.key_size for key in keys} == {int(size.removeprefix("p"))}


def test_keys_and_serials_are_all_different(issued):
    leaves = [leaf_of(issued, name, host) for name, host in EXPECTED]
    assert len({pair.key for _, pair in leaves}) == len(leaves)
    assert len({leaf.serial_number for leaf, _ in leaves}) == len(leaves)
    assert all(leaf.serial_number.bit_length() > 64 for leaf, _ in leaves)


def test_validity_begins_before_now_and_ends_with_the_inventorys_days(issued):
    now = datetime.datetime.now(datetime.UTC)
    for name, host in EXPECTED:
        leaf, _ = leaf_of(issued, name, host)
        assert datetime.timedelta(minutes=4) < now - leaf.not_valid_before_utc < datetime.timedelta(minutes=15)
        assert datetime.timedelta(days=364, hours=23) < leaf.not_valid_after_utc - now <= datetime.timedelta(days=365)
    ca = x509.load_pem_x509_certificate(issued.ca())
    assert ca.not_valid_after_utc - now > datetime.timedelta(days=3649)


@pytest.mark.parametrize(("name", "host"), EXPECTED)
def test_openssl_verifies_it_strictly_for_what_it_may_do(issued, tmp_path, name, host):
    ca, _, _, usages, *_ = EXPECTED[name, host]
    (tmp_path / "ca.crt").write_bytes(issued.ca(ca))
    (tmp_path / "leaf.crt").write_bytes(leaf_of(issued, name, host)[1].cert)

    def verify(purpose):
        command = [
            "openssl",
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            tmp_path / "ca.crt",
            tmp_path / "leaf.crt",
        ]
        return subprocess.run(command, capture_output=True, text=True)

    for usage in ("server", "client"):
        done = verify(f"ssl{usage}")
        assert (done.returncode == 0) == (usage in usages), done.stderr


@pytest.mark.parametrize("row", definitions(), ids=lambda row: row.name)
def test_it_lands_where_its_role_is(row):
    prefix = {role for _, role in ((key, value[5]) for key, value in EXPECTED.items() if key[0] == row.name)}
    assert {host.name.rpartition("-")[0] for host in row.hosts(lab())} == prefix - {""}


def test_kubeconfigs_are_those_of_the_table():
    assert {row.name: row.server for row in definitions() if row.server} == {
        "admin": "api",
        "super-admin": "api",
        "controller-manager": "local",
        "scheduler": "local",
        "kube-proxy": "api",
        "kubelet": "api",
    }
    assert definition("apiserver").server == ""
