"""What can happen in a run: one class for each kind of event.

Lines, display, tables and docs/events.md all come from these.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

# It grows when a field goes or changes its meaning; a kind or a field that is new leaves it as it is.
SCHEMA = 1
Rows = Sequence[Mapping[str, Any]]
Table = Mapping[str, Mapping[str, Any]]


def says(about: str) -> Any:
    """A field, and what it tells."""
    return field(metadata={"about": about})


class Event:
    """One thing that happened. `kind` is its name in JSON."""

    kind: ClassVar[str]

    def fields(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}


@dataclass(frozen=True)
class RunStarted(Event):
    """A command started; always the first event."""

    kind = "run-started"
    command: str = says(
        "the command: bootstrap, upgrade, reset, verify, certs renew, certs rotate-ca, etcd restore, defrag, disarm, or"
        " node drain, add, remove, replace"
    )
    version: str = says("hardway's own version")
    cluster: str = says("the cluster's name")
    kubernetes: str = says("the Kubernetes version in the inventory")
    hosts: Rows = says("`name`, `address` and `roles` of each host, in the order of the inventory")
    phases: Sequence[str] = says("the names of the selected phases, in order")
    options: str = says("the options that select phases and hosts")


@dataclass(frozen=True)
class Note(Event):
    """A message for the operator."""

    kind = "note"
    message: str = says("the message")


@dataclass(frozen=True)
class Planned(Event):
    """hardway has read the facts of all hosts and knows the work."""

    kind = "planned"
    phases: Rows = says(
        "`name`, `title`, `targets` (where it runs) and `needs` (phases that must be ready before) of each phase"
    )


@dataclass(frozen=True)
class PassStarted(Event):
    """A command that takes several rounds starts one: the phases that follow are its own, and pending again."""

    kind = "pass-started"
    number: int = says("which round it is, from 1")
    rounds: int = says("how many there are, as far as it is known")
    title: str = says("what it brings")
    hosts: Sequence[str] = says("the hosts it is about")


@dataclass(frozen=True)
class StepStarted(Event):
    """A target starts a phase: it is read and compared. Sent again after a broken connection."""

    kind = "step-started"
    phase: str = says("the phase")
    host: str = says("the host; or operator (this computer), etcd or kubernetes (through their APIs)")


@dataclass(frozen=True)
class Queued(Event):
    """A step that restarts something waits: one target restarts at a time."""

    kind = "queued"
    phase: str = says("the phase")
    host: str = says("the target")


@dataclass(frozen=True)
class Applying(Event):
    """A step starts to change its target."""

    kind = "applying"
    phase: str = says("the phase")
    host: str = says("the target")
    resources: Sequence[str] = says("what is changed, such as `file /etc/crictl.yaml`")
    bytes: int = says("bytes of large content to send to the host, before compression")


@dataclass(frozen=True)
class BytesSent(Event):
    """Large content is being sent to a host; at most four events a second for each host."""

    kind = "bytes-sent"
    host: str = says("the host")
    bytes: int = says("bytes sent to it in this run so far")


@dataclass(frozen=True)
class StepFinished(Event):
    """A phase has made its changes on a target, or found nothing to change."""

    kind = "step-finished"
    phase: str = says("the phase")
    host: str = says("the target")
    seconds: float = says("how long the step took")
    changes: Rows = says("`resource` and `why` (a list) of each change")


@dataclass(frozen=True)
class Waiting(Event):
    """A phase waits for something; sent again when it waits for something else or longer, at most twice a second."""

    kind = "waiting"
    phase: str = says("the phase")
    deadline: float = says("how many seconds it waits, counted from the first of these events; grows with progress")
    what: str = says("what it waits for; empty before the first check")
    host: str = says("where; empty if it is not a single host")


@dataclass(frozen=True)
class PhaseReady(Event):
    """A phase is done on all targets, and what it started works."""

    kind = "phase-ready"
    phase: str = says("the phase")
    hosts: int = says("on how many targets it ran")
    changes: int = says("how many changes it made there")
    waited: float = says("how many seconds it waited at the end")


@dataclass(frozen=True)
class HostReset(Event):
    """Everything that bootstrap put on a host is removed."""

    kind = "host-reset"
    host: str = says("the host")
    removed: int = says("how many things were removed")


@dataclass(frozen=True)
class NodeStep(Event):
    """A step of a node command is done."""

    kind = "node-step"
    host: str = says("the host")
    step: str = says("the step, such as cordon, drain or etcd-member; `--plan` lists them")
    detail: str = says("what was done")


@dataclass(frozen=True)
class PodEvicted(Event):
    """A drain has evicted a pod, which now has its grace period to end."""

    kind = "pod-evicted"
    host: str = says("the node")
    namespace: str = says("the pod's namespace")
    pod: str = says("the pod's name")
    owner: str = says("what starts it again, such as `Deployment web`")


@dataclass(frozen=True)
class PodWaits(Event):
    """A pod cannot be evicted yet; sent again when the reason changes."""

    kind = "pod-waits"
    host: str = says("the node")
    namespace: str = says("the pod's namespace")
    pod: str = says("the pod's name")
    owner: str = says("what starts it again, such as `Deployment web`")
    why: str = says("the API's reason, such as its budget")


@dataclass(frozen=True)
class Checked(Event):
    """A check of `verify` finished."""

    kind = "check"
    name: str = says("the check")
    status: str = says("passed, failed or skipped")
    detail: str = says("what it found, one finding per line")
    seconds: float = says("how long the check took")
    reason: str = says("why it matters")
    remedy: str = says("the next command to try when it fails")


@dataclass(frozen=True)
class Failed(Event):
    """Something failed; several hosts may fail in one run. Other targets finish their current step."""

    kind = "error"
    message: str = says("what happened")
    host: str = says("where; may be empty")
    phase: str = says("in which phase; may be empty")
    exit_code: int = says("the exit code for this failure")
    lines: Sequence[str] = says("all lines that the operator sees: the evidence and the next command")


@dataclass(frozen=True)
class Summary(Event):
    """A bootstrap, a defragmentation or a restore of etcd succeeded; its last event."""

    kind = "summary"
    changes: int = says("how many changes it made")
    seconds: float = says("how long it took")
    bytes: int = says("bytes of large content sent")
    phases: Table = says(
        "by phase: `from` and `to` in seconds of the run, `waited`, `longest_step` in seconds and `longest_host`"
    )
    hosts: Table = says(
        "by target: `working` and `waiting` in seconds, `bytes`, `longest_step` in seconds and `longest_phase`"
    )


KINDS: dict[str, type[Event]] = {kind.kind: kind for kind in Event.__subclasses__()}


@dataclass(frozen=True)
class Moment:
    """An event and when it happened, to the millisecond: by the clock, and in seconds of the run."""

    time: float
    elapsed: float
    event: Event

    def json(self) -> str:
        """The event as a line of `--output json`."""
        head = {"schema": SCHEMA, "time": self.time, "elapsed": self.elapsed, "event": self.event.kind}
        return json.dumps({**head, **self.event.fields()})

    @classmethod
    def parse(cls, line: str) -> Moment:
        """From such a line; KeyError for a kind, TypeError for a field that is unknown."""
        document = json.loads(line)
        time, elapsed, kind = document.pop("time"), document.pop("elapsed"), KINDS[document.pop("event")]
        document.pop("schema")
        return cls(time, elapsed, kind(**document))
