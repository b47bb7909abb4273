"""`hardway drill`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..progress.saying import say
from .help import Command
from .options import INVENTORY, PATIENCE, STATE, load, open_session

if TYPE_CHECKING:
    from ..cluster import Host
    from ..commands.drills.drill import Drill


def drills_offered(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The names of the drills, for the shell's completion."""
    from ..commands.drills import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


@click.command(cls=Command)
@INVENTORY
@click.argument("name", metavar="[DRILL]", required=False, shell_complete=drills_offered)
@STATE
@PATIENCE
@click.option(
    "--host", metavar="HOST", default="", help="Break this host.  [default: the last one that fits the drill]"
)
@click.option("--list", "listed", is_flag=True, help="List the drills, and show which one is on.")
@click.option("--restore", is_flag=True, help="Repair what drills broke, and wait until the cluster is healthy.")
def drill(inventory: Path, name: str | None, state_dir: Path | None, host: str, listed: bool, restore: bool) -> None:
    """Break one thing on purpose, for practice.

    It says what to watch and why, and checks that the effect appears. The drill stays on until --restore. Drills need a
    lab's inventory or `drills: true`. They are refused while another drill is on, while the cluster is unhealthy, and
    when etcd would lose its quorum.
    """
    from ..commands import drills
    from ..errors import UsageError

    if sum((bool(name), listed, restore)) != 1 or (host and not name):
        names = " ".join(drills.NAMES)
        raise UsageError(
            "give the name of a drill, --list or --restore", hint=f"the drills are: {names}; hardway drill INV --list"
        )
    cluster, _ = load(inventory, state_dir)
    drills.require_practice(cluster)
    if listed:
        _list_drills(inventory, state_dir)
    elif restore:
        with open_session(inventory, state_dir) as session:
            drills.restore(session, say)
    else:
        _drill(inventory, state_dir, *drills.chosen(cluster, str(name), host))


def _list_drills(inventory: Path, state_dir: Path | None) -> None:
    from ..commands import drills

    with open_session(inventory, state_dir, read_only=True) as session:
        lines, now = drills.listing(session)
    say("\n".join(lines))
    on = {one.host for one in now.on}
    for away in now.away:
        if away not in on:
            say(f"{away} does not answer: a drill may be on there", err=True)


def _drill(inventory: Path, state_dir: Path | None, found: Drill, hosts: tuple[Host, ...]) -> None:
    from ..commands import drills

    with open_session(inventory, state_dir) as session:
        practice = drills.begin(session, found, hosts)
        say(drills.exercise(found, session.cluster, hosts))
        say("hardway watches too (press Ctrl-C to stop watching; the drill stays on):")
        try:
            drills.watch(practice, found, say)
        except KeyboardInterrupt:
            say(f"\n{drills.ending(found, session.cluster)}", err=True)
            sys.exit(130)
        say(f"\n{drills.ending(found, session.cluster)}")
