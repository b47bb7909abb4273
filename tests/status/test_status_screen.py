"""The screen of `hardway status`: fits, says in words what is wrong, and has colours where they belong only."""

import dataclasses
import io
import json
from pathlib import Path

import pytest

from hardway.cluster import Host
from hardway.commands.status import Status, as_json, show
from hardway.commands.status.api import node
from hardway.commands.status.collect import AGE, ETCD, LEASE, certificates, machine, member, other_run, unit
from hardway.commands.status.picture import Addon, Api, Certificate, Component, Node
from hardway.errors import ConnectionFailed
from hardway.inventory import load
from hardway.lease import Holder
from hardway.pki.credentials import Credentials
from hardway.run.components import components, wanted_version
from hardway.state.statedir import Overlay, StateDir
from hardway.vocabulary import Probe

pytestmark = pytest.mark.slow

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")
LB, FIRST = LAB.host("lb"), LAB.host("controller-0")
AWAY = ConnectionFailed("10.240.0.9:22 cannot be reached: No route to host")
ETCD_SAID = {"Status": {"header": {"member_id": 7}, "leader": 7, "version": LAB.versions.etcd, "dbSize": 700_000}}


def answers(host: Host, **units: str) -> dict[Probe, str]:
    """What a healthy host says; `units` replaces what systemd says of a unit."""
    found = {AGE: "90000 0.25 0.50 0.75", ETCD: json.dumps([ETCD_SAID])}
    for name, hosts in components(LAB).items():
        if host in hosts:
            found[Probe("unit", (f"{name}.service",))] = units.get(
                name.replace("-", "_"), "LoadState=loaded\nActiveState=active"
            )
            found[Probe("version", (f"{name}.service",))] = wanted_version(LAB, name)
    return found


def whole(**changes) -> Status:
    """A healthy lab of six machines."""
    found = {host.name: answers(host) for host in LAB.hosts}
    same = {"version": LAB.versions.kubernetes, "runtime": "containerd 2.3.7", "pods": 3, "pods_allowed": 110}
    nodes = tuple(Node(host.name, True, **same) for host in LAB.workers)
    status = Status(
        LAB.name,
        LAB.versions.kubernetes,
        Api(LAB.api_url, True, via="controller-0"),
        tuple(machine(host, found[host.name]) for host in LAB.hosts),
        tuple(unit(LAB, name, host, found[host.name]) for name, hosts in components(LAB).items() for host in hosts),
        tuple(member(host, found[host.name]) for host in LAB.etcd_members),
        nodes,
        (Addon("coredns", 2, 2),),
        (Certificate("apiserver", "", "2027-01-01T00:00:00+00:00", 300),),
    )
    return dataclasses.replace(status, **changes)


def shown(status: Status) -> str:
    stream = io.StringIO()
    show(status, stream)
    return stream.getvalue()


def test_six_hosts_fit_on_a_screen_of_100_columns():
    lines = shown(whole()).splitlines()
    assert max(map(len, lines)) <= 100 and len(lines) <= 40
    assert not [line for line in lines if "\x1b" in line or line != line.rstrip()]
    assert any(
        line.split()[:4] == ["controller-0", "10.240.0.10", "etcd", "control-plane"] and "1 d" in line for line in lines
    )
    assert any(
        line.split() == ["kube-apiserver", LAB.versions.kubernetes, "3", "of", "3", LAB.versions.kubernetes]
        for line in lines
    )


def test_a_run_at_work_is_named_under_the_head():
    holder = Holder("token", 1_700_000_000, "ana@laptop", 7, "bootstrap", working=True, age=3)
    found = {"lb": AWAY, "one": {LEASE: ""}, "two": {LEASE: f"3 {holder.beat(1.0, True)}"}}
    told = other_run(found.values())
    assert told == str(holder) and "ana@laptop has been running `hardway bootstrap`" in told
    assert other_run([AWAY, {LEASE: ""}]) == ""
    lines = shown(whole(other_run=told)).splitlines()
    assert lines[1].startswith("ana@laptop has been running") and lines[0] == shown(whole()).splitlines()[0]
    assert "has been running" not in shown(whole())


def test_it_still_fits_when_every_host_is_away():
    away = whole(
        hosts=tuple(machine(host, AWAY) for host in LAB.hosts),
        units=tuple(unit(LAB, name, host, AWAY) for name, hosts in components(LAB).items() for host in hosts),
        etcd=tuple(member(host, AWAY) for host in LAB.etcd_members),
        api=Api(LAB.api_url, problem="no control-plane host answers"),
        nodes=(),
        addons=(),
        unknown="no control-plane host answers",
    )
    text = shown(away)
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("unreachable: ") == 6 and "0 of 3" in text and "nodes: unknown" in text


@pytest.mark.parametrize(("variable", "colours"), [("", True), ("NO_COLOR", False)])
def test_colours_on_a_terminal_only(monkeypatch, variable, colours):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if variable:
        monkeypatch.setenv(variable, "1")
    stream = Terminal()
    bad = dataclasses.replace(whole(), nodes=(Node("worker-0", False, "it is gone"),))
    show(bad, stream)
    assert ("\x1b[1;31m" in stream.getvalue()) is colours
    assert "NotReady: it is gone" in stream.getvalue()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "LoadState=loaded\nActiveState=failed\nResult=exit-code\nNRestarts=12",
            "lb: failed (exit-code, restarted 12 times)",
        ),
        ("LoadState=not-found\nActiveState=inactive", "lb: inactive (not installed)"),
        ("LoadState=loaded\nActiveState=inactive\nResult=success", "lb: inactive"),
        (
            "LoadState=loaded\nActiveState=inactive\nResult=success\nJob=7\nWaits=x.service start running 84",
            "lb: waiting (for x.service, start running for 84 s)",
        ),
        (
            "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=2",
            "lb: auto-restart (exit-code, restarted 2 times)",
        ),
    ],
)
def test_a_unit_that_does_not_run(said, told):
    lines = shown(whole(units=(unit(LAB, "haproxy", LB, answers(LB, haproxy=said)),))).splitlines()
    assert [line.split(maxsplit=4)[1:] for line in lines if line.startswith("haproxy")] == [["0", "of", "1", told]]


def test_another_version_than_the_wanted_one():
    assert Component("etcd", "x", "active", wanted="3.6.16", running="3.6.15").fault == "runs 3.6.15"
    assert Component("etcd", "x", "active", wanted="3.6.16", running="3.6.16").fault == ""
    assert Component("haproxy", "x", "active", running="2.6.12").fault == ""


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "does not answer"),
        ("[]", "does not answer"),
        (json.dumps([{"Status": {**ETCD_SAID["Status"], "leader": 0}}]), "has no leader"),
        (json.dumps([{"Status": {**ETCD_SAID["Status"], "errors": ["NOSPACE"]}}]), "NOSPACE"),
    ],
)
def test_an_etcd_member_that_is_not_well(said, problem):
    found = member(FIRST, {**answers(FIRST), ETCD: said})
    assert found.problem == problem
    assert f" {problem}" in shown(whole(etcd=(found,)))


@pytest.mark.parametrize(
    ("days", "ends", "told"),
    [
        (364, "2027-01-01", "expires in 364 days"),
        (1, "2026-01-02", "expires in 1 day;"),
        (0, "2026-01-01", "expires in less than a day"),
        (-3, "2025-12-29", "expired on 2025-12-29"),
    ],
)
def test_a_certificate_that_ends(days, ends, told):
    text = shown(whole(certificates=(Certificate("kubelet", "worker-0", f"{ends}T00:00:00+00:00", days),)))
    assert told in text.replace("\n", " ") and "kubelet of worker-0" in text


def test_certificates_come_from_the_state_directory_the_next_to_end_first(tmp_path):
    store = Overlay(StateDir(tmp_path / "none"))
    assert certificates(LAB, store) == ()
    Credentials(LAB, store).ensure_all("pki")
    rows = certificates(LAB, store)
    assert {("ca", ""), ("kubelet", "worker-1"), ("etcd-peer", "controller-2")} <= {
        (row.name, row.host) for row in rows
    }
    assert rows[0].days < rows[-1].days and rows[0].ends < rows[-1].ends
    store.create("pki/hosts/worker-0/none.crt", b"")
    store._written["pki/apiserver.crt"] = b"not a certificate"
    assert {row.name for row in rows} - {row.name for row in certificates(LAB, store)} == {"apiserver"}


def test_a_node_that_has_never_reported():
    found = node({"metadata": {"name": "worker-0"}, "spec": {"unschedulable": True}, "status": {}}, {})
    assert not found.ready and not found.schedulable and found.problem == "has not reported yet"


def test_json_has_the_schema_and_every_part():
    found = json.loads(as_json(whole()))
    assert found["schema"] == 1 and found.keys() == {field.name for field in dataclasses.fields(Status)}
