"""The command that says why a cluster is broken."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

import click

from ..progress.saying import say
from .help import Command
from .options import COMMON, IGNORE, INVENTORY, open_session


@click.command(cls=Command)
@INVENTORY
@IGNORE
@COMMON
def doctor(inventory: Path, ignore: tuple[str, ...], output: str, **options: Any) -> None:
    """Show why the cluster is broken and how to repair it.

    It looks for known failures and runs the checks of verify that change nothing. It shows causes first, each with its
    evidence and the next command, and below each cause its effects. It changes nothing, and it works even when most of
    the cluster is down. Exit codes: 0 nothing is wrong, 7 something is, 4 no host answers.
    """
    from ..commands import doctor as practice

    session = open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options)
    with contextlib.closing(session.live):
        seen = practice.examine(session, ignore)
    text = practice.to_json(seen) if output == "json" else practice.to_text(seen, options["verbose"])
    say(re.sub(r"\bINV\b", lambda _: str(inventory), text))
    sys.exit(seen.exit_code)
