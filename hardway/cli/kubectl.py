"""`hardway kubectl`: the cluster's own kubectl on this computer."""

from __future__ import annotations

from pathlib import Path

import click

from ..progress.saying import say
from .help import Command
from .options import INVENTORY, STATE, load


@click.command(cls=Command)
@INVENTORY
@STATE
@click.option(
    "--install",
    "target",
    type=click.Path(),
    metavar="PATH",
    help="The file, or the folder it goes to.  [default: ~/.local/bin]",
)
@click.option("--uninstall", is_flag=True, help="Remove what this command has installed there, and nothing else.")
@click.option("--force", is_flag=True, help="Replace another program of that name; it is kept as PATH.before-hardway.")
def kubectl(inventory: Path, state_dir: Path | None, target: str | None, uninstall: bool, force: bool) -> None:
    """Install the kubectl that matches the cluster.

    It comes from the cache, checked by its checksum, for this computer's processor, and with it the completion for your
    shell (bash, zsh or fish). Run it again after an upgrade. Another program of that name is never overwritten unless
    you say --force.
    """
    from ..commands import kubectl as command

    if uninstall and force:
        raise click.UsageError("--uninstall and --force cannot be used together: remove one of them")
    cluster, _ = load(inventory, state_dir)
    path = command.place(target)
    lines = command.uninstall(path) if uninstall else command.install(cluster, path, force)
    say("\n".join(lines))
