"""A removal as it stands: who leaves, what was found, and the cluster as it is with and without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ...cluster import Host
from ...drain import Drain, Options
from ...living.lives import Lives
from ...phases import PHASES
from ...progress.events import NodeStep
from ...run.planning import plan
from ...run.runner import Runner
from ...run.selection import Scope
from ...run.step import Done
from ...session import Known, Session
from ...targets.kube import KubeApi
from ...targets.patience import patiently
from .former import without

T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """`known` is what the hosts of the inventory, and those that `leave`, said of themselves; its session is about all
    of them. `gone` are leaving hosts that will never answer, `former` those whose lines a person has deleted already.
    `command` is hardway's, such as "node remove", and `again` how it was typed; `joining` are hosts that join first."""

    known: Known
    leave: tuple[Host, ...]
    gone: frozenset[str] = frozenset()
    former: frozenset[str] = frozenset()
    options: Options = Options()
    command: str = "node remove"
    again: str = ""
    joining: tuple[str, ...] = ()
    _rest: dict[str, Session] = field(default_factory=dict)

    @property
    def before(self) -> Session:
        """About all hosts."""
        return self.known.session

    def rest(self, host: Host) -> Session:
        """About those that are left when this one and those before it have gone."""
        if host.name not in self._rest:
            names = [one.name for one in self.leave[: self.leave.index(host) + 1]]
            self._rest[host.name] = self.before.about(without(self.before.cluster, names))
        return self._rest[host.name]

    @property
    def after(self) -> Session:
        """About those that stay."""
        return self.rest(self.leave[-1])

    def kube(self) -> KubeApi:
        """A server that stays; where all that will stay are still to join, whichever is ready."""
        staying = [host for host in self.after.cluster.control_plane if host.name not in self.joining]
        return (self.after if staying else self.before).live.kube()

    def api(self, work: Callable[[KubeApi], T]) -> T:
        """What the API answers, asked through such a server."""
        return patiently(self.kube, work)

    def drain(self, host: Host) -> Drain:
        say = self.before.report.emit
        return Drain(self.kube, host.name, self.options, self.command, self.again, say)

    def say(self, host: Host, step: str, detail: str) -> None:
        self.before.report.emit(NodeStep(host.name, step, detail))

    def known_of(self, session: Session) -> Known:
        """What is known, for a session about fewer hosts; what lives is asked again."""
        facts = {host.name: self.known.facts[host.name] for host in session.cluster.hosts}
        return replace(self.known, session=session, facts=facts, lives=session.lives(facts), wanted=None)

    def there(self, session: Session) -> frozenset[str]:
        """The names of a session's hosts that answered."""
        return frozenset(host.name for host in session.cluster.hosts) - self.known.away.keys()

    def follow(self, session: Session, scope: Scope) -> list[Done]:
        """Bring a part of the phases about on hosts that stay."""
        known = self.known_of(session)
        where = (known.inputs, session.live, known.remotes(), PHASES, self.there(session), session.report)
        return Runner(*where, session.parallel, scope=scope, command=self.again).run()

    def would_follow(self, session: Session, scope: Scope) -> list[Done]:
        """What that would change when the nodes that leave are gone; read only."""
        known = self.known_of(session).looking()
        known = replace(known, lives=_without_nodes(known.lives, self.leave))
        return plan(known.inputs, known.readers(), PHASES, self.there(session), session.parallel, scope)


def _without_nodes(lives: Lives, leave: Sequence[Host]) -> Lives:
    names = {host.name for host in leave}
    return replace(lives, nodes=lives.nodes and {name: one for name, one in lives.nodes.items() if name not in names})
