"""What a step would do: resources compared with a target's answers, and the ops that follow in their order. Pure."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence

from ..resources.base import Change, Resource, Situation
from ..vocabulary import Answers, Op, Probe, Reader


def compare(resources: Sequence[Resource], answers: Answers, changed: set[str] | None = None) -> list[Change]:
    """The changes that make a target as desired; a unit sees which files change before it.

    `changed` holds the paths that earlier phases change on this target, and gets those that change here.
    """
    changes: list[Change] = []
    changed = set() if changed is None else changed
    for resource in resources:
        change = resource.compare(Situation(answers, frozenset(changed)))
        if change:
            changes.append(change)
            changed |= {op.args[0] for op in change.ops if op.verb in ("put", "binary")}
    return changes


def read(reader: Reader, resources: Sequence[Resource]) -> Answers:
    """Everything the resources need to know, in one question."""
    return reader.probe([probe for resource in resources for probe in resource.probes()])


def foreseen(answers: Answers, changes: Sequence[Change]) -> Answers:
    """The answers as they will be when the changes are made, as to files and folders, which later phases may want otherwise."""
    made = {op.args[0]: op for change in changes for op in change.ops if op.verb in ("put", "mkdir")}
    return {probe: _made(probe, made[probe.args[0]]) if probe.verb == "file" and probe.args[0] in made else answer
            for probe, answer in answers.items()}  # fmt: skip


def _made(probe: Probe, op: Op) -> str:
    """What `file` answers about something that an op has made."""
    meta = " ".join(op.args[1:4])
    if op.blob is None:
        return f"dir {meta}"
    content = "" if probe.args[1] == op.blob.sha256 or op.blob.secret else base64.encodebytes(op.blob.data or b"").decode()
    return f"file {meta} {op.blob.size} {op.blob.sha256}\n{content}".strip()


SYSTEMD = ("enable", "reload", "start", "restart", "stamp")


def ordered(changes: Sequence[Change]) -> list[Op]:
    """The ops of a step: first what must precede every write, then the rest; systemd enables and reloads once for several units."""
    ops = [op for change in changes for op in change.before]
    body = (op for change in changes for op in change.ops)
    for systemd, run in itertools.groupby(body, key=lambda op: op.verb in SYSTEMD):
        neighbours = list(run)
        ops += _together(neighbours) if systemd else neighbours
    return ops


def _together(run: list[Op]) -> list[Op]:
    """Neighbouring acts on units: all enabled at once, one reload, then started in their order."""
    enabled = tuple(dict.fromkeys(op.args[0] for op in run if op.verb == "enable"))
    reload = [Op("reload")] if any(op.verb == "reload" for op in run) else []
    return [*([Op("enable", enabled)] if enabled else []), *reload, *(op for op in run if op.verb not in ("enable", "reload"))]
