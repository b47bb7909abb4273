"""Through a jump host: it is verified as strictly as the host behind it, and not overrun."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from hardway import ssh
from hardway.errors import AuthenticationError, ConnectionFailed, HostKeyError

from .server import free_port, keygen

pytestmark = pytest.mark.sshd


@pytest.fixture
def bastion(start, server):
    """A second server with keys of its own; both are on record in the first one's known_hosts."""
    jump = start("bastion")
    server.known_hosts.write_text(server.host_key_line() + jump.host_key_line())
    return jump


def test_everything_works_through_a_bastion(server, bastion, connect):
    transport = connect(server.host(bastion=bastion.bastion()))
    assert transport.run("cat", stdin=b"x" * 100_000).out == b"x" * 100_000
    assert transport.stream("wc -c", [bytes(1 << 20)] * 20).out == b"20971520\n"
    assert bastion.log().count("Accepted publickey") == 1
    with transport.dial(server.port) as sock:
        assert sock.recv(4) == b"SSH-"


def test_the_bastions_key_is_verified(server, bastion, connect):
    server.known_hosts.write_text(server.host_key_line())
    with pytest.raises(HostKeyError) as caught:
        connect(server.host(bastion=bastion.bastion())).run("true")
    assert f"127.0.0.1:{bastion.port} is not known" in caught.value.message
    server.known_hosts.write_text(server.host_key_line() + server.host_key_line().replace(str(server.port), str(bastion.port)))
    with pytest.raises(HostKeyError, match=f"{bastion.port} has changed"):
        connect(server.host(bastion=bastion.bastion(), host_keys="accept-new")).run("true")


def test_the_key_of_the_host_behind_it_is_verified_too(server, bastion, connect):
    server.known_hosts.write_text(bastion.host_key_line())
    with pytest.raises(HostKeyError) as caught:
        connect(server.host(bastion=bastion.bastion())).run("true")
    assert f"127.0.0.1:{server.port} is not known" in caught.value.message
    assert f"-p {bastion.port}" in caught.value.hint and "ssh-keyscan" in caught.value.hint, "the scan must go through the bastion"


def test_which_of_the_two_refused_us_is_said(server, bastion, connect, tmp_path):
    stranger = keygen(tmp_path / "stranger")
    with pytest.raises(AuthenticationError, match=f"127.0.0.1:{bastion.port} accepts none"):
        connect(server.host(bastion=bastion.bastion(key=stranger))).run("true")
    with pytest.raises(AuthenticationError, match=f"127.0.0.1:{server.port} accepts none"):
        connect(server.host(bastion=bastion.bastion(), key=stranger)).run("true")


def test_a_host_the_bastion_cannot_reach(server, bastion, connect):
    with pytest.raises(ConnectionFailed) as caught:
        connect(server.host(bastion=bastion.bastion(), port=free_port())).run("true")
    assert f"the bastion 127.0.0.1:{bastion.port} cannot reach" in caught.value.message


def test_a_bastion_that_forbids_forwarding(server, start, connect):
    jump = start("closed", "AllowTcpForwarding no\n")
    server.known_hosts.write_text(server.host_key_line() + jump.host_key_line())
    with pytest.raises(ConnectionFailed, match="AllowTcpForwarding"):
        connect(server.host(bastion=jump.bastion())).run("true")


def test_proxyjump_of_the_ssh_config_is_a_bastion(server, bastion, connect, tmp_path):
    config = tmp_path / "config"
    config.write_text(f"Host node-1\n  ProxyJump root@jump:{bastion.port}\nHost jump\n  HostName 127.0.0.1\n  IdentityFile {bastion.key}\n")
    assert connect(server.host(config=config)).run("true").code == 0
    assert bastion.log().count("Accepted publickey") == 1


def test_many_hosts_at_once_do_not_overrun_a_bastion(server, start, connect):
    """With MaxStartups 3:100:3 the server drops every fourth unauthenticated connection: all hosts must get through all the same."""
    jump = start("small", "MaxStartups 3:100:3\n")
    server.known_hosts.write_text(server.host_key_line() + jump.host_key_line())
    transports = [connect(server.host(f"node-{n}", bastion=jump.bastion())) for n in range(12)]
    with ThreadPoolExecutor(len(transports)) as pool:
        assert [result.code for result in pool.map(lambda transport: transport.run("true"), transports)] == [0] * 12
    assert "MaxStartups" in jump.log() or "drop connection" in jump.log(), "the limit must really have been met"


def test_host_keys_are_read_through_the_bastion(server, bastion):
    lines = ssh.host_key_lines(server.host(bastion=bastion.bastion()))
    assert server.host_key_line().strip() in [line for line, _ in lines]
