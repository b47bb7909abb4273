"""The commands that explain: nothing here changes a host."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..progress.saying import say
from ..shipped import shipped
from .help import Command
from .options import INVENTORY, OUTPUT, PATIENCE, STATE, load, open_session

OUTPUT_FOLDER = click.Path(path_type=Path, file_okay=False)
EXAMPLE = "lab.yaml"


@click.command(cls=Command)
@OUTPUT
def phases(output: str) -> None:
    """List the phases in order."""
    from ..phases import PHASES

    if output == "json":
        say(json.dumps([{"name": phase.name, "title": phase.title} for phase in PHASES], indent=2))
        return
    for number, phase in enumerate(PHASES, 1):
        say(f"{number:3}  {phase.name:15} {phase.title}")


@click.command(cls=Command)
@click.argument("phase", metavar="PHASE")
@click.argument("inventory", metavar="[INV]", required=False, type=click.Path(path_type=Path, readable=False))
def explain(phase: str, inventory: Path | None) -> None:
    """Explain a phase: what it does, where and why.

    It uses your inventory, or the example of six machines. PHASE is a name from `hardway phases`, or all; or the name
    of a chapter about a running cluster.
    """
    from ..commands import runbook
    from ..run.selection import Selection
    from ..run.supposed import assumed

    cluster, _ = load(inventory or Path(str(shipped("inventory") / EXAMPLE)), None)
    if topic := next((topic for topic in runbook.TOPICS if topic.name == phase), None):
        say(runbook.explain_topic(topic, cluster, assumed(cluster)))
        return
    phases = Selection(only=() if phase == "all" else (phase,)).phases()
    say(runbook.explain(phases, cluster, assumed(cluster)))


@click.command(cls=Command)
@INVENTORY
@STATE
@click.option("--host", required=True, metavar="HOST", help="The host whose files to write.")
@click.option(
    "-o", "--output", "folder", required=True, type=OUTPUT_FOLDER, metavar="DIR", help="A new folder for the files."
)
@click.option("--with-secrets", is_flag=True, help="Write the real keys from the state directory, not placeholders.")
def render(inventory: Path, state_dir: Path | None, host: str, folder: Path, with_secrets: bool) -> None:
    """Write every file of a host into a folder.

    It does not contact the host and assumes Debian on amd64. A list of owners, modes, programs and units is in the same
    folder.
    """
    from ..commands import runbook
    from ..run.selection import Selection

    cluster, state = load(inventory, state_dir)
    Selection(limit=(host,)).hosts(cluster)
    written = runbook.write_tree(cluster, cluster.host(host), state if with_secrets else None, folder)
    say(f"{len(written)} files of {host} in {folder}, and {runbook.MANIFEST}")


@click.command(cls=Command)
@INVENTORY
@STATE
@PATIENCE
@click.option(
    "-o",
    "--output",
    "folder",
    default="guide",
    show_default=True,
    type=OUTPUT_FOLDER,
    metavar="DIR",
    help="Where to write it.",
)
@click.option("--format", "form", type=click.Choice(["md", "html"]), default="md", show_default=True,
              help="Markdown, one file per chapter; or one printable HTML page.")  # fmt: skip
@click.option("--no-survey", is_flag=True, help="Contact no host; assume Debian on amd64.")
def runbook(inventory: Path, state_dir: Path | None, folder: Path, form: str, no_survey: bool) -> None:
    """Write a guide to build the cluster by hand.

    It gives every command with your names, addresses and files, and after each step a check and its expected output.
    It reads facts from the hosts that answer and writes nothing to them. The guide holds no secrets.
    """
    from ..commands import runbook as guide

    with open_session(inventory, state_dir, read_only=True) as session:
        cluster = session.cluster
        facts, silent = guide.unasked(cluster) if no_survey else guide.surveyed(session)
        session.assets.gather({fact.arch for fact in facts.values() if fact.known})
        chapters = guide.guide(cluster, facts, session.assets, session.state_dir, _assumptions(silent))
        files = guide.write_guide(chapters, cluster, folder, form)
    say(f"{len(chapters)} chapters in {files[0] if form == 'html' else folder}")
    say(_assumptions(silent))


def _assumptions(silent: list[str]) -> str:
    if not silent:
        return "Architecture, package manager and name servers are as each host reported them."
    return f"Assumed to be Debian on amd64: {', '.join(silent)}."
