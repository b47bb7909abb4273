"""--patience, as it is typed."""

from __future__ import annotations

import re
import socket

import click
import pytest
from docs.test_help import ALL
from failures.desk import ADDRESS, Desk

# They connect to no host, or leave that to another program.
AT_HOME = {"init", "validate", "schema", "kubeconfig", "kubectl", "env", "phases", "explain", "render", "trust"}
AT_HOME |= {"certs csr", "certs import"}


def test_every_command_that_connects_can_be_patient():
    without = {path for path, command in ALL if not hasattr(command, "commands") and not takes_patience(command)}
    assert {" ".join(path) for path in without if path[0] not in ("assets", "lab")} == AT_HOME


def takes_patience(command: click.Command) -> bool:
    return any("--patience" in param.opts for param in command.params)


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--patience", "4")])
def test_a_server_that_does_not_greet_is_waited_for_so_many_times_as_long(tmp_path, words):
    desk = Desk(tmp_path, {"HOME": str(tmp_path)})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = tmp_path / "ssh_config"
        config.write_text(f"Host {ADDRESS}\n  HostName 127.0.0.1\n  Port {silent.getsockname()[1]}\n")
        inventory = desk.inventory(ssh={"config": str(config), "connect_timeout": 1, "agent": False})
        ran = desk.hardway("preflight", inventory, *words)
    waited = re.search(r"does not speak SSH within ([\d.]+) s", ran.err)
    assert ran.code == 4 and waited
    assert (float(waited[1]) >= 4) == bool(words)
