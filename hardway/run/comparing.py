"""What a step would do: resources compared with a target's answers, and the ops that follow in their order. Pure."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping, Sequence

from ..foreign.understanding import understood
from ..resources import Leftover
from ..resources.base import Change, Resource, Situation
from ..vocabulary import Answers, Op, Probe, Reader

# What gives a file another content, or takes it away; its first argument is the path.
WRITES = ("put", "binary", "swap", "discard")


def compare(
    resources: Sequence[Resource], answers: Answers, changed: set[str] | None = None, host: str = ""
) -> list[Change]:
    """The changes that make a target as desired; a unit sees which files change before it.

    `changed` holds the paths that earlier phases change on this target, and gets those that change here.
    """
    changes: list[Change] = []
    changed = set() if changed is None else changed
    for resource in resources:
        with understood(f"the question about {resource.key}", "", host):  # an answer may be a file's content: not shown
            change = resource.compare(Situation(answers, frozenset(changed)))
        if change:
            changes.append(change)
            changed |= {op.args[0] for op in change.ops if op.verb in WRITES}
    return changes


def unmet(resources: Sequence[Resource], met: Mapping[str, Resource]) -> list[Resource]:
    """Those that no earlier phase has brought about just so on this target: no unit is restarted twice for a file."""
    return [resource for resource in resources if met.get(resource.key) != resource]


def read(reader: Reader, resources: Sequence[Resource]) -> Answers:
    """Everything that must be known to compare the resources, in one question; what pods leave behind is looked for by
    a reset alone."""
    compared = [resource for resource in resources if not isinstance(resource, Leftover)]
    return reader.probe([probe for resource in compared for probe in resource.probes()])


def foreseen(answers: Answers, changes: Sequence[Change]) -> Answers:
    """The answers as they will be when the changes are made, as to files, folders and units, which later phases may
    want otherwise."""
    made = {op.args[0]: op for change in changes for op in change.ops if op.verb in ("put", "mkdir", "binary")}
    started = {op.args[0] for change in changes for op in change.ops if op.verb in ("start", "restart")}
    stopped = {op.args[0] for change in changes for op in change.ops if op.verb == "stop"}
    stamped = {op.args[0]: op.args[1] for change in changes for op in change.before if op.verb == "stamp"}
    now: dict[Probe, str] = dict(answers)
    for probe, answer in answers.items() if changes else ():
        if probe.verb in ("file", "binary") and probe.args[0] in made:
            now[probe] = _made(probe, made[probe.args[0]])
        elif probe.verb == "unit" and probe.args[0] in started:
            now[probe] = f"{answer}\nActiveState=active"
        elif probe.verb == "unit" and probe.args[0] in stopped:
            now[probe] = f"{answer}\nActiveState=inactive\nJob=\nUnitFileState=disabled"
        elif probe.verb == "unit" and probe.args[0] in stamped:
            now[probe] = f"{answer}\nStamp={stamped[probe.args[0]]}"
    return now


def _made(probe: Probe, op: Op) -> str:
    """What `file` or `binary` answers about something that an op has made."""
    meta = " ".join(op.args[1:4])
    if op.verb == "binary" and op.blob:
        return f"file {meta} {op.blob.size} {op.blob.sha256}"
    if op.blob is None:
        return f"dir {meta}"
    content = (
        "" if probe.args[1] == op.blob.sha256 or op.blob.secret else base64.encodebytes(op.blob.data or b"").decode()
    )
    return f"file {meta} {op.blob.size} {op.blob.sha256}\n{content}".strip()


SYSTEMD = ("enable", "reload", "pause", "start", "restart", "load", "stamp")


def ordered(changes: Sequence[Change]) -> list[Op]:
    """The ops of a step: first what must precede every write, then the rest; systemd enables and reloads once for
    several units."""
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
    return [
        *([Op("enable", enabled)] if enabled else []),
        *reload,
        *(op for op in run if op.verb not in ("enable", "reload")),
    ]


def held(changes: Sequence[Change]) -> list[Change]:
    """Those that belong in the turn of a unit which is to be restarted: it, its files, and units that share them."""
    files = {path for change in changes if change.restarts for path in change.uses}
    written = {op.args[0] for change in changes for op in change.ops if op.verb in WRITES}
    together = files & written
    return [
        change
        for change in changes
        if change.restarts or change.uses & together or any(op.args[:1] and op.args[0] in files for op in change.ops)
    ]
