"""The hosts as preflight wants them: what would stop the next bootstrap is as wrong now."""

from __future__ import annotations

from .. import preflight
from ..progress.closing import plural
from .check import Check
from .outcome import Outcome, judged
from .scene import Scene


def hosts_fit(scene: Scene) -> Outcome:
    facts = scene.inputs.facts
    silent = [host.name for host in scene.cluster.hosts if not (host.name in facts and facts[host.name].known)]
    found = [f"{name}: does not answer, so nobody knows" for name in silent]
    for one in preflight.findings(scene.inputs):
        if not one.warning:
            found.append(f"{one.host}: {one.what} ({one.name}); next: {one.remedy}")
    return judged(found, f"no errors on {plural(len(scene.cluster.hosts), 'host')}")


FIT = Check(
    "hosts-fit",
    "Preflight finds nothing wrong with the hosts",
    "A program that runs with foreign settings looks healthy, and the next bootstrap is refused.",
    "hardway preflight INV",
    hosts_fit,
)
CHECKS = (FIT,)
