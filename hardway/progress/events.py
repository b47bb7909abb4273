"""What can happen in a run: one class for each kind of event. Lines, display, tables and docs/events.md all come from these."""

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
    """A command began; always the first event."""

    kind = "run-started"
    command: str = says("the command: bootstrap, reset or verify")
    version: str = says("hardway's own version")
    cluster: str = says("the cluster's name")
    kubernetes: str = says("the version of Kubernetes that the inventory asks for")
    hosts: Rows = says("`name`, `address` and `roles` of every host of the inventory, in its order")
    phases: Sequence[str] = says("the names of the chosen phases, in their order")
    options: str = says("the options that chose phases and hosts")


@dataclass(frozen=True)
class Note(Event):
    """Something for a person to read."""

    kind = "note"
    message: str = says("the line")


@dataclass(frozen=True)
class Planned(Event):
    """All hosts have been asked: the work is known."""

    kind = "planned"
    phases: Rows = says("`name`, `title`, `targets` (where it works) and `needs` (phases that must be ready before) of each phase")


@dataclass(frozen=True)
class StepStarted(Event):
    """A target begins a phase: it is read and compared. After a broken connection this comes again."""

    kind = "step-started"
    phase: str = says("the phase")
    host: str = says("the host; or operator, etcd or kubernetes for what is kept here or done through an API")


@dataclass(frozen=True)
class Queued(Event):
    """A step that restarts something waits for its turn: one target at a time."""

    kind = "queued"
    phase: str = says("the phase")
    host: str = says("the target")


@dataclass(frozen=True)
class Applying(Event):
    """A step begins to change its target."""

    kind = "applying"
    phase: str = says("the phase")
    host: str = says("the target")
    resources: Sequence[str] = says("what is changed, such as `file /etc/crictl.yaml`")
    bytes: int = says("how much large content goes to the host, before it is compressed")


@dataclass(frozen=True)
class BytesSent(Event):
    """Large content is on its way to a host; at most four times a second for each."""

    kind = "bytes-sent"
    host: str = says("the host")
    bytes: int = says("all that was sent to it in this run so far")


@dataclass(frozen=True)
class StepFinished(Event):
    """A target has what the phase wants there."""

    kind = "step-finished"
    phase: str = says("the phase")
    host: str = says("the target")
    seconds: float = says("how long the step took")
    changes: Rows = says("`resource` and `why` (a list) of everything that was changed")


@dataclass(frozen=True)
class Waiting(Event):
    """A phase waits for something to come about; again whenever that is something else, at most twice a second."""

    kind = "waiting"
    phase: str = says("the phase")
    deadline: float = says("how many seconds it waits at most, from its first event on")
    what: str = says("what is awaited; empty before the first look")
    host: str = says("where; empty when it is no single host")


@dataclass(frozen=True)
class PhaseReady(Event):
    """A phase is done everywhere, and what it started works."""

    kind = "phase-ready"
    phase: str = says("the phase")
    hosts: int = says("on how many targets it worked")
    changes: int = says("how many changes it made there")
    waited: float = says("how many seconds it waited at the end")


@dataclass(frozen=True)
class HostReset(Event):
    """A host is rid of what bootstrap put there."""

    kind = "host-reset"
    host: str = says("the host")
    removed: int = says("how many things were removed")


@dataclass(frozen=True)
class Checked(Event):
    """A check of `verify` ended."""

    kind = "check"
    name: str = says("the check")
    status: str = says("passed, failed or skipped")
    detail: str = says("what was seen, one finding a line")
    seconds: float = says("how long the look took")
    reason: str = says("why it matters")
    remedy: str = says("the next command to try when it fails")


@dataclass(frozen=True)
class Failed(Event):
    """Something failed; several hosts may fail in one run. Other targets finish the step they are at."""

    kind = "error"
    message: str = says("what happened")
    host: str = says("where; may be empty")
    phase: str = says("in which phase; may be empty")
    exit_code: int = says("the exit code of such a failure")
    lines: Sequence[str] = says("all that a person is shown: the evidence and the next command")


@dataclass(frozen=True)
class Summary(Event):
    """A bootstrap ended well; its last event."""

    kind = "summary"
    changes: int = says("how many changes it made")
    seconds: float = says("how long it took")
    bytes: int = says("how much large content was sent")
    phases: Table = says("by phase: `from` and `to` in seconds of the run, `waited`, `longest_step` in seconds and `longest_host`")
    hosts: Table = says("by target: `working` and `waiting` in seconds, `bytes`, `longest_step` in seconds and `longest_phase`")


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
