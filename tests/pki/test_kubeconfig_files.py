"""Kubeconfigs: what they hold, and merging into a file that belongs to somebody."""

from __future__ import annotations

import base64
import dataclasses
import os
import stat

import pytest
import yaml

from hardway.cluster import Role
from hardway.errors import PkiError
from hardway.pki import kubeconfig
from hardway.pki.credentials import Credentials
from hardway.pki.secret import Secret

USERS_OWN = {
    "apiVersion": "v1",
    "kind": "Config",
    "preferences": {"colors": True},
    "clusters": [{"name": "work", "cluster": {"server": "https://work.example.org", "insecure-skip-tls-verify": True}}],
    "users": [{"name": "me", "user": {"exec": {"command": "login", "args": ["--überall"]}}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me", "namespace": "n"}}],
    "current-context": "work",
    "extensions": [{"name": "x", "extension": {"a": 1}}],
}


def parsed(secret):
    document = yaml.safe_load(secret.reveal())
    (cluster,), (user,), (context,) = document["clusters"], document["users"], document["contexts"]
    assert context["context"] == {"cluster": cluster["name"], "user": user["name"]}
    assert document["current-context"] == context["name"] and document["kind"] == "Config"
    return cluster["cluster"], user["user"]


@pytest.mark.parametrize(
    ("name", "host", "server"),
    [
        ("admin", "", "https://10.240.0.9:6443"),
        ("super-admin", "", "https://10.240.0.9:6443"),
        ("kube-proxy", "worker-0", "https://10.240.0.9:6443"),
        ("kubelet", "worker-1", "https://10.240.0.9:6443"),
        ("controller-manager", "controller-1", "https://127.0.0.1:6443"),
        ("scheduler", "controller-1", "https://127.0.0.1:6443"),
    ],
)
def test_each_identity_finds_its_api_server(credentials, name, host, server):
    where = credentials.cluster.host(host) if host else None
    cluster, user = parsed(credentials.kubeconfig(name, where))
    pair = credentials.certificate(name, where)
    assert cluster == {"certificate-authority-data": base64.b64encode(credentials.ca()).decode(), "server": server}
    assert base64.b64decode(user["client-certificate-data"]) == pair.cert
    assert base64.b64decode(user["client-key-data"]) == pair.key.reveal()
    assert credentials.kubeconfig(name, where) == credentials.kubeconfig(name, where)


def test_equal_state_gives_equal_bytes_in_a_later_run(credentials, cluster, again):
    assert again(cluster).kubeconfig("admin").reveal() == credentials.kubeconfig("admin").reveal()


def test_its_bytes_are_those_that_yaml_writes(credentials):
    written = credentials.kubeconfig("kubelet", credentials.cluster.host("worker-1")).reveal()
    assert yaml.safe_dump(yaml.safe_load(written), sort_keys=False).encode() == written


def test_controllers_use_the_moved_port_when_one_shares_its_host_with_the_balancer(cluster, store):
    hosts = [
        dataclasses.replace(h, roles=h.roles | {Role.LB}) if h.name == "controller-0" else h for h in cluster.hosts
    ]
    credentials = Credentials(dataclasses.replace(cluster, hosts=tuple(hosts)), store)
    ends = [
        parsed(credentials.kubeconfig("scheduler", credentials.cluster.host(f"controller-{i}")))[0]["server"]
        for i in (0, 1)
    ]
    assert ends == ["https://127.0.0.1:6444"] * 2


@pytest.mark.parametrize(("name", "host"), [("scheduler", ""), ("kubelet", ""), ("apiserver", "controller-0")])
def test_what_has_no_kubeconfig_or_no_host_is_a_bug_at_once(credentials, name, host):
    with pytest.raises(ValueError):
        credentials.kubeconfig(name, credentials.cluster.host(host) if host else None)


# Merging


@pytest.fixture
def target(tmp_path):
    return tmp_path / "home" / ".kube" / "config"


@pytest.fixture
def theirs(target):
    target.parent.mkdir(parents=True)
    target.write_text(yaml.safe_dump(USERS_OWN, sort_keys=False, allow_unicode=True))
    target.chmod(0o644)
    return target


def without_ours(document):
    rest = {key: value for key, value in document.items() if key != "current-context"}
    for section in ("clusters", "users", "contexts"):
        rest[section] = [entry for entry in rest[section] if not entry["name"].startswith("lab")]
    return rest


def test_merging_into_nothing_makes_the_file(credentials, target):
    merge = kubeconfig.merge(target, credentials.kubeconfig("admin"))
    assert merge.added == ("clusters/lab", "users/lab-admin", "contexts/lab") and merge.backup is None
    assert parsed(Secret(target.read_bytes())) == parsed(credentials.kubeconfig("admin"))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600 and stat.S_IMODE(target.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(("switch", "current"), [(True, "lab"), (False, "work")])
def test_other_entries_stay_exactly_as_they_are(credentials, theirs, switch, current):
    before = theirs.read_bytes()
    merge = kubeconfig.merge(theirs, credentials.kubeconfig("admin"), switch=switch)
    after = yaml.safe_load(theirs.read_bytes())
    assert without_ours(after) == without_ours(USERS_OWN)
    assert {entry["name"] for entry in after["clusters"]} == {"work", "lab"}
    assert after["current-context"] == current
    assert merge.backup.read_bytes() == before and stat.S_IMODE(merge.backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o600
    assert sorted(path.name for path in theirs.parent.iterdir()) == sorted(["config", merge.backup.name])


def test_merging_twice_writes_once(credentials, theirs):
    kubeconfig.merge(theirs, credentials.kubeconfig("admin"))
    written = (theirs.read_bytes(), theirs.stat().st_ino, len(list(theirs.parent.iterdir())))
    assert kubeconfig.merge(theirs, credentials.kubeconfig("admin")) == kubeconfig.Merge()
    assert (theirs.read_bytes(), theirs.stat().st_ino, len(list(theirs.parent.iterdir()))) == written


def test_a_renewed_certificate_replaces_our_own_user_alone(credentials, theirs):
    kubeconfig.merge(theirs, credentials.kubeconfig("admin"))
    pair = credentials.certificate("super-admin")
    renewed = kubeconfig.document(
        "lab", "lab-admin", credentials.cluster.api_url, credentials.ca(), pair.cert, pair.key
    )
    merge = kubeconfig.merge(theirs, renewed)
    assert merge.replaced == ("users/lab-admin",) and merge.added == ()
    assert without_ours(yaml.safe_load(theirs.read_bytes())) == without_ours(USERS_OWN)


def test_a_link_stays_a_link(credentials, theirs, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(theirs)
    kubeconfig.merge(link, credentials.kubeconfig("admin"))
    assert link.is_symlink() and "lab" in theirs.read_text()


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "clusters: {}\n", "users: [3]\n", "\x00", "just words"])
def test_a_file_that_is_no_kubeconfig_is_left_alone(credentials, theirs, text):
    theirs.write_text(text)
    with pytest.raises(PkiError, match="not a kubeconfig") as error:
        kubeconfig.merge(theirs, credentials.kubeconfig("admin"))
    assert theirs.read_text() == text and error.value.hint
    assert [path.name for path in theirs.parent.iterdir()] == ["config"]


@pytest.mark.parametrize("text", ["", "apiVersion: v1\nkind: Config\nclusters: null\nusers: []\ncontexts: null\n"])
def test_an_empty_kubeconfig_is_filled(credentials, theirs, text):
    theirs.write_text(text)
    kubeconfig.merge(theirs, credentials.kubeconfig("admin"), switch=False)
    assert parsed(Secret(theirs.read_bytes())) == parsed(credentials.kubeconfig("admin"))


def test_a_death_before_the_rename_leaves_the_old_file(credentials, theirs, monkeypatch):
    before = theirs.read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(PkiError, match="No space left"):
        kubeconfig.merge(theirs, credentials.kubeconfig("admin"))
    assert theirs.read_bytes() == before
    assert not [path for path in theirs.parent.iterdir() if path.name.startswith(".config")]
