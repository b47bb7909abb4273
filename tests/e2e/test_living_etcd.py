"""etcd while it lives: its certificates end, it grows and shrinks, a member moves, and it is given up with ruined keys.

Each test is a step of one story; the objects of the first are there to the last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from canary import Canary
from clients import Caller
from fakes.past import expire
from stage import Ran, Stage, of_the_lab

from hardway.cluster import Host
from hardway.inventory import load
from hardway.state.statedir import StateDir

pytestmark = [pytest.mark.lab, pytest.mark.soak]

CONTROLLERS = ["controller-0", "controller-1", "controller-2"]
MORE = ["etcd-3", "etcd-4"]
NODE = "10.231.3"
# A call is a process of its own here, beside many machines on few processors.
GAP = 5.0


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """A load balancer, three control-plane hosts with etcd, one worker."""
    inventory = of_the_lab("members", node=NODE, pods="10.197", services="10.77.0")
    inventory["hosts"] = [host for host in inventory["hosts"] if host["name"] != "worker-1"]
    stage = make_stage({**inventory, "addons": {"coredns": {"replicas": 1}}})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return stage


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    return Canary(stage).settle()


@pytest.fixture
def calling(stage: Stage) -> Iterator[Caller]:
    """Somebody who calls the API all the time, and hardly notices."""
    with Caller(stage) as caller:
        yield caller
    assert caller.calls > 5 and caller.longest < GAP and len(caller.failed) <= 3, (caller.longest, caller.failed)


def runs(stage: Stage, unit: str) -> dict[str, str]:
    """systemd's id of the present run of a unit on each control-plane host."""
    return {host: stage.ssh(host, f"systemctl show -p InvocationID --value {unit}").strip() for host in CONTROLLERS}


def members(stage: Stage) -> dict[str, str]:
    """Each member's peer URL by its name, as etcd says."""
    flags = "--cacert=/etc/etcd/pki/ca.crt --cert=/etc/etcd/pki/server.crt --key=/etc/etcd/pki/server.key"
    said = stage.ssh(CONTROLLERS[0], f"/usr/local/bin/etcdctl {flags} member list")
    rows = [line.split(", ") for line in said.splitlines()]
    return {row[2]: row[3] for row in rows}


def nothing_to_do(stage: Stage) -> None:
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out


def let_expire(stage: Stage) -> None:
    """Every leaf that etcd or one of its clients shows, in the state directory and on the hosts, while all runs on."""
    store, cluster = StateDir(stage.state), load(stage.inventory)

    def shown(name: str, host: Host, where: str, own: bool) -> None:
        cert = expire(cluster, store, name, host if own else None)
        stage.ssh(
            host.name,
            f"cat >{where}.new && chown --reference={where} {where}.new && mv {where}.new {where}",
            cert.decode(),
        )

    for host in cluster.etcd_members:
        for name in ("server", "peer"):
            shown(f"etcd-{name}", host, f"/etc/etcd/pki/{name}.crt", own=True)
    for host in cluster.control_plane:
        shown("apiserver-etcd-client", host, "/etc/kubernetes/pki/apiserver-etcd-client.crt", own=False)


class TestMembers:
    chain = True

    def test_all_certificates_of_etcd_have_expired(self, stage: Stage, canary: Canary, calling: Caller):
        let_expire(stage)
        before = runs(stage, "etcd"), runs(stage, "kube-apiserver")
        ran = stage.bootstrap()
        assert {resource for _, _, resource in ran.changes if resource.startswith("unit ")} == set()
        assert (runs(stage, "etcd"), runs(stage, "kube-apiserver")) == before
        assert len(members(stage)) == 3
        canary.alive()
        nothing_to_do(stage)

    def test_they_have_expired_and_each_member_needs_a_restart(self, stage: Stage, canary: Canary, calling: Caller):
        let_expire(stage)
        stage.edit(lambda inventory: inventory.update(extra_args={"etcd": {"heartbeat-interval": "120"}}))
        before = runs(stage, "etcd")
        stage.bootstrap()
        after = runs(stage, "etcd")
        assert all(after[host] != before[host] for host in CONTROLLERS)
        canary.alive()
        nothing_to_do(stage)

    def test_two_more_are_added_by_the_commands_that_the_refusal_names(self, stage: Stage, canary: Canary):
        new = [{"name": name, "address": f"{NODE}.{13 + n}", "roles": ["etcd"]} for n, name in enumerate(MORE)]
        stage.edit(lambda inventory: inventory["hosts"].extend(new))
        stage.lab("up")
        refused = stage.hardway("bootstrap", "INV", timeout=600).ok(9)
        assert "etcd accepts one new member at a time, but etcd-3, etcd-4 have no data" in refused.err
        [command] = re.findall(r"next: (hardway node add .*?)   adds", refused.err)
        stage.hardway(*command.split()[1:], timeout=900).ok()
        assert sorted(members(stage)) == [*CONTROLLERS, *MORE]
        nothing_to_do(stage)
        stage.verified()
        canary.alive()

    def test_an_inventory_of_three_is_refused_while_five_are_members(self, stage: Stage, canary: Canary):
        """Two are off: each of the other three is needed."""
        stage.lab("power-off", *MORE)
        before = runs(stage, "etcd")
        stage.edit(lambda inventory: inventory.update(hosts=[h for h in inventory["hosts"] if h["name"] not in MORE]))
        stage.edit(lambda inventory: inventory["extra_args"]["etcd"].update({"heartbeat-interval": "130"}))
        assert "[ERROR EtcdMembers]" in str(stage.hardway("plan", "INV"))
        refused = stage.hardway("bootstrap", "INV").ok(5)
        told = re.findall(r"etcd has the member (\S+), but the inventory does not name it", refused.err)
        assert told == MORE and runs(stage, "etcd") == before
        assert "etcd-3 is a member but not in the inventory" in stage.hardway("verify", "INV").ok(7).out
        assert re.findall(r"next: hardway node remove \S+ (\S+)   \(with --gone", refused.err) == MORE
        stage.hardway("node", "remove", "INV", *MORE, "--gone", "--yes", timeout=600).ok()
        assert sorted(members(stage)) == CONTROLLERS
        stage.bootstrap()
        after = runs(stage, "etcd")
        assert all(after[host] != before[host] for host in CONTROLLERS)
        stage.settled()
        canary.alive()

    def test_one_has_another_address(self, stage: Stage, canary: Canary, calling: Caller):
        moves(stage, {"controller-1": 61})
        ran = stage.bootstrap()
        assert ("etcd", "controller-1", f"etcd member controller-1 at https://{NODE}.61:2380") in ran.changes
        assert members(stage)["controller-1"] == f"https://{NODE}.61:2380"
        nothing_to_do(stage)

    def test_that_cluster_is_whole(self, stage: Stage, canary: Canary):
        stage.settled()
        canary.alive()

    def test_all_have_another_address(self, stage: Stage, canary: Canary):
        before, inventory = (runs(stage, "etcd"), members(stage)), stage.inventory.read_text()
        moves(stage, {"controller-0": 70, "controller-1": 71, "controller-2": 72})
        refused = stage.hardway("bootstrap", "INV").ok(5)
        assert refused.err.count("the inventory moves 3 of 3 etcd members at once") == 3
        assert f"write {NODE}.10 back as its address" in refused.err
        assert (runs(stage, "etcd"), members(stage)) == before
        stage.inventory.write_text(inventory)
        canary.alive()

    def test_a_reset_with_ruined_keys(self, stage: Stage):
        for name in ("pki/apiserver.crt", "pki/etcd-ca.key"):
            (stage.state / name).write_text("damaged\n")
        (stage.state / "pki/admin.key").unlink()
        assert stage.hardway("bootstrap", "INV").code == 8
        removed: Ran = stage.hardway("reset", "INV", "--yes").ok()
        assert "controller-0: " in removed.out and "controller-0: nothing" not in removed.out
        again = stage.hardway("reset", "INV", "--yes").ok().out
        assert [host for host in CONTROLLERS if f"{host}: nothing to remove" not in again] == []


def moves(stage: Stage, hosts: dict[str, int]) -> None:
    """The machines have one more address each, and the inventory names that one."""
    for name, last in hosts.items():
        stage.ssh(name, f"ip address add {NODE}.{last}/24 dev eth0")

    def named(inventory: dict[str, Any]) -> None:
        for host in inventory["hosts"]:
            if host["name"] in hosts:
                host["address"] = f"{NODE}.{hosts[host['name']]}"

    stage.edit(named)
