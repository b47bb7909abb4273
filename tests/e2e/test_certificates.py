"""Certificates of a cluster that is used all the time: listed, renewed, killed in the middle, its CA replaced.

Each test is a step of one story; the objects of the first are there to the last. What another test proves on the real
programs, or in memory with a real openssl, is for `make soak` here: etcd's CA (tests/etcd/test_etcd_rotation.py),
certificates that are signed elsewhere (tests/certs/test_elsewhere.py).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from canary import Canary
from clients import Client, api
from stage import Stage, of_the_lab, run
from watched import Watched

NODE = "10.237.2"
CONTROLLERS = ["controller-0", "controller-1", "controller-2"]
WORKER = "worker-0"
RENEW, ROTATE = "certs renew", "certs rotate-ca"


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    inventory = of_the_lab("certificates", node=NODE, pods="10.191", services="10.71.0")
    # The fewest machines on which nobody may notice: one more than a quorum behind a load balancer, and a worker.
    few = [host for host in inventory["hosts"] if host["name"] in ("lb", *CONTROLLERS, WORKER)]
    stage = make_stage({**inventory, "hosts": few})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return stage


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    return Canary(stage).settle()


@pytest.fixture
def calling(stage: Stage) -> Iterator[Client]:
    """Somebody who calls the API all the time, and whom no call fails."""
    with api(stage) as client:
        yield client
    print(f"{client.calls} calls, {len(client.failed)} failed, the longest {client.longest:.2f} s")
    assert client.calls > 5 and client.failed == []


def listed(stage: Stage) -> dict[str, dict]:
    """Every row of the list by its name."""
    return {row["name"]: row for row in stage.hardway("certs", "list", "INV", "--output", "json").ok().json["rows"]}


def differing(stage: Stage) -> list[tuple[str, str, str, str]]:
    """(name, host, where, state) of every copy that is not the same as in the state directory."""
    rows = listed(stage).values()
    return [(row["name"], one["host"], one["where"], one["state"])
            for row in rows for one in row["copies"] if one["state"] != "same"]  # fmt: skip


def serials(stage: Stage) -> dict[str, str]:
    return {name: row["here"]["serial"] for name, row in listed(stage).items()}


def served(stage: Stage, host: str, port: int) -> str:
    """The serial number that openssl is shown at a port of a machine."""
    address = f"{NODE}.1{host[-1]}"
    words = ["openssl", "s_client", "-connect", f"{address}:{port}"]
    shown = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=30).stdout
    said = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=shown, capture_output=True, check=True).stdout
    return said.decode().strip().removeprefix("serial=").lstrip("0")


def runs(stage: Stage, unit: str) -> dict[str, str]:
    """systemd's id of the present run of a unit on each control-plane host."""
    return {host: stage.ssh(host, f"systemctl show -p InvocationID --value {unit}").strip() for host in CONTROLLERS}


def nothing_to_do(stage: Stage) -> None:
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out
    assert differing(stage) == []


class TestCertificates:
    chain = True

    def test_the_list_of_a_new_cluster(self, stage: Stage, canary: Canary):
        assert differing(stage) == []
        assert served(stage, "controller-1", 6443) == listed(stage)["apiserver"]["here"]["serial"]
        own = [one for one in listed(stage)["kubelet@worker-0"]["copies"] if one["kind"] == "own certificate"]
        assert [one["state"] for one in own] == ["same"]
        stage.hardway("certs", "list", "INV", "--warn-days", "30").ok()
        stage.hardway("certs", "list", "INV", "--warn-days", "400").ok(7)

    def test_what_is_read_again_is_renewed_without_a_restart(self, stage: Stage, canary: Canary, calling: Client):
        before, units = serials(stage), {unit: runs(stage, unit) for unit in ("etcd", "kube-apiserver")}
        planned = (
            stage.hardway("certs", "renew", "INV", "apiserver*", "etcd-*", "front-proxy-client", "--plan").ok().out
        )
        assert "renewal was asked for" in planned and "  ! unit" not in planned
        ran = stage.hardway("certs", "renew", "INV", "apiserver*", "etcd-*", "front-proxy-client", timeout=600).ok()
        assert f"10.237.2.10:6443 on controller-0 shows serial {serials(stage)['apiserver']}" in ran.out
        assert {unit: runs(stage, unit) for unit in units} == units
        after = serials(stage)
        renewed = {name for name in before if before[name] != after[name]}
        assert renewed == {
            name for name in before if re.match(r"apiserver|etcd-(server|peer|health)|front-proxy-client", name)
        }
        assert served(stage, "controller-2", 6443) == after["apiserver"]
        canary.alive()
        nothing_to_do(stage)

    @pytest.mark.moments(every=30, sample=1)
    def test_all_of_them_with_a_kill_in_between_and_no_call_fails(
        self, stage: Stage, canary: Canary, calling: Client, moment: float
    ):
        before = serials(stage)
        with Watched(stage, "--all", command=RENEW) as renewal:
            renewal.until(lambda events: len(events) >= 1 + int(moment * 400), 300)
            print(f"killed after {len(renewal.events)} events: {renewal.kill()}")
        stage.hardway("certs", "renew", "INV", "--all", timeout=900).ok()
        after = serials(stage)
        assert {name for name in before if before[name] == after[name]} == {"ca", "etcd-ca", "front-proxy-ca"}
        canary.alive()
        nothing_to_do(stage)

    @pytest.mark.soak
    def test_a_machine_that_is_off_is_said(self, stage: Stage, canary: Canary):
        stage.lab("power-off", WORKER)
        ran = stage.hardway("certs", "list", "INV", "--warn-days", "30").ok(4)
        assert f"{WORKER} gave no answer" in ran.out
        stage.lab("power-on", WORKER)
        stage.settled()
        canary.still_there()

    @pytest.mark.soak
    def test_another_one_is_signed_elsewhere(self, stage: Stage, canary: Canary):
        out, state = stage.folder / "requests", stage.state
        stage.hardway("certs", "csr", "INV", "scheduler", "--out", str(out)).ok()
        assert not [path for path in out.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
        ca = ("-CA", state / "pki/ca.crt", "-CAkey", state / "pki/ca.key", "-copy_extensions", "copy", "-days", "30")
        files = ("-in", out / "scheduler.csr", "-out", out / "scheduler.crt")
        run("openssl", "x509", "-req", *map(str, (*ca, *files)), cwd=stage.folder).ok()
        stage.hardway("certs", "import", "INV", str(out)).ok()
        stage.bootstrap()
        nothing_to_do(stage)
        assert listed(stage)["scheduler"]["here"]["days"] < 31

    @pytest.mark.parametrize(
        "kind",
        [
            pytest.param("etcd", marks=pytest.mark.soak),
            pytest.param("front-proxy", marks=pytest.mark.soak),
            "kubernetes",
        ],
    )
    def test_a_ca_is_replaced(self, stage: Stage, canary: Canary, calling: Client, kind: str):
        name = {"kubernetes": "ca"}.get(kind, f"{kind}-ca")
        old = (stage.state / f"pki/{name}.crt").read_bytes()
        if kind == "kubernetes":
            stopped = stage.hardway("certs", "rotate-ca", kind, "INV", timeout=900).ok(6)
            assert "Deployment default/canary: 2" in stopped.err and "--workloads restart" in stopped.err
            assert "1 of 3" in stage.hardway("certs", "rotate-ca", kind, "INV", "--status").ok().out
            assert "certs rotate-ca kubernetes" in stage.hardway("doctor", "INV").out
        ran = stage.hardway("certs", "rotate-ca", kind, "INV", "--workloads", "restart", timeout=1800).ok()
        assert "the old one is refused and the new one accepted on" in ran.out
        assert old not in everything_trusted(stage, name)
        canary.still_there()
        nothing_to_do(stage)
        stage.verified()

    @pytest.mark.soak
    @pytest.mark.moments(every=40, sample=2)
    @pytest.mark.parametrize("kind", ["etcd", "kubernetes"])
    def test_a_rotation_that_is_killed_continues(self, stage: Stage, canary: Canary, moment: float, kind: str):
        with Watched(stage, "--workloads", "restart", command=f"{ROTATE} {kind}") as rotation:
            rotation.until(lambda events: len(events) >= 1 + int(moment * 900), 900)
            print(f"killed after {len(rotation.events)} events: {rotation.kill()}")
        stage.hardway("certs", "rotate-ca", kind, "INV", "--workloads", "restart", timeout=1800).ok()
        canary.still_there()
        nothing_to_do(stage)

    @pytest.mark.soak
    def test_the_key_of_tokens_is_replaced(self, stage: Stage, canary: Canary, calling: Client):
        """It waits for an hour: so long the last token of the old key lives."""
        token = stage.kubectl("create", "token", "default", "--duration", "2h").ok().out.strip()
        stage.hardway("certs", "rotate-ca", "service-account", "INV", timeout=5400).ok()
        refused = stage.kubectl("--token", token, "--client-certificate", "", "get", "--raw", "/api")
        assert refused.code != 0
        canary.alive()
        nothing_to_do(stage)
        stage.verified()


def everything_trusted(stage: Stage, name: str) -> bytes:
    """All that is trusted as this CA: here and on the hosts."""
    paths = {"ca": "/etc/kubernetes/pki/ca.crt", "etcd-ca": "/etc/kubernetes/pki/etcd/ca.crt"}
    path = paths.get(name, f"/etc/kubernetes/pki/{name}.crt")
    found = [stage.ssh(host, f"cat {path}").encode() for host in CONTROLLERS]
    return b"".join([*found, Path(stage.state / f"pki/{name}.crt").read_bytes()])
