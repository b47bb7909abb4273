"""The hosts as preflight wants them: what would stop the next bootstrap is as wrong now."""

from __future__ import annotations

from .. import preflight
from .check import Check
from .outcome import Outcome, judged
from .scene import Scene


def hosts_fit(scene: Scene) -> Outcome:
    found = [one for one in preflight.findings(scene.inputs) if not one.warning]
    return judged(
        (f"{one.host}: {one.what} ({one.name}); next: {one.remedy}" for one in found), "preflight finds nothing"
    )


FIT = Check(
    "hosts-fit",
    "Preflight finds nothing wrong with the hosts",
    "A program that runs with foreign settings looks healthy, and the next bootstrap is refused.",
    "hardway preflight INV",
    hosts_fit,
)
CHECKS = (FIT,)
