"""What a second run keeps, what it issues again and why, and what it refuses to touch."""

from __future__ import annotations

import dataclasses
import datetime
import os
import subprocess
from ipaddress import IPv4Address, IPv4Network

import pytest
from cryptography import x509

from hardway.cluster import Host, Role
from hardway.errors import PkiError
from hardway.pki import issuing
from hardway.pki.certificates import definition
from hardway.pki.credentials import Credentials
from hardway.pki.inspection import sans
from hardway.settings import Api, LoadBalancer, Network, Pki
from hardway.state.statedir import Overlay

pytestmark = pytest.mark.slow


def changed(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def issue_for(credentials, days_ago, days, name="scheduler"):
    """A certificate of that row made `days_ago` for `days`, signed by the authority and for the key that are there."""
    store = credentials.store
    ca = x509.load_pem_x509_certificate(credentials.ca())
    ca_key = issuing.load_key(credentials.ca_key().reveal(), "ca")
    key = issuing.load_key(store.read(f"pki/{name}.key"), "key")
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_ago)
    today = issuing.issue_leaf(definition(name).profile(credentials.cluster, None), key, ca, ca_key, 1)
    builder = x509.CertificateBuilder(
        today.issuer, today.subject, key.public_key(), 12345, start, start + datetime.timedelta(days=days)
    )
    for extension in today.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    (store.path / f"pki/{name}.crt").write_bytes(issuing.certificate_pem(builder.sign(ca_key, issuing._digest(ca_key))))


def test_a_second_run_changes_no_byte_and_no_time(credentials, cluster, again, contents, store):
    before, times = contents(), {name: (store.path / name).stat().st_mtime_ns for name in store.names()}
    assert again(cluster).ensure_all() == []
    assert again(cluster).plan() == []
    assert contents() == before
    assert {name: (store.path / name).stat().st_mtime_ns for name in store.names()} == times


def test_both_kinds_are_made_apart(cluster, store):
    credentials = Credentials(cluster, store)
    assert credentials.ensure_all("encryption") == [
        "encryption/aescbc-key1.key: new encryption key for Secrets at rest"
    ]
    assert len(credentials.ensure_all("pki")) == 3 + 9 + 3 * 2 + 2 * 3 + 1
    assert credentials.ensure_all() == []


def test_a_new_name_of_the_api_reissues_that_leaf_alone_with_its_key(credentials, cluster, again, contents, store):
    before = contents()
    later = again(cluster, api=dataclasses.replace(cluster.api, extra_sans=("k8s.example.org", "192.0.2.7")))
    reason = "pki/apiserver.crt: SAN adds 192.0.2.7, adds k8s.example.org"
    assert later.plan() == [reason]
    assert contents() == before
    assert later.ensure_all() == [reason]
    assert changed(before, contents()) == {"pki/apiserver.crt"}
    leaf = x509.load_pem_x509_certificate(store.read("pki/apiserver.crt"))
    assert sans(leaf) == set(later.cluster.api_sans) >= {"k8s.example.org", "192.0.2.7"}
    kept = list((store.path / "pki/old").rglob("apiserver.crt"))
    assert [file.read_bytes() for file in kept] == [before["pki/apiserver.crt"]]
    assert later.ensure_all() == [] and again(later.cluster).ensure_all() == []


def test_a_name_less_is_no_reason_to_issue_and_goes_with_the_next_one(credentials, cluster, again, contents, store):
    names = lambda: sans(x509.load_pem_x509_certificate(store.read("pki/apiserver.crt")))  # noqa: E731
    again(cluster, api=dataclasses.replace(cluster.api, extra_sans=("old.example.org",))).ensure_all()
    before = contents()
    assert again(cluster).plan() == again(cluster).ensure_all() == [] and contents() == before
    reason = "pki/apiserver.crt: SAN adds new.example.org, drops old.example.org"
    later = again(cluster, api=dataclasses.replace(cluster.api, extra_sans=("new.example.org",)))
    assert later.plan() == later.ensure_all() == [reason] and "old.example.org" not in names()


def test_names_that_clients_still_use_are_issued_too_and_none_is_dropped(credentials, cluster, again, contents, store):
    names = lambda: sans(x509.load_pem_x509_certificate(store.read("pki/apiserver.crt")))  # noqa: E731
    before = contents()
    later = again(cluster, api=dataclasses.replace(cluster.api, address="new.example.org"))
    later.keep(frozenset({"forgotten.example.org"}))
    reason = "pki/apiserver.crt: SAN adds forgotten.example.org, adds new.example.org"
    assert later.plan() == later.ensure_all() == [reason] and later.over(store).plan() == []
    assert changed(before, contents()) == {"pki/apiserver.crt"}
    assert {"new.example.org", "forgotten.example.org", cluster.api.address} <= names()
    # Once all have moved the next issue is for the inventory's names alone.
    third = again(
        cluster, api=dataclasses.replace(cluster.api, address="new.example.org", extra_sans=("more.example.org",))
    )
    third.ensure_all()
    assert names() == set(third.cluster.api_sans)


def test_another_controller_touches_the_api_server_and_adds_its_own(credentials, cluster, again, contents):
    before = contents()
    fourth = Host("controller-3", IPv4Address("10.240.0.13"), frozenset({Role.CONTROL_PLANE}))
    again(cluster, hosts=(*cluster.hosts, fourth)).ensure_all()
    assert changed(before, contents()) == {"pki/apiserver.crt"}


def test_another_worker_only_adds(credentials, cluster, again, contents):
    before = contents()
    third = Host("worker-2", IPv4Address("10.240.0.22"), frozenset({Role.WORKER}))
    again(cluster, hosts=(*cluster.hosts, third)).ensure_all()
    names = ("kube-proxy", "kubelet", "kubelet-server")
    new = {f"pki/hosts/worker-2/{name}.{ending}" for name in names for ending in ("crt", "key")}
    assert changed(before, contents()) == new


def test_a_worker_with_a_new_address_gets_its_server_certificate_alone(credentials, cluster, again, contents):
    before = contents()
    hosts = [
        dataclasses.replace(h, address=IPv4Address("10.240.0.99")) if h.name == "worker-1" else h for h in cluster.hosts
    ]
    later = again(cluster, hosts=tuple(hosts))
    assert later.ensure_all() == ["pki/hosts/worker-1/kubelet-server.crt: SAN adds 10.240.0.99, drops 10.240.0.21"]
    assert changed(before, contents()) == {"pki/hosts/worker-1/kubelet-server.crt"}


def test_another_domain_and_service_range_reach_the_api_servers_names(credentials, cluster, again, store):
    later = again(cluster, network=Network(service_cidr=IPv4Network("10.96.0.0/16"), domain="example.internal"))
    assert [line.split(":")[0] for line in later.ensure_all()] == ["pki/apiserver.crt"]
    names = sans(x509.load_pem_x509_certificate(store.read("pki/apiserver.crt")))
    assert {"10.96.0.1", "kubernetes.default.svc.example.internal"} <= names and "10.32.0.1" not in names


def test_the_algorithm_is_for_new_keys_only(credentials, cluster, again, contents):
    before = contents()
    assert again(cluster, pki=Pki(algorithm="rsa-2048", validity_days=30)).ensure_all() == []
    assert contents() == before


@pytest.mark.parametrize(
    ("days_ago", "days", "reason"),
    [
        (400, 365, "expired on "),
        (330, 365, "expires on "),
        (320, 365, ""),
        (10, 365, ""),
        (-1, 365, "valid only from "),
    ],
)
def test_time_renews_in_the_last_tenth_of_a_life(credentials, cluster, again, contents, days_ago, days, reason):
    issue_for(credentials, days_ago, days)
    before = contents()
    lines = again(cluster).ensure_all()
    assert [line.startswith(f"pki/scheduler.crt: {reason}") for line in lines] == ([True] if reason else [])
    assert changed(before, contents()) == ({"pki/scheduler.crt"} if reason else set())
    assert again(cluster).ensure_all() == []


def test_other_usages_and_subjects_are_reissued(credentials, cluster, again, store):
    ca, ca_key = x509.load_pem_x509_certificate(credentials.ca()), issuing.load_key(credentials.ca_key().reveal(), "ca")
    profile = definition("scheduler").profile(cluster, None)
    key = issuing.load_key(store.read("pki/scheduler.key"), "key")
    for wrong, words in (
        (dataclasses.replace(profile, usages=("client", "server")), "usages change to client"),
        (
            dataclasses.replace(profile, o=("system:masters",)),
            f"subject CN={profile.cn},O=system:masters becomes CN={profile.cn}",
        ),
    ):
        (store.path / "pki/scheduler.crt").write_bytes(
            issuing.certificate_pem(issuing.issue_leaf(wrong, key, ca, ca_key, 365))
        )
        assert again(cluster).ensure_all() == [f"pki/scheduler.crt: {words}"]


def test_a_leaf_does_not_outlive_its_authority(cluster, store):
    credentials = Credentials(dataclasses.replace(cluster, pki=Pki(ca_validity_days=20)), store)
    leaf, ca = (
        x509.load_pem_x509_certificate(pem) for pem in (credentials.certificate("admin").cert, credentials.ca())
    )
    assert leaf.not_valid_after_utc == ca.not_valid_after_utc
    assert Credentials(credentials.cluster, store).plan("pki") != []
    credentials.ensure_all()
    assert Credentials(credentials.cluster, store).plan("pki") == []


# A death between any two writes


class Dies(Exception):
    """The process was killed."""


def runs_that_die(store, monkeypatch):
    """Make the n-th write the last one of a run, for growing n."""
    left = {"writes": 0}
    for name in ("create", "replace"):
        real = getattr(type(store), name)

        def write(self, *arguments, real=real, **options):
            if left["writes"] == 0:
                raise Dies
            left["writes"] -= 1
            return real(self, *arguments, **options)

        monkeypatch.setattr(type(store), name, write)
    return left


def test_death_after_every_write_then_a_rerun_completes_with_the_keys_already_made(
    cluster, store, monkeypatch, contents
):
    left, seen = runs_that_die(store, monkeypatch), {}
    for death in range(200):
        left["writes"] = 1
        try:
            Credentials(cluster, store).ensure_all()
        except Dies:
            now = contents()
            assert len(now) == death + 1, "each run gets one write further"
            assert {name: now[name] for name in seen} == seen, "nothing written before has changed"
            seen = now
        else:
            break
    left["writes"] = 1000
    assert Credentials(cluster, store).ensure_all() == []
    assert len(contents()) > 50 and {name: contents()[name] for name in seen} == seen


def test_death_while_reissuing_leaves_the_old_or_the_new_one(credentials, cluster, store, monkeypatch):
    before = store.read("pki/apiserver.crt")
    wanted = dataclasses.replace(cluster, api=dataclasses.replace(cluster.api, extra_sans=("k8s.example.org",)))

    def die(*arguments):
        raise Dies

    for step in ("link", "rename"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, die)
            with pytest.raises(Dies):
                Credentials(wanted, store).ensure_all()
        assert store.read("pki/apiserver.crt") == before
        assert not [file for file in store.path.rglob(".apiserver*")]
    assert len(Credentials(wanted, store).ensure_all()) == 1


# What must never be replaced


@pytest.mark.parametrize("name", ["ca", "etcd-ca", "front-proxy-ca"])
@pytest.mark.parametrize("gone", [("crt",), ("crt", "key"), ("crt", "key", "sha256")])
def test_a_lost_authority_is_not_made_anew(credentials, cluster, again, contents, store, name, gone):
    for ending in gone:
        (store.path / f"pki/{name}.{ending}").unlink()
    before = contents()
    with pytest.raises(PkiError) as lost:
        again(cluster).ensure_all()
    assert "is missing" in lost.value.message and str(store.path / f"pki/{name}.crt") in lost.value.message
    assert "backup" in lost.value.hint and lost.value.evidence
    assert contents() == before


def test_a_lost_authority_without_any_leaf_is_still_missed(cluster, store):
    Credentials(cluster, store).ca()
    (store.path / "pki/ca.crt").unlink()
    with pytest.raises(PkiError, match="is missing"):
        Credentials(cluster, store).ca()


def test_a_service_account_key_that_was_lost_is_not_made_anew(credentials, cluster, again, store):
    (store.path / "pki/sa.key").unlink()
    with pytest.raises(PkiError, match="sa.key is missing"):
        again(cluster).ensure_all()


def test_a_public_half_that_was_lost_comes_back_and_a_wrong_one_is_refused(credentials, cluster, again, store):
    public = store.read("pki/sa.pub")
    (store.path / "pki/sa.pub").unlink()
    assert again(cluster).service_account().public == public == store.read("pki/sa.pub")
    (store.path / "pki/sa.pub").write_bytes(issuing.public_pem(issuing.new_key("ecdsa-p256")))
    with pytest.raises(PkiError, match="not the public half"):
        again(cluster).service_account()


def test_the_service_account_pair_signs_and_verifies(credentials, tmp_path):
    pair = credentials.service_account()
    (tmp_path / "sa.key").write_bytes(pair.private.reveal())
    (tmp_path / "sa.pub").write_bytes(pair.public)
    (tmp_path / "token").write_bytes(b"header.payload")
    sign = ["openssl", "dgst", "-sha256", "-sign", "sa.key", "-out", "signature", "token"]
    verify = ["openssl", "dgst", "-sha256", "-verify", "sa.pub", "-signature", "signature", "token"]
    for command in (sign, verify):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["pki/ca", "pki/etcd-ca", "pki/apiserver", "pki/hosts/worker-0/kubelet"])
def test_a_key_of_another_certificate_is_named_not_replaced(credentials, cluster, again, contents, store, name):
    (store.path / f"{name}.key").write_bytes(store.read("pki/admin.key"))
    before = contents()
    with pytest.raises(PkiError) as mismatch:
        again(cluster).ensure_all()
    assert "is not the key of" in mismatch.value.message and f"{name}.key" in mismatch.value.message
    assert mismatch.value.hint and contents() == before


@pytest.mark.parametrize(
    "name",
    ["pki/ca.crt", "pki/ca.key", "pki/apiserver.crt", "pki/apiserver.key", "pki/sa.key", "encryption/aescbc-key1.key"],
)
@pytest.mark.parametrize(
    "damage", [b"", b"not pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff\x00"]
)
def test_a_damaged_file_is_named_not_replaced(credentials, cluster, again, contents, store, name, damage):
    (store.path / name).write_bytes(damage)
    before = contents()
    with pytest.raises(PkiError) as damaged:
        again(cluster).ensure_all()
    assert str(store.path / name) in damaged.value.message and damaged.value.hint
    assert contents() == before


def test_the_remedy_for_a_broken_leaf_works_as_it_is_printed(credentials, cluster, again, store):
    (store.path / "pki/scheduler.key").unlink()
    with pytest.raises(PkiError) as gone:
        again(cluster).ensure_all()
    subprocess.run(["sh", "-c", gone.value.hint.partition("recreate them: ")[2]], check=True)
    assert again(cluster).ensure_all() == ["pki/scheduler.crt: new, signed by ca"]


def test_the_state_of_another_cluster_is_refused(credentials, cluster, again, contents):
    before = contents()
    other = again(cluster, name="production")
    for question in (other.ca, other.service_account, other.encryption_config, other.ensure_all, other.plan):
        with pytest.raises(PkiError, match="belongs to another cluster") as foreign:
            question()
    assert (
        "recorded in" in foreign.value.evidence
        and "lab" in foreign.value.evidence
        and "--state-dir" in foreign.value.hint
    )
    assert contents() == before


# A plan leaves no trace


def test_a_plan_of_a_new_cluster_says_all_and_writes_nothing(cluster, store):
    lines = Credentials(cluster, store).plan()
    assert not store.path.exists()
    assert lines == Credentials(cluster, store).ensure_all()


def test_a_plan_of_rsa_keys_makes_none(cluster, store, monkeypatch):
    """Two dozen keys of 4096 bits take 20 s, and a plan throws them away."""

    def slow(**size):
        raise AssertionError("an RSA key was made")

    monkeypatch.setattr(issuing.rsa, "generate_private_key", slow)
    credentials = Credentials(dataclasses.replace(cluster, pki=Pki(algorithm="rsa-4096")), store)
    assert len(credentials.plan()) == 26
    with pytest.raises(AssertionError, match="RSA key was made"):
        credentials.ensure_all()


def test_an_overlay_answers_everything_and_leaves_the_folder_as_it_was(credentials, cluster, contents, store):
    before, times = contents(), {path: path.stat().st_mtime_ns for path in store.path.rglob("*")}
    wanted = dataclasses.replace(cluster, api=dataclasses.replace(cluster.api, extra_sans=("new.example.org",)))
    scratch = Credentials(wanted, Overlay(store))
    assert len(scratch.ensure_all()) == 1
    assert scratch.certificate("apiserver").cert != before["pki/apiserver.crt"]
    assert scratch.certificate("admin").cert == before["pki/admin.crt"]
    assert contents() == before and {path: path.stat().st_mtime_ns for path in store.path.rglob("*")} == times


def test_two_load_balancers_share_a_password_keepalived_can_read(cluster, store):
    api = Api("10.240.0.100", load_balancer=LoadBalancer.HAPROXY, vip=IPv4Address("10.240.0.100"))
    credentials = Credentials(dataclasses.replace(cluster, api=api), store)
    assert "passwords/keepalived.key: new password" in credentials.ensure_all("pki")
    password = credentials.shared_password("keepalived")
    assert len(password.reveal()) == 8 and password.reveal().isalnum()
    assert Credentials(credentials.cluster, store).shared_password("keepalived") == password


def test_a_host_name_too_long_for_a_certificate_is_an_error_with_a_remedy(cluster, store):
    long = Host("w" * 60, IPv4Address("10.240.0.30"), frozenset({Role.WORKER}))
    with pytest.raises(PkiError) as error:
        Credentials(dataclasses.replace(cluster, hosts=(*cluster.hosts, long)), store).ensure_all()
    assert "52 characters" in error.value.hint
