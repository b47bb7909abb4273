"""Ways to a host, tried with ssh and with hardway."""

from __future__ import annotations

import getpass
import shlex
import sys
from collections.abc import Iterator

import pytest

from .world import Case, Cases, World, a_world, both

pytestmark = [pytest.mark.sshd, pytest.mark.slow]
CASES = Cases()


@CASES.case()
def a_user_of_the_configuration(world: World) -> None:
    world.before = ["Host 127.0.0.*", "  User root", "Host *", "  User nobody-there"]
    world.say(f"IdentityFile {world.key()}")


@CASES.case()
def two_jumps_with_users_ports_and_keys_of_their_own(world: World) -> None:
    first, second, last = world.key("first"), world.key("second"), world.key("last")
    world.jump.authorize(first)
    world.jump.authorize(second)
    world.before = [
        *("Host one", f"  IdentityFile {first}", f"  Port {world.jump.port}", "  HostName 127.0.0.1"),
        *("Host two", f"  IdentityFile {second}", "  HostName 127.0.0.1", "  ProxyJump nowhere"),
        *("Host 127.*", f"  ProxyJump one,root@two:{world.jump.port}"),
    ]
    world.say(f"IdentityFile {last}", "IdentitiesOnly yes")


@CASES.case()
def a_jump_that_is_reached_by_a_jump(world: World) -> None:
    key = world.key()
    world.jump.authorize(key)
    there = f"  HostName 127.0.0.1\n  Port {world.jump.port}"
    world.before = ["Host one", there, "Host two", there, "  ProxyJump one", "Host 127.*", "  ProxyJump two"]
    world.say(f"IdentityFile {key}")


@CASES.case()
def a_jump_with_the_name_of_the_host_in_its_own(world: World) -> None:
    key = world.key()
    world.jump.authorize(key)
    world.before = [
        *("Host jump-127.0.0.1-root", "  HostName 127.0.0.1", "  ProxyJump none"),
        *("Host 127.*", f"  ProxyJump %r@jump-%h-%r:{world.jump.port}"),
    ]
    world.say(f"IdentityFile {key}")


@CASES.case()
def a_jump_whose_name_may_be_one_of_a_domain(world: World) -> None:
    key = world.key()
    world.jump.authorize(key)
    world.before = [
        *("Host 127.*", "  ProxyJump localhost"),
        *("Match final originalhost localhost", "  HostKeyAlias fleet"),
        *("Host localhost", f"  Port {world.jump.port}", "  CanonicalizeHostname yes", "  CanonicalDomains invalid"),
    ]
    world.known = world.host_key() + world.host_key("fleet", server=world.jump)
    world.say(f"IdentityFile {key}")


@CASES.case()
def a_block_of_a_file_that_a_pattern_includes(world: World) -> None:
    inner = world.folder / "conf.d"
    inner.mkdir()
    (inner / "10-wrong.conf").write_text("Host other\n  User nobody-there\n")
    (inner / "20-right.conf").write_text(f"Include {inner}/more/*\nHost 127.*\n  IdentityFile {world.key()}\n")
    world.before = [f"Include {inner}/*.conf {inner}/none"]
    world.said.append("IdentitiesOnly yes")


@CASES.case()
def a_block_for_those_who_have_its_user_and_this_one(world: World) -> None:
    world.before = [
        *("Match user nobody-there", "  Port 1"),
        *(f"Match final user root localuser {getpass.getuser()} !exec false", f"  IdentityFile {world.key()}"),
    ]


def command(world: World) -> str:
    """A program that carries bytes to the server, and back."""
    program = world.folder / "carry.py"
    program.write_text(
        "import os, socket, sys, threading\n"
        "sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): sock.sendall(data)\n"
        "    sock.shutdown(socket.SHUT_WR)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := sock.recv(65536): os.write(1, data)\n"
    )
    return f"{shlex.quote(sys.executable)} {program}"


@CASES.case()
def a_proxy_command_in_the_words_of_a_shell(world: World) -> None:
    words = (
        f"sh -c \"test %% = $(printf '\\045') && test %n-%r = 127.0.0.1-root && exec {command(world)} %h $((%p + 0))\""
    )
    world.say(f"IdentityFile {world.key()}", f"ProxyCommand {words}")


@CASES.case()
def a_proxy_command_that_a_variable_of_the_shell_names(world: World) -> None:
    world.monkeypatch.setenv("CARRY", command(world))
    world.say(f"IdentityFile {world.key()}", "ProxyCommand $CARRY %h $((%p))")


@CASES.case()
def a_proxy_command_that_is_another_ssh(world: World) -> None:
    key = world.key()
    world.jump.authorize(key)
    world.before = ["Host jump", "  HostName 127.0.0.1", f"  Port {world.jump.port}", "  ProxyCommand none"]
    world.say(f"IdentityFile {key}", f"ProxyCommand ssh -F {world.folder}/config -W %h:%p jump")


@CASES.case(let_in=False)
def a_proxy_command_that_fails(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "ProxyCommand echo no way there >&2; exit 3")


@CASES.case()
def no_proxy_command_for_this_host(world: World) -> None:
    world.before = ["Host 127.0.0.1", "  ProxyCommand none"]
    world.say(f"IdentityFile {world.key()}", "ProxyCommand false")


@CASES.case()
def an_address_to_come_from(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "BindAddress 127.0.0.9")


@CASES.case(let_in=False)
def an_address_to_come_from_that_is_not_here(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "BindAddress 192.0.2.77")


@CASES.case()
def a_condition_that_asks_a_program(world: World) -> None:
    key = world.key()
    world.before = [
        'Match exec "false"',
        "  User nobody-there",
        'Match exec "test %h = 127.0.0.1"',
        f"  IdentityFile {key}",
    ]


@pytest.fixture
def world(tools, tmp_path, monkeypatch) -> Iterator[World]:
    with a_world(tmp_path, monkeypatch) as world:
        yield world


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_who_is_let_in(world: World, connect, case: Case):
    both(world, connect, case)
