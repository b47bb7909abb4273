"""`hardway verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..errors import DriftError
from ..progress.saying import say
from .endings import say_where_the_log_is
from .help import Command
from .options import COMMON, IGNORE, INVENTORY, open_session


@click.command(cls=Command)
@INVENTORY
@COMMON
@click.option(
    "--output-file",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the report to FILE instead of stdout.",
)
@click.option("--junit", is_flag=True, help="Write JUnit XML.")
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check (repeatable).")
@IGNORE
def verify(
    inventory: Path,
    output_file: Path | None,
    junit: bool,
    only: tuple[str, ...],
    ignore: tuple[str, ...],
    output: str,
    **options: Any,
) -> None:
    """Check that the cluster works.

    It checks that no host differs from the inventory and that every component is healthy. It runs smoke tests in a
    namespace of its own, which it then removes. Safe on a cluster in use.
    """
    from ..checks import output as shown
    from ..commands.verify import verify as prove

    if output_file and not output_file.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder {output_file.absolute().parent}")
    watching = output == "text" and not junit and not output_file
    access = {"read_only": True, "proving": True, "logged": "verify", "stream": sys.stdout if watching else sys.stderr}
    with open_session(inventory, output="text", **access, **options) as session:
        results = prove(session, only, ignore)
    text = shown.to_junit(results) if junit else shown.to_json(results) if output == "json" else shown.to_text(results)
    # Whoever watched has seen every check go by: what failed is worth saying again, with the remedy.
    (
        output_file.write_text(text, encoding="utf-8")
        if output_file
        else say(shown.to_verdict(results) if watching else text, nl=False)
    )
    if any(outcome.status == "failed" for _, outcome in results):
        say_where_the_log_is(session.log.path)
        sys.exit(DriftError("").exit_code)
