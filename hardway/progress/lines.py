"""Events as lines: what is printed where there is no live display, and above it where there is one."""

from __future__ import annotations

from collections.abc import Sequence

from . import events
from .closing import plural, table
from .events import Moment

MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}


def lines(moment: Moment, verbose: bool) -> list[str]:
    """What a person is told of an event, each line with its time; nothing of most."""
    return [f"{moment.elapsed:7.1f} s  {text}" for text in texts(moment.event, verbose)]


def closing(moment: Moment) -> Sequence[str]:
    """What follows the last line, without a time."""
    event = moment.event
    return table(event) if isinstance(event, events.Summary) and event.changes else ()


def texts(event: events.Event, verbose: bool) -> list[str]:
    match event:
        case events.Note():
            return [event.message]
        case events.PassStarted():
            return [f"{event.number} of {event.rounds}: {event.title}; {', '.join(event.hosts)}"]
        case events.StepFinished() if verbose:
            return step(event)
        case events.PhaseReady() if event.hosts:
            return [ready(event)]
        case events.HostReset():
            return [f"{event.host}: {event.removed} removed" if event.removed else f"{event.host}: nothing to remove"]
        case events.NodeStep():
            return [f"{event.host}: {event.detail}"]
        case events.PodEvicted():
            return [f"{event.host}: evicted {event.namespace}/{event.pod} ({event.owner})"]
        case events.PodWaits():
            return [f"{event.host}: {event.namespace}/{event.pod} ({event.owner}) waits: {event.why}"]
        case events.Checked():
            return [check(event)]
        case events.Summary():
            sent = f", {event.bytes / 1e6:.0f} MB sent" if event.bytes else ""
            return [f"done: {plural(event.changes, 'change')} in {event.seconds:.1f} s{sent}"]
    return []


def step(event: events.StepFinished) -> list[str]:
    head = f"{event.phase:14} {event.host}: {len(event.changes)} changed ({event.seconds:.1f} s)"
    return [head, *(f"    {change['resource']}: {'; '.join(change['why'])}" for change in event.changes)]


def ready(event: events.PhaseReady) -> str:
    tail = f", ready after {event.waited:.1f} s" if event.waited > 0.05 else ""
    made = plural(event.changes, "change") if event.changes else "no change"
    return f"{event.phase:14} {plural(event.hosts, 'host'):9} {made}{tail}"


def check(event: events.Checked) -> str:
    """One check in one line, or more when it failed: everything found, why it matters, what to try."""
    first, *rest = event.detail.splitlines() or [""]
    head = f"{MARKS[event.status]:8} {event.name:21} {first}"
    if event.status != "failed":
        return head
    more = [*rest, f"why:  {event.reason}", f"next: {event.remedy}"]
    return "\n".join([head, *(f"{'':8} {'':21} {each}" for each in more)])
