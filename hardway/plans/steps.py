"""The exact steps of a command, found by reading alone: for people, and for programs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from ..phase import Inputs, Phase
from ..run.planning import plan
from ..session import Known
from ..state.statedir import Overlay
from .masks import Masks
from .plan import Planned, planned
from .text import steps as lines

SCHEMA = 1


def foresee(known: Known, inputs: Inputs, phases: Sequence[Phase], hosts: frozenset[str]) -> list[Planned]:
    """What these phases would change; `known` must be unable to write, its inputs may be changed."""
    store = inputs.credentials.store
    done = plan(inputs, known.readers(), phases, hosts, known.session.parallel)
    masks = Masks(store, store.written if isinstance(store, Overlay) else ())
    return [change for step in done for change in planned(step, masks)]


def text(found: Sequence[Planned], verbose: bool = False) -> str:
    """Phase by phase in their order, each host's acts below it."""
    return "\n".join(line for phase in _phases(found) for line in _phase(phase, verbose))


def _phases(found: Sequence[Planned]) -> list[list[Planned]]:
    return [list(changes) for _, changes in groupby(found, lambda change: change.phase)]


def _phase(changes: list[Planned], verbose: bool) -> list[str]:
    acts = dict.fromkeys(f"{change.host}: {act}" for change in changes for act in change.does)
    return [*lines(changes, verbose), *(f"      {act}" for act in acts)]


def as_json(cluster: str, command: str, about: Mapping[str, Any], found: Sequence[Planned]) -> str:
    """One object; its names stay, new ones may come."""
    head = {"schema": SCHEMA, "cluster": cluster, "command": command, **about}
    return json.dumps({**head, "steps": [dataclasses.asdict(change) for change in found]}, indent=2)
