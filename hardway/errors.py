"""Every failure a user can meet: one type per cause, each with its exit code.

An error says what happened, where (host, phase, command), what it waited for and how long,
shows the tail of the evidence and names the next command to try. `cli.main` is the only place
that prints one; nothing else in the package prints or exits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(eq=False)
class HardwayError(Exception):
    """Base of all expected failures; `exit_code` is what the shell sees; of the evidence the last `tail` lines are
    shown."""

    tail: ClassVar[int | None] = 20

    message: str
    host: str = ""
    phase: str = ""
    command: str = ""
    waited_for: str = ""
    waited_seconds: float = 0.0
    evidence: str = ""
    hint: str = ""
    exit_code: int = field(default=1, repr=False)

    def __post_init__(self):
        super().__init__(self.message)

    def __str__(self):
        return self.message

    def lines(self) -> list[str]:
        """What a person reads, most important first."""
        where = ", ".join(
            part for part in (self.host and f"host {self.host}", self.phase and f"phase {self.phase}") if part
        )
        out = [f"error: {self.message}" + (f"  ({where})" if where else "")]
        if self.command:
            out.append(f"  command: {self.command}")
        if self.waited_for:
            out.append(f"  waited {self.waited_seconds:.0f} s for: {self.waited_for}")
        tail = self.evidence.strip().splitlines()[-self.tail if self.tail else 0 :]
        out += [f"  | {line}" for line in tail]
        if self.hint:
            out.append(f"  next: {self.hint}")
        return out


def typable(lines: Iterable[str], inventory: str) -> list[str]:
    """The lines of an error with the inventory's name where a hint says INV: they can be typed as they stand."""
    return [re.sub(r"\bINV\b", lambda _: inventory, line) for line in lines]


@dataclass(eq=False)
class UsageError(HardwayError):
    """The command line asks for something that does not exist (exit 2)."""

    exit_code: int = 2


@dataclass(eq=False)
class InventoryError(HardwayError):
    """The inventory is wrong; `problems` holds every one of them (exit 3)."""

    problems: tuple[str, ...] = ()
    exit_code: int = 3

    def lines(self) -> list[str]:
        return [
            f"error: {self.message}",
            *(f"  {problem}" for problem in self.problems),
            *([f"  next: {self.hint}"] if self.hint else []),
        ]


@dataclass(eq=False)
class ConnectionFailed(HardwayError):
    """A host could not be reached or refused to let us in (exit 4)."""

    exit_code: int = 4


@dataclass(eq=False)
class HostKeyError(ConnectionFailed):
    """A host's key is unknown or has changed."""


@dataclass(eq=False)
class AuthenticationError(ConnectionFailed):
    """The host is there but our key, passphrase or sudo password was not accepted."""


@dataclass(eq=False)
class ForwardingError(ConnectionFailed):
    """The host lets us in, but its sshd opens no connection from there for us."""


@dataclass(eq=False)
class UnreachedError(ConnectionFailed):
    """Nobody takes a connection that a host makes for us: refused, or no answer within `waited_seconds`."""


@dataclass(eq=False)
class ConnectionLost(ConnectionFailed):
    """An open connection broke; the run may be repeated, nothing is half written."""


@dataclass(eq=False)
class RemoteCommandError(HardwayError):
    """A command on a host failed (exit 5)."""

    exit_code: int = 5


@dataclass(eq=False)
class ApiUnavailable(RemoteCommandError):
    """The Kubernetes API gave no answer, or none for now (exit 5); whoever asks again reads first."""


@dataclass(eq=False)
class ConflictError(RemoteCommandError):
    """The Kubernetes API refused a write because the object has changed since it was read."""


@dataclass(eq=False)
class AddressTakenError(RemoteCommandError):
    """The Kubernetes API refused a Service because its fixed address is reserved."""


@dataclass(eq=False)
class NotReachedError(RemoteCommandError):
    """A step was not begun, because another host failed first: it follows from what is told beside it."""


@dataclass(eq=False)
class PreflightError(RemoteCommandError):
    """Hosts are not fit for a cluster; the evidence lists every finding on every host, and is never cut."""

    tail: ClassVar[int | None] = None


@dataclass(eq=False)
class DrainRefused(RemoteCommandError):
    """A node was not drained: pods would be lost, or never go; the evidence names each, and is never cut (exit 5)."""

    tail: ClassVar[int | None] = None


@dataclass(eq=False)
class LabError(HardwayError):
    """The lab on this machine cannot do what was asked (exit 5)."""

    exit_code: int = 5


@dataclass(eq=False)
class NotReadyError(HardwayError):
    """Something did not become ready before its deadline (exit 6)."""

    exit_code: int = 6


@dataclass(eq=False)
class SickPeerError(NotReadyError):
    """A healthy host was not restarted, because another one of its kind is sick (exit 6)."""


@dataclass(eq=False)
class DrainStopped(NotReadyError):
    """Pods did not leave a node in time; the evidence names each, and is never cut (exit 6)."""

    tail: ClassVar[int | None] = None


@dataclass(eq=False)
class DriftError(HardwayError):
    """The hosts differ from the inventory, or a check failed (exit 7)."""

    exit_code: int = 7


@dataclass(eq=False)
class PlanMovedError(DriftError):
    """What would be done now is not what a saved plan says (exit 7)."""


@dataclass(eq=False)
class PkiError(HardwayError):
    """Keys, certificates or the state directory are not usable (exit 8)."""

    exit_code: int = 8


@dataclass(eq=False)
class AssetError(HardwayError):
    """A binary or image is missing, cannot be had, or is not what its checksum says (exit 8)."""

    exit_code: int = 8


@dataclass(eq=False)
class SnapshotError(HardwayError):
    """A snapshot of etcd is damaged, or does not fit this cluster (exit 8)."""

    exit_code: int = 8


@dataclass(eq=False)
class BackupError(HardwayError):
    """A backup of a cluster cannot be opened, is damaged, or does not fit what is here (exit 8)."""

    exit_code: int = 8


@dataclass(eq=False)
class QuorumError(HardwayError):
    """Going on would lose etcd's quorum (exit 9)."""

    exit_code: int = 9


@dataclass(eq=False)
class ClusterLostError(QuorumError):
    """A cluster was founded, and no etcd host that answers has its data: a new one would take its place (exit 9)."""


@dataclass(eq=False)
class OtherClusterError(QuorumError):
    """The cluster that lives is not the one that was founded (exit 9)."""


@dataclass(eq=False)
class UnreadableError(HardwayError):
    """Going on would store Secrets that an API server cannot read (exit 9)."""

    exit_code: int = 9


@dataclass(eq=False)
class InUseError(HardwayError):
    """Another run is at work on this cluster, or has been since this one lost its lease (exit 10)."""

    exit_code: int = 10


@dataclass(eq=False)
class ReadOnlyError(HardwayError):
    """Something tried to write in a session that only looks: a bug of ours, stopped before it did any harm (exit 1)."""


@dataclass(eq=False)
class HostErrors(HardwayError):
    """Several hosts failed in the same run; the exit code is that of the first."""

    errors: tuple[HardwayError, ...] = ()

    def lines(self) -> list[str]:
        return [line for error in self.errors for line in error.lines()]
