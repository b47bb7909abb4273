"""The encryption key rotated on a cluster that lives: every API server can read every Secret at every moment, and no
key is ever lost."""

from __future__ import annotations

import dataclasses

import pytest
from convergence.test_encryption import CONFIG, CONTROLLERS, UNIT, edit, turns, watched
from fakes.memory_session import MemorySession
from fakes.node_world import more
from fakes.world import Killed, World, changes

from hardway.cluster import Role
from hardway.commands.encryption import rotating, status, text
from hardway.errors import (
    NotReadyError,
    PreflightError,
    RemoteCommandError,
    UnreadableError,
    UsageError,
)
from hardway.living.rotation import unfinished
from hardway.pki.encryption import new_key
from hardway.pki.encryption.retirement import retired
from hardway.preflight import judge

pytestmark = pytest.mark.slow
OLD = "/api/v1/namespaces/default/secrets/old"


@pytest.fixture
def living(bare):
    """living(PROVIDER, NAME): a whole cluster with a Secret."""

    def build(provider: str = "aescbc", name: str = "single") -> World:
        world = edit(bare(name), provider)
        world.run()
        world.bound()
        world.log.clear()
        host = world.hosts[world.cluster.control_plane[0].name]
        world.objects.stored[OLD] = host.providers[0]
        return world

    return build


def rotate(world: World) -> str:
    session = MemorySession.on(world)
    rotating.rotate(session)
    return session.said.getvalue()


def loaded(world: World) -> set[tuple[str, ...]]:
    """What the API servers read with, each key by its name."""
    hosts = [world.hosts[host.name] for host in world.cluster.control_plane]
    return {tuple(one.partition("=")[0] for one in host.providers) for host in hosts}


def under(world: World) -> set[str]:
    return {provider.partition("=")[0] for provider in world.objects.stored.values()}


def keys(world: World) -> dict[str, bytes]:
    return {name: world.store.read(name) for name in world.store.names() if name.endswith(".key")}


def finished(world: World, key: str) -> bool:
    return loaded(world) == {(key, "identity")} and under(world) == {key} and not unfinished(encryption(world))


def encryption(world: World):
    return dataclasses.replace(world.inputs(), lives=MemorySession.on(world).lives()).encryption


@pytest.mark.parametrize("provider", ["aescbc", "secretbox"])
def test_every_secret_is_under_the_new_key_and_every_key_is_kept(living, provider):
    world = living(provider)
    before = keys(world)
    said = rotate(watched(world))
    assert finished(world, f"{provider}:key2") and changes(world.plan()) == {}
    assert before.items() <= keys(world).items(), "no key is replaced"
    assert list(retired(world.store)) == [f"{provider}:key1"]
    assert f"new encryption key {provider}:key2" in said and "none under another key" in said
    rotate(watched(world))
    assert finished(world, f"{provider}:key3"), "a rotation that is done is followed by another"


def test_three_servers_restart_one_at_a_time_in_three_passes(living):
    world = living("aescbc", "lab")
    rotate(watched(world))
    assert finished(world, "aescbc:key2")
    assert sorted(turns(world)) == sorted(CONTROLLERS * 3)


def moments(world: World) -> int:
    whole = world.copy()
    rotate(whole)
    return len(whole.log)


def killed(world: World, moment: int) -> None:
    left = [moment]

    def death(name, op) -> bool:
        left[0] -= 1
        return left[0] < 0

    watched(world, death)
    with pytest.raises(Killed):
        rotate(world)
    world.revive()


def test_killed_at_any_moment_the_same_command_continues(living):
    start, met = living(), set()
    for moment in range(moments(start)):
        world = start.copy()
        killed(world, moment)
        met.add(unfinished(encryption(world)).partition(" ")[0])
        rotate(watched(world))
        assert finished(world, "aescbc:key2"), f"killed before write {moment}"
        assert sorted(keys(world)) >= ["encryption/aescbc-key1.key", "encryption/aescbc-key2.key"]
    assert {"aescbc:key1", "kube-apiserver"} <= met, "it died in the first passes and in the last"


def test_a_bootstrap_after_a_death_loses_nothing(living):
    start = living()
    for moment in range(0, moments(start), 2):
        world = start.copy()
        killed(world, moment)
        watched(world).run()
        if unfinished(encryption(world)) or "aescbc:key2" not in encryption(world).credentials.used_keys():
            rotate(world)
        assert finished(world, "aescbc:key2"), f"killed before write {moment}"


# What is refused.


def test_without_a_provider_there_is_nothing_to_rotate(living):
    world = living("none")
    with pytest.raises(UsageError, match="no key to rotate"):
        rotate(world)
    edit(world, "aescbc", extra_args={"kube-apiserver": {"encryption-provider-config": "/etc/own.yaml"}})
    with pytest.raises(UsageError, match="whose keys are yours"):
        rotate(world)
    assert world.log == [] and keys(world) == {name: one for name, one in keys(world).items() if "aescbc" not in name}


def test_an_api_server_that_does_not_answer_is_waited_for_by_a_person(living):
    world = living("aescbc", "lab")
    world.away.add("controller-2")
    with pytest.raises(Exception, match="controller-2|does not answer"):
        rotate(world)
    assert world.log == [] and [name for name in keys(world) if "key2" in name] == []


def test_an_api_server_outside_the_inventory_is_refused(living):
    world = living("aescbc", "lab")
    fewer = tuple(host for host in world.cluster.hosts if host.name != "controller-2")
    world.use(dataclasses.replace(world.cluster, hosts=fewer))
    with pytest.raises((UnreadableError, PreflightError)):
        rotate(world)
    assert world.log == [] and [name for name in keys(world) if "key2" in name] == []


def test_a_secret_that_the_api_refuses_to_write_is_named_without_its_value(living):
    world = living()
    body = b'{"reason": "Invalid", "message": "value hunter2", "details": {"causes": [{"field": "data[x]"}]}}'
    world.objects.refused[OLD] = (422, body)
    with pytest.raises(RemoteCommandError) as caught:
        rotate(world)
    assert f"{OLD}: 422 Invalid data[x]" in str(caught.value.lines()) and "hunter2" not in str(caught.value.lines())
    assert retired(world.store) == {} and ("aescbc:key2", "aescbc:key1", "identity") in loaded(world)
    world.objects.refused.clear()
    rotate(watched(world))
    assert finished(world, "aescbc:key2")


def test_no_key_is_retired_while_a_secret_is_under_it(living, monkeypatch):
    world = living()
    monkeypatch.setattr(rotating, "REWRITE", dataclasses.replace(rotating.REWRITE, desired=lambda inputs, target: []))
    with pytest.raises(NotReadyError, match="1 Secret under another key than aescbc:key2"):
        rotate(world)
    assert retired(world.store) == {} and loaded(world) == {("aescbc:key2", "aescbc:key1", "identity")}


def test_a_machine_put_back_to_an_image_from_before_is_refused_by_bootstrap_and_repaired_by_rotate(living):
    world = living()
    name = world.cluster.control_plane[0].name
    old = world.hosts[name].disk.read(CONFIG)
    rotate(world)
    world.hosts[name].disk.write(CONFIG, old, "600")
    world.hosts[name].systemd.restart(UNIT)
    world.objects.stored = {OLD: world.hosts[name].providers[0]}
    with pytest.raises(PreflightError) as caught:
        judge(world.inputs())
    assert "EncryptionRetired" in caught.value.evidence and "hardway encryption rotate INV" in caught.value.evidence
    rotate(world)
    assert finished(world, "aescbc:key2")


# What others do meanwhile.


def test_a_snapshot_that_was_restored_by_hand_has_its_key_again_and_needs_no_other(living):
    """Its Secrets are under a key that no API server reads with any more."""
    world = living("aescbc", "lab")
    rotate(world)
    world.objects.stored = {
        OLD: next(name for name in world.credentials.encryption_keys().values() if ":key1=" in name)
    }
    said = rotating.foresee(MemorySession.on(world)).text()
    assert "a rotation to aescbc:key2 is continued" in said and "1 under aescbc:key1, not aescbc:key2" in said
    assert "aescbc:key1 is needed again" in rotate(world)
    assert finished(world, "aescbc:key2") and [name for name in keys(world) if "key3" in name] == []


@pytest.mark.parametrize("key", ["aescbc:key7", "kms:vault", "unknown"])
def test_secrets_under_a_key_that_nobody_has_are_named_and_nothing_is_begun(living, key):
    world = living()
    world.objects.stored[OLD] = key
    with pytest.raises(UnreadableError, match="1 Secret in etcd cannot be read") as caught:
        rotate(world)
    assert caught.value.evidence == f"/registry/secrets/default/old: {key}"
    assert world.log == [] and [name for name in keys(world) if "key2" in name] == []
    [problem] = status.collect(MemorySession.on(world)).problems
    assert f"1 Secret under {key}, which is not in the state directory" in problem


def test_no_key_is_retired_while_an_api_server_writes_with_it(living, monkeypatch):
    """All Secrets are under the new key, and the next one would not be."""
    world = living("aescbc", "lab")
    before = world.hosts["controller-1"].loaded
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(rotating, "retire", lambda *words: (_ for _ in ()).throw(Killed))
        rotate(world)
    known = rotating._asked(MemorySession.on(world))
    late = dataclasses.replace(known.lives, loaded={**known.lives.loaded, "controller-1": before})
    with pytest.raises(UnreadableError, match="controller-1 does not write with aescbc:key2"):
        rotating._retire(dataclasses.replace(known, lives=late))
    assert retired(world.store) == {} and rotating._retire(known) == ["aescbc:key1"]


def test_a_version_that_waits_to_be_installed_is_no_part_of_it(living):
    world = living()
    older = dataclasses.replace(world.cluster.versions, kubernetes="1.36.0")
    world.use(dataclasses.replace(world.cluster, versions=older))
    with pytest.raises(UsageError, match="a rotation changes no version"):
        rotate(world)
    assert world.log == [] and [name for name in keys(world) if "key2" in name] == []


def test_a_host_that_is_not_built_yet_is_no_part_of_it(living):
    world = living("aescbc", "lab")
    more(world, "controller-3", "10.240.0.13", Role.CONTROL_PLANE)
    with pytest.raises(UsageError, match="controller-3 has no API server yet"):
        rotate(world)
    assert world.log == [] and [name for name in keys(world) if "key2" in name] == []


# What is shown.


def test_the_plan_names_every_step_and_changes_nothing(living):
    world = living()
    before = world.digest()
    found = rotating.foresee(MemorySession.on(world))
    shown = found.text()
    assert world.digest() == before and world.log == []
    for words in ("a new key aescbc:key2", "1 under aescbc:key1, not aescbc:key2", "aescbc:key1 retired",
                  "leaves the encryption configuration", CONFIG):  # fmt: skip
        assert words in shown, words
    killed(world, 3)
    assert "a rotation to aescbc:key2 is continued" in rotating.foresee(MemorySession.on(world)).text()


def test_status_counts_names_the_keys_and_what_is_not_finished(living):
    world = living()
    found = status.collect(MemorySession.on(world))
    assert found.healthy and found.resources == {"secrets": {"aescbc:key1": 1}} and found.unknown == ()
    world.objects.stored["/api/v1/namespaces/kube-system/secrets/plain"] = "identity"
    new_key("aescbc", world.store)
    found = status.collect(MemorySession.on(world))
    assert found.resources == {"secrets": {"aescbc:key1": 1, "identity": 1}} and not found.healthy
    shown = text.text(found)
    assert "1 Secret in the clear, not under aescbc:key2" in shown and "a rotation is not finished" in shown
    rotate(world)
    found = status.collect(MemorySession.on(world))
    assert found.healthy and "snapshots of etcd from before" in text.text(found)
    assert [(key.key, key.state, key.here) for key in found.keys] == [
        ("aescbc:key1", "retired", True),
        ("aescbc:key2", "writes", True),
    ]


def test_status_knows_nothing_of_a_server_that_does_not_answer(living):
    world = living("aescbc", "lab")
    world.away.add("controller-2")
    session = MemorySession.on(world)
    found = status.collect(dataclasses.replace(session))
    assert found.unknown == ("controller-2",) and found.healthy


def test_a_changed_provider_is_no_rotation(living):
    world = edit(living(), "secretbox")
    world.run()
    assert unfinished(encryption(world)) == ""
    rotate(world)
    assert finished(world, "secretbox:key2") and sorted(retired(world.store)) == ["aescbc:key1", "secretbox:key1"]


def test_a_configuration_of_ones_own_is_counted_and_not_judged(living):
    world = living()
    edit(world, "aescbc", extra_args={"kube-apiserver": {"encryption-provider-config": "/etc/own.yaml"}})
    world.objects.stored[OLD] = "aesgcm:mine"
    found = status.collect(MemorySession.on(world))
    assert found.resources == {"secrets": {"aesgcm:mine": 1}} and found.healthy and found.writer == ""
    assert "a configuration of your own" in text.text(found) and "writes," not in text.text(found)


def test_a_selection_of_the_passes_knows_its_phases():
    assert [phase.name for phase in rotating.PASSES.phases()] == ["encryption", "encryption-read", "control-plane"]
