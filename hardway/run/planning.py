"""What a run would change, found by reading alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..cluster import Cluster
from ..parallel import each
from ..phase import Inputs, Phase, Target
from ..resources.base import Resource
from ..vocabulary import Reader
from .comparing import compare, foreseen, read, unmet
from .mark import wanted
from .selection import Scope, everything
from .step import Done


def plan(
    inputs: Inputs,
    readers: Mapping[str, Reader],
    phases: Sequence[Phase],
    hosts: frozenset[str],
    parallel: int = 32,
    scope: Scope = everything,
) -> list[Done]:
    """What a run would change, read in one question per target; the readers cannot write."""
    inputs = replace(inputs, phases=frozenset(phase.name for phase in phases))
    targets = [target for name, target in _targets(inputs.cluster, phases).items() if name in hosts]
    found: dict[str, list[Done]] = {}

    def look(target: Target) -> None:
        mine = [phase for phase in phases if scope(phase, target)]
        found[target.name] = _steps(inputs, readers[target.name], mine, target)

    each(look, targets, parallel)
    order = {phase.name: i for i, phase in enumerate(phases)}
    return sorted(
        (done for target in targets for done in found.get(target.name, ())), key=lambda done: order[done.phase]
    )


def _targets(cluster: Cluster, phases: Sequence[Phase]) -> Mapping[str, Target]:
    """Everything that the phases work on by its name: `doctor` makes the plan of each host for itself."""
    about = tuple(phase.targets for phase in phases)
    return cluster.once(about, lambda: {target.name: target for targets in about for target in targets(cluster)})


def _steps(inputs: Inputs, reader: Reader, phases: Sequence[Phase], target: Target) -> list[Done]:
    desired = [(phase, wanted(phase, inputs, target)) for phase in phases if phase.works_on(inputs.cluster, target)]
    answers = read(reader, [resource for _, resources in desired for resource in resources])
    steps: list[Done] = []
    changed: set[str] = set()
    met: dict[str, Resource] = {}
    for phase, resources in desired:
        fresh = unmet(resources, met)
        met.update((resource.key, resource) for resource in fresh)
        changes = tuple(compare(fresh, answers, changed, target.name))
        answers = foreseen(answers, changes)
        steps.append(Done(phase.name, target.name, changes, 0.0))
    return steps
