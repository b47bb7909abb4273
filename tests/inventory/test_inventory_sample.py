"""`hardway init`: a sample that loads as it is."""

import re

import pytest
from inventory_text import written

from hardway import inventory
from hardway.errors import UsageError


def hosts(count: int) -> list[str]:
    return [f"root@10.0.0.{10 + n}" for n in range(count)]


@pytest.mark.parametrize("count", range(1, 12))
def test_a_sample_with_hosts_loads(tmp_path, count):
    review = inventory.review(written(tmp_path, inventory.sample(hosts(count))))
    assert review.problems == () and len(review.cluster.hosts) == count
    assert len(review.cluster.etcd_members) == (1 if count < 4 else 3)
    assert review.cluster.workers and all(host.pod_cidr for host in review.cluster.workers)
    assert bool(review.cluster.load_balancers) == (count >= 4)


@pytest.mark.parametrize("count", range(1, 9))
def test_a_worker_with_other_roles_keeps_something_from_pods(tmp_path, count):
    cluster = inventory.load(written(tmp_path, inventory.sample(hosts(count))))
    shared = [host for host in cluster.workers if len(host.roles) > 1]
    assert [host for host in cluster.hosts if host.reserved] == shared and bool(shared) == (count == 1)
    assert all(host.reserved == {"cpu": "500m", "memory": "1Gi"} for host in shared)


def test_the_sample_without_hosts_loads(tmp_path):
    assert len(inventory.load(written(tmp_path, inventory.sample())).hosts) == 6


def test_logins_and_ports_are_kept(tmp_path):
    text = inventory.sample(["root@10.0.0.10", "ubuntu@10.0.0.11:2222", "10.0.0.12"])
    logins = [(host.ssh.user, host.ssh.port) for host in inventory.load(written(tmp_path, text)).hosts]
    assert logins == [("root", 22), ("ubuntu", 2222), ("root", 22)]


@pytest.mark.parametrize("user", ["ACME\\jdoe", "jdoe@acme.example", "1001", "a.b+c$"])
def test_logins_of_directories_are_kept(tmp_path, user):
    text = inventory.sample([f"{user}@10.0.0.10:2222"])
    assert inventory.load(written(tmp_path, text)).hosts[0].ssh.user == user


def test_every_commented_key_of_the_sample_is_right(tmp_path):
    """What a user uncomments must work: only the words after the second # are explanation."""
    (tmp_path / "home").mkdir()
    lines = []
    for line in inventory.sample(hosts(6)).splitlines():
        shown = re.match(r"# ( *[a-z_]+:.*)", line)
        usable = shown and "X.Y.Z" not in line and "~/.ssh" not in line
        lines.append(shown[1] if usable else line)
    review = inventory.review(written(tmp_path, "\n".join(lines) + "\n"))
    assert review.problems == ()
    assert review.cluster.hosts[0].ssh.bastion and review.cluster.extra_args and review.cluster.network.node_cidr


@pytest.mark.parametrize(
    "bad", ["host.example", "10.0.0.300", "root@", "a b@10.0.0.1", "10.0.0.1:0", "10.0.0.1:99999", "-x", "fe80::1", ""]
)
def test_what_is_no_host_is_refused(bad):
    with pytest.raises(UsageError) as caught:
        inventory.sample(["10.0.0.1", bad])
    assert "write [user@]IPv4-address[:port]" in caught.value.message and caught.value.exit_code == 2


def test_a_host_given_twice_is_refused():
    with pytest.raises(UsageError, match="twice"):
        inventory.sample(["root@10.0.0.1", "admin@10.0.0.1"])
