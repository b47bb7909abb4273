"""etcd's certificates, members and addresses while it lives: what needs no restart, who counts, in which order a member
moves."""

import hashlib
import re
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from fakes.past import expire
from fakes.world import DATA, Killed, World, changes

from hardway.cluster import Role
from hardway.errors import HostErrors, NotReadyError, QuorumError
from hardway.etcd.interface import Member
from hardway.living import Lives, what_lives
from hardway.phases import PHASES
from hardway.phases.etcd import BEHIND, before_restart, caught_up, hand_over, keep_quorum
from hardway.preflight import findings
from hardway.resources import Unit

pytestmark = pytest.mark.slow

CONTROLLERS = ["controller-0", "controller-1", "controller-2"]
PAIRS = ["file /etc/etcd/pki/peer.crt", "file /etc/etcd/pki/server.crt"]
UNIT = "/etc/systemd/system/etcd.service"
AUTHORITY = "/etc/etcd/pki/ca.crt"


def acts(world, *verbs: str) -> list[tuple[str, str]]:
    """(target, verb) of what was done to etcd and to its members."""
    return [(target, op.verb) for target, op in world.log if op.verb in verbs and "etcd" in f"{target} {op.args[0]}"]


def at(world, target: str, verb: str, argument: str) -> int:
    return next(
        i for i, (name, op) in enumerate(world.log) if (name, op.verb) == (target, verb) and argument in op.args
    )


def told(world, name: str) -> list:
    return [found for found in findings(world.inputs()) if found.name == name]


def with_hosts(cluster, change) -> object:
    """The inventory with every host as `change` makes it; None leaves it out."""
    return replace(cluster, hosts=tuple(made for host in cluster.hosts if (made := change(host))))


def let_expire(world) -> None:
    """All of etcd's leaves, in the state directory and on the hosts, while everything runs."""
    for host in world.cluster.etcd_members:
        for name in ("server", "peer"):
            cert = expire(world.cluster, world.store, f"etcd-{name}", host)
            world.hosts[host.name].disk.write(f"/etc/etcd/pki/{name}.crt", cert, "644", "etcd", "etcd")
    client = expire(world.cluster, world.store, "apiserver-etcd-client")
    for host in world.cluster.control_plane:
        world.hosts[host.name].disk.write("/etc/kubernetes/pki/apiserver-etcd-client.crt", client)
    world.use(world.cluster)


class TestCertificates:
    def test_expired_ones_are_replaced_while_everything_runs_on(self, built):
        world = built("lab")
        let_expire(world)
        assert world.lives.members is None, "with an expired certificate nobody can ask etcd"
        done = changes(world.run())
        assert [done["etcd", name] for name in CONTROLLERS] == [sorted(PAIRS, reverse=True)] * 3
        assert acts(world, "restart", "start") == [] and world.lives.members is not None
        assert [op for _, op in world.log if op.verb == "restart"] == []
        assert changes(world.run()) == {} and world.outdated() == []

    def test_they_are_everywhere_before_the_first_restart_that_something_else_needs(self, built):
        world = built("lab")
        let_expire(world)
        world.assets.version = "2"
        world.run()
        first = min(i for i, (_, op) in enumerate(world.log) if op.verb == "restart" and op.args[0] == "etcd.service")
        pairs = [(name, f"/etc/etcd/pki/{file}.crt") for name in CONTROLLERS for file in ("server", "peer")]
        assert max(at(world, name, "put", path) for name, path in pairs) < first
        assert sorted(acts(world, "restart")) == [(name, "restart") for name in CONTROLLERS]

    def test_a_key_comes_right_after_its_certificate(self, built):
        world = built("single")
        made_again = re.compile(r"(etcd-server|etcd-peer|apiserver|client)\.(crt|key)$")
        for name in filter(made_again.search, world.store.names()):
            del world.store._written[name]
        world.use(world.cluster)
        world.run()
        put = [op.args[0] for _, op in world.log if op.verb == "put" and "/pki/" in op.args[0]]
        assert len(put) == 12 and [path.replace(".crt", ".key") for path in put[::2]] == put[1::2]
        assert [op for _, op in world.log if op.verb == "restart"] == []

    def test_the_ca_of_etcd_is_read_once(self, built):
        world = built("single")
        world.hosts["all-in-one"].disk.write(AUTHORITY, b"other", "644", "etcd", "etcd")
        assert changes(world.run())["etcd", "all-in-one"] == [f"file {AUTHORITY}", "unit etcd.service"]


def stamped_before(world) -> None:
    """Every unit with the stamp of a hardway for which programs read all their files only once."""
    for host in world.cluster.hosts:
        disk = world.hosts[host.name].disk
        for phase in PHASES:
            for unit in phase.desired(world.inputs(), host) if host in phase.targets(world.cluster) else ():
                if isinstance(unit, Unit):
                    paths = sorted(used.path for used in (*unit.uses, *unit.rereads))
                    lines = "".join(f"{path} {disk.files[path].sha256}\n" for path in paths)
                    disk.mark(f"stamps/{unit.name}", hashlib.sha256(lines.encode()).hexdigest().encode())


class TestStampsOfAnEarlierVersion:
    def test_restart_nothing(self, built):
        world = built("single")
        stamped_before(world)
        assert changes(world.plan()) == {} and changes(world.run()) == {}

    def test_nor_do_certificates_that_change_afterwards(self, built):
        world = built("single")
        let_expire(world)
        stamped_before(world)
        world.use(world.cluster)
        done = changes(world.run())
        assert done["etcd", "all-in-one"] == [*sorted(PAIRS, reverse=True), "unit etcd.service"]
        assert [op for _, op in world.log if op.verb == "restart"] == []
        assert changes(world.run()) == {} and world.outdated() == []

    def test_nor_does_a_run_that_dies_between_them(self, built):
        start = built("single")
        let_expire(start)
        stamped_before(start)
        start.use(start.cluster)
        whole = start.copy()
        whole.run()
        for moment in range(len(whole.log)):
            world, left = start.copy(), [moment]
            world.death = lambda target, op, left=left: left.append(left.pop() - 1) or left[0] < 0
            with pytest.raises(Killed):
                world.run()
            before = list(world.log)
            world.revive()
            world.run()
            assert not any(op.verb == "restart" for _, op in (*before, *world.log)), f"killed before write {moment}"
        assert moment >= 4

    def test_of_other_files_restart_the_unit(self, built):
        world = built("single")
        world.hosts["all-in-one"].disk.mark("stamps/etcd.service", b"another digest")
        assert changes(world.plan()) == {("etcd", "all-in-one"): ["unit etcd.service"]}


def without(world, *names: str):
    """An inventory that no longer gives these hosts the role of an etcd member."""
    return with_hosts(
        world.cluster, lambda host: replace(host, roles=host.roles - {Role.ETCD}) if host.name in names else host
    )


def five(world) -> None:
    """Two more members, on the workers."""
    workers = ["worker-0", "worker-1"]
    more = with_hosts(
        world.cluster, lambda host: replace(host, roles=host.roles | {Role.ETCD}) if host.name in workers else host
    )
    world.use(more)
    for name in workers:
        world.limit(name)
        world.run()
    world.limit()
    world.run()
    world.log.clear()


class TestMembers:
    def test_two_new_ones_are_refused_with_the_command_that_adds_them(self, built):
        world = built("lab")
        more = with_hosts(world.cluster, lambda host: replace(host, roles=host.roles | {Role.ETCD}))
        world.use(with_hosts(more, lambda host: host if host.name != "lb" else world.cluster.host("lb")))
        with pytest.raises(QuorumError) as caught:
            world.plan()
        assert "worker-0, worker-1 have no data" in caught.value.message
        assert caught.value.hint == "hardway node add INV worker-0 worker-1   adds one after the other"

    def test_one_after_the_other_they_make_five_of_three(self, built):
        world = built("lab")
        five(world)
        assert [member.name for member in world.membership.members()] == [*CONTROLLERS, "worker-0", "worker-1"]
        assert [world.membership.runs(name) for name in ("worker-0", "worker-1")] == [True, True]
        first = world.hosts["worker-0"].disk.read("/etc/etcd/etcd.env")
        assert first.count(b"=https://") == 5 and changes(world.run()) == {}

    def test_a_new_one_is_started_with_the_members_that_etcd_has_and_itself(self, built):
        world = built("lab")
        more = with_hosts(
            world.cluster, lambda host: replace(host, roles=host.roles | {Role.ETCD}) if host.is_(Role.WORKER) else host
        )
        world.use(more)
        world.limit("worker-0")
        world.run()
        env = world.hosts["worker-0"].disk.read("/etc/etcd/etcd.env").decode()
        assert env.count("=https://") == 4 and "worker-0=https://10.240.0.20:2380" in env and "worker-1" not in env

    def test_those_that_the_inventory_no_longer_names_are_told_with_the_command_that_removes_them(self, built):
        world = built("lab")
        five(world)
        world.use(without(world, "worker-0", "worker-1"))
        found = told(world, "EtcdMembers")
        assert [one.what for one in found] == [
            f"etcd has the member worker-{i}, but the inventory does not name it" for i in (0, 1)
        ]
        assert [one.remedy for one in found] == [
            f"hardway node remove INV worker-{i}   (with --gone if its machine is gone for good)" for i in (0, 1)
        ]

    def test_one_that_never_started_is_called_by_its_address(self, built):
        world = built("lab")
        world.membership.enter(Member(0, "", ("https://10.240.0.77:2380",), ()))
        [found] = told(world, "EtcdMembers")
        assert found.remedy == "hardway node remove INV 10.240.0.77 --gone"

    def test_once_removed_they_are_no_more_told(self, built):
        world = built("lab")
        five(world)
        world.use(without(world, "worker-0", "worker-1"))
        for member in world.membership.members()[3:]:
            world.etcd().remove_member(member.id)
        assert told(world, "EtcdMembers") == [] and len(world.membership.members()) == 3

    def test_nothing_is_told_of_a_list_that_cannot_be_read(self, built):
        world = built("lab")
        five(world)
        for name in CONTROLLERS:
            world.hosts[name].systemd.unit("etcd.service").active = "failed"
        world.use(without(world, "worker-0", "worker-1"))
        assert world.lives.members is None and told(world, "EtcdMembers") == []

    def test_a_member_whose_host_has_another_name_now_is_no_stranger(self, built):
        world = built("lab")
        host = world.cluster.host("controller-2")
        renamed = replace(host, name="controller-9")
        world.use(with_hosts(world.cluster, lambda one: renamed if one.name == host.name else one))
        assert told(world, "EtcdMembers") == []

    def test_a_host_with_another_name_and_another_address_is_not_told_to_remove_its_member(self, built):
        world = built("lab")
        host = world.cluster.host("controller-2")
        moved = replace(host, name="controller-9", address=IPv4Address("10.240.0.99"))
        world.hosts["controller-9"] = world.hosts["controller-2"]
        world.use(with_hosts(world.cluster, lambda one: moved if one.name == host.name else one))
        [found] = told(world, "EtcdMembers")
        assert found.host == "controller-9" and "remove" not in found.remedy and "controller-2" in found.remedy


def asked(world: World) -> Lives:
    """As a session asks, which has its keys."""
    world.live.credentials = world.credentials
    return what_lives(world.live, world.facts)


class TestAsking:
    """What lives, asked of whoever runs."""

    def test_any_member_that_answers_speaks_for_all(self, built):
        world = built("lab")
        world.hosts["controller-0"].disk.write("/etc/etcd/pki/server.crt", b"damaged", "644", "etcd", "etcd")
        world.hosts["controller-1"].systemd.unit("etcd.service").active = "failed"
        found = asked(world)
        assert [member.name for member in found.members] == CONTROLLERS and found.etcd == "e7cd"
        assert found.etcd_versions == {"controller-2": "3.7.3"}

    def test_without_quorum_there_is_no_list(self, built):
        world = built("lab")
        for name in CONTROLLERS[1:]:
            world.hosts[name].systemd.unit("etcd.service").active = "failed"
        found = asked(world)
        assert (found.etcd, found.members, [*found.etcd_versions]) == ("e7cd", None, ["controller-0"])

    def test_where_nobody_answers_nothing_is_known(self, built):
        world = built("lab")
        let_expire(world)
        found = asked(world)
        assert (found.etcd, found.members, found.etcd_versions) == ("", None, {})


class TestQuorum:
    """Counted by etcd's own list."""

    def test_members_that_the_inventory_does_not_name_count(self, built):
        """Three of five run: each is needed, whatever the inventory says."""
        world = built("lab")
        five(world)
        world.use(without(world, "worker-0", "worker-1"))
        for name in ("worker-0", "worker-1"):
            world.hosts[name].systemd.unit("etcd.service").active = "failed"
        world.assets.version = "2"
        with pytest.raises(HostErrors) as caught:
            world.run()
        error = caught.value.errors[0]
        assert isinstance(error, QuorumError) and "2 of the other 4 members are healthy" in error.message
        assert "worker-0: it is not in the inventory" in error.evidence and acts(world, "restart") == []

    def test_a_member_that_was_added_and_never_started_counts(self, built):
        world = built("lab")
        world.membership.enter(Member(0, "", ("https://10.240.0.77:2380",), ()))
        world.live.sick["controller-2"] = "disk full"
        with pytest.raises(QuorumError) as caught:
            keep_quorum(world.live, world.cluster.host("controller-0"))
        assert "a member that never started (https://10.240.0.77:2380)" in caught.value.evidence

    def test_a_learner_does_not_count(self, built):
        world = built("lab")
        learner = world.membership.enter(Member(0, "", ("https://10.240.0.77:2380",), (), learner=True))
        keep_quorum(world.live, world.cluster.host("controller-0"))
        world.membership.known[learner.id] = replace(learner, name="controller-1")
        world.membership.known = {
            number: one for number, one in world.membership.known.items() if one.name != "controller-1" or one.learner
        }
        with pytest.raises(QuorumError, match="1 of the other 1 members"):
            keep_quorum(world.live, world.cluster.host("controller-0"))

    def test_without_the_list_nothing_healthy_is_restarted(self, built):
        world = built("lab")
        let_expire(world)
        with pytest.raises(QuorumError) as caught:
            keep_quorum(world.live, world.cluster.host("controller-0"))
        assert (
            "its member list cannot be read" in caught.value.message and "expired certificate" in caught.value.evidence
        )
        assert caught.value.hint.endswith("member list")
        world.live.sick["controller-0"] = "corrupt"
        before_restart(world.live, world.cluster.host("controller-0"))


def readdressed(world, **addresses: str) -> None:
    """The machines have other addresses, and the inventory says so; `controller_0="10.240.0.99"`."""
    new = {name.replace("_", "-"): IPv4Address(address) for name, address in addresses.items()}
    cluster = with_hosts(
        world.cluster, lambda host: replace(host, address=new[host.name]) if host.name in new else host
    )
    moved = {str(world.cluster.host(name).address): str(address) for name, address in new.items()}
    api = replace(cluster.api, address=moved.get(cluster.api.address, cluster.api.address))
    world.use(replace(cluster, api=api))
    for name in new:
        world.hosts[name].host = world.cluster.host(name)


class TestAddress:
    def test_a_member_moves_within_its_turn(self, built):
        world = built("lab")
        readdressed(world, controller_1="10.240.0.99")
        planned = changes(world.plan())["etcd", "controller-1"]
        member = "etcd member controller-1 at https://10.240.0.99:2380"
        assert {*PAIRS, f"file {UNIT}", member, "unit etcd.service"} <= set(planned)
        assert told(world, "EtcdAddress") == []
        world.run()
        order = [
            at(world, "controller-1", "put", "/etc/etcd/pki/server.crt"),
            at(world, "controller-1", "put", UNIT),
            at(world, "etcd", "update", "https://10.240.0.99:2380"),
            at(world, "controller-1", "restart", "etcd.service"),
        ]
        assert order == sorted(order)
        assert urls(world)["controller-1"] == "https://10.240.0.99:2380"
        assert acts(world, "restart") == [("controller-1", "restart")]
        assert changes(world.run()) == {}

    def test_one_that_is_cut_off_moves_with_the_agreement_of_the_others(self, built):
        world = built("lab")
        readdressed(world, controller_0="10.240.0.99")
        world.live.sick["controller-0"] = "no leader"
        heal(world, "controller-0")
        world.run()
        assert urls(world)["controller-0"] == "https://10.240.0.99:2380" and changes(world.run()) == {}

    def test_an_old_peer_url_is_put_right_without_a_restart(self, built):
        """As a hardway left it that did not know of peer URLs."""
        world = built("lab")
        [member] = [one for one in world.membership.members() if one.name == "controller-2"]
        world.membership.known[member.id] = replace(member, peer_urls=("https://10.240.0.98:2380",))
        wanted = "https://10.240.0.12:2380"
        assert changes(world.plan()) == {("etcd", "controller-2"): [f"etcd member controller-2 at {wanted}"]}
        world.run()
        assert acts(world, "restart", "update") == [("etcd", "update")] and urls(world)["controller-2"] == wanted

    @pytest.mark.parametrize("askable", [True, False])
    def test_several_at_once_are_refused_with_what_to_do(self, built, askable):
        """All addresses have changed: nobody hears anybody, and etcd cannot be asked."""
        world = built("lab")
        before = {name: world.cluster.host(name).address for name in CONTROLLERS}
        if not askable:
            let_expire(world)
        readdressed(world, controller_0="10.240.0.97", controller_1="10.240.0.98", controller_2="10.240.0.99")
        assert (world.lives.members is not None) is askable
        found = told(world, "EtcdAddress")
        assert [one.host for one in found] == CONTROLLERS
        for one in found:
            assert "moves 3 of 3 etcd members at once" in one.what and str(before[one.host]) in one.remedy
            assert "one etcd member at a time" in one.remedy

    def test_two_of_three_are_too_many_and_two_of_five_are_not(self, built):
        world = built("lab")
        five(world)
        readdressed(world, controller_0="10.240.0.98", controller_1="10.240.0.99")
        assert told(world, "EtcdAddress") == []
        readdressed(world, controller_2="10.240.0.97")
        assert len(told(world, "EtcdAddress")) == 3

    def test_two_that_change_places_are_refused(self, built):
        world = built("lab")
        five(world)
        readdressed(world, controller_0="10.240.0.11", controller_1="10.240.0.10")
        assert [one.what.partition(", which still belongs to ")[2] for one in told(world, "EtcdAddress")] == [
            "controller-1",
            "controller-0",
        ]

    @pytest.mark.parametrize("running", [True, False])
    def test_a_lone_member_moves(self, built, running):
        """Where it did not run, nobody can be asked before it does."""
        world = built("single")
        [host] = world.cluster.hosts
        if not running:
            world.hosts[host.name].systemd.unit("etcd.service").active = "failed"
        readdressed(world, all_in_one="10.240.0.99")
        assert told(world, "EtcdAddress") == []
        planned = changes(world.plan())
        assert any("etcd member all-in-one at" in key for keys in planned.values() for key in keys)
        world.run()
        assert urls(world) == {host.name: "https://10.240.0.99:2380"} and changes(world.run()) == {}

    def test_a_run_that_dies_is_completed(self, built):
        start = built("lab")
        readdressed(start, controller_1="10.240.0.99")
        start.credentials.ensure_all()
        whole = start.copy()
        whole.run()
        of_etcd = [n for n, (target, op) in enumerate(whole.log) if target in ("etcd", "controller-1")]
        for moment in of_etcd[::3]:
            world, left = start.copy(), [moment]
            world.death = lambda target, op, left=left: left.append(left.pop() - 1) or left[0] < 0
            with pytest.raises(Killed):
                world.run()
            world.revive()
            world.run()
            assert urls(world)["controller-1"] == "https://10.240.0.99:2380" and changes(world.run()) == {}

    def test_a_machine_in_place_of_a_lost_one_is_no_moved_member(self, built):
        """It has no data: the lost member must be removed first, wherever the new machine is."""
        world = built("lab")
        world.hosts["controller-1"].systemd.unit("etcd.service").active = "failed"
        world.hosts["controller-1"].disk.remove_tree(DATA)
        readdressed(world, controller_1="10.240.0.99")
        assert told(world, "EtcdAddress") == []
        with pytest.raises(QuorumError) as caught:
            world.plan()
        [member] = [one for one in world.membership.members() if one.name == "controller-1"]
        assert "belongs to the cluster, but /var/lib/etcd on its host is empty" in caught.value.message
        assert f"member remove {member.id:x}; then run this again" in caught.value.hint


def urls(world) -> dict[str, str]:
    return {member.name: member.peer_urls[0] for member in world.membership.members()}


def heal(world, name: str) -> None:
    """A member that was cut off is well again once it listens where the others reach it."""
    host = world.hosts[name]
    restart = host.w_restart

    def restarted(unit: str, how: str) -> None:
        restart(unit, how)
        if unit == "etcd.service":
            world.live.sick.pop(name, None)

    host.w_restart = restarted


class TestLeadership:
    def test_it_is_moved_to_another_member_before_a_turn(self, built):
        world = built("lab")
        world.assets.version = "2"
        led: list[tuple[str, str]] = []
        for name in CONTROLLERS:
            watch_leader(world, name, led)
        world.run()
        assert len(led) == 3 and all(leader != name for name, leader in led)

    def test_it_goes_to_the_last_that_can_lead(self, built):
        world = built("lab")
        first = world.cluster.host("controller-0")
        assert leader(world) == "controller-0"
        hand_over(world.live, first)
        assert leader(world) == "controller-2"
        hand_over(world.live, first)
        assert leader(world) == "controller-2", "who does not lead has nothing to hand over"
        world.membership.leader = 1
        world.live.sick["controller-2"] = "disk full"
        hand_over(world.live, first)
        assert leader(world) == "controller-1"

    def test_a_lone_leader_and_one_that_cannot_be_asked_stay(self, built):
        world = built("single")
        hand_over(world.live, world.cluster.host("all-in-one"))
        let_expire(world)
        hand_over(world.live, world.cluster.host("all-in-one"))
        assert leader(world) == "all-in-one"


def leader(world) -> str:
    return world.membership.known[world.membership.leads()].name


def watch_leader(world, name: str, led: list) -> None:
    host = world.hosts[name]
    restart = host.w_restart

    def restarted(unit: str, how: str) -> None:
        if unit == "etcd.service":
            led.append((name, leader(world)))
        restart(unit, how)

    host.w_restart = restarted


class TestCatchingUp:
    @pytest.fixture
    def world(self, built):
        world = built("lab")
        assert leader(world) == "controller-0"
        return world

    @pytest.fixture
    def missing(self, world):
        """missing(): what controller-2 lacks, or an empty string."""

        def ask() -> str:
            found = caught_up(world.live, world.cluster.host("controller-2"))
            assert not found or (found.host, found.unit) == ("controller-2", "etcd.service")
            return found.what if found else ""

        return ask

    def test_a_member_like_the_leader_has(self, missing):
        assert missing() == ""

    def test_the_leader_has(self, world, missing):
        world.membership.leader = 3
        assert leader(world) == "controller-2" and missing() == ""

    def test_one_that_is_behind_has_not(self, world, missing):
        world.membership.index, world.membership.behind["controller-2"] = 10 * BEHIND, BEHIND + 1
        assert missing() == f"etcd member controller-2 to catch up with controller-0 ({BEHIND + 1} entries behind)"
        world.membership.behind["controller-2"] = BEHIND
        assert missing() == ""

    def test_a_learner_has_not(self, world, missing):
        world.membership.known[3] = replace(world.membership.known[3], learner=True)
        assert "to be promoted from learner" in missing()

    def test_one_that_says_nothing_has_not(self, world, missing):
        world.hosts["controller-2"].systemd.unit("etcd.service").active = "failed"
        assert "to report its status" in missing()

    def test_one_that_nobody_can_be_compared_with_has_not(self, world, missing):
        world.live.sick |= {"controller-0": "away", "controller-1": "away"}
        assert "to be compared with another healthy member" in missing()

    def test_one_of_an_older_term_has_not(self, world, missing, monkeypatch):
        status = world.live.etcd(world.cluster.host("controller-2")).status()
        stale = [replace(own, raft_term=own.raft_term - 1) for own in status]
        ask = world.live.etcd
        monkeypatch.setattr(world.live, "etcd", lambda host: ask(host) if host.name != "controller-2" else Says(stale))
        assert "to follow the same leader as controller-0" in missing()

    def test_a_turn_waits_for_it(self, world):
        world.membership.index, world.membership.behind["controller-0"] = 10 * BEHIND, 5 * BEHIND
        world.membership.leader = 2
        world.hosts["controller-0"].disk.write(AUTHORITY, b"other", "644", "etcd", "etcd")
        with pytest.raises(NotReadyError, match="entries behind"):
            world.run(tuple(replace(phase, deadline=0.05) for phase in world.phases))


class Says:
    """A client that says this of its member."""

    def __init__(self, status):
        self.status = lambda: status
