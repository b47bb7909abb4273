"""Host keys put on record by way of what a person copied, and what stays untouched in known_hosts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from stage import Ran, run

from hardway import ssh
from hardway.errors import HostKeyError
from hardway.ssh.host_keys.known_hosts import read, replace
from ssh.server import Server, keygen

pytestmark = pytest.mark.sshd
ROOT = Path(__file__).parents[2]


def public(folder: Path, name: str, kind: str = "ed25519") -> str:
    return " ".join(keygen(folder / name, kind).with_suffix(".pub").read_text().split()[:2])


@pytest.fixture
def desk(tmp_path, server):
    """Somebody who reaches the server as node-1, on a port of its own, and node-2, which is away."""
    config = tmp_path / "ssh_config"
    config.write_text(f"Host node-1\n  HostName 127.0.0.1\n  Port {server.port}\n")
    access = {
        "key": str(server.key),
        "agent": False,
        "known_hosts": str(server.known_hosts),
        "config": str(config),
        "connect_timeout": 1,
    }
    hosts = [
        {"name": "node-1", "address": "10.254.0.10", "roles": ["etcd", "control-plane", "worker"]},
        {"name": "node-2", "address": "10.254.0.11", "roles": ["worker"]},
    ]
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump({"cluster": "trusting", "hosts": hosts, "ssh": access}))

    def hardway(*words: str, stdin: str = "") -> Ran:
        argv = [sys.executable, "-m", "hardway.cli.app", words[0], str(file), *words[1:]]
        return run(*argv, cwd=tmp_path, stdin=stdin, timeout=60)

    return hardway


def keys_file(server: Server, kind: str = "ed25519") -> str:
    return (server.folder / f"host_{kind}.pub").read_text()


def test_a_rebuilt_machine_is_let_in_after_its_keys_were_copied(desk, server, tmp_path):
    old = public(tmp_path, "old")
    server.known_hosts.write_text(f"# mine\n[127.0.0.1]:{server.port} {old}\n")
    refused = desk("plan", "--only", "prepare", "--limit", "node-1").ok(4)
    assert "has changed" in refused.err and "cluster.yaml node-1, or remove its old key: ssh-keygen -R" in refused.err
    said = desk("trust", "node-1", "--from-file", "-", stdin=keys_file(server) + keys_file(server, "ecdsa")).ok()
    assert said.out.startswith(f"node-1  in {server.known_hosts}\n  - ssh-ed25519 SHA256:")
    assert said.out.count("\n  + ") == 2
    assert server.known_hosts.read_text() == "# mine\n" + server.host_key_line() + server.host_key_line("ecdsa")
    assert ssh.connect(server.host()).run("true").code == 0


def test_without_a_trusted_way_nothing_is_recorded(desk, server):
    server.known_hosts.write_text("")
    said = desk("trust", "node-1").ok(4)
    assert "only you can confirm" in said.err and "the network offers: ssh-ed25519 SHA256:" in said.err
    assert "cluster.yaml node-1 --from-file -" in said.err
    assert "the network offers nothing" in desk("trust", "node-2").ok(4).err
    assert server.known_hosts.read_text() == ""


def test_lines_of_ssh_keyscan_go_to_the_hosts_they_name(desk, server, tmp_path):
    lines = f"# 10.254.0.11:22 SSH-2.0\n10.254.0.11 {public(tmp_path, 'two')}\n{server.host_key_line()}"
    (tmp_path / "scanned").write_text(lines)
    desk("trust", "--from-file", str(tmp_path / "scanned")).ok()
    assert set(server.known_hosts.read_text().splitlines()) == set(lines.splitlines()[1:])
    assert (
        "there is no key for node-2"
        in desk("trust", "node-2", "--from-file", "-", stdin=server.host_key_line()).ok(4).err
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ssh-ed25519 AAAA!\n", "line 1 is not a public host key"),
        ("\n-----BEGIN OPENSSH PRIVATE KEY-----\n", "line 2 is not a public host key"),
        ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIBxx\n", "line 1 is not a public host key"),
        ("", "there is no key for node-1"),
    ],
)
def test_what_is_no_key_is_refused(desk, server, text, says):
    before = server.known_hosts.read_text()
    assert says in desk("trust", "node-1", "--from-file", "-", stdin=text).ok(4).err
    assert server.known_hosts.read_text() == before


def test_nameless_lines_need_one_host(desk, server):
    assert "a line names no host" in desk("trust", "--from-file", "-", stdin=keys_file(server)).ok(2).err


def test_a_revoked_key_stays_refused(desk, server):
    line = f"@revoked * {keys_file(server)}"
    server.known_hosts.write_text(line)
    assert "is revoked in" in desk("trust", "node-1", "--from-file", "-", stdin=keys_file(server)).ok(4).err
    assert server.known_hosts.read_text() == line


def test_only_the_hosts_own_entries_are_replaced(tmp_path):
    file, old, new = tmp_path / "known_hosts", public(tmp_path, "old"), public(tmp_path, "new")
    hashed = tmp_path / "hashed"
    hashed.write_text(f"10.0.0.1 {old}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", hashed], check=True, capture_output=True)
    kept = [
        "# a comment",
        "",
        f"@cert-authority 10.0.0.1 {old}",
        f"@revoked 10.0.0.1 {old}",
        f"10.0.0.10 {old}",
        f"[10.0.0.1]:2222 {old}",
        f"10.0.0.* {old}",
        f"node-1 {old}",
        "rubbish \xff line",
        f"*,!10.0.0.1 {old}",
    ]
    ours = [
        f"10.0.0.1 {old} with a comment",
        f"node-1,10.0.0.1 {old}",
        hashed.read_text().strip(),
        f"other,10.0.0.1,node-1 {old}",
    ]
    file.write_text("\n".join([*kept, *ours]) + "\n", encoding="latin-1")
    file.chmod(0o640)
    gone = replace(file, ["10.0.0.1"], [f"10.0.0.1 {new}"], also=["node-1"])
    assert [entry.number for entry in gone] == [11, 12, 13, 14]
    assert file.read_text(encoding="latin-1").split("\n") == [*kept, f"other {old}", f"10.0.0.1 {new}", ""]
    assert file.stat().st_mode & 0o777 == 0o640
    assert replace(file, ["[10.0.0.1]:2222"], []) and f"[10.0.0.1]:2222 {old}" not in file.read_text(encoding="latin-1")


def test_a_file_that_cannot_be_written_is_left_whole(server, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "absent" / "known_hosts")
    (tmp_path / "absent").write_text("a file where a folder should be")
    key = next(ssh.parse(keys_file(server)))[1]
    with pytest.raises(HostKeyError, match="cannot record") as caught:
        ssh.record(server.host(known_hosts=link), [key])
    assert "known_hosts" in caught.value.hint


def test_a_link_stays_a_link(server, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(server.known_hosts)
    key = next(ssh.parse(keys_file(server)))[1]
    ssh.record(server.host(known_hosts=link), [key])
    assert link.is_symlink() and [entry.key for entry in read([server.known_hosts])] == [key]


@pytest.fixture
def made_by_vagrant(tmp_path, monkeypatch):
    """Vagrant's own record of a machine node-1, and a folder for programs that stands first on the PATH."""
    (tmp_path / "Vagrantfile").touch()
    (tmp_path / ".vagrant/machines/node-1/virtualbox").mkdir(parents=True)
    (tmp_path / ".vagrant/machines/node-1/virtualbox/id").write_text("4711")
    programs = tmp_path / "programs"
    programs.mkdir()
    return programs


def test_a_computer_without_vagrant_is_told(desk, server, made_by_vagrant, monkeypatch):
    monkeypatch.setenv("PATH", str(made_by_vagrant))
    said = desk("trust", "node-1").ok(4)
    assert (
        "there is no program `vagrant` on the PATH" in said.err
        and "next: install Vagrant, then: hardway trust" in said.err
    )


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("echo 'VM must be running' >&2; exit 1", "VM must be running"),
        ("exit 0", "Vagrant did not return the host keys of node-1"),
        ("echo ssh-ed25519 AAAA; echo '# 2: eth1 inet 10.9.9.9/24'", "does not have the address 10.254.0.10"),
        ("echo '# 2: eth1 inet 10.254.0.10/24'; echo Welcome to Debian", "is not a public host key"),
    ],
)
def test_what_vagrant_says_wrong_changes_nothing(desk, server, made_by_vagrant, monkeypatch, program, says):
    (made_by_vagrant / "vagrant").write_text(f"#!/bin/sh\n{program}\n")
    (made_by_vagrant / "vagrant").chmod(0o755)
    monkeypatch.setenv("PATH", f"{made_by_vagrant}:{os.environ['PATH']}")
    before = server.known_hosts.read_text()
    assert says in desk("trust", "node-1").ok(4).err
    assert server.known_hosts.read_text() == before
