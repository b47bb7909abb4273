"""Pod routes on a real kernel, in a network of their own; and what a host says of its networks and its node."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from fakes.local_transport import LocalTransport

from hardway.facts import Facts, parse
from hardway.inventory import load
from hardway.living.departed import pod_routes
from hardway.render import render
from hardway.resources import Leftover
from hardway.targets.remote import HostRemote
from hardway.vocabulary import Probe

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
NETWORK = "ip link set lo up; ip link add net0 type bridge; ip addr add 10.240.0.20/24 dev net0; ip link set net0 up"
ROUTES = "ip -4 route show proto 200 | cut -d ' ' -f 1-3"


def possible() -> bool:
    made = ["unshare", "-n", "sh", "-c", NETWORK]
    return bool(shutil.which("unshare", path=PATH)) and subprocess.run(made, capture_output=True).returncode == 0


alone = pytest.mark.skipif(not possible(), reason="no network namespace with a bridge can be made here")
Ran = subprocess.CompletedProcess


@pytest.fixture
def kernel(tmp_path) -> Callable[..., Ran]:
    """kernel(LINE, …): lines of shell on a new host in 10.240.0.0/24; iptables keeps its rules in a file."""
    rules = tmp_path / "rules"
    iptables = tmp_path / "iptables"
    iptables.write_text(
        f'#!/bin/sh\nwhat=$4; shift 4\ncase $what in -C) grep -qxF -- "$*" {rules} ;; -A) echo "$*" >>{rules} ;; esac\n'
    )
    iptables.chmod(0o755)
    rules.touch()

    def run(*lines: str) -> Ran:
        script = "\n".join([f"PATH={tmp_path}:{PATH}", NETWORK, *lines])
        return subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=30)

    return run


@pytest.fixture
def script(tmp_path) -> Callable[..., str]:
    """script((BLOCK, HOP), …): the script of worker-0 with these routes, as a word of the shell."""

    def make(*routes: tuple[str, str]) -> str:
        wanted = [(IPv4Network(block), IPv4Address(hop)) for block, hop in routes]
        path = tmp_path / f"pod-routes-{len(list(tmp_path.iterdir()))}"
        path.write_bytes(render("pod-routes", LAB, LAB.host("worker-0"), routes=wanted))
        path.chmod(0o755)
        return str(path)

    return make


ONE, TWO, THREE = (f"10.200.{i}.0/24" for i in (1, 2, 3))
NEAR = "10.240.0.21"


@alone
def test_routes_are_set_and_masquerading_once(kernel, script, tmp_path):
    path = script((ONE, NEAR), (TWO, "10.240.0.22"))
    ran = kernel(path, path, ROUTES)
    assert (ran.returncode, ran.stdout.splitlines()) == (0, [f"{ONE} via {NEAR}", f"{TWO} via 10.240.0.22"]), ran
    rule = "POSTROUTING -s 10.200.0.0/24 ! -d 10.200.0.0/16 -m comment --comment hardway-masq -j MASQUERADE"
    assert (tmp_path / "rules").read_text().splitlines() == [rule]


@alone
def test_what_changes_is_replaced_and_what_is_stale_is_deleted_and_nothing_of_others(kernel, script):
    others = "ip route add 10.77.0.0/16 via 10.240.0.1; ip route add 10.200.9.0/24 via 10.240.0.1 proto 99"
    first, then = script((ONE, NEAR), (TWO, "10.240.0.22")), script((ONE, "10.240.0.31"), (THREE, NEAR))
    ran = kernel(others, first, then, "ip -4 route show | grep via | cut -d ' ' -f 1-3")
    told = ["10.77.0.0/16 via 10.240.0.1", f"{ONE} via 10.240.0.31", f"{THREE} via {NEAR}"]
    assert sorted(ran.stdout.splitlines()) == sorted([*told, "10.200.9.0/24 via 10.240.0.1"]), ran


@alone
def test_at_no_moment_a_route_is_missing_that_stays(kernel, script):
    """The kernel itself says what it deleted."""
    first, then = script((ONE, NEAR), (TWO, NEAR)), script((ONE, NEAR), (THREE, NEAR))
    watched = "ip monitor route >seen & watcher=$!; sleep 0.3"
    ran = kernel(first, f"cd {Path(first).parent}", watched, then, "sleep 0.3; kill $watcher; cat seen")
    deleted = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("Deleted")]
    assert deleted == [TWO], ran


@alone
def test_one_next_hop_that_is_not_on_link_stops_nothing_and_is_told(kernel, script, tmp_path):
    path = script((ONE, "10.99.0.1"), (TWO, NEAR))
    ran = kernel(f"{path}; echo $?", ROUTES)
    assert ran.stdout.splitlines() == ["1", f"{TWO} via {NEAR}"]
    assert ran.stderr == f"no route to {ONE}: its gateway 10.99.0.1 cannot be reached\n"
    assert "MASQUERADE" in (tmp_path / "rules").read_text()


# Each machine has a /32 address; the router is on the link, and so is .22, by a route of its own.
ALONE = (
    "ip addr flush dev net0; ip addr add 10.240.0.20/32 dev net0; ip route add 10.240.0.1 dev net0;"
    " ip route add default via 10.240.0.1; ip route add 10.240.0.22/32 dev net0 scope global;"
    " ip route add 10.240.0.23/32 dev net0"
)


@alone
def test_where_each_host_has_an_address_alone_a_gateway_on_the_same_link_is_taken(kernel, script):
    path = script((TWO, "10.240.0.22"), (THREE, "10.240.0.23"))
    shown = "ip -4 route show proto 200"
    ran = kernel(ALONE, path, f"{path}; echo $?", shown, "ip route get 10.200.2.7 | head -n 1 | cut -d ' ' -f 1-5")
    kept = [f"{TWO} via 10.240.0.22 dev net0 onlink", f"{THREE} via 10.240.0.23 dev net0"]
    assert [line.strip() for line in ran.stdout.splitlines()] == ["0", *kept, "10.200.2.7 via 10.240.0.22 dev net0"], (
        ran
    )


@alone
def test_one_behind_a_router_is_told_with_that_router(kernel, script):
    ran = kernel(ALONE, f"{script((ONE, NEAR), (TWO, '10.240.0.22'))}; echo $?", ROUTES)
    assert ran.stdout.splitlines() == ["1", f"{TWO} via 10.240.0.22"]
    assert f"no route to {ONE}: its gateway {NEAR} is behind a router: {NEAR} via 10.240.0.1 dev net0" in ran.stderr


@alone
def test_a_host_says_which_next_hops_it_reaches_only_through_a_router(kernel):
    """All of them in one question to the kernel."""
    verbs = Path(__file__).parents[2] / "hardway/targets/host"
    hops = f"{NEAR} 10.240.0.22 10.240.0.23 10.240.0.1 10.240.0.20 10.99.0.1"
    ask = (f". {verbs / 'read.sh'}", f"s_beyond {hops}")
    said = parse(kernel(ALONE, "ip route add unreachable 10.99.0.0/16", *ask).stdout, 0.0, 0.0)
    assert said.beyond == {NEAR: "10.240.0.1", "10.99.0.1": "none"}
    assert parse(kernel(*ask).stdout, 0.0, 0.0).beyond == {"10.99.0.1": "none"}
    without = kernel(ask[0], 'ip() { [ "$1" != -4 ] || return 1; }', ask[1])
    assert parse(without.stdout, 0.0, 0.0).beyond is None


TAKEN = [
    "ip route flush proto 200",
    f"ip route del {ONE}",
    "ip link set net0 down; sleep 0.2; ip link set net0 up",
    "ip addr del 10.240.0.20/24 dev net0; sleep 0.2; ip addr add 10.240.0.20/24 dev net0",
]


@alone
@pytest.mark.parametrize("taken", TAKEN)
def test_routes_that_are_taken_away_are_set_again(kernel, script, taken):
    path = script((ONE, NEAR), (TWO, NEAR))
    watched = f"{path}; setsid {path} watch & watcher=$!; sleep 0.3"
    until = f"n=0; while [ $({ROUTES} | wc -l) != 2 ] && [ $n -lt 50 ]; do n=$((n+1)); sleep 0.1; done"
    ran = kernel(watched, taken, until, ROUTES, "kill -- -$watcher")
    assert ran.stdout.splitlines() == [f"{ONE} via {NEAR}", f"{TWO} via {NEAR}"], ran


@alone
def test_without_another_worker_no_route_is_left(kernel, script):
    ran = kernel(script((ONE, NEAR), (TWO, NEAR)), script(), ROUTES)
    assert (ran.returncode, ran.stdout) == (0, ""), ran


@pytest.fixture
def remote(tmp_path) -> HostRemote:
    return HostRemote(LocalTransport(tmp_path / "host", ["/bin/sh"], PATH))


def with_ip(remote: HostRemote, body: str) -> None:
    """Have `ip` be a function of the shell."""
    run = remote.transport.run
    remote.transport.run = lambda text, **more: run(f"ip() {{ {body}\n}}\n{text}", **more)


TABLES = """default via 10.0.2.2 dev eth0 proto dhcp
default dev wg0 table 52
10.240.0.0/24 dev eth1 proto kernel src 10.240.0.20
100.64.0.7 dev tailscale0 table 52
broadcast 10.240.0.255 dev eth1 table local proto kernel src 10.240.0.20"""


def test_a_host_says_which_networks_it_reaches_without_a_router(remote):
    answer = f"case \"$*\" in *'table all scope link') printf '%s\\n' '{TABLES.partition(chr(10))[2]}' ;; esac"
    with_ip(remote, answer)
    facts = parse(remote.probe([Probe("survey")])[Probe("survey")], 0.0, 0.0)
    assert facts.links == ("0.0.0.0/0", "10.240.0.0/24", "100.64.0.7")


def certificate(name: str) -> str:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(who, who, key.public_key(), 1, now, now + datetime.timedelta(1))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


PLACES = ("/var/lib/kubelet", "/usr/local/bin", "/etc/systemd/system")


@pytest.fixture
def surveyed(remote, tmp_path) -> Callable[[], Facts]:
    """surveyed(): what a host of ours says whose files are below tmp_path."""
    run, state = remote.transport.run, remote.transport.folder / "state"

    def moved(text: str, **more):
        for place in PLACES:
            text = text.replace(place, f"{tmp_path}{place}")
        return run(text, **more)

    remote.transport.run = moved
    for place in (*PLACES, "/var/lib/kubelet/pki"):
        (tmp_path / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
    state.mkdir()
    (state / "cluster").write_text("lab 0123456789abcdef\n")
    return lambda: parse(remote.probe([Probe("survey")])[Probe("survey")], 0.0, 0.0)


def test_a_worker_says_by_its_certificate_which_node_it_is(surveyed, tmp_path):
    assert surveyed().node == ""
    file = tmp_path / "var/lib/kubelet/pki/kubelet.crt"
    for content, node in (
        (certificate("system:node:worker-1"), "worker-1"),
        (certificate("system:node:a") + certificate("system:node:b"), "a"),
        (certificate("someone"), ""),
        ("", ""),
        ("nothing of the kind", ""),
    ):
        file.write_text(content)
        assert surveyed().node == node


def test_the_routes_of_a_host_are_read_from_its_script_and_from_an_older_unit(surveyed, tmp_path, script):
    unit = tmp_path / "etc/systemd/system/pod-routes.service"
    unit.write_text(f"ExecStart=/sbin/ip route replace {ONE} via {NEAR} proto 200\nExecStop=-/sbin/ip route flush\n")
    assert surveyed().routes == {ONE: NEAR}
    unit.write_bytes(render("pod-routes.service", LAB, LAB.host("worker-0")))
    path = tmp_path / "usr/local/bin/pod-routes"
    path.write_text(Path(script((TWO, NEAR), (THREE, "10.240.0.22"))).read_text())
    assert surveyed().routes == {TWO: NEAR, THREE: "10.240.0.22"}
    path.write_text(f"#!/bin/sh\nip route replace {ONE} via {NEAR} proto 200 || failed=1\n")  # an earlier hardway's
    assert surveyed().routes == {ONE: NEAR}


@alone
def test_a_reset_takes_away_our_routes_alone(kernel, script, tmp_path):
    """The shell of the verbs, in a network of its own."""
    verbs = Path(__file__).parents[2] / "hardway/targets/host"
    inside = [f". {verbs / 'read.sh'}", f". {verbs / 'write.sh'}", f"stage={tmp_path}"]
    other = "ip route add 10.77.0.0/16 via 10.240.0.1"
    ran = kernel(
        other, script((ONE, NEAR)), *inside, "q_leftover routes; w_cleanup routes; q_leftover routes; q_routes"
    )
    assert ran.stdout.split() == ["1", "0", "10.77.0.0/16", "10.240.0.1"], ran
    assert Leftover("routes").removal({probe: "1" for probe in Leftover("routes").probes()}) == ()


def test_what_is_no_route_of_ipv4_is_passed_over():
    found = Facts(routes={"10.200.7.0/24": NEAR, "fd00::/64": "fd00::1", "nonsense": NEAR})
    kept = pod_routes(replace(LAB), LAB.host("lb"), found, None)
    assert {str(block) for block, _ in kept} == {"10.200.0.0/24", ONE, "10.200.7.0/24"}
