"""Drills: what is refused before a host is asked, what the hosts remember of one, and the text of each for clusters of
every shape."""

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from fakes.memory_host import MemoryHost

from hardway.cli.app import cli
from hardway.commands.drills import DRILLS, NAMES, chosen, exercise, require_practice
from hardway.commands.drills.state import MARK, parse
from hardway.errors import HardwayError, QuorumError, UsageError
from hardway.inventory import load
from hardway.run.components import components
from hardway.vocabulary import Op

INVENTORIES = Path(__file__).parents[2] / "inventory"
LAB = load(INVENTORIES / "lab.yaml")


def inventory(folder: Path, *roles: str, **keys) -> Path:
    """A cluster of machines with these roles (comma-separated), which are somebody's own."""
    hosts = [
        {"name": f"node-{n}", "address": f"10.9.0.{n + 10}", "roles": words.split(",")} for n, words in enumerate(roles)
    ]
    path = folder / "cluster.yaml"
    path.write_text(yaml.safe_dump({"cluster": "own", "hosts": hosts, **keys}))
    return path


@pytest.fixture(autouse=True)
def nobody_is_contacted(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a host was to be contacted")

    monkeypatch.setattr("hardway.ssh.connect", refuse)


@pytest.mark.parametrize("words", [["kubelet"], ["--list"], ["--restore"]])
def test_machines_that_are_not_for_practice_are_left_alone(tmp_path, words):
    path = inventory(tmp_path, "etcd,control-plane,worker")
    with pytest.raises(UsageError) as refused:
        cli.main(["drill", str(path), *words], standalone_mode=False)
    assert refused.value.exit_code == 2 and "is not marked as a lab" in str(refused.value)
    assert f"write `drills: true` in {path}" in refused.value.hint


@pytest.mark.parametrize(("name", "allowed"), [("lab", True), ("vagrant", True), ("ha", False), ("single", False)])
def test_which_inventories_are_for_practice(name, allowed):
    cluster = load(INVENTORIES / f"{name}.yaml")
    assert cluster.for_practice is allowed
    if not allowed:
        with pytest.raises(UsageError):
            require_practice(cluster)


@pytest.mark.parametrize(
    "words", [[], ["kubelet", "--list"], ["--list", "--restore"], ["--restore", "--host", "worker-0"]]
)
def test_one_thing_at_a_time(words):
    with pytest.raises(UsageError, match="give the name of a drill, --list or --restore"):
        cli.main(["drill", str(INVENTORIES / "lab.yaml"), *words], standalone_mode=False)


@pytest.mark.parametrize(
    ("roles", "name", "host", "error", "words"),
    [
        (["etcd,control-plane,worker"], "kublet", "", UsageError, "there is no drill kublet"),
        (["etcd,control-plane,worker"], "lb", "", UsageError, "needs a load balancer that hardway runs"),
        (["etcd,control-plane,worker"], "node", "", UsageError, "needs a host that is a worker and nothing else"),
        (
            ["etcd,control-plane,worker"],
            "etcd-member",
            "",
            QuorumError,
            "would leave 0 of 1 etcd members, and 1 are a quorum",
        ),
        (["lb", "etcd,control-plane", "worker"], "kubelet", "node-0", UsageError, "cannot be done on node-0 alone"),
        (["lb", "etcd,control-plane", "worker"], "lb", "node-0", UsageError, "cannot be done on node-0 alone"),
    ],
)
def test_what_is_no_exercise_is_refused(tmp_path, roles, name, host, error, words):
    with pytest.raises(error) as refused:
        chosen(load(inventory(tmp_path, *roles, drills=True)), name, host)
    assert words in str(refused.value) and refused.value.hint
    assert refused.value.exit_code == (9 if error is QuorumError else 2)


@pytest.mark.parametrize(
    ("name", "host", "broken"),
    [
        ("apiserver", "", ["controller-2"]),
        ("apiserver", "controller-0", ["controller-0"]),
        ("etcd-member", "", ["controller-2"]),
        ("kubelet", "", ["worker-1"]),
        ("lb", "", ["lb"]),
        ("node", "", ["worker-1"]),
    ],
)
def test_what_is_broken(name, host, broken):
    assert [one.name for one in chosen(LAB, name, host)[1]] == broken


def test_every_load_balancer_is_stopped_at_once():
    cluster = load(INVENTORIES / "ha.yaml")
    assert chosen(cluster, "lb")[1] == cluster.load_balancers and len(cluster.load_balancers) == 2


def test_drills_stop_units_that_bootstrap_starts_so_it_mends_them():
    ours = {f"{name}.service": hosts for name, hosts in components(LAB).items()}
    for drill in DRILLS:
        for unit in drill.units:
            assert set(drill.candidates(LAB)) <= set(ours[unit])


@pytest.mark.parametrize(
    ("mark", "on"),
    [
        ("", ""),
        ("kubelet 1700000000 kubelet.service=stopped", "kubelet"),
        ("kubelet 1700000000 kubelet.service=running", ""),  # somebody has started it
        ("lb 1700000000 haproxy.service=running keepalived.service=stopped", "lb"),
        ("node 1700000000", ""),
    ],
)
def test_what_a_host_remembers(mark, on):
    found = parse("worker-0", mark)
    assert (found.drill if found else "") == on


def test_a_drill_on_a_host_from_beginning_to_end():
    host = MemoryHost(LAB.host("worker-0"))
    host.disk.write("/etc/systemd/system/kubelet.service", b"[Service]\nExecStart=/bin/true\n")
    host.change([Op("enable", ("kubelet.service",)), Op("start", ("kubelet.service", "wait"))])
    assert parse("worker-0", host.probe([MARK])[MARK]) is None
    host.change([Op("drill", ("kubelet", "kubelet.service"))])
    assert parse("worker-0", host.probe([MARK])[MARK]).drill == "kubelet"
    host.change([Op("undrill")])
    assert host.probe([MARK])[MARK] == "" and host.systemd.unit("kubelet.service").active == "active"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", ["lab", "vagrant", "ha", "single"])
def test_the_exercise_is_told_with_the_clusters_own_names(name, shape):
    cluster = load(INVENTORIES / f"{shape}.yaml")
    try:
        drill, hosts = chosen(cluster, name)
    except HardwayError:
        assert shape == "single"  # one machine has no quorum to spare, no balancer, and no host that is only a worker
        return
    text = exercise(drill, cluster, hosts)
    assert not re.search(r"[{}]", text)
    assert all(host.name in text for host in hosts)
    assert text.count("  1. $ ") == 1 and text.count("why: ") >= 2
    commands = re.findall(r"\d\. \$ (.+)", text)
    known = ("kubectl ", "hardway ", "ssh ", "ping ")
    assert len(commands) >= 2 and all(command.startswith(known) for command in commands)
    for word in re.findall(r"\$ hardway ([a-z-]+)", text):
        assert word in cli.commands


def test_the_help_names_every_drill():
    text = CliRunner().invoke(cli, ["drill", "-h"], prog_name="hardway").output
    assert all(name in text for name in NAMES)
