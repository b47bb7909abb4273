"""The command that says why a cluster is broken."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

import click

from .help import Command
from .options import COMMON, INVENTORY, open_session


@click.command(cls=Command)
@INVENTORY
@COMMON
def doctor(inventory: Path, output: str, **options: Any) -> None:
    """Say why the cluster is broken, and what to do.

    Known failures and the checks of verify that change nothing, causes first, each with its evidence and the next command; what only
    follows from a cause stands beneath it. It works when almost everything is dead, and it changes nothing. It ends with 0 when
    nothing is wrong, 7 when something is, 4 when no host answers.
    """
    from ..commands import doctor as practice

    session = open_session(inventory, output="text", read_only=True, **options)
    session.report.stream = sys.stderr
    with contextlib.closing(session.live):
        seen = practice.examine(session)
    text = practice.to_json(seen) if output == "json" else practice.to_text(seen, options["verbose"])
    click.echo(re.sub(r"\bINV\b", lambda _: str(inventory), text))
    sys.exit(seen.exit_code)


COMMANDS = (doctor,)
