"""The logs of one component from several hosts at once: what was said so far, or on and on."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator

from ...cluster import Host
from ...errors import ConnectionLost, HardwayError
from ...parallel import each
from ...session import Session
from ...targets.journal import Entry, merged, parse
from .sources import Since, Source

# Lines of several hosts come a little apart: for so long they wait for each other, so that they are shown in their
# order.
SETTLED = 0.25
HELD = 1.0
LEAVE = 10.0  # for the readers on the hosts to end; one that is still connecting has none there yet
QUIET, END, INTERRUPT = "quiet", "end", "interrupt"
Away = Callable[[Host, HardwayError], None]


class Listening:
    """`away` is told of each host that cannot be heard; the others are heard all the same."""

    def __init__(self, session: Session, source: Source, since: Since, lines: int, away: Away):
        self.session, self.source, self.since, self.lines, self.away = session, source, since, lines, away

    def so_far(self) -> Iterator[list[Entry]]:
        """All entries that are wanted, in the order of time, at once."""
        found: dict[str, list[Entry]] = {}
        probe = self.source.probe("entries", self.since, self.lines)

        def ask(host: Host) -> None:
            try:
                answer = self.session.live.remotes[host.name].probe([probe])[probe]
            except HardwayError as error:
                self.away(host, error)
                return
            found[host.name] = self._wanted([parse(self.source.kind, host.name, line) for line in answer.splitlines()])

        each(ask, self.source.hosts, self.session.parallel)
        yield merged(entry for host in self.source.hosts for entry in found.get(host.name, ()))

    def on_and_on(self) -> Iterator[list[Entry]]:
        """Entries as they come, some at a time, until Ctrl-C or until no host can be heard any more; then no reader is
        left on a host."""
        heard: queue.SimpleQueue[Entry | str] = queue.SimpleQueue()
        stop = threading.Event()
        threads = [
            threading.Thread(target=self._follow, args=(host, heard, stop), daemon=True) for host in self.source.hosts
        ]
        with _interrupts_heard(heard):
            for thread in threads:
                thread.start()
            try:
                yield from _batches(heard, len(threads))
            finally:
                stop.set()
                for thread in threads:
                    thread.join(LEAVE)

    def _follow(self, host: Host, heard: queue.SimpleQueue[Entry | str], stop: threading.Event) -> None:
        probe = self.source.probe("following", self.since, self.lines)

        def line(text: str) -> None:
            for entry in self._wanted([parse(self.source.kind, host.name, text)]):
                heard.put(entry)

        try:
            self.session.live.remotes[host.name].listen(probe, line, stop.is_set)
            if not stop.is_set():
                raise ConnectionLost(f"the log of {self.source.component} on {host.name} ended", host.name)
        except HardwayError as error:
            if not stop.is_set():
                self.away(host, error)
        finally:
            heard.put(END)

    def _wanted(self, entries: list[Entry | None]) -> list[Entry]:
        """Without what is no entry; a log file knows no beginning, so it is cut here."""
        now = time.time()
        return [
            entry for entry in entries if entry and (self.source.kind == "unit" or self.since.admits(entry.moment, now))
        ]


@contextlib.contextmanager
def _interrupts_heard(heard: queue.SimpleQueue[Entry | str]) -> Iterator[None]:
    """Ctrl-C is one more thing that comes: an exception could strike anywhere, and leave readers behind on the
    hosts."""
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.put(INTERRUPT))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _batches(heard: queue.SimpleQueue[Entry | str], readers: int) -> Iterator[list[Entry]]:
    """What has come until it is quiet for a moment, or has been held long enough; KeyboardInterrupt at Ctrl-C."""
    held: list[Entry] = []
    began = time.monotonic()
    while readers:
        item: Entry | str = QUIET
        with contextlib.suppress(queue.Empty):
            item = heard.get(timeout=SETTLED if held else None)
        if item == INTERRUPT:
            break
        if isinstance(item, Entry):
            began = began if held else time.monotonic()
            held.append(item)
        readers -= item == END
        if held and (item == QUIET or time.monotonic() - began > HELD):
            yield merged(held)
            held = []
    if held:
        yield merged(held)
    if readers:
        raise KeyboardInterrupt
