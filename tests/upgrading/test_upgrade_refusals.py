"""What no upgrade can do, and says before it touches anything."""

from __future__ import annotations

from dataclasses import replace

import pytest
from upgrading.skew import Played
from upgrading.test_passes import SETS, wanting

from hardway.living.lives import Node
from hardway.settings import Versions
from hardway.upgrading.refusals import refusals


def names(played: Played) -> list[tuple[str, str]]:
    return [(one.name, one.host) for one in refusals(played.cluster, played.standing)]


@pytest.mark.parametrize("there", SETS, ids=lambda one: one.kubernetes)
def test_a_way_up_is_not_refused(there: Versions):
    assert names(Played.at(wanting(SETS[3]), there)) == []


def test_no_version_is_lowered():
    played = Played.at(wanting(SETS[2]), SETS[3])
    found = names(played)
    assert {name for name, _ in found} == {"Downgrade"}
    assert {host for _, host in found} == {host.name for host in played.cluster.hosts} - {"lb"}
    [one, *_] = refusals(played.cluster, played.standing)
    assert "newer than" in one.what and "no minor goes back" in one.remedy


def test_an_older_patch_is_for_bootstrap():
    played = Played.at(wanting(replace(SETS[3], etcd="3.7.1")), SETS[3])
    assert {one.remedy for one in refusals(played.cluster, played.standing)} == {
        "set versions.etcd: 3.7.3 in the inventory; an older patch is installed by hardway bootstrap INV"
    }


def test_an_etcd_below_every_floor_is_refused():
    played = Played.at(wanting(SETS[3]), replace(SETS[0], etcd="3.5.9"))
    [one] = refusals(played.cluster, played.standing)
    assert one.name == "VersionJump" and "3.5.32 or newer" in one.what


@pytest.mark.parametrize(("kubelet", "refused"), [("1.34.0", False), ("1.33.9", True), ("1.31.0", True)])
def test_a_kubelet_more_than_three_minors_behind_is_refused(kubelet: str, refused: bool):
    played = Played.at(wanting(SETS[3]), SETS[3], workers=SETS[3].kubernetes)
    played.running["worker-1"]["kubelet"] = kubelet
    assert names(played) == [("KubeletBehind", "worker-1")] * refused


def test_the_kubelet_of_a_node_that_answers_nobody_or_is_not_ours_counts():
    played = Played.at(wanting(SETS[3]), SETS[3])
    standing = played.standing
    nodes = {
        **standing.nodes,
        "foreign": Node("foreign", version="1.31.2"),
        "worker-1": Node("worker-1", version="1.33.1"),
    }
    away = {name: found for name, found in standing.running.items() if name != "worker-1"}
    found = refusals(played.cluster, replace(standing, nodes=nodes, running=away, disk={}))
    assert [one.host for one in found if one.name == "KubeletBehind"] == ["foreign", "worker-1"]


def test_a_new_host_of_the_control_plane_is_built_before_or_after():
    played = Played.at(wanting(SETS[3]), SETS[1])
    del played.running["controller-2"]
    assert ("NotBuilt", "controller-2") in names(played)
