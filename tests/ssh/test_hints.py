"""The `ssh` commands that errors show, typed as they are shown: they get in where hardway gets in."""

from __future__ import annotations

import dataclasses
import subprocess
from ipaddress import IPv4Address

import pytest

from hardway.errors import HardwayError
from hardway.settings import Ssh
from hardway.ssh.route import route

from .server import free_port, keygen

pytestmark = pytest.mark.sshd


def typed(host) -> subprocess.CompletedProcess[str]:
    command = f"{route(host).ssh_command('-o', 'BatchMode=yes')} echo in"
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)


@pytest.fixture
def fleet(server, tmp_path):
    """A configuration file with what ssh needs for the server, and nobody else knows."""
    (tmp_path / "known hosts").write_text(server.host_key_line().replace(f"[127.0.0.1]:{server.port}", "fleet"))

    def configuration(names: str):
        file = tmp_path / "my config"
        file.write_text(f'Host {names}\n HostKeyAlias fleet\n UserKnownHostsFile "{tmp_path}/known hosts"\n')
        return file

    return configuration


@pytest.mark.parametrize("names", ["127.0.0.1", "node-1"])
def test_by_the_configuration_file_of_the_inventory(server, fleet, connect, names):
    host = server.host(config=fleet(names), known_hosts=type(server.host().ssh).known_hosts)
    assert connect(host).run("echo in").text == typed(host).stdout == "in\n"


def test_by_no_configuration_and_the_known_hosts_of_the_inventory(server, connect):
    assert connect(server.host()).run("echo in").text == typed(server.host()).stdout == "in\n"


def test_through_a_bastion_with_a_key_of_its_own(server, start, connect, tmp_path):
    jump, key = start("bastion"), keygen(tmp_path / "key")
    (jump.folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    server.known_hosts.write_text(server.host_key_line() + jump.host_key_line())
    host = server.host(bastion=jump.bastion(key=key))
    assert connect(host).run("echo in").text == typed(host).stdout == "in\n", typed(host).stderr


@pytest.mark.parametrize("names", ["node-1", "10.0.0.1", "node-1 10.0.0.1"])
@pytest.mark.parametrize("own", [True, False], ids=["one block", "several"])
def test_over_a_jump_that_only_the_configuration_knows(server, start, connect, tmp_path, names, own):
    """Each with its own port, key and known_hosts; what ssh is given for the one does not count for the other."""
    jump, key = start("bastion"), keygen(tmp_path / "key")
    (jump.folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    for name, here in (("there", server), ("gate", jump)):
        (tmp_path / name).write_text(here.host_key_line())
    way = " HostName 127.0.0.1\n ProxyJump gate\n"
    login = f" Port {server.port}\n IdentityFile {server.key}\n UserKnownHostsFile {tmp_path}/there\n"
    blocks = [way + login] if own else [way, login]
    (tmp_path / "config").write_text(
        f"Host gate\n HostName 127.0.0.1\n Port {jump.port}\n IdentityFile {key}\n UserKnownHostsFile {tmp_path}/gate\n"
        + "".join(f"Host {names}\n{block}" for block in blocks)
    )
    host = dataclasses.replace(server.host(), address=IPv4Address("10.0.0.1"))
    host = dataclasses.replace(host, ssh=Ssh(config=tmp_path / "config", agent=False))
    assert connect(host).run("echo in").text == "in\n"
    assert typed(host).stdout == "in\n", typed(host).stderr


def test_by_a_name_in_one_thing_and_by_the_address_in_another(server, connect, tmp_path):
    (tmp_path / "config").write_text(
        f"Host node-1\n HostName 127.0.0.1\n Port {server.port}\nHost 10.0.0.1\n IdentityFile {server.key}\n"
        f" HostKeyAlias fleet\n UserKnownHostsFile {tmp_path}/known\n"
    )
    (tmp_path / "known").write_text(server.host_key_line().replace(f"[127.0.0.1]:{server.port}", "fleet"))
    host = dataclasses.replace(server.host(), address=IPv4Address("10.0.0.1"))
    host = dataclasses.replace(host, ssh=Ssh(config=tmp_path / "config", agent=False))
    assert connect(host).run("echo in").text == typed(host).stdout == "in\n", typed(host).stderr


def at(server, config, connect, **more) -> HardwayError:
    host = dataclasses.replace(server.host(config=config, **more), address=IPv4Address("10.0.0.1"))
    with pytest.raises(HardwayError) as caught:
        connect(host).run("true")
    return caught.value


def test_every_error_says_where_an_address_comes_from_that_is_not_the_inventorys(server, connect, tmp_path):
    config = tmp_path / "config"
    config.write_text("Host node-1\n  HostName 127.0.0.1\n")
    said = f"127.0.0.1: HostName in {config} line 2, in place of 10.0.0.1"
    assert said in at(server, config, connect, port=free_port()).evidence
    assert said in at(server, config, connect, known_hosts=tmp_path / "none").evidence
    assert said in at(server, config, connect, key=keygen(tmp_path / "stranger")).evidence
    key = keygen(tmp_path / "key")
    with (server.folder / "authorized_keys").open("a") as file:
        file.write(f'command="exit 1" {key.with_suffix(".pub").read_text()}')
    assert said in at(server, config, connect, key=key).evidence


def test_an_address_family_that_excludes_the_address_is_named(server, connect, tmp_path):
    config = tmp_path / "config"
    config.write_text("Host *\n  AddressFamily inet6\n")
    error = at(server, config, connect)
    assert error.message == "10.0.0.1 cannot be reached with AddressFamily inet6" and "getent" not in error.hint
    assert error.evidence == f"AddressFamily: {config} line 2"
