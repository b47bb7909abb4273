"""Which drill is on: what the hosts remember of it, and for a machine that is off the state directory."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from ...cluster import Host
from ...errors import HardwayError
from ...parallel import each
from ...session import Session
from ...vocabulary import Probe

MARK = Probe("drill")
POWERED_OFF = "drill"  # the file of the state directory that names a machine a drill has switched off


@dataclass(frozen=True)
class On:
    """A drill that is on at a host."""

    drill: str
    host: str
    since: datetime.datetime

    def __str__(self):
        return f"{self.drill} on {self.host} since {self.since:%H:%M}"


@dataclass(frozen=True)
class State:
    """`on` are drills whose effect lasts; `marked` are hosts that remember one, mended or not; `away` those that cannot
    be asked."""

    on: tuple[On, ...]
    marked: tuple[str, ...]
    away: Mapping[str, HardwayError]


def look(session: Session) -> State:
    """As the hosts say themselves; a drill whose units have been started since, by whomever, is over."""
    answers: dict[str, str] = {}
    away: dict[str, HardwayError] = {}

    def ask(host: Host) -> None:
        try:
            answers[host.name] = session.live.remotes[host.name].probe((MARK,))[MARK]
        except HardwayError as error:
            away[host.name] = error

    each(ask, session.cluster.hosts, session.parallel)
    found = [on for host in session.cluster.hosts if (on := parse(host.name, answers.get(host.name, "")))]
    off = switched_off(session)
    found += [off] if off and off.host in away else []
    return State(
        tuple(found), tuple(name for name in answers if answers[name]), {name: away[name] for name in sorted(away)}
    )


def parse(host: str, mark: str) -> On | None:
    """The drill on a host from what it remembers: None where there is none, or what it stopped runs again."""
    words = mark.split()
    stopped = [word for word in words[2:] if word.endswith("=stopped")]
    return On(words[0], host, _moment(words[1])) if stopped else None


def switched_off(session: Session) -> On | None:
    """The machine that a drill switched off, by the state directory: it may have been started since."""
    words = (session.store.read(POWERED_OFF) or b"").decode().split()
    return On(words[0], words[1], _moment(words[2])) if len(words) == 3 else None


def _moment(seconds: str) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(seconds))
