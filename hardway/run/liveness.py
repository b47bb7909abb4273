"""Whether the hosts of a run are still there: one that has gone is noticed by whoever waits for something else."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..errors import ConnectionFailed, ConnectionLost
from ..transport import Transport
from ..vocabulary import Probe, Reader

PACE = 2.0  # seconds between two rounds; asking about a connection that is open costs nothing
PATIENCE = 3  # so many rounds in a row may be refused at once: the machine may be up, and its sshd be starting


def watch(hosts: Sequence[Transport], over: threading.Event) -> None:
    """Keep every host's connection open until it is `over`; ConnectionFailed when one stays broken.

    That a connection is dead, the connection itself finds out (see hardway.ssh.link): it asks for signs of life.
    """
    failures = dict.fromkeys((host.host.name for host in hosts), 0)
    while not over.wait(PACE):
        for host in hosts:
            try:
                host.connect()
                failures[host.host.name] = 0
            except ConnectionFailed as error:
                failures[host.host.name] += 1
                if (error.waited_for or failures[host.host.name] >= PATIENCE) and not over.is_set():
                    before = "before: it answered, then the connection broke during this run"
                    error.evidence = f"{error.evidence}\n{before}".strip()
                    raise


def roll_call(host: Reader) -> None:
    """Have a host say anything at all, on a new connection when the old one proves broken; ConnectionFailed when it
    does not."""
    anything = (Probe("tool", ("sh",)),)
    try:
        host.probe(anything)
    except ConnectionLost:
        host.probe(anything)
