"""The commands that show the plan and bring it about."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DriftError, UsageError
from ..progress.saying import say
from .help import Command
from .options import COMMON, INVENTORY, SELECTION, open_session

if TYPE_CHECKING:
    from ..commands.bootstrap import Conversation
    from ..phase import Inputs, Phase
    from ..plans import Saved
    from ..run.selection import Selection
    from ..session import Session

FILE = click.Path(path_type=Path, dir_okay=False)
CHOICE = ("only", "start", "until", "skip", "limit", "exclude", "ignore")


@click.command(cls=Command)
@INVENTORY
@SELECTION
@COMMON
@click.option(
    "-o", "--save", "file", type=FILE, metavar="FILE", help="Also save the plan (0600), for bootstrap --plan-file FILE."
)
@click.option("--exit-code", is_flag=True, help="Exit with code 7 if there are changes, or errors of preflight.")
def plan(inventory: Path, file: Path | None, exit_code: bool, **options: Any) -> None:
    """Show what bootstrap would change, and why.

    It only reads the hosts: its connections cannot write.
    """
    _plan(inventory, file, exit_code, **options)


def _plan(
    inventory: Path, file: Path | None, exit_code: bool, output: str, found_anew: str | None = None, **options: Any
) -> None:
    from .. import plans
    from ..commands.bootstrap import require_name
    from ..run.failures import of_left_out

    selection = _selection(options)
    with open_session(inventory, output=output, read_only=True, stream=sys.stderr, **options) as session:
        if found_anew is not None:
            require_name(session.cluster, found_anew)
        found, left_out = plans.look(session, selection, found_anew is not None, exact=file is not None)
    document = plans.as_document(found, plans.Purpose.of(session.cluster, selection))
    if file:
        plans.save(document, file)
    if output == "json":
        sys.stdout.writelines(plans.as_json(document))
        say()
    else:
        say(plans.as_text(found, options["verbose"]))
    if file and output == "text":
        say(f"saved; to apply exactly this plan: hardway bootstrap {inventory} --plan-file {file}")
    if left_out:
        raise of_left_out(left_out, f"hardway plan {inventory}")
    if exit_code and (found.changes or any(not finding.warning for finding in found.findings)):
        sys.exit(DriftError("").exit_code)


@click.command(cls=Command)
@INVENTORY
@SELECTION
@COMMON
@click.option(
    "--plan-file",
    "file",
    type=FILE,
    metavar="FILE",
    help="Apply exactly this saved plan; stop if anything has changed since.",
)
@click.option(
    "--step", is_flag=True, help="Before each phase, show its changes and ask: continue, explain, skip or quit."
)
@click.option("--dry-run", is_flag=True, help="Change nothing; show the plan.")
@click.option(
    "--workers-at-once",
    type=click.IntRange(min=1),
    metavar="N",
    help="Restart a service on N workers at the same time (default: a tenth of them).",
)
@click.option(
    "--found-anew",
    metavar="CLUSTER",
    help="Create the cluster of this name again, empty, when the data of all etcd hosts is lost.",
)
def bootstrap(
    inventory: Path,
    file: Path | None,
    step: bool,
    dry_run: bool,
    workers_at_once: int | None,
    found_anew: str | None,
    **options: Any,
) -> None:
    """Build or repair the cluster.

    It changes each host until it matches the inventory. What matches already stays as it is, so you can run the command
    again at any time: after an edit, a failure or an interruption.
    """
    if dry_run and (step or file):
        raise click.UsageError("--dry-run cannot be used with --step or --plan-file")
    if found_anew is not None and (step or file):
        raise click.UsageError("--found-anew cannot be used with --step or --plan-file")
    if dry_run:
        _plan(inventory, None, False, found_anew=found_anew, **options)
        return
    if step:
        _require_person(options["output"])
    from ..commands.bootstrap import bootstrap as build

    selection = _selection(options)
    with open_session(inventory, logged="bootstrap", **options) as session:
        saved, selection = _saved(file, session, selection) if file else (None, selection)
        conversation = _conversation(options["verbose"]) if step else None
        build(session, selection, saved, conversation, workers_at_once or 0, found_anew)


def _selection(options: dict[str, Any]) -> Selection:
    """Takes its options out of the others."""
    from ..run.selection import Selection

    return Selection(*(options.pop(name) for name in CHOICE))


def _saved(file: Path, session: Session, selection: Selection) -> tuple[Saved, Selection]:
    """The plan in the file, which must be for this; its own selection counts where none is given."""
    from .. import plans
    from ..run.selection import Selection

    saved = plans.load(file)
    selection = saved.purpose.selection if selection == Selection() else selection
    plans.Purpose.of(session.cluster, selection).require(saved.purpose, file)
    return saved, selection


def _require_person(output: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "--step asks before each phase and needs a terminal",
            hint="remove --step, or run the command in a terminal",
        )
    if output == "json":
        raise UsageError("--step cannot be used with --output json", hint="remove one of them")


def _conversation(verbose: bool) -> Conversation:
    from ..commands import runbook
    from ..commands.bootstrap import Conversation
    from ..commands.runbook.survey import bare

    def explain(inputs: Inputs, phase: Phase) -> str:
        return runbook.explain((phase,), inputs.cluster, bare(inputs.facts))

    return Conversation(explain, _onward, verbose)


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
