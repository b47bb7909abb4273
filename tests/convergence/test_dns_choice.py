"""Where cluster DNS sends other names must not depend on who happens to answer: a cluster keeps what it has."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from fakes.world import World, changes

from hardway.cluster import Host, Role
from hardway.facts import Facts
from hardway.phase import API
from hardway.phases import dns
from hardway.resources.base import Situation
from hardway.vocabulary import ReadOnly

pytestmark = pytest.mark.slow

PATH = "/api/v1/namespaces/kube-system/configmaps/coredns"
LOCAL = {"nameservers": "127.0.0.1"}


def corefile(world: World) -> str:
    return world.objects.by_path[PATH]["data"]["Corefile"]


def forwards(world: World) -> bool:
    return "forward . /etc/resolv.conf" in corefile(world)


def planned(world: World, *silent: str) -> list[str]:
    """What the phase would change while some workers do not answer."""
    inputs = world.inputs()
    facts = dict(inputs.facts) | {name: Facts(known=False) for name in silent}
    resources = dns.desired(replace(inputs, facts=facts), API)
    answers = ReadOnly(world.remotes()[API.name]).probe([probe for one in resources for probe in one.probes()])
    return [change.key for one in resources if (change := one.compare(Situation(answers)))]


def local(world: World, *names: str) -> World:
    """Workers whose name server is on their own loopback."""
    for name in names:
        world.hosts[name].survey |= LOCAL
    return world


@pytest.mark.parametrize("silent", [(), ("worker-0",), ("worker-1",), ("worker-0", "worker-1")])
@pytest.mark.parametrize("own", [(), ("worker-1",)])
def test_the_plan_stays_empty_whoever_answers(own, silent, bare):
    world = local(bare("lab"), *own)
    world.run()
    assert forwards(world) == (not own) and planned(world, *silent) == []


def test_a_new_worker_with_a_local_name_server_takes_nothing_from_the_others(built):
    world = built("lab")
    new = Host("worker-2", IPv4Address("10.240.0.22"), frozenset({Role.WORKER}), pod_cidr=IPv4Network("10.200.2.0/24"))
    world.use(replace(world.cluster, hosts=(*world.cluster.hosts, new)))
    local(world, "worker-2").run()
    assert forwards(world) and planned(world) == planned(world, "worker-2") == []


def test_outside_names_resolve_once_every_worker_answers_and_can_ask(bare):
    world = local(bare("lab"), "worker-1")
    world.run()
    world.hosts["worker-1"].survey.clear()
    assert planned(world, "worker-0") == [] and planned(world) == ["ConfigMap kube-system/coredns"]
    world.run()
    assert forwards(world) and changes(world.plan()) == {}


@pytest.mark.parametrize("own", [(), ("worker-1",)])
def test_another_change_keeps_the_choice_too(own, bare):
    world = local(bare("lab"), *own)
    world.run()
    coredns = replace(world.cluster.coredns, stub_domains={"corp.example": ("10.9.9.9",)})
    world.use(replace(world.cluster, coredns=coredns))
    assert planned(world, "worker-0") == ["ConfigMap kube-system/coredns"]
    local(world, "worker-1").run()
    assert forwards(world) == (not own) and "corp.example:53" in corefile(world)


def test_what_the_inventory_says_needs_nobody(built):
    world = built("lab")
    world.use(replace(world.cluster, coredns=replace(world.cluster.coredns, forward=("10.9.9.9",))))
    assert planned(world, "worker-0", "worker-1") == ["ConfigMap kube-system/coredns"]
    world.run()
    assert "forward . 10.9.9.9\n" in corefile(world) and planned(world, "worker-1") == []
