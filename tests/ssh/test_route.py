"""What the inventory and ~/.ssh/config together say about the way to a host."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from hardway.cluster import Host
from hardway.errors import ConnectionFailed
from hardway.settings import Bastion, Ssh
from hardway.ssh.programs import program
from hardway.ssh.route import Hop, route


def way(tmp_path: Path, text: str = "", **ssh) -> Hop:
    file = tmp_path / "config"
    file.write_text(text)
    return route(Host("node-1", IPv4Address("10.0.0.1"), frozenset(), Ssh(**{"config": file, **ssh})))


def test_the_inventory_alone(tmp_path):
    hop = way(tmp_path, user="admin", port=2222, key=Path("/k"))
    assert (hop.address, hop.user, hop.port, hop.keys, hop.via) == ("10.0.0.1", "admin", 2222, (Path("/k"),), None)
    assert hop.known_as == ("[10.0.0.1]:2222", "[node-1]:2222")
    assert hop.ssh_command("-v") == "ssh -v -p 2222 admin@10.0.0.1"


def test_the_config_fills_what_the_inventory_leaves_open(tmp_path):
    config = "Host node-1\n User core\n Port 2200\n IdentityFile /a\n IdentityFile /b\n IdentitiesOnly yes\n"
    hop = way(tmp_path, config)
    assert (hop.user, hop.port, hop.keys, hop.only_these_keys) == ("core", 2200, (Path("/a"), Path("/b")), True)
    hop = way(tmp_path, config, user="admin", port=2222, key=Path("/k"))
    assert (hop.user, hop.port, hop.keys) == ("admin", 2222, (Path("/k"),))
    assert way(tmp_path, config, config=None).user == "root"


def test_a_host_is_found_by_name_before_address(tmp_path):
    hop = way(tmp_path, "Host 10.0.0.1\n User by-address\n Port 2200\nHost node-1\n User by-name\n")
    assert (hop.user, hop.port) == ("by-name", 2200)


def test_hostname_says_where_the_ssh_server_is(tmp_path):
    hop = way(tmp_path, "Host node-1\n HostName 127.0.0.1\n Port 2222\n")
    assert hop.endpoint == "127.0.0.1:2222"
    assert hop.known_as == ("[127.0.0.1]:2222", "[10.0.0.1]:2222", "[node-1]:2222")


def test_known_hosts_files(tmp_path):
    config = f"Host *\n UserKnownHostsFile {tmp_path}/one {tmp_path}/two\n"
    hop = way(tmp_path, config)
    assert hop.known_hosts[:2] == (tmp_path / "one", tmp_path / "two") and hop.record_in == tmp_path / "one"
    assert way(tmp_path, config, known_hosts=tmp_path / "mine").known_hosts[0] == tmp_path / "mine"
    nowhere = way(tmp_path, "Host *\n UserKnownHostsFile /dev/null\n")
    assert nowhere.record_in is None, "neither /dev/null nor the system's file is a place to record keys"


def test_strict_checking_cannot_be_switched_off_by_the_config(tmp_path):
    assert way(tmp_path, "Host *\n StrictHostKeyChecking no\n").host_keys == "strict"


def test_a_bastion_of_the_inventory_wins_over_proxyjump(tmp_path):
    config = "Host node-1\n ProxyJump other\nHost jump\n HostName 192.0.2.1\n User hop\n IdentityFile /j\n"
    via = way(tmp_path, config, bastion=Bastion("jump", port=2022)).via
    assert (via.endpoint, via.user, via.keys, via.via) == ("192.0.2.1:2022", "hop", (Path("/j"),), None)


def test_a_chain_of_jumps(tmp_path):
    hop = way(tmp_path, "Host node-1\n ProxyJump one@a:2201,ssh://b\nHost b\n User two\n")
    assert hop.jumps == "one@a:2201,two@b"
    assert hop.ssh_command() == "ssh -J one@a:2201,two@b root@10.0.0.1"
    assert way(tmp_path, "Host node-1\n ProxyJump none\nHost *\n ProxyJump a\n").via is None


def test_include_keeps_the_scope_of_what_follows(tmp_path):
    (tmp_path / "inner").write_text("Host other\n User wrong\n")
    assert way(tmp_path, "Include inner\nPort 2200\nHost node-1\n User right\n").port == 2200
    assert way(tmp_path, "Host node-1\n Include inner\n User right\n").user == "right"
    assert way(tmp_path, "Include config\nHost node-1\n User right\n").user == "right", (
        "a file that includes itself must not hang us"
    )


@pytest.mark.parametrize(
    "config", ["Host node-1\n Port many\n", "Host 'node\n", "Host node-1\n ProxyJump @:x\n", "Host\n=\n"]
)
def test_a_config_that_makes_no_sense_is_an_error_of_ours(tmp_path, config):
    with pytest.raises(ConnectionFailed) as caught:
        way(tmp_path, config)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["root_shell.sh", "tty_bridge.sh"])
def test_programs_are_one_quoted_line(name):
    text = program(name)
    assert text[0] == text[-1] == "'" and "'" not in text[1:-1] and "\n" not in text
    assert "#" not in text.replace("$#", ""), "a comment in the middle of a line would swallow the rest of the program"
