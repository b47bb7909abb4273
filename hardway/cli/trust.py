"""`hardway trust`: host keys put on record without trusting the network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..progress.saying import say
from .help import Command
from .options import INVENTORY, STATE, ask, load

if TYPE_CHECKING:
    from ..ssh import Recorded


@click.command(cls=Command)
@INVENTORY
@click.argument("hosts", nargs=-1, metavar="[HOST]...")
@click.option(
    "--from-file",
    "file",
    type=click.File(),
    metavar="FILE",
    help="Read keys you copied from the machine's console: .pub lines, or ssh-keyscan lines. - reads stdin.",
)
@STATE
def trust(inventory: Path, hosts: tuple[str, ...], file: click.utils.LazyFile | None, state_dir: Path | None) -> None:
    """Record the SSH host keys of recreated machines.

    It reads the keys through Vagrant or from the lab's disks, never from the network. They replace the old keys in the
    inventory's known_hosts file. For other machines it shows what to compare. All hosts, or those you name.
    """
    from .. import ssh
    from ..commands import trust as host_keys
    from ..run.selection import Selection

    cluster, _ = load(inventory, state_dir)
    chosen = Selection(limit=hosts).hosts(cluster)
    wanted = [host for host in cluster.hosts if host.name in chosen]
    if file:
        found = host_keys.from_text(file.read(), wanted)
    else:
        found = host_keys.learn(cluster, wanted, ask if sys.stdin.isatty() else None)
    for host in wanted:
        say(told(ssh.record(host, found[host.name])))


def told(recorded: Recorded) -> str:
    """What changed for one host, old and new fingerprints."""
    gone = [key for key in recorded.old if key not in recorded.new]
    signs = [("-", key) for key in gone] + [(" " if key in recorded.old else "+", key) for key in recorded.new]
    lines = [f"  {sign} {key.kind} {key.fingerprint}" for sign, key in signs]
    return "\n".join([f"{recorded.host}  in {recorded.path}", *lines])
