"""The members for people: a table, and below it what is wrong and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TextIO

from rich.table import Table
from rich.text import Text

from ...progress.console import console
from ...report import plural
from .members import Members, Row
from .status import EtcdStatus, MemberStatus

GOOD, BAD, HEAD = "green", "bold red", "bold"
WIDTH = 140


def as_json(found: EtcdStatus | Members) -> str:
    """One object; its names stay, new ones may come."""
    return json.dumps(asdict(found), indent=2)


def status_text(found: EtcdStatus, stream: TextIO) -> str:
    """A line for each member, then what is wrong; for this stream, which may have colours."""
    table = _table("member", "id", "", "version", "data", "in use", "quota", "term", "index", "behind", "revision")
    for member in found.members:
        table.add_row(*_status_row(member))
    return _drawn(stream, f"etcd of {found.cluster}, cluster {found.id or 'unknown'}", table, list(_troubles(found)))


def _status_row(member: MemberStatus) -> list[str | Text]:
    if not member.id:
        return [member.host, "", Text("no answer", BAD)]
    state = "leader" if member.leader else "learner" if member.learner else "follower"
    numbers = (member.term, member.index, member.behind, member.revision)
    sizes = (f"{size / 1e6:.1f} MB" for size in (member.db_bytes, member.db_in_use, member.db_quota))
    return [
        member.host,
        member.id,
        Text(state, BAD if member.problems else GOOD),
        member.version,
        *sizes,
        *map(str, numbers),
    ]


def _troubles(found: EtcdStatus) -> Iterator[str]:
    yield from found.problems
    yield from (f"{member.host}: {problem}" for member in found.members for problem in member.problems)


def members_text(found: Members, stream: TextIO) -> str:
    """A line for each member, then what is wrong with the list; for this stream."""
    table = _table("member", "id", "", "peer URL", "client URL")
    for row in found.members:
        urls = (", ".join(row.peer_urls), ", ".join(row.client_urls))
        table.add_row(row.name or "(no name yet)", row.id, _stands(row), *urls)
    troubles = [line for row in found.members if row.problem for line in _told(row)]
    troubles += [f"{name}: is no member; hardway plan INV   shows what bootstrap would do" for name in found.missing]
    return _drawn(stream, f"etcd of {found.cluster}, {plural(len(found.members), 'member')}", table, troubles)


def _stands(row: Row) -> Text:
    words = ["started" if row.started else "not started", *(["learner"] if row.learner else [])]
    return Text(", ".join(words), BAD if row.problem else GOOD)


def _told(row: Row) -> list[str]:
    return [f"{row.name or row.id}: {row.problem}", f"  next: {row.next}"]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style=HEAD, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _drawn(stream: TextIO, head: str, table: Table, troubles: Sequence[str]) -> str:
    """rich leaves colours out where there is no terminal, or NO_COLOR."""
    screen = console(stream, WIDTH)
    with screen.capture() as shown:
        screen.print(Text(head, HEAD))
        screen.print(table)
        for line in troubles:
            screen.print(Text(line, BAD), soft_wrap=True)
    return "\n".join(line.rstrip() for line in shown.get().splitlines())
