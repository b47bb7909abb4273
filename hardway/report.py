"""What a run says while it works: one event stream, shown as lines for people or as JSON for programs."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TextIO

from .resources.base import Change

SCHEMA = 1


class Report:
    """Events of one run. `output` is text or json; `verbose` shows every step and resource."""

    def __init__(self, output: str = "text", verbose: bool = False, stream: TextIO | None = None):
        self.json, self.verbose, self.stream = output == "json", verbose, stream or sys.stdout
        self.start = time.monotonic()
        self.lock = threading.Lock()
        self.bytes = 0
        self.changes: dict[str, int] = defaultdict(int)
        self.hosts: dict[str, set[str]] = defaultdict(set)
        self.work: dict[str, float] = defaultdict(float)
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    def event(self, kind: str, text: str = "", **fields: Any) -> None:
        """One thing that happened; text "" is for programs only."""
        with self.lock:
            if self.json:
                line = json.dumps(
                    {"schema": SCHEMA, "time": round(time.time(), 3), "elapsed": round(self.elapsed, 3), "event": kind, **fields},
                    default=str,
                )
            elif text:
                line = f"{self.elapsed:7.1f} s  {text}"
            else:
                return
            print(line, file=self.stream, flush=True)

    def note(self, text: str) -> None:
        """A line about progress that is no event of its own kind."""
        self.event("note", text, message=text)

    def sent(self, count: int) -> None:
        with self.lock:
            self.bytes += count

    def step_started(self, phase: str, target: str) -> None:
        self.began.setdefault(phase, self.elapsed)
        self.event("step-started", phase=phase, host=target)

    def step_finished(self, phase: str, target: str, changes: Sequence[Change], seconds: float) -> None:
        with self.lock:
            self.changes[phase] += len(changes)
            self.hosts[phase].add(target)
            self.work[phase] = max(self.work[phase], seconds)
            self.ended[phase] = self.elapsed
        text = f"{phase:14} {target}: {len(changes)} changed ({seconds:.1f} s)" if self.verbose else ""
        self.event("step-finished", text, phase=phase, host=target, seconds=round(seconds, 3),
                   changes=[{"resource": change.key, "why": list(change.why)} for change in changes])  # fmt: skip
        if self.verbose and not self.json:
            for change in changes:
                self.note(f"    {change.key}: {'; '.join(change.why)}")

    def waiting(self, phase: str, deadline: float) -> None:
        self.event("waiting", phase=phase, deadline=deadline)

    def phase_ready(self, phase: str, waited: float) -> None:
        with self.lock:
            count, hosts = self.changes[phase], len(self.hosts[phase])
            self.ended[phase] = self.elapsed
        tail = f", ready after {waited:.1f} s" if waited > 0.05 else ""
        text = f"{phase:14} {plural(hosts, 'host'):9} {'no change' if not count else plural(count, 'change')}{tail}"
        self.event("phase-ready", text if hosts else "", phase=phase, hosts=hosts, changes=count, waited=round(waited, 3))

    def summary(self) -> None:
        """Totals, and where the time went when there was any to speak of."""
        total = sum(self.changes.values())
        megabytes = f", {self.bytes / 1e6:.0f} MB sent" if self.bytes else ""
        text = f"done: {plural(total, 'change')} in {self.elapsed:.1f} s{megabytes}"
        phases = {phase: self._timing(phase) for phase in self.ended}
        self.event("summary", text, changes=total, seconds=round(self.elapsed, 3), bytes=self.bytes, phases=phases)
        if total and not self.json:
            print("\n  phase            from      to   longest step", file=self.stream)
            for phase in self.ended:
                timing = self._timing(phase)
                print(f"  {phase:14} {timing['from']:6.1f}  {timing['to']:6.1f}  {timing['longest_step']:6.1f} s", file=self.stream)

    def _timing(self, phase: str) -> dict[str, float]:
        return {
            "from": round(self.began.get(phase, self.ended[phase]), 2),
            "to": round(self.ended[phase], 2),
            "longest_step": round(self.work[phase], 2),
        }


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
