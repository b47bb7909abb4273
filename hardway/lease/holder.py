"""Who holds a lease: the line that a run leaves on the hosts, and what others are told of it."""

from __future__ import annotations

import datetime
import re
import secrets
import time
from dataclasses import dataclass

from ..state.owner import Owner

# A host lets go of the lease of a run that has said nothing for so many seconds: as long as a connection may be silent
# (hardway.ssh.life.pulse), since a sign of life queues behind what is being pushed.
TTL = 90.0
TRYING, WORKING, NO_LOCK = "trying", "working", "-"

LATEST = 1e11  # seconds since 1970, in the year 5138


@dataclass(frozen=True)
class Holder:
    """One run.

    `token` is its own and nobody else's; it is `working` once it has the lease of every host that answers; `since` is
    when it began, by its own clock; `where` is user@computer, and `lock` the lock of its state directory (see
    hardway.state.lockfile.identity). `age` is how long ago, in seconds, it gave the last sign
    of life that the host has seen.
    """

    token: str
    since: float
    where: str
    pid: int
    command: str
    lock: str = ""
    working: bool = False
    age: float = 0.0

    @classmethod
    def of_this_run(cls, command: str, lock: str = "") -> Holder:
        owner = Owner.of_this_run()
        where = "@".join(re.sub(r"[^\w.-]", "-", name) for name in (owner.user, owner.computer))
        return cls(secrets.token_hex(8), time.time(), where, owner.pid, command, lock)

    def beat(self, sent: float, working: bool) -> str:
        """A sign of life; `sent` is for the sender, who gets the line back."""
        state = WORKING if working else TRYING
        me = f"{self.since:.0f} {self.where} {self.pid} {self.lock or NO_LOCK} {self.command}"
        return f"{self.token} {state} {sent:.3f} {me}"

    @classmethod
    def parse(cls, answer: str) -> Holder | None:
        """From a host's answer to the probe `lease`: the age and the last beat; None where nobody holds it."""
        try:
            age, token, state, _, since, where, pid, lock, command = answer.split(maxsplit=8)
            lock, seconds = lock.removeprefix(NO_LOCK), _plausible(age)
            return cls(token, _plausible(since), where, int(pid), command, lock, state == WORKING, seconds)
        except ValueError:
            return None

    def outlived_by(self, other: Holder) -> bool:
        """Whether it has certainly ended, since the other one has the lock that it had."""
        return self.lock != "" and self.lock == other.lock and self.token != other.token

    def __str__(self) -> str:
        since = moment(self.since, "%H:%M UTC")
        return (
            f"{self.where} has been running `hardway {self.command}` on this cluster since {since}"
            f" (last sign of life {self.age:.0f} s ago)"
        )

    @property
    def computer(self) -> str:
        return self.where.partition("@")[2]

    @property
    def remedy(self) -> str:
        """What the second one can do."""
        end = moment(time.time() + TTL - self.age, "%H:%M:%S UTC")
        return (
            f"wait until it ends, then run the same command again; if {self.computer} is off or has lost its network,"
            f" the lease expires by itself at {end}"
        )


def _plausible(word: str) -> float:
    """A number of seconds; 0 for one that no clock shows: a run of unknown age is held to be alive."""
    seconds = float(word)
    return seconds if 0 <= seconds < LATEST else 0.0


def moment(seconds: float, form: str) -> str:
    """A time in UTC, with its day when that is another."""
    then, now = (datetime.datetime.fromtimestamp(at, datetime.UTC) for at in (seconds, time.time()))
    return then.strftime(form if then.date() == now.date() else f"{form} on %Y-%m-%d")
