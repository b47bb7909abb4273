"""The one table of what an edit of the inventory means on a cluster that lives: changes.yaml as values."""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import yaml

# A section of the inventory that each host has too.
ALSO = {"ssh": "hosts[].ssh"}


class How(enum.StrEnum):
    """What becomes of an edit. `in turns` is one host after the other, `staged` several passes over all hosts."""

    AT_ONCE = "at once"
    IN_TURNS = "in turns"
    STAGED = "staged"
    BY_COMMAND = "by a command"
    NEVER = "never"


@dataclass(frozen=True)
class Row:
    """One row; changes.yaml says what each field is."""

    keys: tuple[str, ...]
    how: How
    what: str
    edit: str = ""
    restarts: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    nothing: bool = False
    passes: tuple[str, ...] = ()
    command: str = ""
    refused: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """Its keys wherever an inventory has them."""
        heads = ((key, *key.partition(".")) for key in self.keys)
        found = ((key, f"{ALSO[head]}.{rest}") if head in ALSO else (key,) for key, head, _, rest in heads)
        return tuple(place for places in found for place in places)


@functools.cache
def _table() -> dict:
    return yaml.safe_load(resources.files(__package__).joinpath("changes.yaml").read_text(encoding="utf-8"))


@functools.cache
def rows() -> tuple[Row, ...]:
    """Every row, in the inventory's order."""
    return tuple(_row(entry) for entry in _table()["edits"])


def _row(entry: Mapping) -> Row:
    lists = {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
    return Row(**{**entry, **lists, "how": How(entry["how"])})


def flags() -> Mapping[str, Mapping[str, str]]:
    """By component the flags whose value stays while the cluster lives, each with what another one would do."""
    return _table()["flags"]


def restarting() -> Mapping[str, str]:
    """By unit what its restart means to those who use the cluster."""
    return _table()["units"]
