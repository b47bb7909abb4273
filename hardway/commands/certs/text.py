"""The list of certificates for people, and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from ...errors import ConnectionFailed
from ...report import plural
from .picture import Certificates, Copy, Row

NAMES = 3  # so many names of a certificate are shown


def as_json(found: Certificates) -> str:
    """One object; its names stay, new ones may come."""
    return json.dumps(asdict(found), indent=2)


def as_text(found: Certificates, verbose: bool = False) -> str:
    """Two lines for each certificate; below it every copy that is not the same, or all of them with `verbose`."""
    wide = max(len(row.name) for row in found.rows)
    lines = [line for row in found.rows for line in _row(row, wide, verbose)]
    return "\n".join([*lines, *(f"{name} gave no answer: {problem}" for name, problem in found.away.items())])


def _row(row: Row, wide: int, verbose: bool) -> Iterator[str]:
    copies = [one for one in row.copies if verbose or one.state != "same"]
    state = "" if row.state == "valid" else f"  {row.state}"
    yield f"{row.name:{wide}}  {days(row.here.days):>10}  {_signed(row)}{_counted(row.copies)}{state}"
    if row.here.subject:
        yield f"{'':{wide}}  {row.here.subject}{_names(row.here.sans)}"
    if verbose and row.here.serial:
        yield f"{'':{wide}}  serial {row.here.serial}, expires {row.here.ends}"
    yield from (f"{'':{wide}}  {_copy(one)}" for one in copies)


def _signed(row: Row) -> str:
    if row.kind == "CA":
        return "CA" if row.key else "CA, key kept elsewhere"
    return f"signed by {row.here.issuer or row.ca}"


def _counted(copies: Sequence[Copy]) -> str:
    """How many copies are the same, in files and at ports."""
    files, ports = ([one for one in copies if (one.kind == "port") is port] for port in (False, True))
    told = [(f"{sum(one.state == 'same' for one in some)} of {plural(len(some), word)}") for some, word in
            ((files, "file"), (ports, "port")) if some]  # fmt: skip
    return f"  same: {', '.join(told)}" if told else ""


def _names(sans: Sequence[str]) -> str:
    more = f" and {len(sans) - NAMES} more" if len(sans) > NAMES else ""
    return f"  for {', '.join(sans[:NAMES])}{more}" if sans else ""


def _copy(one: Copy) -> str:
    ends = f", {days(one.days)}" if one.days is not None else ""
    problem = f": {one.problem}" if one.problem else ""
    serial = f", serial {one.serial}" if one.serial else ""
    return f"{one.state} on {one.host}: {one.where} ({one.kind}){ends}{serial}{problem}"


def days(count: int | None) -> str:
    """How long it lasts."""
    if count is None:
        return "unknown"
    return "expired" if count < 0 else plural(count, "day")


def ending(found: Certificates, within: int) -> list[str]:
    """What ends within so many days, or has ended, a line each: here, on a host, at a port."""
    lines = []
    for row in found.rows:
        if row.here.days is not None and row.here.days < within:
            lines.append(f"{row.name}: {days(row.here.days)}")
        others = [one for one in row.copies if one.days is not None and one.days < within and one.days != row.here.days]
        lines += [f"{row.name} on {one.host}, {one.where}: {days(one.days)}" for one in others]
    return lines


def unasked(found: Certificates) -> ConnectionFailed | None:
    """What is said of copies that nobody could ask for: they are not known to last."""
    lines = [f"{one.host}: {one.where}: {one.problem}" for row in found.rows for one in row.unknown]
    if not lines:
        return None
    return ConnectionFailed(
        f"{plural(len(lines), 'file')} and ports could not be asked: it is not known how long their certificates last",
        host=next(iter(found.away), ""),
        evidence="\n".join(dict.fromkeys(lines)),
        hint="make the hosts reachable, then run this again: hardway status INV   shows who does not answer",
    )
