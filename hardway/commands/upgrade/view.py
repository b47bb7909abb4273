"""The cluster at one moment of an upgrade: what its hosts said, what runs, and what is still to be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...cluster import Cluster, Role
from ...drain.cordon import cordon_of
from ...errors import HardwayError
from ...plans import permitted
from ...preflight.upgrades import parsed
from ...run.selection import Selection
from ...session import Known, Session
from ...settings import Versions
from ...targets.kube import BROKEN
from ...upgrading import Standing, Way, stand, way
from ...upgrading.rungs import NoWay
from ...upgrading.standing import SERVERS, kubelets

COMMAND = "upgrade"


@dataclass(frozen=True)
class View:
    """`known` is a session about the versions that are wanted. `way` is None where no way leads there. `nodes` are the
    Node objects as the API has them; `ours` the names of those that an upgrade has cordoned."""

    known: Known
    standing: Standing
    way: Way | None
    nodes: Mapping[str, Mapping[str, Any]]
    ours: frozenset[str]

    @property
    def session(self) -> Session:
        return self.known.session

    @property
    def cluster(self) -> Cluster:
        return self.session.cluster

    @property
    def begun(self) -> bool:
        """Whether an earlier upgrade has ended in the middle: not all programs of Kubernetes have the same minor, a new
        one waits for its turn, or a worker is still cordoned."""
        found = standing_minors(self.standing, self.cluster)
        return len(found) > 1 or bool(self.ours) or any(one.begun for one in (self.way.passes if self.way else ()))

    @property
    def apart(self) -> frozenset[str]:
        """Hosts whose health does not count now: those that are left out, and workers whose turn in an upgrade that was
        begun is still to come."""
        coming = self.way.names if self.way and self.begun else ()
        return frozenset({*self.known.left_out, *coming})

    def at(self, versions: Versions, hosts: Iterable[str] = ()) -> Known:
        """The same hosts for these versions, about some of them."""
        session = self.session.about(replace(self.cluster, versions=versions))
        wanted = frozenset(hosts) or self.known.wanted
        return replace(self.known, session=session, wanted=wanted, upgrading=True)


def standing_minors(standing: Standing, cluster: Cluster) -> set[tuple[int, ...]]:
    """The minors of Kubernetes that run somewhere."""
    servers = standing.versions(cluster.control_plane, *SERVERS).values()
    return {parsed(version)[:2] for version in (*servers, *kubelets(cluster, standing).values())}


def first(session: Session, ignore: tuple[str, ...] = ()) -> View:
    """Ask every host; workers that do not answer are left out, and named."""
    selection = Selection(ignore=ignore)
    return _view(permitted(session.assemble(selection), selection))


def again(view: View) -> View:
    """Ask them again; a worker that has stopped answering since is left out from now on."""
    session, before = view.session, view.known
    needed = frozenset(host.name for host in session.cluster.hosts if host.roles != {Role.WORKER})
    known = session.survey(needed, living=True)
    for name, error in known.away.items():
        if name not in before.left_out:
            session.live.give_up(name, error)
            session.report.note(f"left out: {name}: {error.message}")
    left_out = {**known.away, **before.left_out}
    wanted = (before.wanted or frozenset()) - left_out.keys()
    return _view(replace(known, wanted=wanted, left_out=left_out, phases=before.phases, ignored=before.ignored))


def _view(known: Known) -> View:
    session = known.session
    known = replace(known, upgrading=True)
    standing = stand(session.live, session.cluster, known.facts, known.lives)
    nodes = _nodes(session)
    found = ((name, cordon_of(node)) for name, node in nodes.items())
    ours = frozenset(name for name, cordon in found if cordon and cordon.command == COMMAND)
    try:
        whole = way(session.cluster, standing, ours)
    except NoWay:
        whole = None
    return View(known, standing, whole, nodes, ours)


def _nodes(session: Session) -> Mapping[str, Mapping[str, Any]]:
    """None where the API gives no answer: a lone API server that does not start is what the next pass repairs."""
    try:
        return session.live.nodes()
    except (*BROKEN, HardwayError):
        return {}
