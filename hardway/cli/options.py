"""Arguments and options that several commands share, and how they find their cluster."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from ..patience import stretch

if TYPE_CHECKING:
    from ..drain import Options


def remember(context: click.Context, parameter: click.Parameter, inventory: Path) -> Path:
    """Keep the inventory's name for whoever runs the command: an error's next step can then be typed as it stands."""
    context.ensure_object(dict)["inventory"] = inventory
    return inventory


# Whatever is wrong with the file, the loader says so.
INVENTORY = click.argument(
    "inventory", metavar="INV", type=click.Path(path_type=Path, readable=False), callback=remember
)


def options(*decorators: Callable) -> Callable:
    """Several click options as one decorator."""
    return lambda function: functools.reduce(
        lambda wrapped, decorate: decorate(wrapped), reversed(decorators), function
    )


STATE = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The directory of this cluster's keys and certificates.  [default: .hardway/<cluster>]",
)
PATIENCE = click.option(
    "--patience",
    type=click.FloatRange(1, 100),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    expose_value=False,
    callback=lambda context, parameter, factor: stretch(factor),
    help="Wait so many times as long for slow machines.",
)
OUTPUT = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Readable text, or JSON.",
)
COMMON = options(
    STATE,
    OUTPUT,
    click.option(
        "--parallel",
        type=click.IntRange(1, 512),
        default=32,
        show_default=True,
        metavar="N",
        help="Work on N hosts at once.",
    ),
    PATIENCE,
    click.option("-v", "--verbose", is_flag=True, help="Show each host's steps and each resource."),
)
IGNORE = click.option(
    "--ignore",
    multiple=True,
    metavar="CHECK[=HOST]",
    help="Only warn of what this check of a machine finds, on all hosts or on one (repeatable).",
)
HOSTS = options(
    click.option("--limit", multiple=True, metavar="HOST", help="Only this host (repeatable)."),
    click.option(
        "--exclude", multiple=True, metavar="HOST", help="Without this host (repeatable): do not connect to it."
    ),
)
SELECTION = options(
    click.option("--only", multiple=True, metavar="PHASE", help="Only this phase (repeatable)."),
    click.option("--from", "start", default="", metavar="PHASE", help="Start at this phase."),
    click.option("--until", default="", metavar="PHASE", help="Stop after this phase."),
    click.option("--skip", multiple=True, metavar="PHASE", help="Skip this phase (repeatable)."),
    HOSTS,
    IGNORE,
)

DRAIN = options(
    click.option(
        "--timeout",
        type=click.IntRange(min=1),
        default=300,
        show_default=True,
        metavar="SECONDS",
        help="Stop when a node's pods have not left it after so long; run it again to continue.",
    ),
    click.option(
        "--grace",
        type=click.IntRange(min=0),
        metavar="SECONDS",
        help="Time for each pod to end.  [default: what the pod asks for]",
    ),
    click.option(
        "--force", is_flag=True, help="Also evict pods that nothing starts again, or that no other node takes."
    ),
    click.option(
        "--delete-emptydir-data",
        "empty_dir",
        is_flag=True,
        help="Also evict pods with emptyDir volumes, whose data is deleted with them.",
    ),
)
OF_DRAIN = ("timeout", "grace", "force", "empty_dir")


def load(inventory: Path, state_dir: Path | None):
    """The cluster and its state directory."""
    from ..inventory import load as load_inventory

    cluster = load_inventory(inventory, state_dir)
    return cluster, state_dir or Path(".hardway") / cluster.name


def ask(question: str) -> str:
    """A secret from the terminal, unseen."""
    return click.prompt(question, hide_input=True, prompt_suffix=" ", err=True)


def open_session(
    inventory: Path,
    state_dir: Path | None,
    output: str = "text",
    verbose: bool = False,
    parallel: int = 32,
    stream: TextIO | None = None,
    **access: Any,
):
    """A Session whose progress is printed on `stream`, else stdout; `read_only`, `proving` and `logged` as there.

    Whoever runs the command finds its log beside the inventory's name.
    """
    from ..report import Report
    from ..session import Session

    cluster, folder = load(inventory, state_dir)
    session = Session.open(
        cluster, folder, Report(output, verbose, stream), parallel, ask if sys.stdin.isatty() else None, **access
    )
    click.get_current_context().ensure_object(dict)["log"] = session.log
    return session


def drain_options(given: dict[str, Any]) -> Options:
    """Takes its options out of the others."""
    from ..drain import Options

    return Options(**{name: given.pop(name) for name in OF_DRAIN})


def typed(*without: str) -> str:
    """The command as it was typed, for the next time."""
    words = [word for word in sys.argv[1:] if word not in without]
    return shlex.join(["hardway", *words])
