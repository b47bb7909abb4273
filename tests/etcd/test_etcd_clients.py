"""The same questions to a real etcd by both ways: the library through a tunnel, and etcdctl."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from real_etcd import eventually

from hardway.errors import NotReadyError, RemoteCommandError
from hardway.etcd.client import open_etcd
from hardway.etcd.command import Etcdctl
from hardway.etcd.library import Etcd3, open_library
from hardway.targets.etcd_members import promote

pytestmark = pytest.mark.slow


def open_way(way, etcd):
    host = etcd.cluster.hosts[0]
    if way == "library":
        return open_library(etcd.cluster, etcd.transport(host), etcd.credentials)
    return Etcdctl(etcd.transport(host), etcd.cluster.etcd_members, pki=str(etcd.pki(host)))


@pytest.fixture(params=["library", "etcdctl"])
def way(request):
    return request.param


@pytest.fixture
def client(way, real_etcd):
    eventually(lambda: all(each.healthy for each in open_and(way, real_etcd, "health")))
    with open_way(way, real_etcd) as client:
        yield client


def open_and(way, etcd, question):
    try:
        with open_way(way, etcd) as client:
            return getattr(client, question)()
    except Exception as error:
        if type(error).__name__ in ("Unusable", "NotReadyError"):
            return [type("Not", (), {"healthy": False})]
        raise


def test_members_are_those_of_the_inventory(client, real_etcd):
    members = client.members()
    assert [member.name for member in members] == ["etcd-0", "etcd-1", "etcd-2"]
    for member, host in zip(members, real_etcd.cluster.hosts, strict=True):
        assert member.peer_urls == (f"https://{host.address}:2380",)
        assert member.client_urls == (f"https://{host.address}:2379",)
        assert member.started and not member.learner


def test_status_names_one_leader_and_agrees_with_the_members(client, real_etcd):
    status = client.status()
    assert [each.name for each in status] == ["etcd-0", "etcd-1", "etcd-2"]
    assert sum(each.is_leader for each in status) == 1
    assert {each.member_id for each in status} == {member.id for member in client.members()}
    assert {each.version for each in status} == {real_etcd.cluster.versions.etcd}
    assert all(each.db_size > 0 and each.revision > 0 and each.raft_term > 0 for each in status)


def test_both_ways_give_the_same_answers(real_etcd, client):
    with open_way("library", real_etcd) as library, open_way("etcdctl", real_etcd) as command:
        assert library.members() == command.members()
        assert library.health() == command.health()
        assert library.status() == command.status()


def test_get_gives_the_stored_bytes(client, way, real_etcd):
    real_etcd.etcdctl("put", f"/registry/{way}", "k8s:enc:aescbc:v1:key1:\u00e9")
    assert client.get(f"/registry/{way}") == "k8s:enc:aescbc:v1:key1:\u00e9".encode()
    assert client.get("/registry/absent") is None
    real_etcd.etcdctl("put", f"/empty/{way}", "")
    assert client.get(f"/empty/{way}") == b""


def test_a_key_that_looks_like_a_flag_or_a_command_is_only_a_key(client, real_etcd):
    for key in ("--prefix", "$(touch /tmp/never)", "a b'c"):
        real_etcd.etcdctl("put", "--", key, "value")
        assert client.get(key) == b"value"


def test_a_member_is_added_seen_as_not_started_and_removed(client, way):
    url = new_url()
    added = eventually(lambda: add_when_settled(client, "etcd-9", url))
    try:
        assert added.peer_urls == (url,) and not added.started
        assert added.learner and client.members()[0] == added, "it counts for no quorum"
        with pytest.raises(RemoteCommandError, match="in sync with leader"):
            client.promote_member(added.id)
    finally:
        client.remove_member(added.id)
    assert [member.name for member in client.members()] == ["etcd-0", "etcd-1", "etcd-2"]


def new_url():
    """Never the same one twice: within one second etcd gives it the ID of the member removed before, which is refused
    for ever."""
    return f"https://127.99.{secrets.randbelow(250)}.{secrets.randbelow(250)}:2380"


def add_when_settled(client, name, url):
    """etcd takes nobody in before its members have been connected for 5 s."""
    try:
        return client.add_member(name, (url,))
    except RemoteCommandError as refusal:
        assert "unhealthy cluster" in refusal.message and "5 s" in refusal.hint
        return None


def test_a_learner_is_told_apart(client, real_etcd, way):
    url = new_url()
    eventually(lambda: real_etcd.etcdctl("member", "add", "learner", "--learner", f"--peer-urls={url}", check=False))
    learner = client.members()[0]
    try:
        assert learner.learner and not learner.started
        assert [member.learner for member in client.members()] == [True, False, False, False]
    finally:
        client.remove_member(learner.id)


def test_a_learner_gets_its_vote_when_it_has_caught_up(client, real_etcd, way):
    before, number = real_etcd.cluster, {"library": 8, "etcdctl": 9}[way]
    host = replace(before.hosts[0], name=f"etcd-{number}", address=before.hosts[0].address + number)
    real_etcd.use(replace(before, hosts=(*before.hosts, host)))
    real_etcd.write_pki(host)
    added = eventually(lambda: add_when_settled(client, host.name, host.peer_url))
    real_etcd.start(host, "existing")
    try:
        eventually(lambda: all(member.started for member in client.members()))
        asked_first(real_etcd, way, host)
        promote(client, host.name, host.peer_url, 30)
        assert [member.learner for member in client.members()] == [False] * 4
        promote(client, host.name, host.peer_url, 30)
    finally:
        client.remove_member(added.id)
        real_etcd.stop(host)
        real_etcd.use(before)


def asked_first(real_etcd, way, learner):
    """A learner rejects the question, and another one answers it."""
    real_etcd.use(replace(real_etcd.cluster, hosts=(learner, *real_etcd.cluster.hosts[:-1])))
    via = real_etcd.cluster.hosts[1]
    if way == "library":
        client = open_library(real_etcd.cluster, real_etcd.transport(via), real_etcd.credentials)
    else:
        client = Etcdctl(real_etcd.transport(via), real_etcd.cluster.etcd_members, pki=str(real_etcd.pki(via)))
    with client:
        found = eventually(client.members)
    assert [member.name for member in found if member.learner] == [learner.name]


def test_status_says_how_far_each_member_has_come(client):
    leader = next(each for each in client.status() if each.is_leader)
    for each in client.status():
        assert each.raft_index >= each.raft_applied_index > 3
        assert leader.raft_index - each.raft_applied_index < 100
        assert each.raft_term == leader.raft_term and not each.is_learner


def test_the_leader_hands_over_to_the_member_that_is_named(client, real_etcd):
    leader = next(each for each in client.status() if each.is_leader)
    heir = next(each for each in client.status() if not each.is_leader)
    client.move_leader(heir.member_id)
    eventually(lambda: [each.name for each in client.status() if each.is_leader] == [heir.name])
    assert {each.leader for each in client.status()} == {heir.member_id} != {leader.member_id}


def test_leadership_is_not_given_to_a_stranger(client):
    with pytest.raises(RemoteCommandError) as refusal:
        client.move_leader(12345)
    assert "move-leader 3039" in refusal.value.command


def test_a_member_is_given_another_peer_url(client):
    before = client.members()[1]
    elsewhere = new_url()
    client.update_member(before.id, (elsewhere,))
    try:
        assert client.members()[1] == replace(before, peer_urls=(elsewhere,))
    finally:
        client.update_member(before.id, before.peer_urls)
    assert client.members()[1] == before
    eventually(lambda: all(each.healthy for each in client.health()))


def test_a_peer_url_of_another_member_is_refused(client):
    one, other, _ = client.members()
    with pytest.raises(RemoteCommandError, match="member update .*exist"):
        client.update_member(one.id, other.peer_urls)


def test_a_refusal_says_what_was_refused(client, real_etcd):
    taken = f"https://{real_etcd.cluster.hosts[1].address}:2380"
    with pytest.raises(RemoteCommandError) as refusal:
        client.add_member("again", (taken,))
    assert "member add again" in refusal.value.command
    assert "exist" in refusal.value.message.lower()
    assert refusal.value.host == "etcd-0" and refusal.value.hint
    with pytest.raises(RemoteCommandError, match="not found"):
        client.remove_member(12345)


def test_one_dead_member_is_named_and_the_rest_answers(way, real_etcd, client):
    dead = real_etcd.cluster.hosts[1]
    real_etcd.stop(dead)
    try:
        # A leader may have to be found first; then the answer is complete at once.
        health = eventually(lambda: (seen := client.health())[0].healthy and seen)
        assert [each.healthy for each in health] == [True, False, True]
        assert [bool(each.error) for each in health] == [False, True, False]
        assert [each.name for each in client.status()] == ["etcd-0", "etcd-2"]
        assert len(client.members()) == 3
    finally:
        real_etcd.start(dead)
    eventually(lambda: all(each.healthy for each in client.health()))


def test_without_quorum_nobody_is_healthy_and_reads_fail_with_a_remedy(way, real_etcd, client):
    _, *lost = real_etcd.cluster.hosts
    for host in lost:
        real_etcd.stop(host)
    try:
        assert not any(each.healthy for each in client.health())
        with pytest.raises(NotReadyError) as silent:
            client.get("/registry/x")
        assert "journalctl -u etcd" in silent.value.hint and silent.value.evidence
    finally:
        for host in lost:
            real_etcd.start(host)
    eventually(lambda: all(each.healthy for each in client.health()))


def test_tunnels_are_closed_with_the_client(real_etcd):
    transport = real_etcd.transport(real_etcd.cluster.hosts[0])
    client = eventually(lambda: open_etcd(real_etcd.cluster, transport, real_etcd.credentials))
    assert isinstance(client, Etcd3) and transport.open_forwards == 3
    assert client.how == "etcd3 through a tunnel"
    client.close()
    assert transport.open_forwards == 0
    assert transport.scripts == []


def test_status_tells_size_use_quota_and_format(client, real_etcd):
    for each in client.status():
        assert 0 < each.db_in_use <= each.db_size < each.db_quota == 2 << 30
        assert each.storage == f"{real_etcd.cluster.versions.etcd.rpartition('.')[0]}.0" and each.alarms == ()


def test_hashes_of_the_same_revision_are_equal_on_all_members(client, real_etcd, way):
    real_etcd.etcdctl("put", f"/hashed/{way}", "value")
    revision = max(each.revision for each in client.status())
    eventually(lambda: {each.revision for each in client.status()} == {revision})
    found = client.hashes(revision)
    assert list(found) == ["etcd-0", "etcd-1", "etcd-2"] and len(set(found.values())) == 1
    assert client.hashes(revision - 1)["etcd-0"] != found["etcd-0"]
    assert client.hashes(revision + 1000) == {}, "nobody has a revision that is still to come"


def test_a_compaction_forgets_what_was_before_once(client, real_etcd, way):
    for value in ("one", "two"):
        real_etcd.etcdctl("put", f"/compacted/{way}", value)
    revision = client.status()[0].revision
    client.compact(revision)
    assert client.get(f"/compacted/{way}") == b"two"
    old = ("get", f"/compacted/{way}", f"--rev={revision - 1}")
    assert real_etcd.etcdctl(*old, check=False) == ""
    client.compact(revision)
    with pytest.raises(RemoteCommandError, match="compact .*future revision"):
        client.compact(revision + 1000)
