"""A reset removes the firewall rules that a node's programs have set, and no other."""

import os
import shutil
import subprocess

import pytest

from hardway.targets import host
from hardway.vocabulary import Op, Probe

pytestmark = pytest.mark.slow

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
LEFT = Probe("leftover", ("iptables",))
# As kube-proxy, the kubelet, portmap and pod-routes set them, between rules of others that only look like them.
THEIRS_BEFORE = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [3:180]
:OUTPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
:CNI-ISOLATION - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "before -j KUBE-FORWARD, \\"mine\\"" -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -j CNI-ISOLATION
-A DOCKER-USER -m comment --comment KUBE-like -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 10.9.0.0/16 -m comment --comment "not hardway-masq, theirs" -j MASQUERADE
COMMIT
"""
OURS = """*filter
:KUBE-FORWARD - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A OUTPUT -j KUBE-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes \\"forwarding\\" rules" -j ACCEPT
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-A - [0:0]
:KUBE-POSTROUTING - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-DN-0a1b2c - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A POSTROUTING -s 10.200.0.0/24 ! -d 10.200.0.0/16 -m comment --comment hardway-masq -j MASQUERADE
-A KUBE-SERVICES -d 10.32.0.1/32 -p tcp -j KUBE-SVC-A
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"bridge\\" id: \\"0a\\"" -j CNI-DN-0a1b2c
-A CNI-DN-0a1b2c -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.200.0.5:80
COMMIT
"""
PODMANS = """*nat
:CNI-DN-ffffff - [0:0]
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"podman\\" id: \\"ff\\"" -j CNI-DN-ffffff
-A CNI-DN-ffffff -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.88.0.5:80
COMMIT
"""


@pytest.fixture
def firewall(remote, tmp_path, monkeypatch):
    """firewall(SAVED): iptables-save prints it; what is given to iptables-restore, with its arguments."""
    programs = tmp_path / "firewall"
    programs.mkdir()

    def answers(saved: str):
        scripts = {
            "iptables-save": "cat <<'END'\n" + saved + "END\n",
            "iptables-restore": f'{{ echo "$*"; cat; }} >>{tmp_path}/restored\n',
            "ip6tables-save": "",
            "ip6tables-restore": "",
            "nft": "",
        }
        for name, script in scripts.items():
            (programs / name).write_text(f"#!/bin/sh\n{script}")
            (programs / name).chmod(0o755)
        remote.transport.path = f"{programs}:{remote.transport.path}"
        found = remote.probe([LEFT])[LEFT]
        remote.change([Op("cleanup", ("iptables",))])
        given = tmp_path / "restored"
        return found, given.read_text() if given.exists() else ""

    return answers


def merged(*saved: str) -> str:
    """What iptables-save would print of several such texts together."""
    tables: dict[str, tuple[list[str], list[str]]] = {}
    for text in saved:
        for line in text.splitlines():
            if line.startswith("*"):
                chains, rules = tables.setdefault(line, ([], []))
            elif line != "COMMIT":
                (chains if line.startswith(":") else rules).append(line)
    return "".join("\n".join([name, *chains, *rules, "COMMIT", ""]) for name, (chains, rules) in tables.items())


def test_rules_of_others_are_nothing_of_ours(firewall):
    assert firewall(THEIRS_BEFORE) == ("0", "")


def test_only_our_chains_and_the_rules_that_lead_to_them_go(firewall):
    found, given = firewall(merged(THEIRS_BEFORE, OURS))
    options, *lines = given.splitlines()
    assert options == "-w --noflush" and int(found) == sum(line.startswith(("-D", "-X")) for line in lines)
    assert not [line for line in lines if line.startswith("-A")], "no rule is ever written"
    assert {line for line in lines if line.startswith("-X")} == {
        "-X KUBE-FORWARD", "-X KUBE-FIREWALL", "-X KUBE-SERVICES", "-X KUBE-SVC-A", "-X KUBE-POSTROUTING",
        "-X CNI-HOSTPORT-DNAT", "-X CNI-HOSTPORT-MASQ", "-X CNI-DN-0a1b2c",
    }  # fmt: skip
    deleted = [line for line in lines if line.startswith("-D")]
    assert len(deleted) == 9 and all("theirs" not in line and "DOCKER" not in line for line in deleted)
    assert not [line for line in lines if line.startswith(":") and not line.startswith((":KUBE-", ":CNI-"))]


def test_ports_of_pods_of_another_network_stay(firewall):
    _, given = firewall(merged(THEIRS_BEFORE, OURS, PODMANS))
    assert "CNI-DN-ffffff" not in given and ":CNI-HOSTPORT" not in given and "-X CNI-HOSTPORT" not in given
    assert "-X CNI-DN-0a1b2c\n" in given and "-D CNI-HOSTPORT-DNAT -p tcp" in given
    assert "-D OUTPUT -j CNI-HOSTPORT-DNAT" not in given


def real(*names: str) -> bool:
    alone = ["unshare", "-n", names[0]]
    there = all(shutil.which(name, path=PATH) for name in ("unshare", *names))
    return there and subprocess.run(alone, env={"PATH": PATH}, capture_output=True).returncode == 0


@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_a_real_firewall_is_left_with_what_others_have_set(kind, tmp_path):
    save, restore = f"iptables-{kind}-save", f"iptables-{kind}-restore"
    if not real(save, restore):
        pytest.skip(f"{save} cannot be run in a network namespace here")
    (tmp_path / "theirs").write_text(THEIRS_BEFORE)
    (tmp_path / "ours").write_text(merged(OURS, PODMANS))
    (tmp_path / "both.sh").write_text(host.BOTH)
    script = f"""set -e; . {tmp_path}/both.sh; cd {tmp_path}
{restore} <theirs; {save} | grep -v '^#' >before; {restore} --noflush <ours
{save} | undo_rules >undo; {restore} -w --noflush <undo; {save} | undo_rules >rest; {save} | grep -v '^#' >after"""
    ran = subprocess.run(
        ["unshare", "-n", "sh", "-c", script], env={**os.environ, "PATH": PATH}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "undo").read_text() and not (tmp_path / "rest").read_text()
    before, after = ((tmp_path / name).read_text().splitlines() for name in ("before", "after"))
    kept = [line for line in after if "CNI-HOSTPORT" not in line and "CNI-DN-ffffff" not in line]
    strip = [line.partition(" [")[0] for line in kept if line.startswith((":", "-"))]
    assert sorted(strip) == sorted(line.partition(" [")[0] for line in before if line.startswith((":", "-")))
    assert len([line for line in after if "CNI-DN-ffffff" in line]) == 3, "podman's port is still led to its container"
