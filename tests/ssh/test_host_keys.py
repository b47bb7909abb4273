"""Unknown, changed, accepted and revoked host keys against a real server; every remedy named is carried out."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from hardway import ssh
from hardway.errors import HostKeyError

pytestmark = pytest.mark.sshd


def fingerprint(server, kind: str = "ed25519") -> str:
    return subprocess.run(
        ["ssh-keygen", "-lf", server.folder / f"host_{kind}.pub"], capture_output=True, text=True
    ).stdout.split()[1]


def test_an_unknown_key_is_refused_and_the_remedy_works(server, connect):
    server.known_hosts.unlink()
    with pytest.raises(HostKeyError) as caught:
        connect(server.host()).run("true")
    assert fingerprint(server) in caught.value.evidence
    assert not server.known_hosts.exists()
    command = re.search(r"then: (ssh-keyscan .*? >> \S+)", caught.value.hint).group(1)
    subprocess.run(command, shell=True, check=True, capture_output=True)
    assert connect(server.host()).run("true").code == 0


def test_a_changed_key_is_refused_with_both_fingerprints_and_the_remedy_works(server, connect, tmp_path):
    other = subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    assert other.returncode == 0
    kind, blob = (tmp_path / "other.pub").read_text().split()[:2]
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {kind} {blob}\n")
    for mode in ("strict", "accept-new"):
        with pytest.raises(HostKeyError) as caught:
            connect(server.host(host_keys=mode)).run("true")
        assert fingerprint(server) in caught.value.evidence
        old = subprocess.run(
            ["ssh-keygen", "-lf", tmp_path / "other.pub"], capture_output=True, text=True
        ).stdout.split()[1]
        assert old in caught.value.evidence
    subprocess.run(caught.value.hint.partition("old key: ")[2], shell=True, check=True, capture_output=True)
    with pytest.raises(HostKeyError, match="not known"):
        connect(server.host()).run("true")
    assert connect(server.host(host_keys="accept-new")).run("true").code == 0


def test_accept_new_records_the_key_privately_and_once(server, connect, tmp_path):
    file = tmp_path / "fresh" / "known_hosts"
    for _ in range(2):
        assert connect(server.host(host_keys="accept-new", known_hosts=file)).run("true").code == 0
    assert len(file.read_text().splitlines()) == 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert connect(server.host(known_hosts=file)).run("true").code == 0
    found = subprocess.run(["ssh-keygen", "-F", f"[127.0.0.1]:{server.port}", "-f", file], capture_output=True)
    assert found.returncode == 0, "OpenSSH must understand what we wrote"


@pytest.mark.parametrize("more", [{}, {"host_keys": "accept-new"}])
def test_where_no_file_is_for_it_one_must_be_named(server, connect, more):
    with pytest.raises(HostKeyError) as caught:
        connect(server.host(known_hosts=None, written=frozenset({"known_hosts", *more}), **more)).run("true")
    assert "set ssh.known_hosts" in caught.value.hint and "to a file you can write" in caught.value.hint
    assert ">>" not in caught.value.hint and "hardway trust" not in caught.value.hint


def test_a_hashed_entry_is_found(server, connect):
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", server.known_hosts], check=True, capture_output=True)
    assert server.known_hosts.read_text().startswith("|1|")
    assert connect(server.host()).run("true").code == 0


def test_a_key_of_the_second_kind_alone_is_enough(server, connect):
    server.known_hosts.write_text(server.host_key_line("ecdsa"))
    assert connect(server.host()).run("true").code == 0


def test_an_entry_under_the_hosts_name_will_do(server, connect):
    server.known_hosts.write_text(server.host_key_line().replace("127.0.0.1", "node-1"))
    assert connect(server.host("node-1")).run("true").code == 0
    with pytest.raises(HostKeyError, match="not known"):
        connect(server.host("node-2")).run("true")


def test_a_revoked_key_is_refused_even_with_accept_new(server, connect):
    line = server.host_key_line()
    server.known_hosts.write_text(line + "@revoked * " + line.split(" ", 1)[1])
    with pytest.raises(HostKeyError, match="is revoked in"):
        connect(server.host(host_keys="accept-new")).run("true")


def test_nothing_is_sent_to_a_machine_whose_key_is_refused(server, connect):
    before = server.log().count("Accepted publickey")
    server.known_hosts.unlink()
    with pytest.raises(HostKeyError):
        connect(server.host()).run("true")
    assert server.log().count("Accepted publickey") == before


def test_host_key_lines_tell_every_key_without_trusting_one(server):
    server.known_hosts.unlink()
    lines = ssh.host_key_lines(server.host())
    assert {line + "\n" for line, _ in lines} == {server.host_key_line("ed25519"), server.host_key_line("ecdsa")}
    assert {shown.split()[1] for _, shown in lines} == {fingerprint(server, "ed25519"), fingerprint(server, "ecdsa")}
    assert not server.known_hosts.exists()


def recorded(error: HostKeyError) -> None:
    """The next command that is named, typed into a shell."""
    command = re.search(r"then: (.*? >> \S+)", error.hint).group(1)
    subprocess.run(command, shell=True, check=True, capture_output=True)


@pytest.mark.parametrize("way", ["HostKeyAlias fleet", "ProxyCommand nc %h %p"])
def test_the_remedy_knows_an_alias_and_a_proxy_command(server, connect, tmp_path, way):
    (tmp_path / "nc").write_text(
        f"#!{sys.executable}\nimport os, socket, sys, threading\n"
        "sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "up = lambda: [sock.sendall(data) for data in iter(lambda: os.read(0, 65536), b'')]\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := sock.recv(65536): os.write(1, data)\n"
    )
    (tmp_path / "nc").chmod(0o755)
    config = tmp_path / "config"
    config.write_text(f"Host *\n  {way.replace('nc ', f'{tmp_path}/nc ')}\n")
    server.known_hosts.write_text("")
    with pytest.raises(HostKeyError, match="is not known") as caught:
        connect(server.host(config=config)).run("true")
    recorded(caught.value)
    assert connect(server.host(config=config)).run("true").code == 0
    assert server.known_hosts.read_text().startswith("fleet " if "Alias" in way else f"[127.0.0.1]:{server.port} ")
