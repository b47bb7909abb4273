"""Who waits for whom, who restarts when, and what a failure says."""

import dataclasses
import functools
import itertools
import signal
import threading
import time

import pytest
from fakes.disk import Refused
from fakes.memory_kube import MemoryKube
from fakes.past import expire
from fakes.world import changes

from hardway.cluster import Host
from hardway.errors import (
    ApiUnavailable,
    ConnectionLost,
    HardwayError,
    HostErrors,
    NotReadyError,
    QuorumError,
    RemoteCommandError,
    SickPeerError,
)
from hardway.parallel import each
from hardway.phases import PHASES
from hardway.run import runner as running


def first(world, target: str, verb: str, argument: str) -> int:
    return next(
        i for i, (name, op) in enumerate(world.log) if name == target and op.verb == verb and op.args[:1] == (argument,)
    )


def ends(world, verb: str, argument: str) -> int:
    return max(i for i, (_, op) in enumerate(world.log) if op.verb == verb and op.args[:1] == (argument,))


def test_every_phase_begins_after_those_it_needs_are_ready(inventory, bare, monkeypatch):
    world, events, guard = bare(inventory), [], threading.Lock()
    runner = world.runner()

    def said(kind: str):
        def heard(phase: str, *rest) -> None:
            with guard:
                events.append((kind, phase))

        return heard

    monkeypatch.setattr(runner.report, "step_started", said("start"))
    monkeypatch.setattr(runner.report, "phase_ready", said("ready"))
    runner.run()
    for phase in PHASES:
        starts = [i for i, event in enumerate(events) if event == ("start", phase.name)]
        gates = [need for need in phase.needs(runner.inputs) if ("start", need) in events]
        for need in gates:
            assert not starts or events.index(("ready", need)) < starts[0], (
                f"{phase.name} began before {need} was ready"
            )
    assert ("ready", "dns") in events


def test_nothing_starts_before_what_it_talks_to(built, bare):
    world = bare("ha")
    world.run()
    api = [first(world, host.name, "start", "kube-apiserver.service") for host in world.cluster.control_plane]
    assert max(api) < min(first(world, host.name, "start", "kubelet.service") for host in world.cluster.workers)


def test_a_rolling_restart_takes_one_host_at_a_time_each_ready_before_the_next(built):
    world = built("lab")
    world.assets.version = "2"
    running, worst = set(), []
    apiservers = [host.name for host in world.cluster.control_plane]
    for name in apiservers:
        watch(world.hosts[name], running, worst)
    world.run()
    assert worst and max(worst) == 1
    restarts = [target for target, op in world.log if op.verb == "restart" and op.args[0] == "etcd.service"]
    assert sorted(restarts) == apiservers and world.outdated() == []


def watch(host, running: set, worst: list) -> None:
    """Record how many hosts are in the middle of a change that restarts something."""
    change = host.change

    def counted(ops):
        rolling = any(op.verb == "restart" and op.args[0] in ("etcd.service", "kube-apiserver.service") for op in ops)
        running.update([host.host.name] if rolling else [])
        if rolling:
            worst.append(len(running))
        change(ops)
        running.discard(host.host.name)

    host.change = counted


def test_a_rolling_restart_stops_at_the_first_host_that_does_not_come_back(built):
    world = built("lab")
    world.assets.version = "2"
    before_restart(world, lambda host: world.live.not_ready_apiservers.add(host))
    phases = tuple(impatient(phase) for phase in world.phases)
    with pytest.raises(HostErrors) as caught:
        world.run(phases)
    cause, *rest = caught.value.errors
    assert isinstance(cause, NotReadyError) and "kube-apiserver" in cause.message
    assert "the last 20 lines of kube-apiserver" in cause.evidence
    assert [error.message for error in rest] == ["not restarted, because another host failed first"] * 2
    restarts = [target for target, op in world.log if op.verb == "restart" and op.args[0] == "kube-apiserver.service"]
    assert restarts == [cause.host]


def before_restart(world, act) -> None:
    """Have something happen to a host when its API server is restarted."""
    for host in world.hosts.values():
        host.w_restart = functools.partial(restart_after, host.w_restart, lambda name=host.host.name: act(name))


def restart_after(restart, act, name: str, how: str) -> None:
    if name == "kube-apiserver.service":
        act()
    restart(name, how)


def impatient(phase, deadline: float = 0.05):
    return dataclasses.replace(phase, deadline=deadline)


def test_etcd_is_not_restarted_when_that_would_lose_its_quorum(built):
    world = built("lab")
    world.hosts["controller-0"].systemd.unit("etcd.service").active = "failed"
    world.hosts["controller-1"].systemd.broken.add("etcd.service")
    world.hosts["controller-1"].disk.write("/etc/etcd/pki/ca.crt", b"other", owner="etcd", group="etcd")
    world.live.sick["controller-0"] = "disk full"
    with pytest.raises(QuorumError) as caught:
        world.run(tuple(impatient(phase) for phase in world.phases))
    error = caught.value
    assert (error.host, error.exit_code) == ("controller-1", 9) and "would lose quorum" in error.message
    assert "controller-0: disk full" in error.evidence


def test_a_member_that_this_run_has_just_started_is_given_time_before_another_restarts(built, monkeypatch):
    world = built("lab")
    world.hosts["controller-2"].systemd.unit("etcd.service").active = "inactive"
    world.hosts["controller-0"].disk.write("/etc/etcd/pki/ca.crt", b"other", owner="etcd", group="etcd")
    health, catching_up = world.live.etcd_health, iter(["catching up"] * 5)
    monkeypatch.setattr(
        world.live,
        "etcd_health",
        lambda host: health(host) or (next(catching_up, "") if host.name == "controller-2" else ""),
    )
    world.run()
    acts = [
        (target, op.verb)
        for target, op in world.log
        if op.args[:1] == ("etcd.service",) and op.verb in ("start", "restart")
    ]
    assert acts == [("controller-2", "start"), ("controller-0", "restart")]


PEERS = {
    "kube-apiserver": ("_apiserver", "/etc/kubernetes/authentication.yaml", {}),
    "etcd": ("etcd_health", "/etc/etcd/pki/ca.crt", {"owner": "etcd", "group": "etcd"}),
}


@pytest.mark.parametrize("unit", PEERS)
@pytest.mark.parametrize("age", [5, 3600])
def test_what_a_run_that_was_killed_has_just_started_is_given_time_too(built, monkeypatch, unit: str, age: int):
    """Somebody types the command again at once; what is sick for an hour is no matter of patience."""
    world = built("lab")
    question, path, owner = PEERS[unit]
    answer, starting = getattr(world.live, question), iter(["is still starting"] * 5)
    monkeypatch.setattr(
        world.live,
        question,
        lambda host: answer(host) or (next(starting, "") if host.name == "controller-2" else ""),
    )
    world.hosts["controller-2"].systemd.unit(f"{unit}.service").age = age
    world.hosts["controller-0"].disk.write(path, b"other", **owner)
    if age > 60:
        with pytest.raises(HardwayError) as caught:
            world.run()
        assert isinstance(getattr(caught.value, "errors", (caught.value,))[0], SickPeerError | QuorumError)
    else:
        world.run()
    begun = [target for target, _ in acts(world, f"{unit}.service", "start", "restart")]
    assert begun == (["controller-0"] if age < 60 else [])


def test_a_turn_does_not_wait_for_what_only_a_later_turn_brings_up(built):
    """A run that died can leave hosts on which one unit is down and another is to be restarted."""
    world = built("lab")
    for name in ("controller-0", "controller-1"):
        world.hosts[name].systemd.unit("kube-controller-manager.service").active = "inactive"
        world.hosts[name].disk.write("/etc/kubernetes/kube-scheduler.yaml", b"other")
    world.run(tuple(impatient(phase, 5) for phase in world.phases))
    assert changes(world.plan()) == {}


def test_a_sick_member_is_restarted_however_the_others_are(built):
    """Its restart is the remedy, and it cannot take a quorum away that it is no part of."""
    world = built("lab")
    world.live.sick |= {"controller-1": "corrupt", "controller-2": "corrupt"}
    world.hosts["controller-1"].disk.write("/etc/etcd/pki/ca.crt", b"other", owner="etcd", group="etcd")
    with pytest.raises(NotReadyError):
        world.run(tuple(impatient(phase) for phase in world.phases))
    assert ("controller-1", "etcd.service") in [
        (target, op.args[0]) for target, op in world.log if op.verb == "restart"
    ]


def test_failures_of_several_hosts_are_all_told(bare):
    world, gate = bare("lab"), threading.Barrier(2)
    for name in ("worker-0", "worker-1"):
        world.hosts[name].w_modprobe = lambda module, name=name: gate.wait(10) and None or refuse(name)
    with pytest.raises(HostErrors) as caught:
        world.run()
    assert {error.host for error in caught.value.errors} == {"worker-0", "worker-1"} and caught.value.exit_code == 5
    for error in caught.value.errors:
        assert error.phase == "prepare" and error.command.startswith("modprobe") and "hardway bootstrap" in error.hint
        assert f"no such module on {error.host}" in error.evidence


def refuse(name: str):
    raise Refused(f"no such module on {name}")


def test_a_failure_stops_the_others_at_their_next_step(bare):
    world = bare("lab")
    world.hosts["lb"].w_packages = lambda *names: refuse("lb")
    with pytest.raises(RemoteCommandError) as caught:
        world.run()
    assert caught.value.host == "lb" and caught.value.phase == "load-balancer"
    assert not any(op.verb == "apply" for _, op in world.log)


def test_a_unit_that_does_not_start_shows_its_journal(bare):
    world = bare("lab")
    world.hosts["worker-1"].systemd.broken.add("containerd.service")
    with pytest.raises(RemoteCommandError) as caught:
        world.run()
    assert caught.value.command == "start containerd.service wait"
    assert "the last 20 lines of containerd.service on worker-1" in caught.value.evidence


def test_what_never_becomes_ready_says_so_with_the_journal(bare):
    world = bare("lab")
    world.live.not_ready_nodes.add("worker-1")
    with pytest.raises(NotReadyError) as caught:
        world.run(tuple(impatient(phase, 0.3) if phase.name == "kubelet" else phase for phase in world.phases))
    error = caught.value
    assert (error.host, error.phase, error.exit_code) == ("worker-1", "kubelet", 6)
    assert "node worker-1 to be Ready (container runtime is down)" in error.waited_for and error.waited_seconds >= 0.3
    assert "the last 20 lines of kubelet.service on worker-1" in error.evidence and "hardway bootstrap" in error.hint


@pytest.mark.parametrize(("method", "silent"), [("get", 1), ("get", 3), ("send", 1), ("send", 3), ("get", 1_000_000)])
def test_a_step_that_the_api_leaves_without_an_answer_is_tried_again_for_a_while(bare, monkeypatch, method, silent):
    """What was sent and not answered may have been carried out; the step reads first."""
    world, real, left = bare("single"), getattr(MemoryKube, method), itertools.count(silent, -1)

    def asked(kube, *words):
        answer = real(kube, *words)
        if any("coredns" in word for word in words if isinstance(word, str)) and next(left) > 0:
            raise TimeoutError("The read operation timed out")
        return answer

    monkeypatch.setattr(MemoryKube, method, asked)
    monkeypatch.setattr(running, "API_PACE", 0.01)
    if silent < 10:
        world.run()
        assert changes(world.plan()) == {}
    else:
        monkeypatch.setattr(running, "API_SECONDS", 0.1)
        with pytest.raises(ApiUnavailable, match="The read operation timed out") as caught:
            world.run()
        error = caught.value
        assert error.phase == "dns" and error.exit_code == 5 and 0.1 < error.waited_seconds < 60
        assert "s for: the API to answer" in "\n".join(error.lines())


def test_what_is_still_different_after_a_write_is_an_error(bare):
    world = bare("single")
    host = world.hosts["all-in-one"]
    load = host.w_modprobe
    host.w_modprobe = lambda name: load(name) if name != "nf_conntrack" else None
    with pytest.raises(RemoteCommandError) as caught:
        world.run()
    assert (
        "still different" in caught.value.message and caught.value.evidence == "kernel module nf_conntrack: not loaded"
    )


def test_a_unit_that_fails_right_after_its_start_shows_its_journal(bare):
    world = bare("single")
    world.hosts["all-in-one"].systemd.broken.add("kubelet.service")
    with pytest.raises(RemoteCommandError) as caught:
        world.run()
    assert (
        "unit kubelet.service: is failed" in caught.value.evidence
        and "the last 20 lines of kubelet.service" in caught.value.evidence
    )


def test_a_host_whose_connection_breaks_by_an_interruption_is_not_connected_again(bare, monkeypatch):
    """The lock is let go of by then, and the next run may be at work."""
    world, closed, began = bare("lab"), threading.Event(), []
    main = threading.main_thread().ident

    def interrupted(module: str) -> None:
        if not closed.is_set():
            signal.pthread_kill(main, signal.SIGINT)
        assert closed.wait(30)
        raise ConnectionLost("closed", "worker-0")

    world.hosts["worker-0"].w_modprobe = interrupted
    runner = world.runner()
    monkeypatch.setattr(runner.report, "step_started", lambda phase, target: began.append((phase, target)))
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "worker-0"]
    closed.set()
    thread.join(30)
    assert [phase for phase, target in began if target == "worker-0"] == ["preflight", "prepare"]


def test_a_host_that_is_read_after_an_interruption_is_not_changed(bare, monkeypatch):
    world, closed = bare("lab"), threading.Event()
    main = threading.main_thread().ident
    probe, change = world.hosts["worker-0"].probe, world.hosts["worker-0"].change
    changed = []

    def interrupted(probes):
        if not closed.is_set():
            signal.pthread_kill(main, signal.SIGINT)
        assert closed.wait(30)
        return probe(probes)

    monkeypatch.setattr(world.hosts["worker-0"], "probe", interrupted)
    monkeypatch.setattr(world.hosts["worker-0"], "change", lambda ops: changed.append(ops) or change(ops))
    with pytest.raises(KeyboardInterrupt):
        world.run()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "worker-0"]
    closed.set()
    thread.join(30)
    assert changed == []


def test_a_failure_that_names_no_host_is_given_the_one_it_happened_on(bare):
    def fail(host: Host) -> None:
        raise RemoteCommandError("it does not work", host="" if host.name == "lb" else "elsewhere")

    with pytest.raises(HostErrors) as caught:
        each(fail, bare("lab").cluster.hosts)
    assert [error.host for error in caught.value.errors].count("lb") == 1 and "" not in [
        error.host for error in caught.value.errors
    ]


def acts(world, unit: str, *verbs: str) -> list[tuple[str, str]]:
    return [(target, op.verb) for target, op in world.log if op.verb in verbs and op.args[:1] == (unit,)]


def test_no_healthy_api_server_is_touched_while_another_is_sick(built):
    """A flag that makes it crash takes the first one only, however often the command is repeated."""
    world = built("lab")
    world.live.not_ready_apiservers.add("controller-0")
    for name in ("controller-1", "controller-2"):
        world.hosts[name].disk.write("/etc/kubernetes/authentication.yaml", b"other")
    for _ in range(2):
        with pytest.raises(HostErrors) as caught:
            world.run(tuple(impatient(phase) for phase in world.phases))
        causes = [error for error in caught.value.errors if isinstance(error, SickPeerError)]
        assert causes and causes[0].exit_code == 6 and "controller-0 is not ready" in causes[0].message
        assert "hardway doctor" in causes[0].hint and "kube-apiserver" in causes[0].evidence
    assert acts(world, "kube-apiserver.service", "restart", "start") == []
    assert world.hosts["controller-1"].disk.read("/etc/kubernetes/authentication.yaml") == b"other"


def test_a_host_outside_the_run_counts_as_well(built):
    world = built("lab")
    world.live.not_ready_apiservers.add("controller-2")
    world.hosts["controller-0"].disk.write("/etc/kubernetes/authentication.yaml", b"other")
    runner = world.runner(tuple(impatient(phase) for phase in world.phases))
    for name in runner.plan:
        runner.plan[name] = [target for target in runner.plan[name] if target.name != "controller-2"]
    runner.ledger.left |= {name: len(targets) for name, targets in runner.plan.items()}
    with pytest.raises(SickPeerError):
        runner.run()
    assert acts(world, "kube-apiserver.service", "restart") == []


def test_the_sick_one_has_its_turn_first(built):
    world = built("lab")
    world.live.not_ready_apiservers.add("controller-2")
    before_restart(world, lambda host: world.live.not_ready_apiservers.discard(host))
    for name in ("controller-0", "controller-1", "controller-2"):
        world.hosts[name].disk.write("/etc/kubernetes/authentication.yaml", b"other")
    world.run()
    order = [target for target, _ in acts(world, "kube-apiserver.service", "restart")]
    assert order == ["controller-2", "controller-0", "controller-1"]


@pytest.mark.parametrize(("at_once", "most"), [(1, 1), (2, 2), (0, 1)])
def test_so_many_workers_at_once(inventory, built, at_once: int, most: int):
    world = built(inventory)
    running, worst, gate = set(), [], threading.Lock()
    for worker in world.cluster.workers:
        host = world.hosts[worker.name]
        host.disk.write("/var/lib/kube-proxy/config.yaml", b"other")
        restart = host.w_restart

        def counted(name: str, how: str, worker=worker, restart=restart) -> None:
            with gate:
                running.add(worker.name)
                worst.append(len(running))
            threading.Event().wait(0.05)
            restart(name, how)
            with gate:
                running.discard(worker.name)

        host.w_restart = counted
    world.run(workers_at_once=at_once)
    assert max(worst) == min(most, len(world.cluster.workers)) and len(worst) == len(world.cluster.workers)


def test_a_program_is_swapped_in_the_turn_of_its_unit(built):
    world = built("lab")
    world.assets.version = "2"
    world.run()
    for unit, program in (("etcd", "etcd"), ("kube-apiserver", "kube-apiserver"), ("containerd", "runc")):
        path = f"/usr/local/bin/{program}"
        for host in (host for host in world.hosts.values() if path in host.disk.files):
            log = [op for target, op in world.log if target == host.host.name]
            swap = next(i for i, op in enumerate(log) if op.verb == "swap" and op.args[0] == path)
            restart = next(i for i, op in enumerate(log) if op.verb == "restart" and op.args[0] == f"{unit}.service")
            unstamp = next(i for i, op in enumerate(log) if op.verb == "unstamp" and op.args[0] == f"{unit}.service")
            assert unstamp < swap < restart
    mine = [(target, op) for target, op in world.log if op.verb in ("swap", "restart")]
    first_back = next(i for i, (_, op) in enumerate(mine) if op.verb == "restart" and op.args[0] == "etcd.service")
    etcds = [i for i, (_, op) in enumerate(mine) if op.verb == "swap" and op.args[0] == "/usr/local/bin/etcd"]
    assert len([i for i in etcds if i < first_back]) == 1, "the second member's program waits for its own turn"
    assert not any(path.endswith(".next") for host in world.hosts.values() for path in host.disk.files)
    assert changes(world.plan()) == {} and world.outdated() == []


def test_the_new_process_is_asked_not_the_one_that_closes(built):
    """A restart that is merely asked for leaves the old process answering for a while."""
    world = built("lab")
    world.assets.version = "2"
    closing, seen = {}, []
    for host in world.hosts.values():
        restart, show = host.w_restart, host.q_unit

        def slowly(name: str, how: str, host=host, restart=restart) -> None:
            if name == "etcd.service":
                closing[host.host.name] = [5, lambda: restart(name, how)]
                seen.append(sorted(closing))
            else:
                restart(name, how)

        def shown(name: str, host=host, show=show) -> str:
            left = closing.get(host.host.name) if name == "etcd.service" else None
            if left:
                left[0] -= 1
                if not left[0]:
                    closing.pop(host.host.name)[1]()
            return show(name)

        host.w_restart, host.q_unit = slowly, shown
    world.run()
    assert [len(names) for names in seen] == [1, 1, 1], "two members were told to restart at the same time"
    assert world.outdated() == []


def test_after_a_turn_only_that_host_is_asked(built):
    """Asking everybody after each of N turns would cost N times N."""
    world = built("lab")
    workers = world.cluster.workers
    for worker in workers:
        world.hosts[worker.name].disk.write("/var/lib/kube-proxy/config.yaml", b"other")
    asked = []
    serves = world.live.serves
    world.live.serves = lambda host, unit, port: asked.append((host.name, unit)) or serves(host, unit, port)
    world.run()
    of_proxies = [name for name, unit in asked if unit == "kube-proxy"]
    assert len(of_proxies) <= 3 * len(workers)


def other_flags(world) -> None:
    """Every member of etcd needs a restart."""
    world.use(dataclasses.replace(world.cluster, extra_args={"etcd": {"heartbeat-interval": "150"}}))


def slow_api_servers(world, monkeypatch, polls: int, but: tuple[str, ...] = ()) -> list[list[str]]:
    """An API server is away while its host's member restarts, and for some polls after it; those that are away at each
    restart of a member."""
    away, seen, answer = dict.fromkeys(but, 10_000), [], world.live._apiserver

    def asked(host) -> str:
        if away.get(host.name):
            away[host.name] -= 1
            return "readyz 500 [-]etcd failed"
        return answer(host)

    monkeypatch.setattr(world.live, "_apiserver", asked)
    for name, machine in world.hosts.items():

        def restart(unit: str, how: str, name=name, before=machine.w_restart) -> None:
            if unit == "etcd.service":
                seen.append(sorted(one for one, left in away.items() if left))
                away[name] = away.get(name) or polls
            before(unit, how)

        machine.w_restart = restart
    return seen


def test_the_next_member_waits_for_the_api_server_of_the_last(built, monkeypatch):
    """Else each turn takes one API server more, and the last one the API."""
    world = built("lab")
    other_flags(world)
    seen = slow_api_servers(world, monkeypatch, polls=20)
    world.run()
    assert seen == [[], [], []]


def test_an_api_server_that_was_sick_before_holds_up_no_member(built, monkeypatch):
    """What makes it well again comes after etcd's turns."""
    world = built("lab")
    other_flags(world)
    seen = slow_api_servers(world, monkeypatch, polls=3, but=("controller-1",))
    world.run(tuple(impatient(phase, 5) for phase in world.phases if phase.name in ("pki", "etcd")))
    assert seen == [["controller-1"]] * 3


def test_api_servers_can_connect_again_before_a_member_restarts(built):
    """Their certificate for etcd has expired while they were connected."""
    world = built("lab")
    expire(world.cluster, world.store, "apiserver-etcd-client", None)
    other_flags(world)
    world.log.clear()
    world.run()
    done = [(op.verb, op.args[0]) for _, op in world.log if op.args]
    renewed = [n for n, op in enumerate(done) if op == ("put", "/etc/kubernetes/pki/apiserver-etcd-client.crt")]
    assert len(renewed) == 3 and max(renewed) < done.index(("restart", "etcd.service"))
    assert changes(world.plan()) == {}


def test_whose_turn_fails_lets_nobody_else_begin(built, monkeypatch):
    """However long it takes until the others hear of it: the old process may still answer while it closes."""
    world = built("lab")
    world.assets.version = "2"
    before_restart(world, refuse)
    runner = world.runner()
    told = runner.report.failed
    monkeypatch.setattr(runner.report, "failed", lambda error: (time.sleep(0.5), told(error)))
    with pytest.raises(HardwayError):
        runner.run()
    begun = [target for target, op in world.log if op.verb == "restart" and op.args[0] == "kube-apiserver.service"]
    assert len(begun) == 1


def test_whose_connection_breaks_in_its_turn_goes_on_with_it_before_others_begin(built):
    world = built("lab")
    world.assets.version = "2"
    broken, hurried = [], []
    servers = world.live.not_ready_apiservers
    for host in world.hosts.values():
        host.change = functools.partial(broken_after, host, host.change, broken, hurried, servers)
    world.run()
    assert len(broken) == 1 and not hurried and world.outdated() == []


def broken_after(host, change, broken: list, hurried: list, not_ready: set, ops) -> None:
    """The first restart of an API server breaks the connection, and the server needs some time: who restarts another
    one meanwhile is in too much of a hurry."""
    restarts = any(op.verb == "restart" and op.args[0] == "kube-apiserver.service" for op in ops)
    if restarts and not_ready - {host.host.name}:
        hurried.append(host.host.name)
    change(ops)
    if restarts and not broken:
        broken.append(host.host.name)
        not_ready.add(host.host.name)
        threading.Timer(1.0, not_ready.discard, (host.host.name,)).start()
        raise ConnectionLost("the connection broke", host.host.name)
