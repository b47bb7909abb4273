"""What a program's journal says when no waiting will help: a flag it does not know, a value it does not take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..cluster import Cluster

# "unknown flag: --x" and "invalid argument "y" for "--x" flag" say the kube- programs; etcd has Go's own flags, with
# one dash.
REFUSED = (r"unknown flag: ", r"unknown shorthand flag: .* in ", r"flag provided but not defined: ",
           r"invalid (?:argument|value) .* for (?:flag )?\"?")  # fmt: skip
FLAG = re.compile(rf"(?:{'|'.join(REFUSED)})--?([\w-]+)")
# systemd's own lines about a unit say that it ended, never why.
SYSTEMD = re.compile(
    r"^(?:[\w@.-]+\.(?:service|slice): |(?:Started|Starting|Stopped|Stopping|Failed to start|Finished) )"
)
# So many journal lines are read: some programs tell all their flags after the one they refuse.
USAGE_LINES = 400
SECTIONS = ("extra_args", "override_args")


@dataclass(frozen=True)
class Refusal:
    """`flag` without dashes; `key` is where the inventory sets it, empty when it does not; `line` is what the program
    said."""

    component: str
    flag: str
    key: str
    line: str

    @property
    def message(self) -> str:
        return f"{self.component} refuses --{self.flag}" + (
            f", which the inventory sets under {self.key}" if self.key else ""
        )

    @property
    def remedy(self) -> str:
        if self.key:
            return f"correct or remove {self.key} in INV, then: hardway bootstrap INV"
        return (
            f"the unit itself sets --{self.flag}: check versions.{self.component} in INV; to write the unit again:"
            " hardway bootstrap INV"
        )


def said(journal: str) -> list[str]:
    """The lines that the program itself wrote."""
    return [line for line in journal.splitlines() if line.strip() and not SYSTEMD.match(line)]


def last_words(journal: str, lines: int = 3) -> tuple[str, ...]:
    """The last different lines of the program; of a crash-looping one that is what it says each time."""
    kept: list[str] = []
    for line in reversed(said(journal)):
        if without_time(line) not in map(without_time, kept):
            kept.append(line)
        if len(kept) == lines:
            break
    return tuple(reversed(kept))


def without_time(line: str) -> str:
    """A line with its digits taken out: times and process numbers differ each time."""
    return re.sub(r"\d+", "", line)


def refusal(cluster: Cluster, unit: str, journal: str) -> Refusal | None:
    """The flag that a unit's program refuses, and the inventory's key it came from; None when its journal tells of
    none."""
    component = unit.removesuffix(".service")
    for line in reversed(said(journal)):
        if match := FLAG.search(line):
            return Refusal(component, match[1], _key(cluster, component, match[1]), line.strip())
    return None


def _key(cluster: Cluster, component: str, flag: str) -> str:
    given: Iterable[tuple[str, dict]] = (
        (section, getattr(cluster, section).get(component, {})) for section in SECTIONS
    )
    return next((f"{section}.{component}.{flag}" for section, flags in given if flag in flags), "")
