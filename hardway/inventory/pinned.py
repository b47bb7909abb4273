"""Which versions an inventory file says in so many words, and on which line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hardway.inventory import keys
from hardway.inventory.shape import shape
from hardway.inventory.source import parse

KUBERNETES = "kubernetes"


@dataclass(frozen=True)
class Pin:
    """`key` is the inventory's (`kubernetes`, `versions.etcd`), `line` counts from 1."""

    key: str
    version: str
    line: int


def pinned(path: Path) -> dict[str, Pin]:
    """By component (`kubernetes`, `etcd`); of a file that was loaded before, and so is right."""
    document = parse(Path(path).read_bytes())
    model = shape(document.data or {}).model
    if model is None:
        return {}
    said = {KUBERNETES: model.kubernetes} | {key: getattr(model.versions, key) for key in keys.Versions.model_fields}
    return {name: _pin(name, version, document.lines) for name, version in said.items() if version}


def _pin(name: str, version: str, lines: Mapping[tuple, int]) -> Pin:
    path = (KUBERNETES,) if name == KUBERNETES else ("versions", name)
    return Pin(".".join(path), version, lines.get(path, 1))
