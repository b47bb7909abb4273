"""The cluster as doctor finds it: which hosts answer, whether its keys are here, and what was read so that it is read
once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...assets.placeholders import Placeholders
from ...checks.scene import Scene
from ...cluster import Host
from ...errors import HardwayError, PkiError, QuorumError
from ...living import Founded
from ...phase import Inputs
from ...pki.credentials import Credentials
from ...preflight import Finding as Unfit
from ...preflight import continuity, findings
from ...session import Known, Session
from ...state.statedir import Overlay, StateDir

# Preflight's names for a host whose keys are not those in the state directory.
NOT_OURS = frozenset({"Foreign", "LostState", "OtherState"})


class Patient:
    """One session, looked at without assuming that anything works.

    `away` are hosts that cannot be asked, each with the error.
    """

    def __init__(self, session: Session, ignored: frozenset[str] = frozenset()):
        self.cluster = session.cluster
        self.known = replace(self._survey(session), ignored=ignored)
        self.founded, self.state_fault = self._founded(session)
        state = replace(self.inputs, credentials=Credentials(self.cluster, session.store))
        self.unfit: list[Unfit] = findings(state)
        self.fault: QuorumError | None = continuity.fault(state)
        self.state_fault = self.state_fault or self._state_fault()
        self.keys = not self.state_fault and self._ours()
        if not self.keys:
            self._without_keys()
        self.missing_assets = self._missing_assets()
        if self.missing_assets:
            self.known = replace(self.known, session=replace(self.session, assets=Placeholders()))
        self.scene = Scene(self.session.live, self.inputs, ())

    @property
    def session(self) -> Session:
        return self.known.session

    @property
    def away(self) -> Mapping[str, HardwayError]:
        return self.known.away

    @property
    def inputs(self) -> Inputs:
        return self.known.inputs_with(self.founded)

    @property
    def there(self) -> list[Host]:
        return [host for host in self.cluster.hosts if host.name not in self.away]

    @property
    def built(self) -> bool:
        """Whether a bootstrap has ever begun here; a host that does not answer may tell otherwise."""
        known = [facts for facts in self.known.facts.values() if facts.known]
        return not known or any(facts.cluster for facts in known)

    def _survey(self, session: Session) -> Known:
        known = session.survey(frozenset(), living=True, trial=True)
        for name, error in known.away.items():
            session.live.give_up(name, error)
        return known

    @staticmethod
    def _founded(session: Session) -> tuple[Founded | None, PkiError | None]:
        """What is bound in the state directory, or why that cannot be read."""
        try:
            return Founded.read(session.store), None
        except PkiError as error:
            return None, error

    def _state_fault(self) -> PkiError | None:
        """Why the state directory cannot serve, tried on a copy in memory."""
        try:
            self.session.credentials.refuse_other_cluster()
            self.session.credentials.over(Overlay(self.session.store)).plan()
        except PkiError as error:
            return error
        return None

    def _ours(self) -> bool:
        """Whether the keys here are those that some host was built with, and no older copy of them; nothing speaks
        against it where no host was built."""
        strange = {found.host for found in self.unfit if found.name in NOT_OURS}
        replaced = {found.host for found in self.unfit if found.name == "CaReplaced"}
        marked = {name for name, facts in self.known.facts.items() if facts.cluster}
        servers = marked & {host.name for host in self.cluster.control_plane}
        return not marked or bool(marked - strange and not (servers and servers <= replaced))

    def _without_keys(self) -> None:
        """Go on with keys made up in memory: what a host should have can still be told, and no port is believed."""
        nothing = StateDir(self.session.state_dir / "nothing")
        strangers = Credentials(self.cluster, Overlay(nothing))
        self.known = replace(self.known, session=self.session.trusting(strangers))

    def _missing_assets(self) -> list[str]:
        """Binaries and images that are not in the cache: doctor fetches none, and compares no host with what it cannot
        know."""
        try:
            lacking = [
                f"{row.name} {row.version} {row.arch}"
                for row in self.session.assets.list(self.known.archs)
                if row.state != "cached"
            ]
        except HardwayError as error:
            lacking = [error.message]
        return lacking
