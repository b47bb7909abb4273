"""Where the time went: the tables a run closes with, of phases and of hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .events import Summary

# What took less is told in one line together.
SHORT = 0.5
MANY = 12
Row = Mapping[str, Any]


def table(summary: Summary) -> list[str]:
    """Phases in their order with the long ones shown, and the hosts that were busiest; columns for a terminal of 80."""
    phases = some(summary.phases, lambda row: row["to"] - row["from"], in_order=True)
    hosts = some(summary.hosts, lambda row: row["working"], in_order=len(summary.hosts) <= MANY)
    return [
        "",
        "  phase               from      to   waited  longest step",
        *(phase(name, summary.phases[name]) for name in phases),
        *rest(len(summary.phases) - len(phases), "shorter phase"),
        "",
        "  host             working  waiting     sent  longest step",
        *(host(name, summary.hosts[name]) for name in hosts),
        *rest(len(summary.hosts) - len(hosts), "other target"),
    ]


def some(rows: Mapping[str, Row], size: Callable[[Row], float], in_order: bool) -> list[str]:
    """The names of the rows worth a line; where order says nothing, the largest first and not too many."""
    long = [name for name in rows if size(rows[name]) >= SHORT]
    return long if in_order else sorted(long, key=lambda name: -size(rows[name]))[:MANY]


def phase(name: str, row: Row) -> str:
    waited = f"{row['waited']:6.1f} s" if row["waited"] > 0.05 else " " * 8
    return (
        f"  {name:15} {row['from']:6.1f} s{row['to']:6.1f} s {waited} {row['longest_step']:6.1f} s "
        f" {row['longest_host']}"
    )


def host(name: str, row: Row) -> str:
    sent = f"{row['bytes'] / 1e6:5.0f} MB" if row["bytes"] else " " * 8
    return (
        f"  {name:15} {row['working']:6.1f} s {row['waiting']:6.1f} s {sent} {row['longest_step']:6.1f} s "
        f" {row['longest_phase']}"
    )


def rest(count: int, noun: str) -> Sequence[str]:
    return [f"  and {plural(count, noun)}"] if count else []


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
