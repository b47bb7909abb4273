"""The same for people: one screen, what is not as wanted in colour where there is a terminal, and always in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TextIO

from rich.table import Table
from rich.text import Text

from ...pki.inspection import CA_DAYS
from ...pki.rotation import KINDS
from ...progress.console import console
from .picture import Api, Certificate, Component, EtcdMember, Machine, Node, Status

GOOD, BAD, WARN, HEAD = "green", "bold red", "yellow", "bold"
WIDTH = 100
SOON = 30  # days: bootstrap renews a year's certificate earlier, so somebody has not run it for long
SHOWN = 3


def show(status: Status, stream: TextIO) -> None:
    """Print it; rich leaves colours out where there is no terminal, or NO_COLOR."""
    screen = console(stream, WIDTH)
    with screen.capture() as shown:
        screen.print(headline(status))
        if status.other_run:
            screen.print(Text(status.other_run, WARN))
        for table in (hosts(status.hosts), units(status.units), etcd(status.etcd), nodes(status)):
            screen.print()
            screen.print(table)
        screen.print()
        for line in (*addons(status), certificates(status.certificates)):
            screen.print(line)
    stream.write("".join(f"{line.rstrip()}\n" for line in shown.get().splitlines()))


def headline(status: Status) -> Text:
    api: Api = status.api
    word = Text("ready", GOOD) if api.ready else Text(f"not ready: {api.problem}", BAD)
    return Text.assemble((f"cluster {status.cluster}", HEAD), f", Kubernetes {status.kubernetes}, API {api.url} ", word)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style=HEAD, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=False)
    return table


def hosts(machines: Sequence[Machine]) -> Table:
    table = _table("host", "address", "roles", "up", "load")
    for machine in machines:
        roles = " ".join(machine.roles)
        if machine.reachable:
            table.add_row(machine.name, machine.address, roles, lasting(machine.uptime_seconds), f"{machine.load:.2f}")
        else:
            table.add_row(machine.name, machine.address, roles, Text(f"unreachable: {machine.problem}", BAD))
    return table


def units(components: Sequence[Component]) -> Table:
    """A line for each kind: how many run, in which version, and those by name that do not."""
    table = _table("unit", "wanted", "running")
    for name, group in groupby(components, lambda component: component.name):
        mine = list(group)
        table.add_row(name, mine[0].wanted, _running(mine))
    return table


def _running(mine: Sequence[Component]) -> Text:
    well = [component for component in mine if not component.fault]
    versions = sorted({component.running for component in well if component.running})
    line = Text(f"{len(well)} of {len(mine)}", GOOD if len(well) == len(mine) else BAD)
    line.append(f"  {', '.join(versions)}" if versions else "", "")
    for component in mine:
        if component.fault:
            line.append(f"  {component.host}: {component.fault}", BAD)
    return line


def etcd(members: Sequence[EtcdMember]) -> Table:
    table = _table("etcd", "", "version", "data")
    for member in members:
        if not member.version:
            table.add_row(member.host, Text(member.problem, BAD))
            continue
        state = Text(member.problem, BAD) if member.problem else Text("leader" if member.leader else "follower", GOOD)
        table.add_row(member.host, state, member.version, f"{member.db_bytes / 1e6:.1f} MB")
    return table


def nodes(status: Status) -> Table | Text:
    if status.unknown:
        return Text(f"nodes: unknown, no API server answers ({status.unknown})", BAD)
    if not status.nodes:
        return Text("nodes: none registered", WARN)
    table = _table("node", "", "version", "pods", "runtime")
    for node in status.nodes:
        table.add_row(node.name, _readiness(node), node.version, f"{node.pods} of {node.pods_allowed}", node.runtime)
    return table


def _readiness(node: Node) -> Text:
    if not node.ready:
        return Text(f"NotReady: {node.problem}", BAD)
    return Text("Ready", GOOD) if node.schedulable else Text("Ready, cordoned", WARN)


def addons(status: Status) -> Iterable[Text]:
    for addon in status.addons:
        yield Text.assemble(
            f"{addon.name}: ", (f"{addon.ready} of {addon.wanted} ready", GOOD if addon.ready >= addon.wanted else BAD)
        )


def certificates(rows: Sequence[Certificate]) -> Text:
    """The next to end; all that have ended, or will soon, by name, and how they are replaced."""
    if not rows:
        return Text("certificates: none in the state directory", WARN)
    soon = [row for row in rows if row.days < (CA_DAYS if row.name in KINDS.values() else SOON)]
    if not soon:
        return Text(f"certificates: {len(rows)}, the first, {_named(rows[0])}, {_in_words(rows[0])}")
    told = ", ".join(f"{_named(row)} {_in_words(row)}" for row in soon[:SHOWN])
    more = f", and {len(soon) - SHOWN} more" if len(soon) > SHOWN else ""
    return Text(
        f"certificates: {len(rows)}, {told}{more}; {'; '.join(_remedies(soon))}", BAD if soon[0].days < 0 else WARN
    )


def _remedies(soon: Sequence[Certificate]) -> Iterable[str]:
    if any(row.name not in KINDS.values() for row in soon):
        yield "hardway bootstrap renews them"
    for kind, name in KINDS.items():
        if any(row.name == name for row in soon):
            yield f"hardway certs rotate-ca {kind} replaces {name}"


def _named(row: Certificate) -> str:
    return f"{row.name} of {row.host}" if row.host else row.name


def _in_words(row: Certificate) -> str:
    if row.days < 0:
        return f"expired on {row.ends[:10]}"
    return "expires in less than a day" if row.days == 0 else f"expires in {row.days} day{'' if row.days == 1 else 's'}"


def lasting(seconds: int) -> str:
    """A time in its largest unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
