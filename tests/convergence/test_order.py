"""Who waits for whom, who restarts when, and what a failure says."""

import dataclasses
import functools
import signal
import threading

import pytest
from fakes.disk import Refused
from fakes.world import changes

from hardway.cluster import Host
from hardway.errors import ConnectionLost, HostErrors, NotReadyError, QuorumError, RemoteCommandError
from hardway.parallel import each
from hardway.phases import PHASES


def first(world, target: str, verb: str, argument: str) -> int:
    return next(i for i, (name, op) in enumerate(world.log) if name == target and op.verb == verb and op.args[:1] == (argument,))


def ends(world, verb: str, argument: str) -> int:
    return max(i for i, (_, op) in enumerate(world.log) if op.verb == verb and op.args[:1] == (argument,))


def test_every_phase_begins_after_those_it_needs_are_ready(inventory, bare, monkeypatch):
    world, events, guard = bare(inventory), [], threading.Lock()
    runner = world.runner()
    said = lambda kind: lambda phase, *rest: guard.acquire() and (events.append((kind, phase)), guard.release())  # noqa: E731
    monkeypatch.setattr(runner.report, "step_started", said("start"))
    monkeypatch.setattr(runner.report, "phase_ready", said("ready"))
    runner.run()
    for phase in PHASES:
        starts = [i for i, event in enumerate(events) if event == ("start", phase.name)]
        gates = [need for need in phase.needs(runner.inputs) if ("start", need) in events]
        for need in gates:
            assert not starts or events.index(("ready", need)) < starts[0], f"{phase.name} began before {need} was ready"
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
    assert [error.message for error in rest] == ["not restarted, because another host failed before its turn"] * 2
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
    world.hosts["controller-1"].disk.write("/etc/etcd/pki/server.crt", b"other", owner="etcd", group="etcd")
    world.live.sick["controller-0"] = "disk full"
    with pytest.raises(QuorumError) as caught:
        world.run(tuple(impatient(phase) for phase in world.phases))
    error = caught.value
    assert (error.host, error.exit_code) == ("controller-1", 9) and "would lose quorum" in error.message
    assert "controller-0: disk full" in error.evidence


def test_a_member_that_this_run_has_just_started_is_given_time_before_another_restarts(built, monkeypatch):
    world = built("lab")
    world.hosts["controller-2"].systemd.unit("etcd.service").active = "inactive"
    world.hosts["controller-0"].disk.write("/etc/etcd/pki/server.crt", b"other", owner="etcd", group="etcd")
    health, catching_up = world.live.etcd_health, iter(["catching up"] * 5)
    monkeypatch.setattr(
        world.live, "etcd_health", lambda host: health(host) or (next(catching_up, "") if host.name == "controller-2" else "")
    )
    world.run()
    acts = [(target, op.verb) for target, op in world.log if op.args[:1] == ("etcd.service",) and op.verb in ("start", "restart")]
    assert acts == [("controller-2", "start"), ("controller-0", "restart")]


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
    world.hosts["controller-1"].disk.write("/etc/etcd/pki/server.crt", b"other", owner="etcd", group="etcd")
    with pytest.raises(NotReadyError):
        world.run(tuple(impatient(phase) for phase in world.phases))
    assert ("controller-1", "etcd.service") in [(target, op.args[0]) for target, op in world.log if op.verb == "restart"]


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


def test_what_is_still_different_after_a_write_is_an_error(bare):
    world = bare("single")
    host = world.hosts["all-in-one"]
    load = host.w_modprobe
    host.w_modprobe = lambda name: load(name) if name != "nf_conntrack" else None
    with pytest.raises(RemoteCommandError) as caught:
        world.run()
    assert "still different" in caught.value.message and caught.value.evidence == "kernel module nf_conntrack: not loaded"


def test_a_unit_that_fails_right_after_its_start_shows_its_journal(bare):
    world = bare("single")
    world.hosts["all-in-one"].systemd.broken.add("kubelet.service")
    with pytest.raises(RemoteCommandError) as caught:
        world.run()
    assert "unit kubelet.service: is failed" in caught.value.evidence and "the last 20 lines of kubelet.service" in caught.value.evidence


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
    assert [error.host for error in caught.value.errors].count("lb") == 1 and "" not in [error.host for error in caught.value.errors]
