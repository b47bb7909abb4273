"""Keys and certificates of hosts, tried with ssh and with hardway."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

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


@pytest.fixture
def world(tools, tmp_path, monkeypatch) -> Iterator[World]:
    with a_world(tmp_path, monkeypatch) as world:
        yield world


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_who_is_let_in(world: World, connect, case: Case):
    both(world, connect, case)
