"""`hardway status`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..progress.saying import say
from .help import Command
from .options import COMMON, INVENTORY, open_session


@click.command(cls=Command)
@INVENTORY
@COMMON
def status(inventory: Path, output: str, **options: Any) -> None:
    """Show the state of the cluster on one screen.

    It shows hosts, units with their versions, etcd members, nodes, add-ons and certificates, and names what does not
    answer. It writes nothing. docs/operating.md explains the JSON.
    """
    from ..commands import status as view

    with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
        found = view.collect(session)
    say(view.as_json(found)) if output == "json" else view.show(found, sys.stdout)
