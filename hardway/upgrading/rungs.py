"""The versions on the way from one to another: which minor may follow which, and with which patch. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..assets.versions import default_versions, minors
from ..preflight.upgrades import ETCD_FLOORS, LONG_TERM, Version, following, parsed


class NoWay(Exception):
    """No tested version is where one is needed between the two; the text says which."""


@dataclass(frozen=True)
class Ladder:
    """How one program is upgraded: `tested` are the versions that may stand between, `floors` the first patch of the
    minor before from which a minor may be reached, `leaps` minors that may be followed by another than the next."""

    name: str
    tested: tuple[str, ...]
    floors: Mapping[Version, str] = field(default_factory=dict)
    leaps: Mapping[Version, Version] = field(default_factory=dict)

    def rungs(self, there: str, wanted: str) -> tuple[str, ...]:
        """Every version to be run on the way, the last is the one that is wanted; none when that runs already.

        NoWay when one would be needed that is not among the tested ones. The way never leads down.
        """
        found: list[str] = []
        while parsed(there) < parsed(wanted):
            there = self._next(there, wanted)
            found.append(there)
        return tuple(found)

    def _next(self, there: str, wanted: str) -> str:
        now, then = parsed(there)[:2], parsed(wanted)[:2]
        if now == then:
            return wanted
        leap = self.leaps.get(now)
        following_ = leap if leap and leap <= then else following(now)
        lowest = self.floors.get(following_, "")
        if parsed(lowest)[:2] == now and parsed(there) < parsed(lowest):
            return self._tested(now, lowest, f"{self.name} {_text(following_)} needs {lowest} or newer before it")
        return (
            wanted if following_ == then else self._tested(following_, "", f"{_text(following_)} comes before {wanted}")
        )

    def _tested(self, minor: Version, lowest: str, why: str) -> str:
        fit = [one for one in self.tested if parsed(one)[:2] == minor and parsed(one) >= parsed(lowest)]
        if not fit:
            raise NoWay(f"{why}, and hardway has tested no {self.name} {_text(minor)} that could stand between")
        return newest(fit)


def newest(versions: Iterable[str]) -> str:
    """The highest of some versions; empty for none."""
    return max(versions, key=parsed, default="")


def oldest(versions: Iterable[str]) -> str:
    return min(versions, key=parsed, default="")


def _text(minor: Version) -> str:
    return ".".join(map(str, minor))


def _sets(component: str) -> tuple[str, ...]:
    """The versions of a component in the tested sets."""
    return tuple(dict.fromkeys(getattr(default_versions(_text(minor)), component) for minor in minors()))


KUBERNETES = Ladder("Kubernetes", _sets("kubernetes"))
ETCD = Ladder("etcd", _sets("etcd"), ETCD_FLOORS)
CONTAINERD = Ladder("containerd", _sets("containerd"), leaps=dict(zip(LONG_TERM, LONG_TERM[1:], strict=False)))
