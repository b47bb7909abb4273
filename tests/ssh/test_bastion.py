"""Through a jump host: it is verified as strictly as the host behind it, and not overrun."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hardway import ssh
from hardway.errors import AuthenticationError, ConnectionFailed, ConnectionLost, HostKeyError

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
    server.known_hosts.write_text(
        server.host_key_line() + server.host_key_line().replace(str(server.port), str(bastion.port))
    )
    with pytest.raises(HostKeyError, match=f"{bastion.port} has changed"):
        connect(server.host(bastion=bastion.bastion(), host_keys="accept-new")).run("true")


def test_the_key_of_the_host_behind_it_is_verified_too(server, bastion, connect):
    server.known_hosts.write_text(bastion.host_key_line())
    with pytest.raises(HostKeyError) as caught:
        connect(server.host(bastion=bastion.bastion())).run("true")
    assert f"127.0.0.1:{server.port} is not known" in caught.value.message
    assert f"-p {bastion.port}" in caught.value.hint and "ssh-keyscan" in caught.value.hint, (
        "the scan must go through the bastion"
    )


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
    config.write_text(
        f"Host node-1\n  ProxyJump root@jump:{bastion.port}\nHost jump\n  HostName 127.0.0.1\n  IdentityFile"
        f" {bastion.key}\n"
    )
    assert connect(server.host(config=config)).run("true").code == 0
    assert bastion.log().count("Accepted publickey") == 1


def behind(server, jump, connect, count: int = 12):
    """So many hosts behind one bastion, each on record."""
    server.known_hosts.write_text(server.host_key_line() + jump.host_key_line())
    return [connect(server.host(f"node-{n}", bastion=jump.bastion())) for n in range(count)]


def at_once(transports, script: str = "true") -> list[int]:
    with ThreadPoolExecutor(len(transports)) as pool:
        return [result.code for result in pool.map(lambda transport: transport.run(script), transports)]


def until(come, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not come() and time.monotonic() < deadline:
        time.sleep(0.05)
    return come()


def test_many_hosts_at_once_are_one_connection_to_their_bastion(server, start, connect):
    """With MaxStartups 3:100:3 the server would drop every fourth unauthenticated connection, and MaxSessions is no
    limit for what is passed on."""
    jump = start("small", "MaxStartups 3:100:3\nMaxSessions 1\n")
    transports = behind(server, jump, connect)
    assert at_once(transports) == [0] * 12
    assert jump.log().count("Accepted publickey") == 1 and len(jump.sessions()) == 1
    assert "drop connection" not in jump.log()


def test_the_last_host_behind_it_closes_it(server, start, connect):
    jump = start("jump")
    first, *others = behind(server, jump, connect, 3)
    assert at_once([first, *others]) == [0] * 3
    for transport in others:
        transport.close()
        transport.close()  # a second time changes nothing
    assert first.run("echo there").out == b"there\n" and len(jump.sessions()) == 1
    first.close()
    assert until(lambda: not jump.sessions())
    assert others[0].run("echo back").out == b"back\n", "the next one opens it again"
    assert jump.log().count("Accepted publickey") == 2


def test_when_it_breaks_every_host_behind_it_connects_again_by_one_new_connection(server, start, connect):
    jump = start("jump")
    transports = behind(server, jump, connect, 6)
    assert at_once(transports) == [0] * 6
    jump.cut()
    assert until(lambda: not any(transport._link.alive for transport in transports))
    assert at_once(transports) == [0] * 6
    assert jump.log().count("Accepted publickey") == 2 and len(jump.sessions()) == 1


def test_what_runs_while_it_breaks_is_an_error_of_each_host_behind_it(server, start, connect, tmp_path):
    jump = start("jump")
    transports = behind(server, jump, connect, 3)
    marks = [tmp_path / transport.host.name for transport in transports]

    def run(transport) -> str:
        with pytest.raises(ConnectionLost) as caught:
            transport.run(f"touch {tmp_path}/{transport.host.name}; sleep 5")
        return caught.value.host

    with ThreadPoolExecutor(3) as pool:
        found = pool.map(run, transports)
        assert until(lambda: all(mark.exists() for mark in marks))
        jump.cut()
        assert list(found) == ["node-0", "node-1", "node-2"]
    assert at_once(transports) == [0] * 3


def test_a_host_that_breaks_takes_nobody_with_it(server, start, connect):
    jump, other = start("jump"), start("other")
    transports = behind(server, jump, connect, 2)
    server.known_hosts.write_text(server.known_hosts.read_text() + other.host_key_line())
    apart = connect(other.host("apart", bastion=jump.bastion(), known_hosts=server.known_hosts))
    assert at_once([*transports, apart]) == [0] * 3
    other.cut()
    assert until(lambda: not apart._link.alive)
    assert all(transport._link.alive for transport in transports)
    assert apart.run("true").code == 0 and jump.log().count("Accepted publickey") == 1


def test_all_hosts_behind_a_bastion_that_refuses_us_say_so_each_for_itself(server, start, connect, tmp_path):
    jump, stranger = start("jump"), keygen(tmp_path / "stranger")
    server.known_hosts.write_text(server.host_key_line() + jump.host_key_line())
    transports = [connect(server.host(f"node-{n}", bastion=jump.bastion(key=stranger))) for n in range(4)]

    def refused(transport) -> str:
        with pytest.raises(AuthenticationError, match=f"127.0.0.1:{jump.port} accepts none") as caught:
            transport.run("true")
        return caught.value.host

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(refused, transports)) == [f"node-{n}" for n in range(4)]
    good = connect(server.host(bastion=jump.bastion()))
    assert good.run("true").code == 0, "another key is another connection"


def test_host_keys_are_read_through_the_bastion(server, bastion):
    lines = ssh.host_key_lines(server.host(bastion=bastion.bastion()))
    assert server.host_key_line().strip() in [line for line, _ in lines]
