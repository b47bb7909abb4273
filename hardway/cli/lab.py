"""`hardway lab …`: the machines of an inventory's lab on this host."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from ..errors import UsageError
from ..progress.saying import say
from .help import Group
from .options import INVENTORY, STATE

HOSTS = click.argument("hosts", nargs=-1, metavar="[HOST]...")


def machines(inventory: Path, state_dir: Path | None):
    """The lab of an inventory; UsageError when it has none."""
    from ..inventory import load
    from ..lab import LabMachines

    cluster = load(inventory, state_dir)
    if cluster.lab is None:
        raise UsageError(
            f"{inventory} has no `lab:` section",
            hint="use an inventory with a `lab:` section, such as inventory/lab.yaml",
        )
    return LabMachines(cluster, state_dir or Path(".hardway") / cluster.name)


@click.group(cls=Group)
def lab() -> None:
    """Create and break machines on this computer.

    Each host of an inventory with a `lab:` section becomes a machine with its own systemd, sshd, disk and network.
    Needs root, Linux and systemd-nspawn.
    """


def command(name: str, help: str, needs_hosts: bool = True):
    """A lab command that takes host names (all hosts when none are given, where that is harmless)."""

    def decorate(work):
        @lab.command(name, help=help)
        @INVENTORY
        @HOSTS
        @STATE
        def run(inventory: Path, hosts: tuple[str, ...], state_dir: Path | None) -> None:
            found = machines(inventory, state_dir)
            if needs_hosts and not hosts:
                raise UsageError(
                    "name the hosts", hint=f"the hosts are: {' '.join(host.name for host in found.cluster.hosts)}"
                )
            known = {host.name for host in found.cluster.hosts}
            if unknown := [host for host in hosts if host not in known]:
                raise UsageError(
                    f"there is no host {unknown[0]} in the inventory", hint=f"the hosts are: {' '.join(sorted(known))}"
                )
            work(found, list(hosts))

        return run

    return decorate


@command(
    "up",
    "Create and start the machines.\n\nAll of them, or those you name. Returns when each one answers ssh.",
    needs_hosts=False,
)
def up(found, hosts: list[str]) -> None:
    found.up(hosts or None, report=say)


@command("power-off", "Power machines off without a shutdown, like a power cut.")
def power_off(found, hosts: list[str]) -> None:
    found.power_off(hosts, say)


@command("power-on", "Start machines that are off.")
def power_on(found, hosts: list[str]) -> None:
    found.power_on(hosts, say)


@command("reboot", "Shut machines down cleanly and start them again.")
def reboot(found, hosts: list[str]) -> None:
    found.reboot(hosts, say)


@command("cut", "Unplug the network cable.")
def cut(found, hosts: list[str]) -> None:
    found.cut(hosts)


@command("heal", "Plug the network cable back in.")
def heal(found, hosts: list[str]) -> None:
    found.heal(hosts)


@lab.command()
@INVENTORY
@STATE
def down(inventory: Path, state_dir: Path | None) -> None:
    """Stop the machines; their disks are kept.

    It leaves none of their processes, mounts, links or packet rules.
    """
    machines(inventory, state_dir).down(say)


@lab.command()
@INVENTORY
@STATE
def wipe(inventory: Path, state_dir: Path | None) -> None:
    """Stop the machines and delete their disks.

    The cluster on them is deleted too: the next bootstrap creates a new one, with the keys of the state directory.
    """
    machines(inventory, state_dir).wipe(say)


@lab.command()
@INVENTORY
@STATE
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Readable text, or JSON.",
)
def status(inventory: Path, state_dir: Path | None, output: str) -> None:
    """Show each machine: state, memory, disk."""
    rows = machines(inventory, state_dir).status()
    if output == "json":
        say(json.dumps([vars(row) for row in rows], indent=2, default=str))
        return
    for row in rows:
        say(
            f"{row.name:16} {row.address:15} {row.state:8} {row.memory_bytes / 1e6:7.0f} MB memory"
            f" {row.disk_bytes / 1e6:7.0f} MB disk"
        )


@lab.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@STATE
@INVENTORY
@click.argument("host", metavar="HOST")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")
def ssh(inventory: Path, host: str, command: tuple[str, ...], state_dir: Path | None) -> None:
    """Log in to a machine, or run a command there."""
    found = machines(inventory, state_dir)
    if host not in {one.name for one in found.cluster.hosts}:
        raise UsageError(
            f"there is no host {host} in the inventory",
            hint=f"the hosts are: {' '.join(one.name for one in found.cluster.hosts)}",
        )
    os.execvp("ssh", ["ssh", "-F", str(found.way_to(host)), host, *command])


@lab.command("ssh-config")
@INVENTORY
@STATE
def ssh_config(inventory: Path, state_dir: Path | None) -> None:
    """Print an OpenSSH configuration for the machines.

    For ssh -F, scp, rsync and any other tool: hardway lab ssh-config INV > lab.ssh; ssh -F lab.ssh worker-0
    """
    say(machines(inventory, state_dir).ssh_config(), nl=False)
