"""The commands that explain: nothing here changes a host."""

from __future__ import annotations

from pathlib import Path

import click

from .help import Command
from .options import INVENTORY, STATE, load, open_session

OUTPUT_FOLDER = click.Path(path_type=Path, file_okay=False)
EXAMPLE = "lab.yaml"


@click.command(cls=Command)
@click.argument("phase", metavar="PHASE")
@click.argument("inventory", metavar="[INV]", required=False, type=click.Path(path_type=Path, readable=False))
def explain(phase: str, inventory: Path | None) -> None:
    """Say what a phase is for, what lands where and why.

    For your inventory, or without one for the example of six machines. PHASE is a name from `hardway phases`, or all.
    """
    from ..commands import runbook
    from ..session import Selection

    cluster, _ = load(inventory or _example(), None)
    phases = Selection(only=() if phase == "all" else (phase,)).phases()
    click.echo(runbook.explain(phases, cluster, runbook.assumed(cluster)))


@click.command(cls=Command)
@INVENTORY
@STATE
@click.option("--host", required=True, metavar="HOST", help="The host whose files are wanted.")
@click.option("-o", "--output", "folder", required=True, type=OUTPUT_FOLDER, metavar="DIR", help="A new folder for them.")
@click.option("--with-secrets", is_flag=True, help="With the keys from the state directory instead of a line in their place.")
def render(inventory: Path, state_dir: Path | None, host: str, folder: Path, with_secrets: bool) -> None:
    """Write every file of a host into a folder.

    The host is not contacted. A list of owners, modes, programs and units lies beside them. The hosts are taken to be Debian on amd64.
    """
    from ..commands import runbook
    from ..session import Selection

    cluster, state = load(inventory, state_dir)
    Selection(limit=(host,)).hosts(cluster)
    written = runbook.write_tree(cluster, cluster.host(host), state if with_secrets else None, folder)
    click.echo(f"{len(written)} files of {host} in {folder}, and {runbook.MANIFEST}")


@click.command(cls=Command)
@INVENTORY
@STATE
@click.option("-o", "--output", "folder", default="guide", show_default=True, type=OUTPUT_FOLDER, metavar="DIR", help="Where to write it.")
@click.option("--format", "form", type=click.Choice(["md", "html"]), default="md", show_default=True,
              help="Markdown, a file for each chapter; or one HTML page that prints well.")  # fmt: skip
@click.option("--no-survey", is_flag=True, help="Contact no host: take them to be Debian on amd64.")
def runbook(inventory: Path, state_dir: Path | None, folder: Path, form: str, no_survey: bool) -> None:
    """Write the guide to build the cluster by hand.

    Every command with your names, addresses and files, each step followed by its check and what that prints. The hosts are asked for
    their facts when they answer, and nothing is written on them. No secret comes into the guide.
    """
    from ..commands import runbook as guide

    with open_session(inventory, state_dir, "text", False, 32, read_only=True) as session:
        session.facts, silent = guide.unasked(session.cluster) if no_survey else guide.surveyed(session)
        session.gather()
        cluster = session.cluster
        chapters = guide.guide(cluster, session.facts, session.assets, session.state_dir, _assumptions(silent))
        files = guide.write_guide(chapters, cluster, folder, form)
    click.echo(f"{len(chapters)} chapters in {files[0] if form == 'html' else folder}")
    click.echo(_assumptions(silent))


def _assumptions(silent: list[str]) -> str:
    if not silent:
        return "Architecture, package manager and name servers are as each host said itself."
    return f"Taken to be Debian on amd64 without having been asked: {', '.join(silent)}."


def _example() -> Path:
    from importlib import resources

    checkout = Path(__file__).parents[2] / "inventory" / EXAMPLE
    return checkout if checkout.is_file() else Path(str(resources.files("hardway") / "data" / "inventory" / EXAMPLE))


COMMANDS = (explain, render, runbook)
