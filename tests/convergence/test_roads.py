"""The API gets another address, port or load balancer while the cluster lives: at no moment is a kubelet or a
kube-proxy without a road to it, no two hosts hold one address, and what is over is gone at the end of the same run."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from fakes.memory_roads import holders
from fakes.world import Killed, World, changes

from hardway.cluster import Cluster, Host, Role
from hardway.errors import NotReadyError, RemoteCommandError
from hardway.facts import Facts
from hardway.pki.inspection import sans
from hardway.pki.issuing import load_certificate
from hardway.preflight import findings
from hardway.report import Report
from hardway.run.runner import Runner
from hardway.settings import LoadBalancer

pytestmark = pytest.mark.slow

CFG, SHARING = "/etc/haproxy/haproxy.cfg", "/etc/keepalived/keepalived.conf"
OF_BALANCERS = ("haproxy.service", "keepalived.service")
Edit = Callable[[Cluster], Cluster]


def api(**keys) -> Edit:
    return lambda cluster: replace(cluster, api=replace(cluster.api, **keys))


def roles(name: str, *wanted: Role, **more) -> Edit:
    """Other roles for a host."""
    return lambda cluster: replace(
        cluster,
        hosts=tuple(replace(h, roles=frozenset(wanted), **more) if h.name == name else h for h in cluster.hosts),
    )


def one_more(name: str, address: str, role: Role) -> Edit:
    new = Host(name, IPv4Address(address), frozenset({role}))
    return lambda cluster: replace(cluster, hosts=(*cluster.hosts, new))


def without(name: str) -> Edit:
    return lambda cluster: replace(cluster, hosts=tuple(host for host in cluster.hosts if host.name != name))


def both(*edits: Edit) -> Edit:
    def edit(cluster: Cluster) -> Cluster:
        for one in edits:
            cluster = one(cluster)
        return cluster

    return edit


def worker(name: str, block: str) -> Edit:
    return roles(name, Role.WORKER, pod_cidr=IPv4Network(block))


# An inventory, what is edited in it, and what stays of the load balancers' units: (host, unit).
EDITS: dict[str, tuple[str, Edit]] = {
    "another port": ("lab", api(port=8443)),
    "a name instead of an address": ("lab", api(address="api.example.org")),
    "another name and port": ("lab", api(address="api.example.org", port=443)),
    "another shared address": ("ha", api(vip=IPv4Address("10.20.0.99"), address="10.20.0.99")),
    "another shared address with the same last number": ("ha", api(vip=IPv4Address("10.21.0.5"), address="10.21.0.5")),
    "a shared address for a second balancer": (
        "lab",
        both(one_more("lb-2", "10.240.0.8", Role.LB), api(vip=IPv4Address("10.240.0.5"), address="10.240.0.5")),
    ),
    "one balancer less, which becomes a worker": ("ha", worker("lb-1", "10.64.100.0/23")),
    "no shared address, and the second balancer becomes a worker": (
        "ha",
        both(worker("lb-1", "10.64.100.0/23"), api(vip=None, address="10.20.0.6")),
    ),
    "the second balancer stays, the first becomes a worker": (
        "ha",
        both(worker("lb-0", "10.64.100.0/23"), api(vip=None, address="10.20.0.7")),
    ),
    "a balancer of the user's own": (
        "lab",
        both(worker("lb", "10.200.77.0/24"), api(load_balancer=LoadBalancer.EXTERNAL, address="k8s.corp")),
    ),
    "a balancer before the only API server": (
        "single",
        both(
            one_more("lb", "192.168.1.99", Role.LB),
            api(load_balancer=LoadBalancer.HAPROXY, address="192.168.1.99", port=443),
        ),
    ),
    "another balancer": (
        "lab",
        both(worker("lb", "10.200.77.0/24"), one_more("lb-2", "10.240.0.8", Role.LB), api(address="10.240.0.8")),
    ),
}


@pytest.fixture(params=EDITS)
def edited(request, built) -> World:
    """A cluster that lives, and an inventory that was edited since."""
    name, edit = EDITS[request.param]
    return edit_of(built(name), edit)


def edit_of(world: World, edit: Edit) -> World:
    world.use(edit(world.cluster))
    world.live.roads.names["api.example.org"] = "10.240.0.9"
    return world


def watched(world: World) -> list[str]:
    """What is wrong before any write and at the end: clients without a road, an address on two hosts."""
    wrong: list[str] = []

    def look(target: str, op: object) -> bool:
        wrong.extend(f"before {op} on {target}: {problem}" for problem in problems(world))
        return False

    world.death = look
    return wrong


def problems(world: World) -> list[str]:
    double = [f"{' and '.join(names)} hold {one}" for one, names in holders(world.hosts).items() if len(names) > 1]
    return [*world.live.roads.stranded(), *double]


def acts(world: World, *units: str) -> list[tuple[str, str, str]]:
    verbs = ("start", "restart", "load", "stop")
    return [(target, op.verb, op.args[0]) for target, op in world.log if op.verb in verbs and op.args[0] in units]


def foreseeable(steps) -> dict:
    """The changes without the marks of a node that is still to register: of those nobody knows."""
    found = changes(steps)
    found.pop(("node-marks", "kubernetes"), None)
    return found


def test_nobody_loses_the_api_and_one_run_is_enough(edited):
    assert problems(edited) == []
    planned, wrong = foreseeable(edited.plan()), watched(edited)
    assert foreseeable(edited.run()) == planned != {}
    assert wrong == [] and problems(edited) == [] and edited.outdated() == []
    assert changes(edited.plan()) == {} and changes(edited.run()) == {}
    assert {url for facts in edited.facts.values() for url in facts.servers} == {edited.cluster.api_url}


def test_load_balancers_that_stay_are_reloaded_and_others_are_gone(edited):
    edited.run()
    balancers = [host.name for host in edited.cluster.load_balancers]
    assert not [act for act in acts(edited, *OF_BALANCERS) if act[1] == "restart"]
    for name, host in edited.hosts.items():
        runs = {unit for unit in OF_BALANCERS if host.systemd.unit(unit).active == "active"}
        wanted = ["haproxy.service", *(["keepalived.service"] if edited.cluster.api.vip else [])]
        assert runs == (set(wanted) if name in balancers else set()), name
        config = host.disk.read(CFG).decode()
        assert config.count("\n    bind ") == (name in balancers)
        left = [path for path in (CFG, SHARING) if path in host.disk.files and name not in balancers]
        assert left == [] and not host.configured & {"haproxy", "keepalived"} - {one.split(".")[0] for one in runs}


def test_a_reset_after_the_move_leaves_nothing(edited):
    edited.run()
    edited.reset()
    assert not [path for host in edited.hosts.values() for path in host.disk.files if "hardway" in path]


def test_a_move_that_dies_is_completed_by_the_next_run_and_nobody_loses_the_api(edited):
    edited.inputs().credentials.ensure_all()  # the same certificates in every copy
    start = edited.copy()
    start.live.roads.names = edited.live.roads.names
    edited.run()
    moments = len(edited.log)
    for moment in range(0, moments, max(1, moments // 6)):
        world = start.copy()
        world.live.roads.names = start.live.roads.names
        wrong, count = watched(world), [0]
        look = world.death

        def death(target, op, look=look, count=count, moment=moment) -> bool:
            count[0] += 1
            return look(target, op) or count[0] > moment

        world.death = death
        with pytest.raises(Killed):
            world.run()
        world.revive()
        again = watched(world)
        world.run()
        assert wrong == again == problems(world) == [], f"killed before write {moment}"
        assert changes(world.run()) == {} and world.outdated() == []


def test_the_api_servers_have_both_names_before_a_client_moves_and_lose_the_former_with_the_next_issue(built):
    world = edit_of(built("lab"), api(address="api.example.org"))
    names = lambda: sans(load_certificate(world.store.read("pki/apiserver.crt"), ""))  # noqa: E731
    world.run()
    assert {"api.example.org", "10.240.0.9"} <= names()
    # Nobody uses what this address was for: no API server is restarted to drop a name.
    world.use(roles("lb", Role.LB, address=IPv4Address("10.240.0.8"))(world.cluster))
    world.live.roads.names["api.example.org"] = "10.240.0.8"
    world.use(api(extra_sans=("more.example.org",))(world.cluster))
    world.credentials.keep(None).certificate("apiserver")
    assert "10.240.0.9" not in names() and {"api.example.org", "more.example.org", "10.240.0.8"} <= names()


def limited(world: World, *names: str, silent: tuple[str, ...] = ()) -> Runner:
    """A run on some hosts alone; the `silent` ones do not answer."""
    inputs = world.inputs()
    facts = dict(inputs.facts) | {name: Facts(known=False) for name in silent}
    world.credentials.keep(frozenset())
    hosts = world.names - {host.name for host in world.cluster.hosts} | set(names)
    given = replace(inputs, facts=facts, concerned=hosts)
    return Runner(given, world.live, world.remotes(), world.phases, hosts, Report(stream=io.StringIO()))


def test_a_worker_that_was_left_out_keeps_its_road(built):
    world = edit_of(built("lab"), api(port=8443))
    wrong = watched(world)
    limited(world, *(host.name for host in world.cluster.hosts if host.name != "worker-1")).run()
    assert world.facts["lb"].bound == (8443, 6443) and world.facts["worker-1"].servers == ("https://10.240.0.9:6443",)
    assert wrong == problems(world) == []
    assert [key for key in changes(world.plan()) if key[0] != "kubectl"] == [
        ("kubelet", "worker-1"), ("kube-proxy", "worker-1"), ("old-addresses", "lb")
    ]  # fmt: skip
    world.run()
    assert world.facts["lb"].bound == (8443,) and problems(world) == [] and changes(world.plan()) == {}


def test_a_worker_that_does_not_answer_keeps_its_road_and_nothing_flips(built):
    world = edit_of(built("lab"), api(port=8443))
    others = [host.name for host in world.cluster.hosts if host.name != "worker-1"]
    limited(world, *others, silent=("worker-1",)).run()
    assert world.facts["lb"].bound == (8443, 6443)
    world.log.clear()
    assert changes(limited(world, *others, silent=("worker-1",)).run()) == {} and world.log == []
    world.run()
    assert world.facts["lb"].bound == (8443,) and changes(world.plan()) == {}


def test_an_unreachable_worker_changes_nothing_where_nothing_moves(inventory, built):
    world = built(inventory)
    for one in world.cluster.workers:
        others = [host.name for host in world.cluster.hosts if host != one]
        assert changes(limited(world, *others, silent=(one.name,)).run()) == {}


def test_a_client_that_was_not_restarted_yet_may_still_use_the_former_road(built):
    """A run that dies between the kubeconfig and the restart leaves a file that says more than the process knows."""
    world = edit_of(built("lab"), api(port=8443))

    def death(target, op) -> bool:
        return (target, op.verb, op.args[:1]) == ("worker-1", "restart", ("kube-proxy.service",))

    world.death = death
    with pytest.raises(Killed):
        world.run()
    world.revive()
    said = world.facts["worker-1"]
    assert said.unsettled and said.servers == ("https://10.240.0.9:8443",)
    limited(world, "lb").run()
    assert world.facts["lb"].bound == (8443, 6443) and problems(world) == []


def test_a_limited_run_of_one_load_balancer_closes_nothing(built):
    world = edit_of(built("lab"), api(port=8443))
    limited(world, "lb").run()
    assert world.facts["lb"].bound == (8443, 6443) and problems(world) == []


def test_nobody_is_led_to_an_address_that_does_not_answer(built, monkeypatch):
    monkeypatch.setattr("hardway.phases.kubelet.ROAD_SECONDS", 0.01)
    world = edit_of(built("lab"), EDITS["a balancer of the user's own"][1])
    world.live.roads.names["k8s.corp"] = "192.0.2.1"
    wrong = watched(world)
    with pytest.raises(Exception) as caught:
        world.run()
    errors = getattr(caught.value, "errors", (caught.value,))
    told = [error for error in errors if isinstance(error, NotReadyError)]
    assert told[0].message == f"{told[0].host} cannot use the API at https://k8s.corp:6443: nothing was restarted there"
    assert "nothing listens at https://k8s.corp:6443" in told[0].evidence and told[0].exit_code == 6
    assert f"on {told[0].host}: curl -k https://k8s.corp:6443/readyz" in told[0].hint
    # The one that is new has nothing to lose.
    assert {one.split(" on ")[-1] for one in wrong} <= {"lb: nothing listens at https://k8s.corp:6443"}
    assert not [act for act in acts(world, "kubelet.service", "kube-proxy.service") if act[1] == "restart"]


def test_nobody_is_led_to_an_address_that_is_not_in_the_certificate(built, monkeypatch):
    monkeypatch.setattr("hardway.phases.kubelet.ROAD_SECONDS", 0.01)
    world = edit_of(built("lab"), api(address="api.example.org"))
    with pytest.raises(NotReadyError) as caught:
        limited(world, "worker-0").run()
    assert "the certificate of controller-0 is not for api.example.org" in caught.value.evidence
    assert problems(world) == []


def test_the_port_of_a_former_edit_is_closed_too(built):
    world = edit_of(built("lab"), api(port=8443))

    def death(target, op) -> bool:
        return op.verb == "restart" and op.args[0] == "kube-proxy.service"

    world.death = death
    with pytest.raises(Killed):
        world.run()
    world.revive()
    world.use(api(port=9443)(world.cluster))
    wrong = watched(world)
    world.run()
    assert wrong == problems(world) == [] and world.facts["lb"].bound == (9443,) and changes(world.plan()) == {}


def test_a_configuration_that_haproxy_refuses_is_not_put_in_force(built, monkeypatch):
    world = edit_of(built("lab"), api(port=8443))
    before = world.hosts["lb"].digest()
    monkeypatch.setattr("hardway.phases.load_balancer.render", lambda *about, **extra: b"global\n")
    with pytest.raises(RemoteCommandError) as caught:
        limited(world, "lb").run()
    assert caught.value.command == "check haproxy" and "no frontend" in caught.value.evidence
    assert world.hosts["lb"].disk.read(CFG).count(b"bind :6443") == 1 and problems(world) == []
    assert world.hosts["lb"].digest()["units"] == before["units"]


def test_more_api_servers_reload_haproxy_and_cut_no_connection(built):
    world = built("lab")
    new = Host("controller-3", IPv4Address("10.240.0.13"), frozenset({Role.CONTROL_PLANE}))
    world.use(replace(world.cluster, hosts=(*world.cluster.hosts, new)))
    [why] = [change.why for step in world.plan() for change in step.changes if change.key == "unit haproxy.service"]
    assert why == (f"reload: {CFG} changed",)
    world.run()
    assert acts(world, *OF_BALANCERS) == [("lb", "load", "haproxy.service")]
    assert b"10.240.0.13:6443" in world.hosts["lb"].systemd.unit("haproxy.service").loaded[CFG]


# Two load balancers, of which one has left the inventory.

LEFT = both(without("lb-1"), api(vip=IPv4Address("10.20.0.5"), address="10.20.0.5"))


def found(world: World, name: str) -> list[tuple[str, str]]:
    return [(one.what, one.remedy) for one in findings(world.inputs()) if one.name == name]


def test_a_former_balancer_that_left_the_inventory_is_refused_while_it_works(built):
    world = edit_of(built("ha"), LEFT)
    [(what, remedy)] = found(world, "FormerBalancer")
    assert "shares 10.20.0.5 with 10.20.0.7, which still runs HAProxy" in what
    assert "hardway node remove INV NAME" in remedy
    # Carried out nevertheless, both would have it.
    world.run()
    assert holders(world.hosts)["10.20.0.5"] == ["lb-0", "lb-1"]


def test_a_former_balancer_that_was_reset_is_forgotten(built):
    world = built("ha")
    host = world.hosts["lb-1"]
    for unit in OF_BALANCERS:
        host.systemd.stop(unit)
    edit_of(world, LEFT)
    assert found(world, "FormerBalancer") == found(world, "LostBalancer") == []
    world.run()
    assert holders(world.hosts) == {"10.20.0.5": ["lb-0"]} and world.facts["lb-0"].peers == ()
    assert changes(world.plan()) == {}


def test_a_former_balancer_that_does_not_answer_is_a_warning(built):
    world = built("ha")
    del world.hosts["lb-1"]
    edit_of(world, LEFT)
    [(what, _)] = found(world, "LostBalancer")
    assert (
        "10.20.0.7, which is not in the inventory any more and does not answer" in what
        and found(world, "FormerBalancer") == []
    )


def test_a_former_balancer_that_cannot_be_asked_keeps_hearing_of_the_holder(built):
    """When it comes back it would take the address otherwise."""
    world = edit_of(built("ha"), roles("lb-1"))
    others = [host.name for host in world.cluster.hosts if host.name != "lb-1"]
    limited(world, *others, silent=("lb-1",)).run()
    assert world.facts["lb-0"].peers == ("10.20.0.7",) and problems(world) == []
    world.run()
    assert world.facts["lb-0"].peers == () and problems(world) == [] and changes(world.plan()) == {}


# An API server's own port.

TAKEN = "HAProxy on controller-0 needs port 6443: give the role lb to another host, or set api.port to 443"
SHARING_ITS_HOST = roles("controller-0", Role.LB, Role.ETCD, Role.CONTROL_PLANE)


@pytest.mark.parametrize(
    ("name", "edit", "remedy"),
    [
        (
            "lab",
            SHARING_ITS_HOST,
            "HAProxy on controller-0 needs port 6443: give the role lb to another host, or set api.port to 443",
        ),
        ("lab", api(server_port=7443), "write api.server_port: 6443 in the inventory"),
    ],
)
def test_an_api_server_keeps_its_own_port(name, edit, remedy, built):
    world = edit_of(built(name), edit)
    assert {one for _, one in found(world, "ApiPort")} == {remedy}


def test_a_balancer_that_shares_a_host_gives_way_to_one_that_does_not(bare):
    """The API servers stand aside on 6444 and stay there; HAProxy's 6443 is open until all have moved."""
    world = bare("lab")
    world.use(both(SHARING_ITS_HOST, without("lb"), api(address="10.240.0.10"))(world.cluster))
    world.run()
    dedicated = both(roles("controller-0", Role.ETCD, Role.CONTROL_PLANE), one_more("lb-2", "10.240.0.8", Role.LB))
    edit_of(world, both(dedicated, api(address="10.240.0.8")))
    assert {one for _, one in found(world, "ApiPort")} == {"write api.server_port: 6444 in the inventory"}
    edit_of(world, api(server_port=6444))
    assert found(world, "ApiPort") == []
    wrong = watched(world)
    world.run()
    assert wrong == problems(world) == [] and changes(world.plan()) == {}
    assert world.hosts["controller-0"].systemd.unit("haproxy.service").active == "inactive"
