"""What a bare cluster would have done to it: the phases compared with machines that have nothing yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...cluster import Cluster
from ...phase import API, ETCD, OPERATOR, Inputs
from ...phases import PHASES
from ...resources.base import Change
from ...run.planning import plan
from ...vocabulary import Answers, Probe

# What a machine answers on which nothing was ever installed; swap is assumed to be on.
ANSWERS: Mapping[str, str] = {
    "binary": "absent",
    "block": "",
    "certificates": "absent",
    "exists": "no",
    "file": "absent",
    "image": "absent",
    "issued": "new",
    "leftover": "0",
    "library": "absent",
    "module": "absent",
    "object": "absent",
    "ours": "no",
    "package": "absent",
    "routes": "",
    "state": "absent",
    "swap": "active swap",
    "sysctl": "absent",
    "tool": "absent",
    "unit": "",
    "user": "absent",
}


class Bare:
    """A target that has nothing."""

    def probe(self, probes: Sequence[Probe]) -> Answers:
        return {probe: ANSWERS[probe.verb] for probe in probes}


def changes(inputs: Inputs) -> dict[tuple[str, str], tuple[Change, ...]]:
    """Everything that makes a bare cluster as desired, by (phase, target)."""
    names = _targets(inputs.cluster)
    done = plan(inputs, {name: Bare() for name in names}, PHASES, frozenset(names))
    return {(step.phase, step.target): step.changes for step in done}


def _targets(cluster: Cluster) -> tuple[str, ...]:
    return (OPERATOR.name, ETCD.name, *(host.name for host in cluster.hosts), API.name)
