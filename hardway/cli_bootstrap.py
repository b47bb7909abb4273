"""The commands that show and bring about the plan."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .cli_options import COMMON, INVENTORY, SELECTION, open_session
from .errors import DriftError
from .help import Command


@click.command(cls=Command)
@INVENTORY
@SELECTION
@COMMON
@click.option("--exit-code", is_flag=True, help="Exit with 7 when there is anything to change.")
def plan(inventory: Path, exit_code: bool, **options: Any) -> None:
    """Show what bootstrap would change, and why.

    The hosts are read, nothing is written anywhere: the connection a plan works with is unable to write.
    """
    _plan(inventory, exit_code, **options)


def _plan(inventory: Path, exit_code: bool, only, start, until, skip, limit, state_dir, output, parallel, verbose) -> None:
    from . import actions, plan_text
    from .session import Selection

    with open_session(inventory, state_dir, "json" if output == "json" else "text", verbose, parallel, read_only=True) as session:
        session.report.stream = sys.stderr
        done, findings = actions.look(session, Selection(only, start, until, skip, limit))
    click.echo(plan_text.as_json(done, findings) if output == "json" else plan_text.as_text(done, findings, verbose))
    if exit_code and any(step.changes for step in done):
        sys.exit(DriftError("").exit_code)


@click.command(cls=Command)
@INVENTORY
@SELECTION
@COMMON
@click.option("--dry-run", is_flag=True, help="Show what would be changed, like plan.")
def bootstrap(inventory: Path, dry_run: bool, **options: Any) -> None:
    """Build the cluster, or mend it.

    Each host is brought to what the inventory says. What is as it should be is left alone, so the command may be run
    again at any time: after an edit, after a failure, after an interruption.
    """
    if dry_run:
        _plan(inventory, False, **options)
        return
    from . import actions
    from .session import Selection

    choice = Selection(*(options.pop(name) for name in ("only", "start", "until", "skip", "limit")))
    with open_session(inventory, **options) as session:
        actions.bootstrap(session, choice)


COMMANDS = (plan, bootstrap)
