"""A plan as data: every change by phase, host and resource, comparable with what is about to be done, and without a
secret byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..phase import Inputs, Phase
from ..preflight import Finding, findings
from ..resources.base import Change
from ..run.planning import plan as read_all
from ..run.selection import Scope, everything
from ..run.step import Done
from ..vocabulary import Op, Reader
from .masks import SHORT, Masks

if TYPE_CHECKING:
    from ..state.statedir import Overlay

# What serves only to notice, to check or to load a change that is told already.
BOOKKEEPING = ("stamp", "unstamp", "reload", "check")
PLACED = ("put", "binary", "mkdir", "own")
ISSUED = "issued by bootstrap"


@dataclass(frozen=True)
class Planned:
    """One change.

    `does` holds the acts, a line each, contents as digests; `was` what was found where content is replaced.
    """

    phase: str
    host: str
    resource: str
    why: tuple[str, ...]
    does: tuple[str, ...]
    was: str = ""
    mode: str = ""
    owner: str = ""
    size: int = 0
    diff: str = ""
    restarts: bool = False
    unknown: bool = False
    issued: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        return self.phase, self.host, self.resource


@dataclass(frozen=True)
class Plan:
    """All changes in the order of the phases; `issues` are the files of the state directory that bootstrap will
    issue."""

    changes: tuple[Planned, ...]
    findings: tuple[Finding, ...] = ()
    issues: tuple[str, ...] = ()


def foresee(
    inputs: Inputs,
    readers: Mapping[str, Reader],
    phases: Sequence[Phase],
    hosts: frozenset[str],
    issues: Sequence[str] = (),
    parallel: int = 32,
    scope: Scope = everything,
) -> Plan:
    """What a bootstrap would do now; the store of the inputs' credentials is an Overlay.

    `issues` are those of an earlier plan.
    """
    store: Overlay = inputs.credentials.store
    done = read_all(inputs, readers, phases, hosts, parallel, scope)
    masks = Masks(store, store.written | set(issues))
    return Plan(tuple(change for step in done for change in planned(step, masks)), tuple(findings(inputs)), masks.names)


def planned(step: Done, masks: Masks) -> list[Planned]:
    """The changes of one step as they stand in a plan."""
    return [_planned(step.phase, step.target, change, masks) for change in step.changes]


def _planned(phase: str, host: str, change: Change, masks: Masks) -> Planned:
    placed = next((op.args[1:4] for op in change.ops if op.verb in PLACED), ())
    issued = any(op.blob and masks.hides(op.blob) for op in change.ops)
    was = masks.found(change.was)
    return Planned(
        phase,
        host,
        change.key,
        change.why,
        tuple(line for op in (*change.before, *change.ops) for line in _told(op, change, masks)),
        was,
        mode=placed[0] if placed else "",
        owner=":".join(placed[1:]),
        size=sum(op.blob.size for op in change.ops if op.blob and op.blob.path),
        diff=_to_issued(was) if issued else change.diff,
        restarts=change.restarts,
        unknown=change.unknown,
        issued=issued,
    )


def _to_issued(was: str) -> str:
    """In place of a diff with content that was made for the plan alone and is thrown away with it."""
    digest = was.rpartition("sha256:")[2]
    return f"sha256 {digest if was else 'none'} -> {ISSUED}"


def _told(op: Op, change: Change, masks: Masks) -> list[str]:
    if op.verb in BOOKKEEPING:
        return []
    if op.verb == "issue":
        return [f"issue {line}" for line in change.why]
    if op.verb == "packages":
        return [f"packages {op.args[0]} {name}" for name in op.args[1:]]
    words = op.args[:4] if op.verb == "binary" else op.args
    digest = [f"sha256:{masks.digest(op.blob)[:SHORT]}"] if op.blob else []
    return [" ".join([op.verb, *map(masks.word, words), *digest])]
