"""One line of a log, from the journal's JSON or a container's log file, and lines of several hosts in the order of
time."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..foreign.understanding import OTHERWISE

# What runs in pods is read where the kubelet keeps it, so that it can be read without an API: the pods' folders begin
# with this.
PODS = {"coredns": "kube-system_coredns-"}
# What a runtime writes for each line of a container: when, which stream, whether the line is whole.
CONTAINER = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP] (.*)")


@dataclass(frozen=True)
class Entry:
    """`moment` is in seconds since 1970 by the host's clock; `text` may have several lines."""

    moment: float
    host: str
    text: str

    @property
    def stamp(self) -> str:
        return datetime.datetime.fromtimestamp(self.moment).isoformat(" ", "milliseconds")


def parse(kind: str, host: str, line: str) -> Entry | None:
    """The entry of a line, or None when it is none: what a tool says about itself is no entry."""
    try:
        entry = _journal(host, line) if kind == "unit" else _container(host, line)
        return entry if entry and entry.stamp else None
    except (*OTHERWISE, OSError):  # of no time that there is
        return None


def _journal(host: str, line: str) -> Entry:
    fields = json.loads(line)
    moment = int(fields["__REALTIME_TIMESTAMP"]) / 1e6
    said = fields.get("MESSAGE")
    # What is not UTF-8 the journal gives as numbers, one a byte; a field given twice as a list of both.
    if isinstance(said, list):
        said = (
            bytes(said).decode("utf-8", "replace")
            if all(isinstance(byte, int) for byte in said)
            else "\n".join(map(str, said))
        )
    return Entry(moment, host, str(said or ""))


def _container(host: str, line: str) -> Entry | None:
    match = CONTAINER.fullmatch(line)
    if not match:
        return None
    whole = datetime.datetime.fromisoformat(f"{match[1]}{match[3].replace('Z', '+00:00')}").timestamp()
    return Entry(whole + float(f"0{match[2] or '.0'}"), host, match[4])


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """In the order of time; those of one moment, and of one host, stay as they came."""
    return sorted(entries, key=lambda entry: entry.moment)
