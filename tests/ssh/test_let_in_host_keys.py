"""Keys and certificates of hosts, tried with ssh and with hardway."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from hardway.cluster import Host
from hardway.settings import Ssh

from .server import keygen, sshd
from .world import Case, Cases, World, a_world, both

pytestmark = [pytest.mark.sshd, pytest.mark.slow]
CASES = Cases()


@CASES.case()
def a_host_key_without_its_port(world: World) -> None:
    world.known = world.host_key("127.0.0.1")
    world.say(f"IdentityFile {world.key()}")


@CASES.case(let_in=False)
def another_host_key_without_a_port(world: World) -> None:
    world.known = world.host_key("127.0.0.1", server=world.jump)
    world.say(f"IdentityFile {world.key()}")


@CASES.case(let_in=False)
def another_host_key_with_the_port(world: World) -> None:
    port, key = world.jump.port, world.key()
    world.known = world.host_key("127.0.0.1", server=world.jump) + world.host_key(f"[127.0.0.1]:{port}")
    world.jump.authorize(key)
    world.say(f"IdentityFile {key}", f"Port {port}", "StrictHostKeyChecking accept-new")


@CASES.case()
def a_hashed_host_key(world: World) -> None:
    path = world.folder / "hashed"
    path.write_text(world.host_key())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    world.known = path.read_text()
    world.say(f"IdentityFile {world.key()}")


@CASES.case()
def a_host_key_in_the_second_file(world: World) -> None:
    path = world.folder / "se cond"
    path.write_text(world.host_key())
    world.say(f"IdentityFile {world.key()}", f'UserKnownHostsFile {world.folder}/absent "{path}"')


@CASES.case()
def a_host_key_in_the_file_for_all_users(world: World) -> None:
    path = world.folder / "global"
    path.write_text(world.host_key())
    world.say(f"IdentityFile {world.key()}", "UserKnownHostsFile none", f"GlobalKnownHostsFile {path}")


@CASES.case()
def a_host_key_in_a_file_of_its_own(world: World) -> None:
    (world.folder / "127.0.0.1").write_text(world.host_key())
    world.say(f"IdentityFile {world.key()}", f"UserKnownHostsFile {world.folder}/%k")


@CASES.case()
def a_host_key_under_an_alias(world: World) -> None:
    world.known = world.host_key("fleet")
    world.say(f"IdentityFile {world.key()}", "HostKeyAlias Fleet")


@CASES.case(let_in=False)
def a_host_key_under_the_address_while_there_is_an_alias(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "HostKeyAlias fleet")


@CASES.case(let_in=False)
def a_revoked_host_key(world: World) -> None:
    world.known = world.host_key() + world.host_key("@revoked *")
    world.say(f"IdentityFile {world.key()}")


@CASES.case()
def a_host_key_that_is_revoked_for_another_host(world: World) -> None:
    world.known = world.host_key() + world.host_key("@revoked other")
    world.say(f"IdentityFile {world.key()}")


@CASES.case(let_in=False)
def an_unknown_host_key(world: World) -> None:
    world.known = ""
    world.say(f"IdentityFile {world.key()}")


@CASES.case()
def an_unknown_host_key_is_accepted(world: World) -> None:
    world.known = ""
    world.say(f"IdentityFile {world.key()}", "StrictHostKeyChecking accept-new")


@CASES.case()
def an_unknown_host_key_is_not_asked_about(world: World) -> None:
    world.known = ""
    world.say(f"IdentityFile {world.key()}", "StrictHostKeyChecking no")


def authority(world: World, name: str, ca: str = "host_ca") -> str:
    return f"@cert-authority {name} {(world.folder / f'{ca}.pub').read_text()}"


@CASES.case()
def a_host_certificate(world: World) -> None:
    world.known = authority(world, "127.0.0.*,[127.0.0.*]:*")
    world.say(f"IdentityFile {world.key()}")


@CASES.case()
def a_host_certificate_of_a_ca_without_a_port(world: World) -> None:
    world.known = authority(world, "127.0.0.1")
    world.say(f"IdentityFile {world.key()}")


@CASES.case(let_in=False)
def a_host_certificate_of_another_ca(world: World) -> None:
    world.known = authority(world, "*", "user_ca")
    world.say(f"IdentityFile {world.key()}")


@CASES.case(let_in=False)
def a_host_certificate_of_a_ca_for_others(world: World) -> None:
    world.known = authority(world, "10.*")
    world.say(f"IdentityFile {world.key()}")


@CASES.case(let_in=False)
def a_host_certificate_for_another_name(world: World) -> None:
    world.known = authority(world, "*")
    world.say(f"IdentityFile {world.key()}", "HostKeyAlias fleet")


@CASES.case()
def a_key_on_record_while_its_certificate_is_of_another_ca(world: World) -> None:
    world.known = authority(world, "*", "user_ca") + world.host_key()
    world.say(f"IdentityFile {world.key()}")


@CASES.case(let_in=False)
def a_revoked_ca(world: World) -> None:
    world.known = authority(world, "*") + authority(world, "*").replace("@cert-authority", "@revoked")
    world.say(f"IdentityFile {world.key()}")


def printing(world: World, text: str, code: int = 0) -> str:
    """A program that prints lines of known_hosts, with its arguments in the place of $1, $2, …"""
    program = world.folder / "host keys"
    program.write_text(f"#!/bin/sh\ncat <<END\n{text}END\nexit {code}\n")
    program.chmod(0o755)
    return f'KnownHostsCommand "{program}"'


@CASES.case()
def a_host_key_that_a_program_prints(world: World) -> None:
    world.known = ""
    world.say(f"IdentityFile {world.key()}", printing(world, world.host_key()))


@CASES.case()
def a_program_that_is_given_what_is_looked_up(world: World) -> None:
    world.known = ""
    world.monkeypatch.setenv("SOME_TEXT", "some text")
    given = printing(world, "$1 $2 $3\n# $4 $5\n")
    world.say(f"IdentityFile {world.key()}", given + ' %H "%t" %K %n-%p-%r-%%-%I "${SOME_TEXT}"')
    world.say("HostKeyAlgorithms ssh-ed25519")


@CASES.case(let_in=False)
def a_program_that_prints_the_key_without_its_port(world: World) -> None:
    world.known = ""
    world.say(f"IdentityFile {world.key()}", printing(world, world.host_key("127.0.0.1")))


@CASES.case()
def a_program_that_prints_a_ca(world: World) -> None:
    world.known = ""
    world.say(f"IdentityFile {world.key()}", printing(world, authority(world, "*")))


@CASES.case(let_in=False)
def a_program_that_prints_the_key_of_another_host(world: World) -> None:
    world.known = ""
    world.say(f"IdentityFile {world.key()}", printing(world, world.host_key("[127.0.0.1]:1")))


@CASES.case(let_in=False)
def a_program_that_prints_another_key(world: World) -> None:
    world.known = ""
    other = world.host_key(f"[127.0.0.1]:{world.server.port}", server=world.jump)
    world.say(f"IdentityFile {world.key()}", "StrictHostKeyChecking accept-new", printing(world, other))


@CASES.case(let_in=False)
def a_program_that_revokes_a_key_on_record(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", printing(world, world.host_key("@revoked *")))


@CASES.case(let_in=False)
def a_program_that_fails(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", printing(world, world.host_key(), code=1))


@CASES.case()
def a_program_that_is_not_there(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "KnownHostsCommand /absent/program %H")


@CASES.case(let_in=False)
def a_host_key_of_a_kind_that_is_not_allowed(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "HostKeyAlgorithms ecdsa-sha2-*")


@CASES.case()
def a_host_key_of_the_only_kind_that_is_allowed(world: World) -> None:
    world.known = world.host_key(kind="ecdsa")
    world.say(f"IdentityFile {world.key()}", "HostKeyAlgorithms ecdsa-sha2-*")


@CASES.case(let_in=False)
def a_host_certificate_that_is_not_allowed(world: World) -> None:
    world.known = authority(world, "*")
    world.say(f"IdentityFile {world.key()}", "HostKeyAlgorithms -*-cert-*")


@CASES.case()
def a_host_certificate_with_a_signature_that_is_allowed(world: World) -> None:
    world.known = authority(world, "*")
    world.say(f"IdentityFile {world.key()}", "CASignatureAlgorithms ssh-ed25519")


@CASES.case(let_in=False)
def a_host_certificate_with_a_signature_that_is_not_allowed(world: World) -> None:
    world.known = authority(world, "*")
    world.say(f"IdentityFile {world.key()}", "CASignatureAlgorithms rsa-sha2-512")


def rsa(world: World) -> None:
    """A server that has an RSA key only, which is known."""
    world.server = world.stack.enter_context(
        sshd(world.folder / "another", "HostKey {folder}/rsa\nHostKeyAlgorithms rsa-sha2-256\n", of_rsa)
    )
    world.known = world.host_key(kind="rsa")
    world.say(f"IdentityFile {world.key()}")


def of_rsa(folder: Path) -> None:
    keygen(folder / "host_rsa", "rsa")
    (folder / "sshd_config").write_text(
        (folder / "sshd_config").read_text().replace("{folder}/rsa", f"{folder}/host_rsa")
    )


@CASES.case()
def a_host_key_of_rsa_that_is_long_enough(world: World) -> None:
    rsa(world)
    world.say("RequiredRSASize 3072")


@CASES.case(let_in=False)
def a_host_key_of_rsa_that_is_too_short(world: World) -> None:
    rsa(world)
    world.say("RequiredRSASize 4096")


@CASES.case(let_in=False)
def another_host_key_than_the_first_one_that_was_accepted(world: World) -> None:
    world.known = world.host_key(f"[127.0.0.1]:{world.server.port}", server=world.jump)
    world.say(f"IdentityFile {world.key()}", "StrictHostKeyChecking accept-new")


@CASES.case()
def host_keys_that_nobody_is_to_remember(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null")


@CASES.case(let_in=False)
def host_keys_without_any_file_for_them(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "StrictHostKeyChecking accept-new", "UserKnownHostsFile none")


@CASES.case(let_in=False)
def host_keys_that_nobody_remembers_and_that_must_be_known(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "StrictHostKeyChecking yes", "UserKnownHostsFile /dev/null")


@CASES.case(let_in=False)
def a_hashed_host_key_that_is_revoked(world: World) -> None:
    path = world.folder / "hashed"
    path.write_text(world.host_key())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    world.known = world.host_key() + "@revoked " + path.read_text()
    world.say(f"IdentityFile {world.key()}")


@CASES.case()
def a_host_key_that_is_recorded_hashed(world: World) -> None:
    world.known = ""
    world.say(f"IdentityFile {world.key()}", "StrictHostKeyChecking accept-new", "HashKnownHosts yes")


@pytest.fixture
def world(tools, tmp_path, monkeypatch) -> Iterator[World]:
    with a_world(tmp_path, monkeypatch) as world:
        yield world


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_who_is_let_in(world: World, connect, case: Case):
    both(world, connect, case)


@pytest.mark.parametrize("hashed", ["yes", "no"])
def test_a_new_key_is_recorded_as_ssh_records_it(world: World, connect, hashed):
    a_host_key_that_is_recorded_hashed(world)
    world.said[-1] = f"HashKnownHosts {hashed}"
    config, known_hosts = world.config(), world.folder / "known_hosts"
    for _ in range(2):
        transport = connect(Host("node-1", IPv4Address("127.0.0.1"), frozenset(), Ssh(config=config)))
        assert transport.run("id -u").out == b"0\n"
        transport.close()
    assert len(known_hosts.read_text().splitlines()) == 1
    assert known_hosts.read_text().startswith("|1|") == (hashed == "yes")
    by_ssh = ["ssh", "-F", config, "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "127.0.0.1", "true"]
    subprocess.run(by_ssh, check=True, stdin=subprocess.DEVNULL, timeout=60)
