"""`hardway preflight`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..progress.saying import say
from .help import Command
from .options import COMMON, HOSTS, IGNORE, INVENTORY, open_session


@click.command(cls=Command)
@INVENTORY
@HOSTS
@IGNORE
@COMMON
def preflight(
    inventory: Path,
    limit: tuple[str, ...],
    exclude: tuple[str, ...],
    ignore: tuple[str, ...],
    output: str,
    **options: Any,
) -> None:
    """Check that the hosts are fit for the cluster.

    bootstrap does the same before it changes anything. It asks each host once, shows everything it finds, each with the
    next command, and changes nothing. docs/preflight.md lists the checks. Exit codes: 0 no errors, 5 errors, 4 a host
    does not answer.
    """
    from ..commands.preflight import look
    from ..errors import PreflightError
    from ..preflight import findings, judge
    from ..report import plural
    from ..run.failures import of_left_out
    from ..run.selection import Selection

    selection = Selection(limit=limit, exclude=exclude, ignore=ignore)
    with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
        inputs, left_out = look(session, selection)
    if output == "json":
        found = [{**vars(one), "severity": one.severity} for one in findings(inputs)]
        say(json.dumps({"schema": 1, "cluster": inputs.cluster.name, "findings": found}, indent=2))
        if any(not one["warning"] for one in found):
            sys.exit(PreflightError("").exit_code)
    else:
        warnings = judge(inputs)
        for warning in warnings:
            say("\n".join(warning.lines()))
        asked = sum(facts.known for facts in inputs.facts.values())
        say(f"preflight passed on {plural(asked, 'host')}: {plural(len(warnings), 'warning')}")
    if left_out:
        raise of_left_out(left_out, f"hardway preflight {inventory}")
