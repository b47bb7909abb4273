"""Every kube-proxy has a key of its own: a cluster built with one for all moves worker by worker, and one key is
replaced alone."""

import base64
import re

import pytest
import yaml
from cryptography import x509
from fakes.world import changes

pytestmark = pytest.mark.slow

CONF, UNIT = "/etc/kubernetes/kube-proxy.conf", "kube-proxy.service"
BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/hardway:kube-proxies"


def shown(world, name: str) -> x509.Certificate:
    """The certificate with which the kube-proxy of a worker comes to the API."""
    document = yaml.safe_load(world.hosts[name].systemd.unit(UNIT).loaded[CONF])
    return x509.load_pem_x509_certificate(base64.b64decode(document["users"][0]["user"]["client-certificate-data"]))


def with_one_key_for_all(world) -> None:
    """As clusters were built before."""
    common = world.hosts["worker-0"].disk.read(CONF)
    for worker in world.cluster.workers:
        host = world.hosts[worker.name]
        host.disk.write(CONF, common.replace(b"lab-kube-proxy", b"lab-kube-proxies"), "600")
        host.systemd.restart(UNIT)
        host.w_stamp(UNIT, "of former files")
    del world.objects.by_path[BINDING]
    world.log.clear()


def test_every_worker_has_its_own(inventory, built):
    world = built(inventory)
    found = {worker.name: shown(world, worker.name) for worker in world.cluster.workers}
    assert len({one.public_key().public_numbers() for one in found.values()}) == len(found)
    for name, certificate in found.items():
        assert certificate.subject.rfc4514_string() == f"CN=kube-proxy:{name},O=hardway:kube-proxies"
    granted = world.objects.by_path[BINDING]
    assert granted["roleRef"]["name"] == "system:node-proxier"
    assert [(one["kind"], one["name"]) for one in granted["subjects"]] == [("Group", "hardway:kube-proxies")]


def test_a_cluster_with_one_key_for_all_moves_in_turns_after_the_rights_are_granted(built):
    world = built("lab")
    with_one_key_for_all(world)
    assert changes(world.run()) == {
        ("rbac", "kubernetes"): ["ClusterRoleBinding hardway:kube-proxies"],
        **{("kube-proxy", f"worker-{i}"): [f"file {CONF}", f"unit {UNIT}"] for i in range(2)},
    }
    acts = [f"{op.verb} {op.args[0]}" if op.args else op.verb for _, op in world.log]
    granted = next(i for i, act in enumerate(acts) if re.match(r"PATCH .*hardway:kube-proxies", act))
    assert granted < acts.index(f"restart {UNIT}") and acts.count(f"restart {UNIT}") == 2
    assert world.live.roads.stranded() == [] and changes(world.plan()) == {}


def test_a_stolen_key_is_replaced_alone(built):
    world = built("lab")
    before = {name: shown(world, name) for name in ("worker-0", "worker-1")}
    for ending in ("crt", "key"):
        del world.store._written[f"pki/hosts/worker-0/kube-proxy.{ending}"]
    world.use(world.cluster)
    done = changes(world.run())
    assert done == {
        ("pki", "operator"): ["keys and certificates"],
        ("kube-proxy", "worker-0"): [f"file {CONF}", f"unit {UNIT}"],
    }
    assert shown(world, "worker-0").public_key() != before["worker-0"].public_key()
    assert shown(world, "worker-1") == before["worker-1"]
