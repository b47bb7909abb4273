"""The cluster as doctor finds it: which hosts answer, whether its keys are here, and what was read so that it is read once."""

from __future__ import annotations

from dataclasses import replace

from ...checks.scene import Scene
from ...cluster import Host
from ...errors import ConnectionFailed, HardwayError, PkiError
from ...facts import Facts
from ...parallel import each
from ...phase import Inputs
from ...phases.preflight import Finding as Unfit
from ...phases.preflight import findings
from ...pki.credentials import Credentials
from ...session import Placeholders, Session
from ...state.statedir import Overlay, StateDir
from ...targets.away import Away

# Preflight's names for a host whose keys are not those in the state directory.
NOT_OURS = frozenset({"Foreign", "LostState", "OtherState"})


class Patient:
    """One session, looked at without assuming that anything works. `away` are hosts that cannot be asked, each with the error."""

    def __init__(self, session: Session):
        self.session, self.cluster = session, session.cluster
        self.away: dict[str, HardwayError] = {}
        self._survey()
        self.unfit: list[Unfit] = findings(replace(session.inputs, credentials=Credentials(self.cluster, session.store)))
        self.state_fault = self._state_fault()
        self.keys = not self.state_fault and self._ours()
        if not self.keys:
            self._without_keys()
        self.missing_assets = self._missing_assets()
        self.scene = Scene(session.live, session.inputs, ())

    @property
    def inputs(self) -> Inputs:
        return self.session.inputs

    @property
    def there(self) -> list[Host]:
        return [host for host in self.cluster.hosts if host.name not in self.away]

    @property
    def built(self) -> bool:
        """Whether a bootstrap has ever begun here; a host that does not answer may tell otherwise."""
        known = [facts for facts in self.session.facts.values() if facts.known]
        return not known or any(facts.cluster for facts in known)

    def _survey(self) -> None:
        def ask(host: Host) -> None:
            try:
                self.session.facts[host.name] = self.session.live.survey(host)
            except HardwayError as error:
                self.session.facts[host.name], self.away[host.name] = Facts(known=False), error

        each(ask, self.cluster.hosts, self.session.parallel)
        live = self.session.live
        for host in self.cluster.hosts:  # nobody waits a second time for a host that does not answer
            if error := self.away.get(host.name):
                refused = error if isinstance(error, ConnectionFailed) else ConnectionFailed(error.message, host=host.name)
                live.transports[host.name] = live.remotes[host.name] = Away(live.transports[host.name], refused)

    def _state_fault(self) -> PkiError | None:
        """Why the state directory cannot serve, tried on a copy in memory."""
        try:
            self.session.credentials.refuse_other_cluster()
            Credentials(self.cluster, Overlay(self.session.store)).plan()
        except PkiError as error:
            return error
        return None

    def _ours(self) -> bool:
        """Whether the keys here are those that some host was built with; nothing speaks against it where no host was built."""
        strange = {found.host for found in self.unfit if found.name in NOT_OURS}
        marked = {name for name, facts in self.session.facts.items() if facts.cluster}
        return not marked or bool(marked - strange)

    def _without_keys(self) -> None:
        """Go on with keys made up in memory: what a host should have can still be told, and no port is believed."""
        nothing = StateDir(self.session.state_dir / "nothing")
        self.session.credentials = self.session.live.credentials = Credentials(self.cluster, Overlay(nothing))

    def _missing_assets(self) -> list[str]:
        """Binaries and images that are not in the cache: doctor fetches none, and compares no host with what it cannot know."""
        archs = {facts.arch for facts in self.session.facts.values() if facts.known}
        try:
            lacking = [f"{row.name} {row.version} {row.arch}" for row in self.session.assets.list(archs) if row.state != "cached"]
        except HardwayError as error:
            lacking = [error.message]
        if lacking:
            self.session.assets = Placeholders()
        return lacking
