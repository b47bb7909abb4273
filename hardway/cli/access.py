"""The commands for a cluster that is there: how it is, what its parts say, what to send to somebody who helps, what to break in class."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .help import Command
from .options import COMMON, INVENTORY, STATE, load, open_session

if TYPE_CHECKING:
    from ..cluster import Host
    from ..commands.drills.drill import Drill
    from ..errors import HardwayError
    from ..targets.journal import Entry

LINES = 50


@click.command(cls=Command)
@INVENTORY
@COMMON
def status(inventory: Path, output: str, **options: Any) -> None:
    """Show on one screen how the cluster is.

    Hosts, units with their versions, etcd's members, nodes, add-ons, certificates. Nothing is written anywhere, and whatever is
    away is named while the rest is shown. docs/operating.md explains the JSON.
    """
    from ..commands import status as view

    with open_session(inventory, output="text", read_only=True, **options) as session:
        session.report.stream = sys.stderr
        found = view.collect(session)
    click.echo(view.as_json(found)) if output == "json" else view.show(found, sys.stdout)


class Beginning(click.ParamType):
    """A time ago, or a moment."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from ..commands.logs import Since

        if isinstance(value, Since):
            return value
        try:
            return Since.parse(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write 30s, 10m, 2h, 1d, or 2026-01-31 12:00", param, ctx)


def offered(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The components of the inventory that was typed before, for the shell's completion."""
    with contextlib.suppress(Exception):  # half a command line may be anything
        from ..commands.logs.sources import carriers

        cluster, _ = load(context.params["inventory"], None)
        return [name for name in carriers(cluster) if name.startswith(incomplete)]
    return []


@click.command(cls=Command)
@INVENTORY
@click.argument("component", metavar="COMPONENT", shell_complete=offered)
@STATE
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Only from this host (may be given again).")
@click.option("-f", "--follow", is_flag=True, help="Go on as more comes, until Ctrl-C.")
@click.option("--since", type=Beginning(), metavar="TIME", help="From then on: 30s, 10m, 2h or 1d ago, or 2026-01-31 12:00.")
@click.option("-n", "--lines", type=click.IntRange(0), metavar="LINES",
              help="At most so many of each host, the last ones; 0 for all.  [default: 50, with --since all]")  # fmt: skip
def logs(
    inventory: Path, component: str, state_dir: Path | None, hosts: tuple[str, ...], follow: bool, since: Any, lines: int | None
) -> None:
    """Show what a component says on all its hosts.

    The journals of its unit on every host that carries it, merged in the order of time, each line with its host. A host that is away
    is named on stderr. Times are those of the hosts' clocks, shown in your time zone.
    """
    from ..commands import logs as view

    cluster, _ = load(inventory, state_dir)
    wanted = view.source(cluster, component, hosts)
    most = lines if lines is not None else 0 if since else LINES
    silent: list[HardwayError] = []

    def away(host: Host, error: HardwayError) -> None:
        silent.append(error)
        click.echo(f"{host.name} cannot be heard: {error.message}", err=True)

    with open_session(inventory, state_dir, "text", False, 32, read_only=True) as session:
        listening = view.Listening(session, wanted, since or view.Since(), most, away)
        line = _lines([host.name for host in wanted.hosts])
        with contextlib.closing(listening.on_and_on() if follow else listening.so_far()) as batches:
            try:
                for batch in batches:
                    click.echo("".join(line(entry) for entry in batch), nl=False)
            except KeyboardInterrupt:
                sys.exit(130)
    if len(silent) == len(wanted.hosts):
        sys.exit(silent[0].exit_code)


def _lines(hosts: list[str]) -> Callable[[Entry], str]:
    """How an entry is written: every line of it with time and host, each host in a colour of its own on a terminal."""
    width = max(map(len, hosts))
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    colours = dict(zip(hosts, itertools.cycle(("cyan", "green", "yellow", "magenta", "blue", "red")), strict=False))

    def line(entry: Entry) -> str:
        host = f"{entry.host:{width}}"
        prefix = f"{entry.stamp} {click.style(host, fg=colours[entry.host]) if coloured else host} "
        return "".join(f"{prefix}{text}\n" for text in entry.text.splitlines() or [""])

    return line


@click.command("support-bundle", cls=Command)
@INVENTORY
@STATE
@click.option("-o", "--output", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="The new file.  [default: hardway-<cluster>-<time>.tar.gz]")  # fmt: skip
def support_bundle(inventory: Path, state_dir: Path | None, file: Path | None) -> None:
    """Pack what somebody needs who is to help you.

    Inventory, versions, status, plan, and from each host facts, units, configuration, journals and the state of its network; a
    README.txt inside tells all of it. No key, password or Secret is collected, and all is searched for them before it is written.
    """
    from ..commands import bundle

    with open_session(inventory, state_dir, "text", False, 32, read_only=True) as session:
        session.report.stream = sys.stderr
        done = bundle.write(session, file)
    click.echo(f"{done.path}: {done.members} files, {done.size / 1e6:.1f} MB. Read it before you send it: tar -tzf {done.path}")
    for line in done.missing:
        click.echo(f"missing: {line}", err=True)


def drills_offered(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The names of the drills, for the shell's completion."""
    from ..commands.drills import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


@click.command(cls=Command)
@INVENTORY
@click.argument("name", metavar="[DRILL]", required=False, shell_complete=drills_offered)
@STATE
@click.option("--host", metavar="HOST", default="", help="Break this host; without it, the last one that the drill is for.")
@click.option("--list", "listed", is_flag=True, help="Show the drills, and which of them is on.")
@click.option("--restore", is_flag=True, help="Mend all that drills have broken, and wait until the cluster is well.")
def drill(inventory: Path, name: str | None, state_dir: Path | None, host: str, listed: bool, restore: bool) -> None:
    """Break one thing on purpose, for a class to look at.

    It says what to look at and why, and checks that the effect comes about. The drill stays on until --restore. Only for inventories
    of a lab, or with `drills: true`; never while another drill is on, while the cluster is not well, or when etcd would lose its quorum.
    """
    from ..commands import drills
    from ..errors import UsageError

    if sum((bool(name), listed, restore)) != 1 or (host and not name):
        names = " ".join(drills.NAMES)
        raise UsageError("name a drill, or say --list or --restore", hint=f"the drills are: {names}; hardway drill INV --list")
    cluster, _ = load(inventory, state_dir)
    drills.require_practice(cluster)
    if listed:
        _list_drills(inventory, state_dir)
    elif restore:
        with open_session(inventory, state_dir, "text", False, 32) as session:
            drills.restore(session, click.echo)
    else:
        _drill(inventory, state_dir, *drills.chosen(cluster, str(name), host))


def _list_drills(inventory: Path, state_dir: Path | None) -> None:
    from ..commands import drills

    with open_session(inventory, state_dir, "text", False, 32, read_only=True) as session:
        lines, now = drills.listing(session)
    click.echo("\n".join(lines))
    on = {one.host for one in now.on}
    for away in now.away:
        if away not in on:
            click.echo(f"{away} cannot be asked: whether a drill is on there is not known", err=True)


def _drill(inventory: Path, state_dir: Path | None, found: Drill, hosts: tuple[Host, ...]) -> None:
    from ..commands import drills

    with open_session(inventory, state_dir, "text", False, 32) as session:
        practice = drills.begin(session, found, hosts)
        click.echo(drills.exercise(found, session.cluster, hosts))
        click.echo("hardway looks too (Ctrl-C ends the looking, not the drill):")
        try:
            drills.watch(practice, found, click.echo)
        except KeyboardInterrupt:
            click.echo(f"\n{drills.ending(found, session.cluster)}", err=True)
            sys.exit(130)
        click.echo(f"\n{drills.ending(found, session.cluster)}")


COMMANDS = (status, logs, support_bundle, drill)
