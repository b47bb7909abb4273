"""The passes of an upgrade from every supported minor to every other, wherever an earlier run ended."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from upgrading.skew import KUBELET, Played, Stopped

from hardway.assets import default_versions
from hardway.assets.versions import minors
from hardway.cluster import Cluster, Role
from hardway.inventory import load
from hardway.settings import Versions
from hardway.upgrading.rungs import CONTAINERD, ETCD, KUBERNETES, NoWay
from hardway.upgrading.standing import MEMBER, RUNTIME, SERVERS

INVENTORIES = {file.stem: load(file) for file in (Path(__file__).parents[2] / "inventory").glob("*.yaml")}
SETS = [default_versions(".".join(map(str, minor))) for minor in minors()]
UPWARDS = list(itertools.combinations(SETS, 2))


def wanting(versions: Versions, name: str = "lab") -> Cluster:
    return replace(INVENTORIES[name], versions=versions)


def titles(played: Played) -> list[str]:
    return [one.title for one in played.way().passes]


@pytest.mark.parametrize("name", sorted(INVENTORIES))
@pytest.mark.parametrize(("there", "wanted"), UPWARDS, ids=lambda one: one.kubernetes)
def test_every_minor_comes_to_every_later_one(name: str, there: Versions, wanted: Versions):
    """At no moment is the skew policy broken, each worker has one turn, and afterwards nothing is left."""
    played = Played.at(wanting(wanted, name), there)
    passes = played.way().passes
    assert len(passes) == SETS.index(wanted) - SETS.index(there)
    played.go()
    assert not played.way()
    whole = Played.at(played.cluster, wanted)
    assert played.running == whole.running


@pytest.mark.parametrize("name", ["lab", "single"])
@pytest.mark.parametrize(("there", "wanted"), UPWARDS, ids=lambda one: one.kubernetes)
def test_a_run_that_was_killed_before_any_step_is_completed_by_the_next(name: str, there: Versions, wanted: Versions):
    whole = Played.at(wanting(wanted, name), there)
    whole.go()
    for moment in range(len(whole.steps)):
        played = Played.at(wanting(wanted, name), there)
        played.stop = lambda step, moment=moment: step == moment
        with pytest.raises(Stopped):
            played.go()
        played.stop = lambda step: False
        played.go()
        assert played.running == whole.running, f"killed before step {moment}"
    assert len(whole.steps) >= 10


def test_the_passes_of_three_minors_have_their_titles():
    played = Played.at(wanting(SETS[3]), SETS[0])
    expected = ["Kubernetes 1.35.4", "Kubernetes 1.36.3", "etcd 3.7.3, Kubernetes 1.37.2"]
    assert titles(played) == expected
    assert [one.hosts for one in played.way().passes] == [("controller-0", "controller-1", "controller-2")] * 3
    assert not any(one.begun for one in played.way().passes)


def test_a_floor_of_etcd_has_its_roll_before():
    """3.7 follows 3.6.11 or newer; the roll to such a patch goes with the first pass, or alone if there is no other."""
    played = Played.at(wanting(SETS[3]), replace(SETS[0], etcd="3.6.9"))
    assert titles(played)[0] == "etcd 3.6.16, Kubernetes 1.35.4" and titles(played)[-1].startswith("etcd 3.7.3, ")
    played = Played.at(wanting(SETS[3]), replace(SETS[2], etcd="3.6.10"))
    assert titles(played) == ["etcd 3.6.16", "etcd 3.7.3, Kubernetes 1.37.2"]
    played.go()
    assert not played.way()


def test_etcd_that_is_ahead_stays_so():
    played = Played.at(wanting(SETS[3]), replace(SETS[2], etcd="3.7.3"))
    assert titles(played) == ["Kubernetes 1.37.2"]
    played = Played.at(wanting(replace(SETS[3], etcd="3.7.4")), replace(SETS[3], etcd="3.7.3"))
    assert titles(played) == ["etcd 3.7.4"]


def test_a_patch_is_a_pass_too():
    played = Played.at(wanting(SETS[3]), replace(SETS[3], kubernetes="1.37.0"))
    assert titles(played) == ["Kubernetes 1.37.2"] and played.way().names == ("worker-0", "worker-1")


def test_a_patch_between_is_never_lower_than_what_runs_already():
    """Begun with a newer patch than this hardway has tested."""
    played = Played.at(wanting(SETS[3]), SETS[1])
    for component in SERVERS:
        played.running["controller-1"][component] = "1.36.6"
    assert titles(played) == ["Kubernetes 1.36.6", "etcd 3.7.3, Kubernetes 1.37.2"]
    first = played.way().passes[0]
    assert first.begun and first.hosts == ("controller-0", "controller-2")
    played.go()


def test_the_host_whose_new_program_never_started_takes_part_again():
    """Otherwise nobody repairs it, and no other host may be restarted while it is down."""
    played = Played.at(wanting(SETS[3]), SETS[2])
    played.disk["controller-0"] = {SERVERS[0]: SETS[3].kubernetes}
    for component in SERVERS:
        del played.running["controller-0"][component]
    [one] = played.way().passes
    assert one.begun and one.hosts == ("controller-0", "controller-1", "controller-2")


def test_a_program_that_does_not_run_in_the_right_version_is_no_upgrade():
    played = Played.at(wanting(SETS[3]), SETS[3])
    played.disk["controller-0"] = {SERVERS[0]: SETS[3].kubernetes}
    for component in SERVERS:
        del played.running["controller-0"][component]
    del played.running["worker-0"]["kube-proxy"]
    assert not played.way()


def test_a_host_that_is_ahead_by_hand_is_not_lowered():
    played = Played.at(wanting(SETS[3]), SETS[0])
    for component in SERVERS:
        played.running["controller-2"][component] = SETS[2].kubernetes
    assert [one.hosts for one in played.way().passes][:2] == [("controller-0", "controller-1")] * 2


def test_workers_are_last_and_those_whose_turn_had_begun_are_first():
    played = Played.at(wanting(SETS[3]), SETS[3], workers=SETS[0].kubernetes)
    assert played.way().passes == () and played.way().names == ("worker-0", "worker-1")
    played.running["worker-1"][KUBELET] = SETS[3].kubernetes
    from hardway.upgrading import way

    assert way(played.cluster, played.standing, {"worker-1"}).names == ("worker-1", "worker-0")
    played.running["worker-1"]["kube-proxy"] = SETS[3].kubernetes
    assert played.way().names == ("worker-0",)
    assert way(played.cluster, played.standing, {"worker-1"}).names == ("worker-1", "worker-0"), "it is still cordoned"


def test_containerd_takes_every_minor_under_one_drain():
    there = replace(SETS[0], containerd="2.2.5")
    played = Played.at(wanting(SETS[3]), there)
    assert dict(played.way().workers)["worker-0"] == ("2.3.7", "2.4.2")


def test_a_host_of_both_roles_has_its_worker_part_at_the_end():
    cluster = wanting(SETS[3], "single")
    played = Played.at(cluster, SETS[1])
    assert [one.roles for one in played.way().passes] == [(Role.CONTROL_PLANE,), (Role.ETCD, Role.CONTROL_PLANE)]
    assert played.way().names == ("all-in-one",)


@pytest.mark.parametrize(
    ("ladder", "there", "wanted", "found"),
    [
        (KUBERNETES, "1.34.4", "1.37.2", ("1.35.4", "1.36.3", "1.37.2")),
        (KUBERNETES, "1.37.0", "1.37.2", ("1.37.2",)),
        (KUBERNETES, "1.37.2", "1.37.2", ()),
        (KUBERNETES, "1.37.2", "1.36.3", ()),
        (ETCD, "3.6.16", "3.7.3", ("3.7.3",)),
        (ETCD, "3.6.10", "3.7.3", ("3.6.16", "3.7.3")),
        (ETCD, "3.6.11", "3.7.3", ("3.7.3",)),
        (ETCD, "3.5.32", "3.6.16", ("3.6.16",)),
        (ETCD, "3.5.32", "3.7.3", ("3.6.16", "3.7.3")),
        (CONTAINERD, "1.7.29", "2.3.7", ("2.3.7",)),
        (CONTAINERD, "1.7.29", "2.4.2", ("2.3.7", "2.4.2")),
        (CONTAINERD, "2.3.1", "2.4.2", ("2.4.2",)),
    ],
)
def test_rungs(ladder, there: str, wanted: str, found: tuple[str, ...]):
    assert ladder.rungs(there, wanted) == found


@pytest.mark.parametrize(
    ("ladder", "there", "wanted", "said"),
    [
        (ETCD, "3.5.31", "3.6.16", "etcd 3.6 needs 3.5.32 or newer before it"),
        (ETCD, "3.4.30", "3.6.16", "3.5 comes before 3.6.16"),
        (KUBERNETES, "1.32.1", "1.34.4", "1.33 comes before 1.34.4"),
        (CONTAINERD, "2.0.8", "2.3.7", "2.1 comes before 2.3.7"),
    ],
)
def test_no_version_is_skipped(ladder, there: str, wanted: str, said: str):
    with pytest.raises(NoWay, match=said):
        ladder.rungs(there, wanted)


def test_the_memory_of_a_pass_is_what_runs_and_nothing_else():
    """The same standing gives the same way, whoever asks and when."""
    one, other = Played.at(wanting(SETS[3]), SETS[0]), Played.at(wanting(SETS[3]), SETS[0])
    assert one.way() == other.way() and MEMBER not in one.running["lb"] and RUNTIME in one.running["worker-0"]
