"""The commands about an inventory alone: nothing is contacted."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..progress.saying import say
from .help import Command
from .options import INVENTORY


@click.command(cls=Command)
@click.argument("hosts", nargs=-1, metavar="[USER@ADDRESS[:PORT]]...")
def init(hosts: tuple[str, ...]) -> None:
    """Print a commented inventory to start from.

    Hosts that you name are filled in, with roles that fit their number. You can then edit names and roles.
    """
    from ..inventory import sample

    say(sample(hosts), nl=False)


@click.command(cls=Command)
@INVENTORY
def validate(inventory: Path) -> None:
    """Check an inventory without contacting a host.

    It shows all problems at once, each with its line, what is wrong and what is allowed.
    """
    from ..inventory import load as load_inventory
    from ..inventory import review
    from ..progress.closing import plural

    cluster = load_inventory(inventory)
    for warning in review(inventory).warnings:
        say(f"warning: {warning}")
    say(
        f"{inventory}: ok, cluster {cluster.name}, {plural(len(cluster.hosts), 'host')},"
        f" Kubernetes {cluster.versions.kubernetes}"
    )


@click.command(cls=Command)
def schema() -> None:
    """Print the JSON Schema of the inventory, for editors."""
    from ..inventory import schema as inventory_schema

    say(json.dumps(inventory_schema(), indent=2))
