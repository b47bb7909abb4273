"""Hosts in memory whose lease several runs want: the counterpart of hardway/targets/host/lease.sh and of q_lease.

What the real script does is tested in tests/lease/test_on_a_host.py; this is for what needs many hosts, or a clock.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from ipaddress import IPv4Address

from hardway.cluster import Host
from hardway.errors import ConnectionFailed, ConnectionLost
from hardway.lease.keeper import HELD_BY_ANOTHER, UNABLE
from hardway.transport import Result


class Machine:
    """One host. `off` it answers nobody, and `dumb` it cannot hold a lease; `last` is the line in its file."""

    def __init__(self, host: Host | str):
        self.host = Host(host, IPv4Address("10.0.0.1"), frozenset()) if isinstance(host, str) else host
        self.lock = threading.Lock()
        self.holder: Way | None = None
        self.last = ""
        self.off = self.dumb = False

    def way(self) -> Way:
        """A connection of its own."""
        return Way(self)

    def reboot(self) -> None:
        """Whoever holds it loses it, and nobody remembers."""
        with self.lock:
            self.holder, self.last = None, ""


class Way:
    """A transport, as far as a lease needs one. `cut` its connection is broken; `deaf` nothing arrives any more."""

    def __init__(self, machine: Machine):
        self.machine, self.host = machine, machine.host
        self.cut = self.deaf = False
        self.pause: Callable[[], None] = lambda: None

    def connect(self) -> None:
        if self.machine.off or self.cut:
            raise ConnectionFailed(f"{self.host.name} does not answer", self.host.name)

    def close(self) -> None:
        """It is never open."""

    def follow(self, command, lines, stop=lambda: False) -> int:
        """Nobody listens for long here."""
        return 0

    def dial(self, port: int, address: str = "127.0.0.1", seconds: float | None = None):
        raise ConnectionFailed(f"nothing listens on {port}", self.host.name)

    forward = dial

    def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """The one question asked here is q_lease."""
        self.connect()
        assert "q_lease" in script.splitlines()[-2]
        first, end = re.findall(r"(== \w+ )\w+", script)[-2:]
        said = f"1 {self.machine.last}" if self.machine.holder else ""
        return Result(0, f"{first}0\n{said}\n{end}end\n".encode(), b"")

    def talk(
        self, command: str, lines: Callable[[str], None], say: Callable[[], bytes | None], every: float = 1.0
    ) -> int:
        self.connect()
        machine = self.machine
        [(token, ended)] = re.findall(r"^hold (\w+) 90 (\w+|'')$", command, re.MULTILINE)
        self.pause()
        if machine.dumb:
            return UNABLE
        with machine.lock:
            if machine.holder and not machine.last.startswith((token, ended)):
                time.sleep(0.01)
                return HELD_BY_ANOTHER
            machine.holder, before = self, machine.last
        lines(f"after {' '.join(before.split()[:2])}")
        try:
            return self._held(lines, say)
        finally:
            with machine.lock:
                machine.holder = None if machine.holder is self else machine.holder

    def _held(self, lines: Callable[[str], None], say: Callable[[], bytes | None]) -> int:
        while (words := say()) is not None:
            if self.machine.off or self.cut or self.machine.holder is not self:
                raise ConnectionLost("the connection broke during a command", self.host.name)
            if words and not self.deaf:
                self.machine.last = words.decode().strip()
                lines(self.machine.last)
            time.sleep(0.005)
        return 0
