"""What a real etcd does while its files and its members change: the facts on which the order of a run rests."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from fakes.past import expire
from real_etcd import RealEtcd, eventually

from hardway.errors import HardwayError, NotReadyError
from hardway.etcd.command import Etcdctl

pytestmark = pytest.mark.slow


@pytest.fixture
def etcd(tmp_path, binaries):
    """Three members of its own, healthy."""
    etcd = RealEtcd(tmp_path, binaries)
    for host in etcd.cluster.hosts:
        etcd.start(host)
    eventually(lambda: healthy(etcd))
    yield etcd
    for host in etcd.cluster.hosts:
        if host.name in etcd.processes:
            etcd.stop(host)


def client(etcd, number: int = 0) -> Etcdctl:
    """By way of one member, with that member's own certificate as it is now."""
    host = etcd.cluster.hosts[number]
    return Etcdctl(etcd.transport(host), etcd.cluster.etcd_members, pki=str(etcd.pki(host)))


def healthy(etcd, number: int = 0) -> bool:
    try:
        return all(each.healthy for each in client(etcd, number).health())
    except HardwayError:
        return False


def replaced(etcd, host, name: str) -> None:
    """A pair of the host's is put in place as on a host: each file by a rename, the certificate first."""
    pair = etcd.credentials.certificate(f"etcd-{name}", host)
    for ending, content in (("crt", pair.cert), ("key", pair.key.reveal())):
        new = etcd.pki(host) / f".{name}.{ending}"
        new.write_bytes(content)
        new.rename(etcd.pki(host) / f"{name}.{ending}")


def test_expired_certificates_are_replaced_without_a_restart(etcd):
    before = {name: process.pid for name, process in etcd.processes.items()}
    for host in etcd.cluster.hosts:
        for name in ("server", "peer"):
            cert = expire(etcd.cluster, etcd.credentials.store, f"etcd-{name}", host)
            (etcd.pki(host) / f"{name}.crt").write_bytes(cert)
    with pytest.raises(NotReadyError):
        client(etcd).members()
    etcd.use(etcd.cluster)
    for host in etcd.cluster.hosts:
        for name in ("server", "peer"):
            replaced(etcd, host, name)
    assert healthy(etcd) and len(client(etcd).members()) == 3
    assert {name: process.pid for name, process in etcd.processes.items() if process.poll() is None} == before


def test_a_member_moves_by_its_certificate_the_peer_url_and_a_restart_in_this_order(etcd):
    old = etcd.cluster.hosts[1]
    new = replace(old, address=IPv4Address(int(old.address) + 100))
    etcd.use(replace(etcd.cluster, hosts=(etcd.cluster.hosts[0], new, etcd.cluster.hosts[2])))
    for name in ("server", "peer"):
        replaced(etcd, new, name)
    [member] = [each for each in client(etcd).members() if each.name == old.name]
    client(etcd).update_member(member.id, (new.peer_url,))
    etcd.stop(old)
    etcd.start(new)
    eventually(lambda: healthy(etcd))
    [moved] = [each for each in client(etcd, 1).members() if each.name == old.name]
    assert (moved.id, moved.peer_urls, moved.client_urls) == (member.id, (new.peer_url,), (new.client_url,))
    # The others reach it there: the cluster goes on when one of them is gone.
    etcd.stop(etcd.cluster.hosts[2])
    eventually(lambda: [each.healthy for each in client(etcd, 1).health()] == [True, True, False])


def test_a_learner_says_that_it_is_one(etcd):
    new = replace(etcd.cluster.hosts[0], name="etcd-3", address=IPv4Address(int(etcd.cluster.hosts[0].address) + 50))
    etcd.use(replace(etcd.cluster, hosts=(*etcd.cluster.hosts, new)))
    etcd.write_pki(new)
    words = ("member", "add", new.name, "--learner", f"--peer-urls={new.peer_url}")
    eventually(lambda: etcd.etcdctl(*words, check=False))
    etcd.start(new, "existing")
    with etcd.library() as library:
        for way in (client(etcd), library):
            eventually(lambda way=way: len(way.status()) == 4)
            assert [each.is_learner for each in way.status()] == [False, False, False, True]


def test_a_first_member_that_has_never_started_is_known_by_name_and_has_no_client_url(tmp_path, binaries):
    etcd = RealEtcd(tmp_path, binaries)
    started, other, never = etcd.cluster.hosts
    try:
        etcd.start(started)
        etcd.start(other)
        eventually(lambda: [each.healthy for each in client(etcd).health()] == [True, True, False])
        listed = {member.name: member for member in client(etcd).members()}
        assert [listed[host.name].started for host in (started, other, never)] == [True, True, False]
    finally:
        for host in (started, other):
            etcd.stop(host)
