"""The commands that show the plan and bring it about."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DriftError, UsageError
from .help import Command
from .options import COMMON, INVENTORY, SELECTION, open_session

if TYPE_CHECKING:
    from ..commands.bootstrap.stepping import Conversation
    from ..phase import Phase
    from ..plans import Saved
    from ..session import Selection, Session

FILE = click.Path(path_type=Path, dir_okay=False)
CHOICE = ("only", "start", "until", "skip", "limit")


@click.command(cls=Command)
@INVENTORY
@SELECTION
@COMMON
@click.option("-o", "--save", "file", type=FILE, metavar="FILE", help="Save the plan too (0600), for bootstrap --plan-file FILE.")
@click.option("--exit-code", is_flag=True, help="Exit with 7 when there is anything to change.")
def plan(inventory: Path, file: Path | None, exit_code: bool, **options: Any) -> None:
    """Show what bootstrap would change, and why.

    The hosts are read, nothing is written anywhere: the connection a plan works with is unable to write.
    """
    _plan(inventory, file, exit_code, **options)


def _plan(inventory: Path, file: Path | None, exit_code: bool, output: str, **options: Any) -> None:
    from .. import actions, plans

    selection = _selection(options)
    with open_session(inventory, output=output, read_only=True, **options) as session:
        session.report.stream = sys.stderr
        found = actions.look(session, selection)
    document = plans.as_json(found, plans.Purpose.of(session.cluster, selection))
    if file:
        plans.save(document, file)
    click.echo(document if output == "json" else plans.as_text(found, options["verbose"]))
    if file and output == "text":
        click.echo(f"saved; to do exactly this: hardway bootstrap {inventory} --plan-file {file}")
    if exit_code and found.changes:
        sys.exit(DriftError("").exit_code)


@click.command(cls=Command)
@INVENTORY
@SELECTION
@COMMON
@click.option("--plan-file", "file", type=FILE, metavar="FILE", help="Do exactly what this saved plan says, or stop and say what moved.")
@click.option("--step", is_flag=True, help="Before each phase show what will happen and ask: continue, explain, skip or quit.")
@click.option("--dry-run", is_flag=True, help="Show what would be changed, like plan.")
def bootstrap(inventory: Path, file: Path | None, step: bool, dry_run: bool, **options: Any) -> None:
    """Build the cluster, or mend it.

    Each host is brought to what the inventory says. What is as it should be is left alone, so the command may be run
    again at any time: after an edit, after a failure, after an interruption.
    """
    if dry_run and (step or file):
        raise click.UsageError("--dry-run does nothing at all, so it does not go with --step or --plan-file")
    if dry_run:
        _plan(inventory, None, False, **options)
        return
    if step:
        _require_person(options["output"])
    from .. import actions

    selection = _selection(options)
    with open_session(inventory, logged="bootstrap", **options) as session:
        saved, selection = _saved(file, session, selection) if file else (None, selection)
        actions.bootstrap(session, selection, saved, _conversation(session, options["verbose"]) if step else None)


def _selection(options: dict[str, Any]) -> Selection:
    """Takes its options out of the others."""
    from ..session import Selection

    return Selection(*(options.pop(name) for name in CHOICE))


def _saved(file: Path, session: Session, selection: Selection) -> tuple[Saved, Selection]:
    """The plan in the file, which must be for this; its own selection counts where none is given."""
    from .. import plans
    from ..session import Selection

    saved = plans.load(file)
    selection = saved.purpose.selection if selection == Selection() else selection
    plans.Purpose.of(session.cluster, selection).require(saved.purpose, file)
    return saved, selection


def _require_person(output: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("--step asks before each phase, and there is no terminal to ask on", hint="leave --step out, or use a terminal")
    if output == "json":
        raise UsageError("--step talks to a person, so it does not go with --output json", hint="leave one of them out")


def _conversation(session: Session, verbose: bool) -> Conversation:
    from ..commands import runbook
    from ..commands.bootstrap.stepping import Conversation
    from ..commands.runbook.survey import bare

    def explain(phase: Phase) -> str:
        return runbook.explain((phase,), session.cluster, bare(session.facts))

    return Conversation(lambda: session.inputs, explain, _onward, verbose)


def _onward(phase: Phase) -> str:
    """The command that was typed, from this phase on; a saved plan knows by itself what is done."""
    words, kept = iter(sys.argv[1:]), ["hardway"]
    planned = any(word.split("=")[0] == "--plan-file" for word in sys.argv)
    for word in words:
        if word == "--from" and not planned:
            next(words, "")
        elif planned or not word.startswith("--from="):
            kept.append(word)
    return shlex.join(kept if planned else [*kept, "--from", phase.name])


COMMANDS = (plan, bootstrap)
