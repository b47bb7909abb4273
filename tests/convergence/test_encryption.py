"""The provider of Secrets' encryption edited on a cluster that lives: at no moment of any run is there a Secret that an
API server cannot read."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator

import pytest
from fakes.memory_host import MemoryHost
from fakes.world import Killed, World, changes

from hardway.errors import HardwayError, HostErrors, NotReadyError, PreflightError, UnreadableError
from hardway.pki.credentials import Credentials
from hardway.plans import Agreement, foresee
from hardway.preflight import Finding, findings, judge
from hardway.settings import Encryption
from hardway.state.statedir import Overlay

pytestmark = pytest.mark.slow

CONFIG = "/etc/kubernetes/encryption-config.yaml"
UNIT = "kube-apiserver.service"
# What stands before and behind is of no interest here, and takes time.
PHASES = ("preflight", "pki", "encryption", "binaries", "encryption-read", "control-plane")
EDITS = [("aescbc", "secretbox"), ("aescbc", "none"), ("none", "aescbc"), ("secretbox", "aescbc")]
CONTROLLERS = ["controller-0", "controller-1", "controller-2"]


def edit(world: World, provider: str, **keys) -> World:
    world.use(dataclasses.replace(world.cluster, encryption=Encryption(provider), **keys))
    return world


def phases(world: World, *but: str, deadline: float = 60):
    found = [phase for phase in world.phases if phase.name in PHASES and phase.name not in but]
    return [dataclasses.replace(phase, deadline=deadline) for phase in found]


def watched(world: World, death=lambda name, op: False) -> World:
    """Every running API server writes a Secret all the time, and each of them can read all that there are."""

    def moment(name, op) -> bool:
        check(world)
        return death(name, op)

    world.death = moment
    return world


def check(world: World) -> None:
    found = {name: host for name, host in world.hosts.items() if host.systemd.unit(UNIT).active == "active"}
    running = {name: host.providers for name, host in found.items() if host.providers}
    for name, providers in running.items():
        world.objects.stored[f"/api/v1/namespaces/default/secrets/{name}-{providers[0]}"] = providers[0]
    for name, providers in running.items():
        unread = world.objects.unreadable(providers)
        assert not unread, f"kube-apiserver on {name} reads with {providers} and finds {unread}"


@pytest.fixture
def living(bare):
    """living(PROVIDER, NAME): a whole cluster with Secrets."""

    def build(provider: str, name: str = "lab") -> World:
        world = edit(bare(name), provider)
        world.run()
        world.log.clear()
        check(world)
        return world

    return build


def run(world: World, *but: str, limit: tuple[str, ...] = (), deadline: float = 60, **options) -> World:
    """A bootstrap with preflight, as far as it concerns the control plane."""
    world.limit(*limit)
    judge(world.inputs())
    world.run(phases(world, *but, deadline=deadline), **options)
    check(world)
    return world


def finished(world: World) -> bool:
    """Every API server runs with its files and writes as the inventory says."""
    return set(written(world).values()) == {world.cluster.encryption.writer} and world.outdated() == []


def written(world: World) -> dict[str, str]:
    """The kind of provider that each API server writes with."""
    return {host.name: world.hosts[host.name].providers[0].partition(":")[0] for host in world.cluster.control_plane}


def turns(world: World) -> list[str]:
    return [target for target, op in world.log if op.verb == "restart" and op.args[0] == UNIT]


def found(world: World, name: str, *limit: str) -> list[Finding]:
    world.limit(*limit)
    return [finding for finding in findings(world.inputs()) if finding.name == name]


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_every_secret_is_readable_at_every_moment(living, before, after):
    world = edit(living(before), after)
    run(watched(world))
    assert finished(world) and changes(world.plan()) == {}


@pytest.mark.parametrize("name", ["ha", "single"])
def test_the_same_in_clusters_of_other_shapes(living, name):
    world = living("aescbc", name)
    for provider in ("secretbox", "none", "aescbc"):
        run(watched(edit(world, provider)))
        assert finished(world) and changes(world.plan()) == {}


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_a_new_key_takes_two_turns_and_a_known_one_takes_one(living, before, after):
    world = edit(living(before), after)
    run(world)
    assert sorted(turns(world)) == sorted(CONTROLLERS * (1 if after == "none" else 2))
    back = edit(world, before)
    back.log.clear()
    run(watched(back))
    assert sorted(turns(back)) == CONTROLLERS, "every key is known from before"


@pytest.mark.parametrize("provider", ["aescbc", "secretbox", "none"])
def test_a_new_cluster_has_no_pass_more(bare, provider):
    world = edit(bare("lab"), provider)
    assert "encryption-read" not in next(p for p in world.phases if p.name == "control-plane").needs(world.inputs())
    asked = []
    world.live.encryption = lambda host: asked.append(host) or ""
    done = world.run()
    assert [step.changes for step in done if step.phase == "encryption-read"] == [()] * 3
    assert turns(world) == [] and world.lives.loaded is None and asked == [], "nobody is asked what it has loaded"
    assert any(CONFIG in host.disk.files for host in world.hosts.values()) == (provider != "none")


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_the_plan_shows_the_passes_and_the_run_keeps_to_it(living, before, after):
    world = edit(living(before), after)
    world.hosts["controller-1"].systemd.unit(UNIT).active = "inactive"
    inputs = dataclasses.replace(world.inputs(), credentials=Credentials(world.cluster, Overlay(world.store)))
    plan = foresee(inputs, world.readers(), phases(world), world.names)
    agreement = Agreement(plan, world.store, False, "hardway plan INV")
    run(watched(world), permit=agreement.permit)
    assert finished(world) and agreement.left() == []
    read = {(one.host, one.resource) for one in plan.changes if one.phase == "encryption-read"}
    wanted = {(host, resource) for host in CONTROLLERS for resource in (f"file {CONFIG}", f"unit {UNIT}")}
    assert read >= wanted if after != "none" else read == set()
    (warning,) = [one for one in plan.findings if one.name == "Encryption"]
    assert warning.warning and "kubectl get secrets -A -o json | kubectl replace -f -" in warning.remedy
    assert ("encryption-read" in warning.what) == (after != "none")


def test_an_api_server_that_only_had_to_be_started_has_no_turn_more(living):
    """Its file has the new key first already, so there is nothing left for the second pass; the plan says the same."""
    world = living("aescbc")
    old = world.hosts["controller-1"].disk.read(CONFIG)
    run(edit(world, "secretbox"))
    world.objects.stored.clear()  # the image that controller-1 is put back to knows nothing of what came later
    world.hosts["controller-1"].disk.write(CONFIG, old, "600")
    world.hosts["controller-1"].systemd.restart(UNIT)
    world.hosts["controller-2"].systemd.unit(UNIT).active = "inactive"
    world.hosts["controller-2"].disk.write("/etc/kubernetes/authentication.yaml", b"other", "600")
    world.log.clear()
    planned, done = changes(world.plan(phases(world))), changes(world.run(phases(world)))
    assert planned == done and ("control-plane", "controller-2") not in done
    assert finished(world) and turns(world) == ["controller-1"] * 2


# Killed at any moment.


def moments(world: World) -> list[tuple[str, int]]:
    """(target, n) for each n-th write of a run on that target."""
    count = Counter(target for target, _ in world.log)
    return [(target, n) for target, writes in sorted(count.items()) for n in range(writes)]


def dies_at(world: World, target: str, moment: int) -> World:
    """A run that is killed before its n-th write on a target, and the world as it leaves it."""
    seen = Counter()

    def death(name, op) -> bool:
        seen[name] += 1
        return name == target and seen[name] == moment + 1

    watched(world, death)
    with pytest.raises(Killed):
        run(world)
    world.revive()
    check(world)
    return watched(world)


def killed(start: World, every: int = 1) -> Iterator[tuple[str, World]]:
    """The world after each death of a run, or after every so many."""
    whole = start.copy()
    run(whole)
    for target, moment in moments(whole)[::every]:
        yield f"killed before write {moment} on {target}", dies_at(start.copy(), target, moment)


def after_each_death(start: World, then: str, every: int = 1) -> int:
    deaths = 0
    for when, world in killed(start, every):
        run(watched(edit(world, then)))
        assert finished(world), when
        deaths += 1
    return deaths


def test_a_change_that_dies_is_completed_by_the_next_run(living):
    assert after_each_death(edit(living("aescbc"), "secretbox"), "secretbox", every=7) >= 5


@pytest.mark.parametrize("then", ["the same", "back", "on"])
@pytest.mark.parametrize(("before", "after"), EDITS)
def test_a_change_that_dies_at_any_moment_is_completed_taken_back_or_changed_again(living, before, after, then):
    third = ({"aescbc", "secretbox", "none"} - {before, after}).pop()
    wanted = {"the same": after, "back": before, "on": third}[then]
    assert after_each_death(edit(living(before), after), wanted) > 10


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_a_change_that_dies_and_a_run_limited_to_one_host(living, before, after):
    """It is carried out there, or refused before anything is written: never is something written that others cannot
    read."""
    start, said = edit(living(before), after), Counter()
    for when, world in killed(start):
        world.log.clear()
        try:
            run(world, limit=("controller-1",))
            said["done"] += 1
        except PreflightError as error:
            assert "EncryptionUnread" in error.evidence and "hardway bootstrap INV" in error.evidence
            assert world.log == [], when
            said["refused"] += 1
        run(world)
        assert finished(world), when
    assert said["done"] and (said["refused"] or after == "none")


# Hosts that are left out, away, new, stopped or sick.


def test_a_limited_run_is_refused_before_anything_is_written(living):
    world = edit(living("aescbc"), "secretbox")
    with pytest.raises(PreflightError) as caught:
        run(world, limit=("controller-1",))
    assert "controller-0, controller-2 may be unable to read" in caught.value.evidence and world.log == []
    assert "for all control-plane hosts: hardway bootstrap INV" in caught.value.evidence
    world.limit("worker-0")
    assert judge(world.inputs()) == [], "a run without any API server is none of its concern"
    assert run(edit(world, "none"), limit=("controller-1",)), "plain Secrets can be read by all"
    assert written(world) == dict(zip(CONTROLLERS, ("aescbc", "identity", "aescbc"), strict=True))


def test_a_host_that_is_away_is_waited_for_and_nothing_is_taken_back(living):
    world = edit(living("aescbc"), "secretbox")
    world.away.add("controller-2")
    with pytest.raises(PreflightError) as caught:
        run(world, limit=("controller-0", "controller-1"))
    assert "make controller-2 reachable" in caught.value.evidence and world.log == []
    world.away.clear()
    run(watched(world))
    world.away.add("controller-2")
    before = world.digest()
    run(world, limit=("controller-0", "controller-1"))
    assert world.digest() == before, "what is right stays right, whoever answers"


def test_an_api_server_that_does_not_say_what_it_has_loaded_is_not_believed_by_its_file(living):
    """A run died between the file and the restart, and now the process cannot be asked: the others wait for it."""
    start, met = edit(living("aescbc"), "secretbox"), 0
    for _, world in killed(start):
        late = [name for name in CONTROLLERS if not loaded_what_is_there(world, name)]
        begun = any(facts.providers and "secretbox" in facts.providers[0] for facts in world.facts.values())
        if late and not begun:  # once it is first in a file, all had it loaded before
            silent, answers = late[0], world.live.encryption
            world.live.encryption = lambda host, answers=answers, silent=silent: (
                None if host.name == silent else answers(host)
            )
            with pytest.raises((NotReadyError, HostErrors)):
                run(world, deadline=0.05)
            assert "secretbox" not in written(world).values()
            met += 1
    assert met > 3


def loaded_what_is_there(world: World, name: str) -> bool:
    host = world.hosts[name]
    return host.loaded == host.disk.files[CONFIG].sha256


def test_a_new_host_begins_when_the_others_have_learned(living):
    """Its API server is only started, which waits for no turn."""
    world = edit(living("aescbc"), "secretbox")
    world.hosts["controller-2"] = new(world, "controller-2")
    run(watched(world))
    assert finished(world)
    begun = [(target, op.verb) for target, op in world.log if op.verb in ("start", "restart") and op.args[0] == UNIT]
    assert sorted(begun[:2]) == [("controller-0", "restart"), ("controller-1", "restart")]
    assert begun[2] == ("controller-2", "start")


def new(world: World, name: str) -> MemoryHost:
    """A machine on which nothing of ours is, but the user of etcd's files."""
    return MemoryHost(world.cluster.host(name), world.point)


def test_a_first_bootstrap_that_died_is_completed_with_another_provider(bare):
    """One API server may have written already, before there was a quorum or a second one."""
    world = bare("lab")
    watched(world, lambda name, op: op.verb == "stamp" and op.args[0] == UNIT)
    with pytest.raises(Killed):
        world.run()
    world.revive()
    edit(watched(world), "secretbox").run()
    assert finished(world) and changes(world.plan()) == {}


def test_a_host_is_replaced_while_another_is_away(living):
    world = living("aescbc")
    world.hosts["controller-1"] = new(world, "controller-1")
    world.away.add("controller-2")
    run(watched(world), limit=("controller-1",))
    assert written(world)["controller-1"] == "aescbc"


@pytest.mark.parametrize("file", [b"", b"resources: [", None])
def test_an_api_server_that_is_stopped_learns_like_the_others(living, file):
    world = edit(living("aescbc"), "secretbox")
    host = world.hosts["controller-1"]
    host.systemd.unit(UNIT).active = "inactive"
    if file is None:
        del host.disk.files[CONFIG]
    elif file:
        host.disk.write(CONFIG, file, "600")
    run(watched(world))
    assert finished(world) and changes(world.plan()) == {}


def test_no_healthy_api_server_learns_while_another_is_sick(living):
    world = edit(living("aescbc"), "secretbox")
    world.live.not_ready_apiservers.add("controller-2")
    with pytest.raises(HardwayError):
        run(watched(world), deadline=0.2)
    assert set(turns(world)) <= {"controller-2"} and "secretbox" not in written(world).values()


# Phases left out, and what is no longer as it was when the run began.


@pytest.mark.parametrize("died", [False, True])
def test_without_the_first_pass_the_second_is_refused(living, died):
    world = edit(living("aescbc"), "secretbox")
    if died:
        world = next(world for when, world in killed(world, 5) if "controller-1" in when)
    with pytest.raises(HardwayError) as caught:
        run(watched(world), "encryption-read")
    error = caught.value.errors[0] if isinstance(caught.value, HostErrors) else caught.value
    assert isinstance(error, UnreadableError) and error.exit_code == 9 and error.phase == "control-plane"
    assert "hardway bootstrap INV" in error.hint and turns(world) == []
    run(watched(world))
    assert finished(world)


def test_after_the_first_pass_the_second_can_follow_alone(living):
    world = edit(living("aescbc"), "secretbox")
    run(watched(world), "control-plane")
    assert set(written(world).values()) == {"aescbc"} and sorted(turns(world)) == CONTROLLERS
    run(watched(world), "encryption-read")
    assert finished(world)


def test_an_api_server_that_is_restored_from_old_files_learns_again(living):
    """Its machine was put back to an image from before."""
    world = living("aescbc")
    old = world.hosts["controller-1"].disk.read(CONFIG)
    run(edit(world, "secretbox"))
    host = world.hosts["controller-1"]
    host.disk.write(CONFIG, old, "600")
    host.systemd.restart(UNIT)
    world.objects.stored.clear()
    world.log.clear()
    world.run(phases(world))
    assert finished(world) and turns(world) == ["controller-1", "controller-1"]


# Keys and configurations that are not ours.


def by_hand(world: World, name: str, before: bytes, after: bytes) -> None:
    """Somebody changes the configuration, and the API server reads it."""
    host = world.hosts[name]
    text = host.disk.read(CONFIG)
    assert before in text
    host.disk.write(CONFIG, text.replace(before, after), "600")
    host.systemd.restart(UNIT)


SECRET = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            b"      - name: key1",
            b"      - name: key2\n        secret: " + SECRET + b"\n      - name: key1",
            "aescbc:key2=",
        ),
        (b"        secret: ", b"        secret: " + SECRET + b" #", "aescbc:key1=66687aadf862bd77"),
        (b"  - aescbc:", b"  - kms:\n      name: vault\n  - aescbc:", "kms"),
        (b"  - secrets", b"  - secrets\n  - configmaps", "resources:configmaps"),
    ],
)
@pytest.mark.parametrize("provider", ["aescbc", "secretbox", "none"])
def test_a_configuration_with_a_key_that_we_do_not_have_is_never_overwritten(living, provider, before, after, told):
    world = living("aescbc")
    by_hand(world, "controller-1", before, after)
    kept = world.hosts["controller-1"].disk.read(CONFIG)
    edit(world, provider)
    with pytest.raises(PreflightError) as caught:
        run(world)
    assert "[ERROR EncryptionKey] controller-1" in caught.value.evidence and told in caught.value.evidence
    assert "docs/operating.md" in caught.value.evidence
    assert world.log == [] and world.hosts["controller-1"].disk.read(CONFIG) == kept
    assert found(world, "EncryptionKey", "worker-0") == []


@pytest.mark.parametrize("provider", ["aescbc", "secretbox", "none"])
def test_a_state_directory_without_the_key_is_refused(living, provider):
    """Neither is a second key made, nor one without which stored Secrets cannot be read given up."""
    world = living("aescbc")
    del world.store._written["encryption/aescbc-key1.key"]
    edit(world, provider)
    with pytest.raises(PreflightError) as caught:
        run(world)
    assert "aescbc-key1.key is missing" in caught.value.evidence and world.log == []
    del world.store._written["encryption/aescbc-key1.sha256"]
    with pytest.raises(PreflightError) as caught:
        run(world)
    evidence = caught.value.evidence
    assert evidence.count("[ERROR EncryptionKey]") == 3 and "copy the secret of that key from controller-0" in evidence
    assert world.log == [] and not [name for name in world.store.names() if name.startswith("encryption/aescbc")]


def test_a_file_that_somebody_spoiled_is_repaired_while_the_provider_changes(living):
    world = edit(living("aescbc"), "secretbox")
    for name in CONTROLLERS:
        world.hosts[name].disk.write(CONFIG, b"resources: [", "600")
    assert found(world, "Encryption") != []
    run(watched(world))
    assert finished(world)
    world.hosts["controller-0"].disk.write(CONFIG, b"resources: [", "600")
    assert judge(world.inputs()) == [], "no change of the provider"
    world.log.clear()
    run(watched(world))
    assert finished(world) and turns(world) == ["controller-0"]


def test_a_process_that_reads_with_nobody_knows_what_is_not_restarted(living):
    world = living("aescbc")
    before = world.hosts["controller-1"].disk.read(CONFIG)
    by_hand(world, "controller-1", b"        secret: ", b"        secret: " + SECRET + b" #")
    world.hosts["controller-1"].disk.write(CONFIG, before, "600")
    edit(world, "secretbox")
    with pytest.raises(PreflightError) as caught:
        run(world)
    assert "[ERROR EncryptionUnknown] controller-1" in caught.value.evidence and world.log == []


def test_a_configuration_that_a_flag_names_is_the_users_own(living):
    world = living("none")
    edit(world, "none", extra_args={"kube-apiserver": {"encryption-provider-config": "/etc/kubernetes/kms.yaml"}})
    run(world)
    edit(world, "secretbox", extra_args={}, override_args={"kube-apiserver": {"encryption-provider-config": "/own"}})
    assert world.lives.loaded is None and world.inputs().encryption.learners == ()
    run(world)
    assert sorted(turns(world)) == sorted(CONTROLLERS * 2)


def test_a_reset_takes_the_configuration_though_the_inventory_says_none(living):
    world = living("aescbc")
    run(edit(world, "none"))
    assert all(CONFIG in world.hosts[name].disk.files for name in CONTROLLERS)
    world.reset()
    assert not any(CONFIG in host.disk.files for host in world.hosts.values())
