"""The benchmark's judgement, and that its lab is nobody else's."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from hardway.checks.dns_query import question
from hardway.cluster import overlapping
from hardway.inventory import load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    """The benchmark's modules, as `python benchmarks/bootstrap.py` sees them."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import bench_lab
    import bootstrap
    import dns_probe

    yield bench_lab, bootstrap, dns_probe
    for name in ("bench_lab", "bootstrap", "dns_probe", "floor"):
        sys.modules.pop(name, None)


def test_its_lab_shares_no_address_with_the_demo(benchmark, tmp_path):
    bench_lab, _, _ = benchmark
    own = bench_lab.prepare(tmp_path).cluster
    demo = load(ROOT / "inventory" / "lab.yaml")
    plans = (own.network, demo.network)
    assert (
        overlapping(*(network for plan in plans for network in (plan.node_cidr, plan.pod_cidr, plan.service_cidr)))
        == []
    )
    assert [(host.name, host.roles) for host in own.hosts] == [(host.name, host.roles) for host in demo.hosts]
    assert all(host.address in IPv4Network("10.242.0.0/24") for host in own.hosts)


def test_a_target_is_met_by_the_median(benchmark):
    _, bootstrap, _ = benchmark

    def run(ratio: float, plan: float) -> dict:
        cold = dict.fromkeys(("dns", "command", "cpu", "peak_mb", "load_before"), 1.0)
        floor = dict.fromkeys(("seconds", "push", "start"), 1.0)
        return {"ratio": ratio, "command_ratio": 1.0, "noop": 1.0, "plan": plan, "cold": cold, "floor": floor}

    found = bootstrap.conclusions([run(1.2, 3.1), run(9.0, 2.0), run(1.4, 3.2)])
    assert (found["ratio"]["median"], found["ratio"]["met"]) == (1.4, True)
    assert (found["plan"]["median"], found["plan"]["met"]) == (3.1, False)
    assert "<= 1.5: met" in bootstrap.table(found) and "<= 3: MISSED" in bootstrap.table(found)


@pytest.mark.parametrize(("address", "heard"), [("10.34.0.1", True), ("10.34.0.2", False)])
def test_only_the_right_address_ends_the_probe(benchmark, tmp_path, address, heard):
    bench_lab, _, dns_probe = benchmark
    cluster = bench_lab.prepare(tmp_path).cluster
    asked: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        threading.Thread(target=answer_once, args=(server, asked, address), daemon=True).start()
        text = dns_probe.asking(cluster).replace(
            f"timeout 1 nc -u -w 1 -W 1 {cluster.network.dns_ip} 53", netcat(server.getsockname()[1])
        )
        assert (subprocess.run(["sh", "-c", text]).returncode == 0) is heard
    name = question("kubernetes.default.svc.cluster.local", 0)[4:]
    assert asked[0][2:] == name


def answer_once(server: socket.socket, asked: list[bytes], address: str) -> None:
    message, peer = server.recvfrom(512)
    asked.append(message)
    record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04" + socket.inet_aton(address)
    server.sendto(message[:2] + b"\x84\0\0\x01\0\x01\0\0\0\0" + message[12:] + record, peer)


def netcat(port: int) -> str:
    """What nc does here, in Python: this machine need not have the lab's nc."""
    program = (
        "import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(20); "
        f's.sendto(sys.stdin.buffer.read(),("127.0.0.1",{port})); sys.stdout.buffer.write(s.recv(512))'
    )
    return f"{sys.executable} -c '{program}'"
