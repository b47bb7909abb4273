"""A support bundle holds no secret: what is collected has none, and a search before it is written would find one in any
form."""

import base64
import datetime
import io
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from secrets_of import forms, secrets_of

from hardway.commands.bundle import hosts, objects, writing
from hardway.commands.bundle.home import HOME_ITEMS
from hardway.commands.bundle.scan import Scan
from hardway.errors import PkiError, UsageError
from hardway.inventory import load
from hardway.pki.credentials import Credentials
from hardway.state.statedir import StateDir

INVENTORIES = Path(__file__).parents[2] / "inventory"
HA = load(INVENTORIES / "ha.yaml")


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> StateDir:
    """All there can be: keys of every kind, an encryption key, keepalived's password, a key for SSH."""
    store = StateDir(tmp_path_factory.mktemp("state") / "state")
    credentials = Credentials(HA, store)
    credentials.ensure_all()
    store.create("admin.conf", credentials.kubeconfig("admin").reveal())
    theirs = rsa.generate_private_key(65537, 2048)
    store.create("pki/own.key", theirs.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    store.create(
        "lab/id_ed25519",
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
    )
    return store


def test_every_form_of_every_secret_is_found(state):
    """The search of the tests knows what gives a secret away; ours must miss none of it."""
    scan = Scan(state)
    wanted = secrets_of(state.path)
    assert {"pki/ca.key", "pki/own.key", "lab/id_ed25519", "passwords/keepalived.key"} <= wanted.keys()
    missed = [
        (name, value[:4])
        for name, values in wanted.items()
        for value in values
        if not scan.found(b"before " + value + b" after")
    ]
    assert missed == []


def test_files_that_carry_a_secret_are_found(state):
    scan = Scan(state)
    for name in state.names():
        data = state.read(name)
        secret = name.endswith(".key") or name in ("admin.conf", "lab/id_ed25519")
        assert bool(scan.found(b"x\n" + data + b"\ny")) is secret, name
    key = state.read("pki/ca.key")
    assert scan.found(base64.b64encode(b"padding" + key)) == "pki/ca.key"
    assert scan.found("\n".join(f"# {line}" for line in key.decode().splitlines()).encode()) == "pki/ca.key"


def test_a_password_is_no_part_of_a_long_number(state):
    scan, word = Scan(state), state.read("passwords/keepalived.key")
    assert scan.found(b"auth_pass " + word + b"\n") == "passwords/keepalived.key"
    assert scan.found(b"sha256 0a" + word + b"ff00") == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\nMII", "a private key"),
        ("token: eyJhbGciOiJSUzI1NiIsImtpZCI6.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJlLW9mLWl0LWFsbA", "a token"),
        ("-----BEGIN CERTIFICATE-----\nMII", ""),
        ("the private key file /etc/etcd/pki/server.key", ""),
    ],
)
def test_secrets_that_are_not_ours_are_known_by_their_looks(tmp_path, text, kind):
    assert Scan(StateDir(tmp_path / "none")).found(text.encode()) == kind


def test_the_refusal_names_secret_and_member_and_gives_nothing_away(state):
    [number, *_] = [value for value in secrets_of(state.path)["pki/sa.key"] if len(value) > 20]
    with pytest.raises(PkiError) as refused:
        Scan(state).refuse({"README.txt": b"", "hosts/lb/ports.txt": b"so: " + number})
    assert "pki/sa.key is in hosts/lb/ports.txt" in str(refused.value)
    assert not any(form in "\n".join(refused.value.lines()).encode() for form in forms(number))


def test_nothing_is_written_when_something_was_found(state, tmp_path, monkeypatch):
    planted = state.read("pki/ca.key")
    monkeypatch.setattr(writing, "gather", lambda session, items: ({"hosts/lb/files/etc/motd": planted}, []))
    session = type("Session", (), {"cluster": HA, "store": state})
    with pytest.raises(PkiError, match="hosts/lb/files/etc/motd"):
        writing.write(session, tmp_path / "bundle.tar.gz")
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_for_its_owner_alone_and_never_over_another_file(state, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "gather", lambda session, items: ({"a": b"1", "hosts/lb/b": b"2"}, ["hosts/x: away"]))
    session = type("Session", (), {"cluster": HA, "store": state})
    done = writing.write(session, tmp_path / "bundle.tar.gz")
    assert (done.path.stat().st_mode & 0o777, done.size, done.members) == (0o600, done.path.stat().st_size, 3)
    with tarfile.open(done.path) as archive:
        assert {name.partition("/")[2] for name in archive.getnames()} == {"README.txt", "a", "hosts/lb/b"}
    with pytest.raises(UsageError, match="already exists"):
        writing.write(session, tmp_path / "bundle.tar.gz")
    with pytest.raises(UsageError, match="no folder"):
        writing.write(session, tmp_path / "none" / "bundle.tar.gz")


@pytest.mark.parametrize("name", ["lab", "ha", "single"])
def test_no_file_with_a_secret_is_asked_for(name):
    cluster = load(INVENTORIES / f"{name}.yaml")
    asked = {path for host in cluster.hosts for path in hosts.plain_files(cluster, host)}
    assert {
        "/etc/hosts",
        "/etc/kubernetes/pki/ca.crt",
        "/etc/systemd/system/kubelet.service",
        "/etc/etcd/etcd.env",
    } <= asked
    closed = (".key", ".conf", "encryption-config.yaml")
    assert {path for path in asked if path.endswith(closed)} <= {
        "/etc/modules-load.d/hardway.conf",
        "/etc/sysctl.d/90-hardway.conf",
    }


def test_secrets_and_configmaps_are_not_among_the_kinds():
    assert not {"secrets", "configmaps"} & {path.rpartition("/")[2] for path in objects.KINDS.values()}


def test_objects_lose_what_people_put_secrets_in():
    named = {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "x"}}}
    about = {"name": "x", "managedFields": [1], "annotations": {objects.APPLIED: "PASSWORD=hunter2", "kept": "yes"}}
    pod = {"metadata": about, "spec": {"containers": [{"env": [{"name": "PASSWORD", "value": "hunter2"}, named]}]}}
    [kept] = objects.scrubbed({"items": [pod]})["items"]
    assert kept["metadata"] == {"name": "x", "annotations": {"kept": "yes"}}
    assert kept["spec"] == {"containers": [{"env": [{"name": "PASSWORD", "value": "(left out)"}, named]}]}


def test_the_readme_is_written_from_what_is_collected():
    text = writing.readme("lab", datetime.datetime(2026, 1, 1), HOME_ITEMS).decode()
    for item in (*HOME_ITEMS, *hosts.HOST_ITEMS):
        assert item.path in text and item.what in text
    assert all(f"{kind}.yaml" in text for kind in objects.KINDS)


def test_the_end_of_a_long_member_is_kept(monkeypatch):
    monkeypatch.setattr(hosts, "collect", lambda session, lacks: [("long", bytes(writing.MOST) + b"end")])
    monkeypatch.setattr(objects, "collect", lambda session, lacks: lacks("kubernetes", OSError("gone")) or [])
    found, missing = writing.gather(None, ())
    assert len(found["long"]) < writing.MOST + 100 and found["long"].endswith(b"end")
    assert missing == ["kubernetes: gone"] and found["missing.txt"] == b"kubernetes: gone\n"
    assert tarfile.open(fileobj=io.BytesIO(writing.packed(found, "x", datetime.datetime.now()))).getnames() == [
        "x/long",
        "x/missing.txt",
    ]


def test_no_terminal_obeys_what_a_bundle_holds(state, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "gather", lambda session, items: ({"a": b"\x1b[2J\xff\ta\r\n" + "ä".encode()}, []))
    done = writing.write(type("Session", (), {"cluster": HA, "store": state}), tmp_path / "bundle.tar.gz")
    with tarfile.open(done.path) as archive:
        [name] = [name for name in archive.getnames() if name.endswith("/a")]
        assert archive.extractfile(name).read().decode() == "\\u001b[2J\\xff\ta\\u000d\nä"


def test_an_odd_answer_of_a_host_takes_nothing_else_with_it():
    missing = {}
    answers = dict.fromkeys((probe for item in hosts.HOST_ITEMS for probe in item.probes(HA, HA.hosts[0])), "cpus=x")
    found = dict(hosts._members(HA.hosts[0], answers, missing.__setitem__))
    assert "units.txt" in found and "facts.json" not in found
    assert "an answer is not as expected" in str(missing[f"hosts/{HA.hosts[0].name}/facts.json"])
