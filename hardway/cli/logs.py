"""`hardway logs`."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..foreign.visible import visible
from ..progress.saying import coloured, say, say_drawn
from .help import Command
from .options import INVENTORY, PATIENCE, STATE, load, open_session

if TYPE_CHECKING:
    from ..cluster import Host
    from ..errors import HardwayError
    from ..targets.journal import Entry

LINES = 50


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
            self.fail(f"{value!r} is not a time: write 30s, 10m, 2h, 1d, or 2026-01-31 12:00", param, ctx)


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
@PATIENCE
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Only this host (repeatable).")
@click.option("-f", "--follow", is_flag=True, help="Keep showing new lines until Ctrl-C.")
@click.option(
    "--since",
    type=Beginning(),
    metavar="TIME",
    help="Show lines since then: 30s, 10m, 2h or 1d ago, or 2026-01-31 12:00.",
)
@click.option("-n", "--lines", type=click.IntRange(0), metavar="LINES",
              help="Show the last LINES lines of each host; 0 for all.  [default: 50; with --since all]")  # fmt: skip
def logs(
    inventory: Path,
    component: str,
    state_dir: Path | None,
    hosts: tuple[str, ...],
    follow: bool,
    since: Any,
    lines: int | None,
) -> None:
    """Show the logs of a component on all its hosts.

    It merges the journals of the component's unit in order of time and shows each line with its host. Unreachable hosts
    are named on stderr. Times come from the hosts' clocks and are shown in your time zone.
    """
    from ..commands import logs as view

    cluster, _ = load(inventory, state_dir)
    wanted = view.source(cluster, component, hosts)
    most = lines if lines is not None else 0 if since else LINES
    silent: list[HardwayError] = []

    def away(host: Host, error: HardwayError) -> None:
        silent.append(error)
        say(f"no logs from {host.name}: {error.message}", err=True)

    with open_session(inventory, state_dir, read_only=True) as session:
        listening = view.Listening(session, wanted, since or view.Since(), most, away)
        line = _lines([host.name for host in wanted.hosts])
        with contextlib.closing(listening.on_and_on() if follow else listening.so_far()) as batches:
            try:
                for batch in batches:
                    say_drawn("".join(line(entry) for entry in batch), nl=False)
            except KeyboardInterrupt:
                sys.exit(130)
    if len(silent) == len(wanted.hosts):
        sys.exit(silent[0].exit_code)


def _lines(hosts: list[str]) -> Callable[[Entry], str]:
    """How an entry is written: every line of it with time and host, each host in a colour of its own on a terminal."""
    width = max(map(len, hosts))
    colourful = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    colours = dict(zip(hosts, itertools.cycle(("cyan", "green", "yellow", "magenta", "blue", "red")), strict=False))

    def line(entry: Entry) -> str:
        host = f"{entry.host:{width}}"
        prefix = f"{entry.stamp} {coloured(host, colours[entry.host] if colourful else '')} "
        return "".join(f"{prefix}{visible(text)}\n" for text in entry.text.splitlines() or [""])

    return line
