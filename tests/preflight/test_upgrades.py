"""From which versions a host may come to which."""

from dataclasses import replace
from pathlib import Path

import pytest

from hardway.facts import Facts
from hardway.inventory import load
from hardway.living import Lives
from hardway.phase import Inputs
from hardway.preflight import upgrades

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")


def found(host: str, wanted: dict[str, str], running: dict[str, str] | None = None, **facts: str) -> list[str]:
    """The names of what is found on a host, with these versions in the inventory and the others as they are."""
    cluster = replace(LAB, versions=replace(LAB.versions, **wanted))
    told = {one.name: Facts() for one in LAB.hosts} | {host: Facts(**facts)}
    inputs = Inputs(cluster, told, None, None, Lives(etcd_versions=running or {}))
    checks = (check for check in upgrades.CHECKS)
    return [one.name for check in checks for one in check.findings(inputs, cluster.host(host), told[host])]


def together(name: str):
    return next(check for check in upgrades.TOGETHER if check.name == name)


@pytest.mark.parametrize(
    ("there", "wanted", "names"),
    [
        ("3.6.16", "3.7.3", []),
        ("3.6.11", "3.7.3", []),
        ("3.6.10", "3.7.3", ["VersionJump"]),
        ("3.5.32", "3.6.16", []),
        ("3.5.31", "3.6.16", ["VersionJump"]),
        ("3.4.34", "3.6.16", ["VersionJump"]),
        ("3.5.32", "3.7.3", ["VersionJump"]),
        ("3.7.3", "3.8.0", []),
        ("3.7.3", "3.6.16", ["Downgrade"]),
        ("3.7.3", "3.7.1", ["OlderPatch"]),
        ("3.7.3", "3.7.3", []),
        ("", "3.7.3", []),
    ],
)
def test_etcd(there, wanted, names):
    assert found("controller-0", {"etcd": wanted}, etcd=there) == names


@pytest.mark.parametrize(
    ("there", "wanted", "names"),
    [
        ("2.3.7", "2.4.2", []),
        ("1.7.29", "2.0.8", []),
        ("1.7.29", "2.3.7", []),
        ("1.7.29", "2.1.1", ["VersionJump"]),
        ("1.7.29", "2.4.2", ["VersionJump"]),
        ("1.6.38", "2.0.0", ["VersionJump"]),
        ("2.0.8", "2.3.7", ["VersionJump"]),
        ("2.4.2", "2.3.7", ["Downgrade"]),
        ("2.3.7", "1.7.29", ["Downgrade"]),
        ("2.3.7", "2.3.1", ["OlderPatch"]),
    ],
)
def test_containerd(there, wanted, names):
    assert found("worker-0", {"containerd": wanted}, containerd=there) == names


def test_what_runs_decides_not_the_program_that_was_copied_and_never_started():
    """A run that died before the restart: the way back is open, and the way on is from the old one."""
    there = {"controller-0": "3.6.16"}
    assert found("controller-0", {"etcd": "3.6.16"}, there, etcd="3.7.3") == []
    assert found("controller-0", {"etcd": "3.7.3"}, {"controller-0": "3.6.10"}, etcd="3.7.3") == ["VersionJump"]


def test_kubernetes_lowered_by_a_minor_takes_etcd_with_it():
    wanted = {"kubernetes": "1.36.3", "etcd": "3.6.16"}
    assert found("controller-0", wanted, kubernetes="1.37.2", etcd="3.7.3") == ["Downgrade", "Downgrade"]


def test_a_member_that_does_not_answer_has_an_unknown_version():
    """etcd asks for a patch on every member: with --limit one of them may be away."""
    cluster = replace(LAB, versions=replace(LAB.versions, etcd="3.7.3"))
    facts = {host.name: Facts() for host in LAB.hosts} | {"controller-1": Facts(known=False)}
    hosts = [host for host in cluster.hosts if facts[host.name].known]
    check = together("VersionUnknown")

    def names(version: str) -> list[tuple[str, str]]:
        told = {**facts, "controller-0": Facts(etcd=version)}
        return [(one.name, one.host) for one in check.findings(Inputs(cluster, told, None, None), hosts)]

    assert names("3.6.16") == [("VersionUnknown", "controller-1")]
    assert names("3.7.1") == names("") == []


@pytest.mark.parametrize(
    ("about", "phases", "worker", "names"),
    [
        (None, (), "1.36.3", []),
        ({"worker-0"}, (), "1.36.3", ["worker-0"]),
        ({"worker-0"}, (), "", ["worker-0"]),
        ({"worker-0"}, (), "1.37.0", []),
        ({"worker-0"}, ("preflight", "dns"), "1.36.3", []),
        ({"worker-0", "controller-0", "controller-1", "controller-2"}, (), "1.36.3", []),
        ({"worker-0", "controller-0"}, (), "1.36.3", ["worker-0"]),
        (None, ("binaries", "kubelet"), "1.36.3", ["worker-0"]),
        (None, ("binaries", "control-plane", "kubelet"), "1.36.3", []),
    ],
)
def test_no_kubelet_is_raised_above_an_api_server(about, phases, worker, names):
    """A run about a worker alone, while the inventory raises Kubernetes by a minor."""
    cluster = replace(LAB, versions=replace(LAB.versions, kubernetes="1.37.2"))
    facts = {host.name: Facts(kubernetes="1.36.3") for host in LAB.hosts}
    facts |= {"worker-0": Facts(kubernetes=worker), "worker-1": Facts(kubernetes="1.37.2")}
    concerned = frozenset(about) if about else None
    inputs = Inputs(cluster, facts, None, None, concerned=concerned, phases=frozenset(phases))
    assert [one.host for one in together("KubeletAhead").findings(inputs, list(cluster.hosts))] == names


@pytest.mark.parametrize(("there", "named"), [("1.36.3", ["MinorUpgrade"]), ("1.37.0", []), ("1.35.4", [])])
def test_a_minor_in_place_is_a_warning(there: str, named: list[str]):
    """Two minors are refused on each host anyway."""
    cluster = replace(LAB, versions=replace(LAB.versions, kubernetes="1.37.2"))
    facts = {host.name: Facts(kubernetes=there) for host in LAB.hosts}
    found = together("MinorUpgrade").findings(Inputs(cluster, facts, None, None), list(cluster.hosts))
    assert [one.name for one in found] == named and all(one.warning for one in found)


def test_an_upgrade_sees_to_the_order_of_versions_by_itself():
    """Each of its passes is a part of a way that was judged as a whole: workers are three minors behind meanwhile."""
    cluster = replace(LAB, versions=replace(LAB.versions, kubernetes="1.37.2", etcd="3.7.3"))
    facts = {host.name: Facts(kubernetes="1.34.4", etcd="3.6.1", containerd="2.1.0") for host in LAB.hosts}
    inputs = Inputs(cluster, facts | {"controller-2": Facts(known=False)}, None, None)
    hosts = [host for host in cluster.hosts if host.name != "controller-2"]

    def found(inputs: Inputs) -> list[str]:
        mine = [
            one for check in upgrades.CHECKS for host in hosts for one in check.findings(inputs, host, facts[host.name])
        ]
        return [one.name for one in (*mine, *(f for check in upgrades.TOGETHER for f in check.findings(inputs, hosts)))]

    assert {"VersionJump", "VersionUnknown"} <= set(found(inputs)) and found(replace(inputs, upgrading=True)) == []
