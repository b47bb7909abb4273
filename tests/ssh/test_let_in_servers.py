"""Servers of many configurations, and keys with options of their own, tried with ssh and with hardway."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from hardway.cluster import Host
from hardway.errors import ConnectionFailed
from hardway.settings import Ssh

from .server import keygen, sshd
from .world import Case, Cases, World, a_world, both

pytestmark = [pytest.mark.sshd, pytest.mark.slow]
CASES = Cases()
# What a server says, by what ssh makes of it with a key that it knows.
IN = {
    "root_with_keys_only": "PermitRootLogin prohibit-password",
    "a_list_of_users": "AllowUsers other root@127.0.0.1",
    "others_are_denied": "DenyUsers other\nDenyGroups other",
    "one_session_at_a_time": "MaxSessions 1",
    "no_terminals": "PermitTTY no",
    "no_forwarding": "AllowTcpForwarding no\nAllowAgentForwarding no\nAllowStreamLocalForwarding no",
    "no_forwarding_at_all": "DisableForwarding yes",
    "one_cipher": "Ciphers aes256-ctr\nMACs hmac-sha2-512",
    "one_cipher_of_another_kind": "Ciphers aes128-gcm@openssh.com",
    "one_way_to_agree_on_keys": "KexAlgorithms diffie-hellman-group16-sha512",
    "another_way_to_agree_on_keys": "KexAlgorithms ecdh-sha2-nistp521",
    "new_keys_all_the_time": "RekeyLimit 16K",
    "compression": "Compression yes",
    "signs_of_life": "ClientAliveInterval 1\nClientAliveCountMax 1",
    "a_command_that_runs_what_is_asked": 'ForceCommand sh -c "$SSH_ORIGINAL_COMMAND"',
    "an_environment": "PermitUserEnvironment yes\nSetEnv LC_ALL=de_DE.UTF-8 LANG=C.ISO-8859-1",
    "a_second_of_a_name": "VersionAddendum some words",
}
OUT = {
    "no_root": "PermitRootLogin no",
    "root_with_a_command_only": "PermitRootLogin forced-commands-only",
    "a_list_without_us": "AllowUsers other",
    "we_are_denied": "DenyUsers root",
    "no_keys": "PubkeyAuthentication no",
    "a_password_as_well": "PasswordAuthentication yes\nAuthenticationMethods publickey,password",
    "no_sessions": "MaxSessions 0",
    "a_command_that_ends": "ForceCommand exit 3",
    "keys_of_another_kind": "PubkeyAcceptedAlgorithms rsa-sha2-512",
    "nobody_is_known": "AuthorizedKeysCommand /bin/false",
    "root_lives_nowhere": "ChrootDirectory /no/such/folder",
}
OPTIONS_IN = {
    "restricted": "restrict",
    "from_here": 'from="127.0.0.0/8"',
    "still_valid": 'expiry-time="20991231"',
    "with_a_command_that_runs_what_is_asked": 'command="sh -c \\"$SSH_ORIGINAL_COMMAND\\""',
    "without_a_terminal": "no-pty,no-port-forwarding",
}
OPTIONS_OUT = {
    "from_elsewhere": 'from="10.0.0.0/8"',
    "expired": 'expiry-time="20200101"',
    "with_a_command_that_ends": 'command="exit 3"',
    "of_a_ca": "cert-authority",
}


def _served(lines: str) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        world.server = world.stack.enter_context(sshd(world.folder / "another", f"{lines}\n"))
        world.say(f"IdentityFile {world.key()}")

    return arrange


def _authorized(options: str) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        key = keygen(world.folder / "key")
        (world.server.folder / "authorized_keys").write_text(f"{options} {key.with_suffix('.pub').read_text()}")
        world.say(f"IdentityFile {key}", "IdentitiesOnly yes")

    return arrange


for let_in, servers, keys in ((True, IN, OPTIONS_IN), (False, OUT, OPTIONS_OUT)):
    CASES.update({name: Case(_served(lines), let_in) for name, lines in servers.items()})
    CASES.update({f"a_key_{name}": Case(_authorized(options), let_in) for name, options in keys.items()})


@CASES.case()
def two_keys_are_needed(world: World) -> None:
    _served("AuthenticationMethods publickey,publickey")(world)
    world.say(f"IdentityFile {world.key('second')}")


@CASES.case(let_in=False)
def two_keys_are_needed_and_one_is_here(world: World) -> None:
    _served("AuthenticationMethods publickey,publickey")(world)
    world.say("IdentitiesOnly yes")


@CASES.case()
def one_try_and_the_right_key(world: World) -> None:
    _served("MaxAuthTries 1")(world)
    world.say("IdentitiesOnly yes")


@CASES.case(let_in=False)
def one_try_and_another_key_first(world: World) -> None:
    world.server = world.stack.enter_context(sshd(world.folder / "another", "MaxAuthTries 1\n"))
    world.say(f"IdentityFile {world.key('stranger', known=False)}", f"IdentityFile {world.key()}", "IdentitiesOnly yes")


@CASES.case()
def a_long_banner(world: World) -> None:
    (world.folder / "banner").write_text("Only those who may.\r\n" * 500)
    _served(f"Banner {world.folder}/banner")(world)


@pytest.fixture
def world(tools, tmp_path, monkeypatch) -> Iterator[World]:
    with a_world(tmp_path, monkeypatch) as world:
        yield world


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_who_is_let_in(world: World, connect, case: Case):
    both(world, connect, case)


@pytest.mark.parametrize(
    "lines",
    [
        "Ciphers chacha20-poly1305@openssh.com",
        "KexAlgorithms sntrup761x25519-sha512@openssh.com",
        "MACs umac-64@openssh.com\nCiphers aes256-ctr",
    ],
)
def test_what_hardway_has_no_words_for_is_named(start, connect, lines):
    """ssh is let in there, hardway is not: it has none of these algorithms."""
    server = start(extra=f"{lines}\n")
    with pytest.raises(ConnectionFailed) as caught:
        connect(server.host()).run("true")
    assert "have no SSH algorithm in common" in caught.value.message and caught.value.exit_code == 4
    assert "acceptable" in caught.value.evidence


def test_a_server_that_ends_idle_sessions(start, connect):
    """A shell that is kept for the next question may be gone by then."""
    transport = connect(start(extra="ChannelTimeout session:*=3s\n").host())
    assert transport.run("echo one").text == "one\n"
    kept, until = transport._idle[0], time.monotonic() + 30
    while kept.usable and time.monotonic() < until:
        time.sleep(0.1)
    assert not kept.usable and transport.run("echo two").text == "two\n"


# Names as directories give them: in sudo's rules a backslash stands for the sign behind it.
DIRECTORY = {"a_domain": "ACME\\jdoe", "a_realm": "jdoe@acme.example"}


@pytest.fixture(params=DIRECTORY.values(), ids=DIRECTORY)
def member(request, tools, tmp_path: Path, opened) -> Iterator[str]:
    """A user of a directory, who may use sudo."""
    name, rules = request.param, Path("/etc/sudoers.d/hardway-test-member")
    passwd = Path("/etc/passwd")
    before = passwd.read_text()
    assert name not in before
    passwd.write_text(before + f"{name}:*:71234:65534::{tmp_path}:/bin/bash\n")
    rules.write_text(f"{name.replace(chr(92), chr(92) * 2)} ALL=(ALL) NOPASSWD: ALL\n")
    rules.chmod(0o440)
    try:
        yield name
    finally:
        for transport in opened:
            transport.close()
        rules.unlink()
        passwd.write_text(
            "".join(line for line in passwd.read_text().splitlines(True) if not line.startswith(f"{name}:"))
        )


def test_a_member_of_a_directory_logs_in(server, connect, member: str, tmp_path):
    tmp_path.chmod(0o755)
    host = Host("node-1", IPv4Address("127.0.0.1"), frozenset(), Ssh(**vars(server.host(user=member).ssh)))
    transport = connect(host)
    assert transport.run("echo $SUDO_USER; id -u").text.split() == [member, "0"]
    hint = transport._link.hop.ssh_command()
    assert (
        subprocess.run(f"printf '%s\\n' {hint}", shell=True, capture_output=True, text=True).stdout.split("\n")[-2]
        == f"{member}@127.0.0.1"
    )
