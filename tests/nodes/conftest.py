"""A cluster in memory whose nodes have what a real API keeps of them, and pods of a user's."""

import functools
from pathlib import Path

import pytest
from fakes.memory_pods import pod
from fakes.world import World

from hardway.inventory import load
from hardway.targets.live import wait

LAB = Path(__file__).parents[2] / "inventory/lab.yaml"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """What is awaited in memory comes at once or never."""
    monkeypatch.setattr("hardway.run.waiting.wait", functools.partial(wait, interval=0.001))
    monkeypatch.setattr("hardway.drain.draining.PACE", 0.001)


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> World:
    world = World(load(LAB), tmp_path_factory.mktemp("world"))
    world.run()
    world.bound()
    for host in world.cluster.workers:
        lease = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{host.name}"
        world.objects.save(lease, {"kind": "Lease", "metadata": {"name": host.name}})
        request = f"/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-{host.name}"
        spec = {"username": f"system:node:{host.name}"}
        meta = {"name": f"csr-{host.name}"}
        world.objects.save(request, {"kind": "CertificateSigningRequest", "metadata": meta, "spec": spec})
        pod(world.objects, host.name, f"web-on-{host.name}")
    return world


@pytest.fixture
def world(lab) -> World:
    return lab.copy()
