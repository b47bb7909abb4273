"""The cluster as a whole: it is the one that was created with this state directory, and its data is there."""

from __future__ import annotations

from ..preflight import continuity
from .check import Check
from .outcome import Outcome, failed, passed, skipped
from .scene import Scene


def same_cluster(scene: Scene) -> Outcome:
    inputs = scene.inputs
    if fault := continuity.fault(inputs):
        return failed(fault.message, *fault.evidence.splitlines())
    if not inputs.founded:
        return skipped("the state directory does not record which cluster it belongs to: bootstrap does it")
    if not (inputs.lives.uid or inputs.lives.etcd):
        return skipped("neither etcd nor an API server answers, so nobody says which cluster it is")
    return passed(f"it is the cluster that was created on {inputs.founded.on}")


SAME = Check(
    "same-cluster",
    "This is the cluster of the state directory, and its data is there",
    "An empty cluster on the same hosts looks healthy, but every object of the former one is lost.",
    "hardway plan INV   shows the ways out",
    same_cluster,
)
CHECKS = (SAME,)
