"""A command's session over a world in memory: the real commands work on it, with nothing faked but the ways to
hosts."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hardway.cluster import Cluster
from hardway.errors import ConnectionFailed, HardwayError
from hardway.facts import Facts
from hardway.living import Lives
from hardway.phase import OPERATOR
from hardway.pki.credentials import Credentials
from hardway.progress.redact import Redactor
from hardway.progress.runlog import RunLog
from hardway.report import Report
from hardway.session import Known, Session
from hardway.state.statedir import Frozen, Overlay
from hardway.targets.away import Away
from hardway.targets.workstation import OperatorRemote
from hardway.vocabulary import ReadOnly

from .world import World


@dataclass(frozen=True)
class MemorySession(Session):
    """`said` is what the report has printed."""

    world: World = None  # type: ignore[assignment]
    said: io.StringIO = field(default_factory=io.StringIO)

    @classmethod
    def on(cls, world: World) -> MemorySession:
        said = io.StringIO()
        parts: dict[str, Any] = {"log": RunLog(Redactor()), "report": Report(stream=said)}
        kept = {"store": world.store, "credentials": world.credentials, "assets": world.assets, "live": world.live}
        return cls(world.cluster, Path("state"), **parts, **kept, world=world, said=said)

    def about(self, cluster: Cluster) -> MemorySession:
        world = self.world.seen_as(cluster)
        parts = {"credentials": world.credentials, "assets": world.assets, "live": world.live}
        return replace(self, cluster=cluster, world=world, **parts)

    def lives(self, facts: Mapping[str, Facts] | None = None, trial: bool = False) -> Lives:
        return self.world.lives

    def looking(self) -> MemorySession:
        credentials = Credentials(self.cluster, Overlay(self.store))
        return replace(self, credentials=credentials, store=Frozen(self.store), read_only=True)

    def trusting(self, credentials: Credentials) -> MemorySession:
        """The world's own targets go by them too, unless they are of a copy."""
        if credentials.store is self.world.store:
            self.world.credentials = credentials
        return replace(self, credentials=credentials)

    def survey(self, wanted: frozenset[str] | None = None, living: bool = False, trial: bool = False) -> Known:
        away: dict[str, HardwayError] = {
            name: ConnectionFailed("does not answer within 10 s", name)
            for name in sorted(self.world.away & {host.name for host in self.cluster.hosts})
        }
        # A command may have given a host up before it asks.
        away |= {name: way.error for name, way in self.live.transports.items() if isinstance(way, Away)}
        for name, error in away.items():
            if wanted is None or name in wanted:
                raise error
        facts = {name: Facts(known=False) if name in away else found for name, found in self.world.facts.items()}
        return MemoryKnown(self, facts, away, self.world.lives if living else Lives())


class MemoryKnown(Known):
    """The targets are the world's."""

    def remotes(self, may_be_absent: bool = False):
        return self.session.world.remotes(may_be_absent)

    def readers(self):
        operator = OperatorRemote(self.session.credentials.over(self.session.store))
        return {**self.session.world.readers(), OPERATOR.name: ReadOnly(operator)}
