"""Every certificate in every place; what cannot be asked is said and never counts as fine."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from fakes.memory_session import MemorySession
from fakes.past import expire, long_ago
from fakes.world import World

from hardway.commands.certs import listing, text
from hardway.commands.certs.picture import Certificates, Copy, Row, Shown
from hardway.commands.certs.places import Kind, places
from hardway.errors import ConnectionFailed
from hardway.pki import issuing
from hardway.pki.certificates import authorities, issued, label
from hardway.pki.rotation import Rotation

pytestmark = pytest.mark.slow

OWN = "/var/lib/kubelet/pki/kubelet-client-current.pem"


def collect(world: World) -> Certificates:
    return listing.collect(MemorySession.on(world).looking())


def row(found: Certificates, name: str) -> Row:
    return next(one for one in found.rows if one.name == name)


def copy(found: Certificates, name: str, host: str, where: str) -> Copy:
    return next(one for one in row(found, name).copies if (one.host, one.where) == (host, where))


@pytest.mark.parametrize("name", ["lab", "ha", "single"])
def test_a_cluster_in_order_has_the_same_everywhere(living, name):
    world = living(name)
    world.live.node(world.cluster.workers[0])  # each kubelet has had a certificate signed by now
    files = dict(world.store._written)
    found = collect(world)
    labels = [authority.name for authority in authorities()] + [label(*one) for one in issued(world.cluster)]
    assert [one.name for one in found.rows] == labels
    assert {one.state for row in found.rows for one in row.copies} == {"same"}
    assert {row.state for row in found.rows} == {"valid"} and found.away == {} and text.unasked(found) is None
    assert all(row.key and row.here.serial and row.here.days > 300 for row in found.rows)
    assert world.store._written == files and world.log == []


def test_every_file_with_a_certificate_is_a_place(living):
    """By what is on the disks: a file that no place is about would be missed here."""
    world = living("ha")
    world.live.node(world.cluster.workers[0])
    known = {(one.host, one.path) for one in places(world.cluster)}
    for name, host in world.hosts.items():
        content = {path: entry.content for path, entry in host.disk.files.items() if "/before/" not in path}
        holds = {path for path, data in content.items() if b"BEGIN CERTIFICATE" in data or b"certificate-data" in data}
        assert holds and holds == {path for place, path in known if place == name}


def test_kubeconfigs_are_known_by_the_certificate_and_the_ca_inside(living):
    found = collect(living())
    kinds = {(one.host, one.where): one.kind for one in row(found, "kubelet@worker-0").copies}
    assert kinds == {("worker-0", "/etc/kubernetes/kubelet.conf"): Kind.KUBECONFIG, ("worker-0", OWN): Kind.OWN}
    assert copy(found, "ca", "worker-0", "/etc/kubernetes/kubelet.conf").kind == Kind.TRUST
    assert [one.kind for one in row(found, "super-admin").copies] == [Kind.KUBECONFIG], "it never leaves this computer"
    ports = [(one.host, one.where) for one in row(found, "apiserver").copies if one.kind == "port"]
    assert len(ports) == 4 and len({where for _, where in ports}) == 4


def test_what_differs_is_told_where_and_how(living):
    world = living()
    disk = world.hosts["controller-1"].disk
    disk.write("/etc/kubernetes/pki/apiserver.crt", world.store.read("pki/admin.crt"))
    disk.files.pop("/etc/etcd/pki/peer.crt")
    disk.write("/etc/kubernetes/scheduler.conf", b"no kubeconfig")
    found = collect(world)
    assert copy(found, "apiserver", "controller-1", "/etc/kubernetes/pki/apiserver.crt").state == "other"
    assert copy(found, "apiserver", "controller-1", "10.240.0.11:6443").state == "other"
    assert copy(found, "etcd-peer@controller-1", "controller-1", "/etc/etcd/pki/peer.crt").state == "missing"
    assert copy(found, "scheduler", "controller-1", "/etc/kubernetes/scheduler.conf").state == "unreadable"
    said = text.as_text(found)
    assert "other on controller-1: 10.240.0.11:6443 (port)" in said and "missing on controller-1" in said


def test_a_host_that_cannot_be_asked_is_said_and_nothing_of_it_is_fine(living):
    world = living()
    world.live.give_up("worker-1", ConnectionFailed("does not answer within 10 s", "worker-1"))
    found = collect(world)
    assert found.away == {"worker-1": "does not answer within 10 s"}
    states = {one.state for row in found.rows for one in row.copies if one.host == "worker-1"}
    assert states == {"unknown"}
    assert text.ending(found, 30) == []
    error = text.unasked(found)
    assert error.exit_code == 4 and "worker-1: /etc/kubernetes/kubelet.conf: does not answer" in error.evidence
    assert "worker-1 gave no answer" in text.as_text(found)


def test_a_port_at_which_nobody_listens_is_unknown(living):
    world = living()
    world.hosts["worker-0"].systemd.unit("kubelet.service").active = "inactive"
    found = collect(world)
    assert copy(found, "kubelet-server@worker-0", "worker-0", "10.240.0.20:10250").state == "unknown"
    assert text.unasked(found) is not None


def test_what_has_expired_on_a_host_alone_is_found(living):
    """The file here is new, the host has an old one: what counts is what is used."""
    world = living()
    expired = expire(world.cluster, world.store.__class__(world.store), "apiserver", None)
    world.hosts["controller-2"].disk.write("/etc/kubernetes/pki/apiserver.crt", expired)
    found = collect(world)
    lines = text.ending(found, 0)
    places = {line.partition(":")[0].removeprefix("apiserver on controller-2, ") for line in lines}
    assert places == {"/etc/kubernetes/pki/apiserver.crt", "10.240.0.12"}
    assert all(line.endswith("expired") for line in lines)
    assert len(text.ending(found, 400)) > len(issued(world.cluster))


def test_without_a_state_directory_everything_here_is_missing(living):
    world = living("single")
    world.store._written.clear()
    world.use(world.cluster)
    found = collect(world)
    assert {row.state for row in found.rows} == {"missing"} and not any(row.key for row in found.rows)
    assert copy(found, "apiserver", "all-in-one", "/etc/kubernetes/pki/apiserver.crt").state == "other"
    assert {one.state for one in row(found, "apiserver").copies if one.kind == "port"} == {"other"}
    assert text.as_text(found)


@pytest.mark.parametrize("damage", ["expired", "broken"])
def test_a_ca_that_cannot_be_used_is_told_and_the_rest_is_shown(living, damage):
    world = living("single")
    with long_ago(20):
        key = issuing.load_key(world.store.read("pki/etcd-ca.key"), "etcd-ca")
        expired = issuing.certificate_pem(issuing.issue_ca("etcd-ca", key, 3650))
    world.store._written["pki/etcd-ca.crt"] = expired if damage == "expired" else b"broken"
    found = collect(world)
    assert damage in row(found, "etcd-ca").state or "not a readable certificate" in row(found, "etcd-ca").state
    assert "its CA etcd-ca: " in row(found, "etcd-peer@all-in-one").state
    assert row(found, "apiserver").state == "valid"
    assert any(line.startswith("etcd-ca") for line in text.ending(found, 0)) == (damage == "expired")


def test_a_damaged_file_here_is_told(living):
    world = living("single")
    world.store._written["pki/scheduler.crt"] = b"broken"
    world.use(world.cluster)
    found = row(collect(world), "scheduler")
    assert "not a readable certificate" in found.state and {one.state for one in found.copies} == {"other"}


def test_during_a_rotation_both_cas_are_listed(living):
    world = living("single")
    Rotation("etcd-ca", world.store).begin(world.cluster.pki)
    world.use(world.cluster)
    found = collect(world)
    names = [one.name for one in found.rows if one.kind == "CA"]
    assert names == ["ca", "etcd-ca", "etcd-ca.next", "front-proxy-ca"]
    assert {one.state for one in row(found, "etcd-ca").copies} == {"other"}, "the hosts do not list the new one yet"


def test_no_key_is_read(living):
    world = living()
    asked = []
    for host in world.hosts.values():
        host.q_file = lambda *args: asked.append(args) or "absent"
    said = text.as_json(collect(world))
    assert asked == [] and "PRIVATE KEY" not in said
    content = [f for name, f in world.store._written.items() if name.endswith(".key")]
    assert not any(line.decode() in said for data in content for line in data.splitlines()[1:2])
    assert json.loads(said)["cluster"] == "lab"


def test_the_json_is_told_field_by_field():
    page = (Path(__file__).parents[2] / "docs/operating.md").read_text()
    table = page.split("| key of the list | fields | meaning |")[1].split("\n\n")[0]
    told: dict[str, set[str]] = {}
    for line in table.splitlines()[2:]:
        keys, inner, _ = line.strip("|").split("|", 2)
        told |= {key: set(re.findall(r"`(\w+)`", inner)) for key in re.findall(r"`([\w.]+)(?:\[\])?`", keys)}
    fields = lambda kind: {field.name for field in dataclasses.fields(kind)}  # noqa: E731
    assert set(told) == fields(Certificates) | {"rows.here", "rows.copies"}
    assert told["rows"] == fields(Row) and told["rows.here"] == fields(Shown) and told["rows.copies"] == fields(Copy)
