"""A board as rows of a terminal: a pure function of the board, the time and the size."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from . import events
from .board import Board, HostRow, Stand
from .closing import plural

MARKS = {Stand.PENDING: "·", Stand.WORKING: "●", Stand.WAITING: "◌", Stand.READY: "✓", Stand.FAILED: "✗"}
PLAIN = {Stand.PENDING: ".", Stand.WORKING: "*", Stand.WAITING: "~", Stand.READY: "+", Stand.FAILED: "x"}
STYLES = {
    Stand.PENDING: "dim",
    Stand.WORKING: "cyan",
    Stand.WAITING: "yellow",
    Stand.READY: "green",
    Stand.FAILED: "bold red",
}
Marked = tuple[Stand, str]


def composed(board: Board, now: float, width: int, height: int, unicode: bool = True) -> list[Text]:
    """Rows for a terminal of this size, the most important first; never more than fit."""
    marks = MARKS if unicode else PLAIN
    above = [Text(), head(board, now), *phases(board, width, marks), *waits(board, now, marks)]
    below = hosts(board, now, width, max(0, height - len(above)), marks)
    rows = [*above, *below][:height]
    for row in rows:
        row.no_wrap, row.overflow = True, "ellipsis" if unicode else "crop"
        row.truncate(width, overflow=row.overflow)
    return rows


def head(board: Board, now: float) -> Text:
    """The run in one row."""
    run = board.run
    text = Text(f"{run.command} {run.cluster}" if run else "", style="bold")
    text.append(f"  {now:.1f} s", style="not bold")
    if board.round:
        text.append(f"  {board.round.number}/{board.round.rounds} {board.round.title}", style="not bold")
    if board.phases:
        ready = sum(phase.stand is Stand.READY for phase in board.phases.values())
        text.append(f"  {ready}/{len(board.phases)} phases  {plural(board.changes, 'change')}", style="not bold")
    if board.sent:
        rate = sum(host.rate(now) for host in board.hosts.values())
        speed = f" ({rate / 1e6:.0f} MB/s)" if rate else ""
        text.append(f"  {board.sent / 1e6:.0f} MB sent{speed}", style="not bold")
    return text


def phases(board: Board, width: int, marks: dict[Stand, str]) -> list[Text]:
    """Every phase with its mark, in as many rows as they need."""
    rows: list[Text] = []
    for phase in board.phases.values():
        if not rows or len(rows[-1]) + 2 + len(phase.name) + 2 > width:
            rows.append(Text(" "))
        rows[-1].append(f" {marks[phase.stand]} {phase.name}", style=STYLES[phase.stand])
    return rows


def waits(board: Board, now: float, marks: dict[Stand, str]) -> list[Text]:
    """What phases wait for, and how long they still will."""
    found = []
    for phase in board.phases.values():
        if phase.awaited and not phase.ready:
            row = Text(f"  {marks[Stand.WAITING]} {phase.name}", style=STYLES[Stand.WAITING])
            row.append(f" {now - phase.since:.1f} of {phase.awaited.deadline:.0f} s", style="dim")
            row.append(f"  waiting for {phase.awaited.what}" if phase.awaited.what else "", style="default")
            found.append(row)
    return found


def hosts(board: Board, now: float, width: int, room: int, marks: dict[Stand, str]) -> list[Text]:
    """What every target is at; where there is no room for all, those that work come first and the rest is counted."""
    rows = [(host, *doing(board, host, now)) for host in board.hosts.values()]
    shown, left = rows, ""
    if len(rows) > room:
        order = [Stand.FAILED, Stand.WORKING, Stand.WAITING, Stand.PENDING, Stand.READY]
        shown = sorted(rows, key=lambda row: order.index(row[1]))[: max(0, room - 1)]
        left = f"  and {len(rows) - len(shown)} more"
    name = min(max((len(host.name) for host, *_ in rows), default=0), max(8, width // 3))
    found = []
    for host, stand, what in shown:
        row = Text(f"  {host.name[:name]:{name}}  ")
        row.append(f"{marks[stand]} ", style=STYLES[stand])
        row.append(what, style="dim" if stand in (Stand.PENDING, Stand.READY) else "")
        found.append(row)
    return [*found, *([Text(left, style="dim")] if left and room else [])]


def doing(board: Board, host: HostRow, now: float) -> Marked:
    """What a target is at, in words."""
    if host.failure:
        return Stand.FAILED, host.failure
    if host.doing:
        seconds = f"  {now - host.since:.1f} s" if now - host.since >= 1 else ""
        return (
            Stand.WAITING if isinstance(host.doing, events.Queued) else Stand.WORKING
        ), f"{host.doing.phase}: {act(host, now)}{seconds}"
    phase = board.upcoming(host.name)
    if phase:
        if missing := board.missing(phase):
            return Stand.WAITING, f"{phase.name}: waiting for {', '.join(missing)}"
        return Stand.PENDING, phase.name
    return (Stand.READY, "done") if board.phases else (Stand.PENDING, "reading facts")


def act(host: HostRow, now: float) -> str:
    """What a step has come to."""
    if isinstance(host.doing, events.Queued):
        return "waiting to restart: one host at a time"
    if not isinstance(host.doing, events.Applying):
        return "reading and comparing"
    if host.doing.bytes and host.sent > host.sent_before:
        gone = (host.sent - host.sent_before) / 1e6
        return f"{gone:.0f} of {host.doing.bytes / 1e6:.0f} MB, {host.rate(now) / 1e6:.0f} MB/s"
    return told(host.doing.resources)


def told(resources: Sequence[str]) -> str:
    """How many changes, and the first of them."""
    return f"{plural(len(resources), 'change')}: {', '.join(resources[:4])}"
