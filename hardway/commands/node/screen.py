"""`hardway node list` for people."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TextIO

from rich.table import Table
from rich.text import Text

from ...progress.console import console
from .listing import Listing, Row

GOOD, BAD, WARN, HEAD = "green", "bold red", "yellow", "bold"
WIDTH = 140
COLUMNS = ("host", "address", "roles", "node", "etcd", "version", "pods", "pod CIDR", "age")


def as_json(listing: Listing) -> str:
    """One object; its names stay, new ones may come."""
    return json.dumps(asdict(listing), indent=2)


def show(listing: Listing, stream: TextIO) -> None:
    """A line for each machine, then what does not fit, each with its command."""
    screen = console(stream, WIDTH)
    table = Table(box=None, pad_edge=False, header_style=HEAD, padding=(0, 2, 0, 0))
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for row in listing.hosts:
        table.add_row(*_cells(row))
    with screen.capture() as shown:
        screen.print(table)
        for what, why in listing.unknown.items():
            screen.print(Text(f"{what}: unknown, {why}", BAD))
        for row in listing.hosts:
            if row.problem:
                screen.print(Text(f"{row.name} {row.problem}; next: {row.next}", WARN), soft_wrap=True)
    stream.write("".join(f"{line.rstrip()}\n" for line in shown.get().splitlines()))


def _cells(row: Row) -> tuple[str | Text, ...]:
    pods = f"{row.pods} of {row.pods_allowed}" if row.node in ("Ready", "NotReady") else ""
    age = _lasting(row.age_seconds) if pods else ""
    name = Text(row.name, "" if row.inventory else WARN)
    return name, row.address, " ".join(row.roles), _node(row), row.etcd, row.version, pods, row.block, age


def _node(row: Row) -> Text:
    style = GOOD if row.node == "Ready" and not row.cordon else WARN if row.node == "Ready" else BAD
    return Text(", ".join(filter(None, [row.node, row.cordon])), style if row.node else "")


def _lasting(seconds: int) -> str:
    """A time in its largest unit."""
    units = ((86400, "d"), (3600, "h"), (60, "min"))
    return next((f"{seconds // size} {unit}" for size, unit in units if seconds >= size), f"{seconds} s")
