"""What a right inventory becomes."""

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from inventory_text import GONE, RIGHT, SHIPPED, changed, text_of, written

from hardway import inventory
from hardway.assets import default_versions
from hardway.cluster import Cluster, Role
from hardway.errors import InventoryError
from hardway.settings import Bastion, LoadBalancer, Taint


def loaded(folder: Path, changes: dict, **options) -> Cluster:
    return inventory.load(written(folder, text_of(changed(changes))), **options)


def test_inventories_are_shipped():
    assert [path.name for path in SHIPPED] == [
        "ha.yaml",
        "lab.yaml",
        "single.yaml",
        "vagrant-small.yaml",
        "vagrant.yaml",
    ]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_inventory_loads_without_a_warning(path):
    review = inventory.review(path)
    assert (review.problems, review.warnings) == ((), ())
    assert review.cluster.source == path


def test_the_lab():
    lab = next(path for path in SHIPPED if path.name == "lab.yaml")
    cluster = inventory.load(lab, Path("/state"))
    assert cluster.name == "lab" and cluster.versions == default_versions() and cluster.assets.source == "auto"
    assert cluster.api.address == "10.240.0.9" and cluster.api.load_balancer is LoadBalancer.HAPROXY
    assert [host.name for host in cluster.etcd_members] == ["controller-0", "controller-1", "controller-2"]
    assert {host.name: str(host.pod_cidr) for host in cluster.workers} == {
        "worker-0": "10.200.0.0/24",
        "worker-1": "10.200.1.0/24",
    }
    assert cluster.host("worker-0").labels["disktype"] == "ssd"
    assert (cluster.lab.gateway, cluster.lab.prefix) == (IPv4Address("10.240.0.1"), 24)
    ssh = cluster.host("lb").ssh
    assert (ssh.key, ssh.known_hosts) == (Path("/state/lab/id_ed25519"), Path("/state/lab/known_hosts"))
    assert ssh.config is None and ssh.agent is False and ssh.host_keys == "strict"


@pytest.mark.parametrize("word", ["none", "None", "NONE", None])
def test_none_is_no_file_as_ssh_has_it(tmp_path, word):
    (tmp_path / "none").write_text("Host *\n Nonsense yes\n")
    hosts = loaded(tmp_path, {"ssh": {"config": word, "known_hosts": word}}).hosts
    assert {(host.ssh.config, host.ssh.known_hosts) for host in hosts} == {(None, None)}
    assert loaded(tmp_path, {"ssh": {"config": "./none"}}).host("lb").ssh.config == tmp_path / "none"


def test_high_availability():
    cluster = inventory.load(next(path for path in SHIPPED if path.name == "ha.yaml"))
    assert cluster.api.address == str(cluster.api.vip) == "10.20.0.5" and len(cluster.load_balancers) == 2
    assert not set(cluster.etcd_members) & set(cluster.control_plane)
    assert all(host.ssh.bastion == Bastion("bastion.example.org", user="jump") for host in cluster.hosts)
    special = cluster.host("worker-2")
    assert special.ssh.port == 2222 and special.ssh.user == "admin"
    assert special.taints == (Taint(key="dedicated", value="storage", effect="NoSchedule"),)
    assert special.pod_cidr == IPv4Network("10.64.4.0/23")


def test_a_single_host_needs_no_load_balancer():
    cluster = inventory.load(next(path for path in SHIPPED if path.name == "single.yaml"))
    assert cluster.api.load_balancer is LoadBalancer.NONE and cluster.api.address == str(cluster.hosts[0].address)
    assert cluster.hosts[0].roles == {Role.ETCD, Role.CONTROL_PLANE, Role.WORKER}


def test_whatever_is_not_written_has_the_models_default(tmp_path):
    cluster = loaded(tmp_path, {})
    given = {"name", "hosts", "versions", "api", "network", "source", "ssh"}
    for name, field in Cluster.__dataclass_fields__.items():
        if name not in given:
            default = field.default if field.default_factory is not dict else {}
            assert getattr(cluster, name) == default, name


def test_hosts_that_it_does_not_name_are_reached_like_those_that_say_nothing_of_their_own(tmp_path):
    cluster = loaded(tmp_path, {"ssh": {"user": "admin"}, "hosts.0.ssh": {"port": 2222}})
    assert cluster.ssh.user == "admin" and cluster.ssh == cluster.hosts[1].ssh != cluster.hosts[0].ssh


def test_pod_blocks_stay_when_a_worker_comes_or_goes(tmp_path):
    before = {host.name: host.pod_cidr for host in loaded(tmp_path, {}).workers}
    more = loaded(
        tmp_path, {"hosts.6": {"name": "worker-7", "address": "10.240.0.5", "roles": ["worker"]}, "hosts.4": GONE}
    )
    after = {host.name: host.pod_cidr for host in more.workers}
    assert after == {"worker-1": before["worker-1"], "worker-7": IPv4Network("10.200.7.0/24")}


def test_a_name_without_a_number_gets_the_block_of_its_address(tmp_path):
    assert loaded(tmp_path, {"hosts.5.name": "blue"}).host("blue").pod_cidr == IPv4Network("10.200.21.0/24")


def test_a_host_may_differ_in_any_ssh_setting(tmp_path):
    (tmp_path / "key").touch()
    cluster = loaded(
        tmp_path,
        {
            "ssh": {"user": "admin", "key": "key", "bastion": {"address": "jump.example", "key": "key"}},
            "hosts.4.ssh": {"port": 2222, "bastion": None, "key": None},
        },
    )
    common, special = cluster.host("lb").ssh, cluster.host("worker-0").ssh
    assert common.key == tmp_path / "key" and common.bastion == Bastion("jump.example", key=tmp_path / "key")
    assert (special.user, special.port, special.key, special.bastion) == ("admin", 2222, None, None)


def test_what_is_written_is_known_from_what_is_the_default(tmp_path):
    """The configuration of OpenSSH says what the inventory does not."""
    text = {"ssh": {"user": "root", "bastion": {"address": "jump", "port": 22}}}
    written = loaded(tmp_path, text).hosts[0].ssh
    assert written.sets("user") and not written.sets("port") and not written.sets("known_hosts")
    assert written.bastion.sets("port") and not written.bastion.sets("user")
    assert not loaded(tmp_path, {}).hosts[0].ssh.sets("user")
    assert loaded(tmp_path, {"ssh": {"user": "admin"}}).hosts[0].ssh.sets("user")


def test_paths_start_at_the_inventory_and_know_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "policy.yaml").touch()
    (tmp_path / "mirror").mkdir()
    cluster = loaded(
        tmp_path,
        {
            "audit.policy": "policy.yaml",
            "assets": {"source": "mirror", "mirror": "mirror"},
            "ssh.known_hosts": "~/known",
            "lab": {"gateway": "10.240.0.1", "directory": "disks"},
        },
    )
    assert cluster.audit.policy == str(tmp_path / "policy.yaml") and cluster.assets.mirror == str(tmp_path / "mirror")
    assert cluster.lab.directory == tmp_path / "disks"
    assert cluster.hosts[0].ssh.known_hosts == tmp_path / "known"
    assert loaded(tmp_path, {}).hosts[0].ssh.config == tmp_path / ".ssh/config"


def test_the_state_directory_defaults_to_where_you_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cluster = loaded(tmp_path, {"lab.gateway": "10.240.0.1"})
    assert cluster.hosts[0].ssh.key == tmp_path / ".hardway/lab/lab/id_ed25519"
    assert not (tmp_path / ".hardway").exists()


def test_versions_written_down_win(tmp_path):
    versions = loaded(tmp_path, {"versions.etcd": "3.6.14"}).versions
    assert versions.etcd == "3.6.14" and versions.kubernetes == "1.36.4" and versions.containerd


def test_values_reach_components_as_they_were_written(tmp_path):
    args = loaded(
        tmp_path, {"extra_args": {"kubelet": {"feature-gates": "A=true", "image-gc-high-threshold": 80, "x": True}}}
    ).extra_args
    assert args == {"kubelet": {"feature-gates": "A=true", "image-gc-high-threshold": "80", "x": "true"}}


def test_a_worker_may_keep_something_else_from_pods_than_all_of_them(tmp_path):
    assert all(host.reserved == {} for host in loaded(tmp_path, {}).hosts)
    for_all = {"cpu": 0.5, "memory": "1Gi", "pid": None}
    hosts = loaded(tmp_path, {"kubelet.reserved": for_all, "hosts.5.reserved": {"memory": 0, "pid": 1000}}).hosts
    assert [host.reserved for host in hosts] == [
        *[{}] * 4,
        {"cpu": "0.5", "memory": "1Gi"},
        {"cpu": "0.5", "memory": "0", "pid": "1000"},
    ]


def test_a_wrong_inventory_is_one_error_with_all_problems(tmp_path):
    path = written(tmp_path, text_of(changed({"cluster": "A", "kubernetes": "x"})))
    with pytest.raises(InventoryError) as caught:
        inventory.load(path)
    assert caught.value.exit_code == 3 and len(caught.value.problems) == 2
    assert caught.value.message == f"{path} has 2 problems; no host was contacted"
    assert caught.value.hint == f"correct them, then: hardway validate {path}"
    assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)


def test_a_thousand_hosts(tmp_path):
    hosts = [*RIGHT["hosts"][:4]]
    hosts += [
        {"name": f"worker-{n}", "address": f"10.240.{4 + n // 250}.{n % 250 + 1}", "roles": ["worker"]}
        for n in range(1000)
    ]
    cluster = loaded(tmp_path, {"hosts": hosts, "network": {"node_cidr": "10.240.0.0/16", "pod_cidr": "10.0.0.0/12"}})
    assert len({host.pod_cidr for host in cluster.workers}) == 1000
