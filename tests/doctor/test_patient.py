"""Doctor on a cluster of which nothing answers: the real session and every diagnosis, with connections that cannot be
made."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hardway.cluster import Host
from hardway.commands.doctor import DIAGNOSES, examine, to_text
from hardway.errors import ConnectionFailed
from hardway.inventory import load
from hardway.pki.credentials import Credentials
from hardway.report import Report
from hardway.session import Session
from hardway.state.statedir import StateDir
from hardway.targets.away import Away

INVENTORY = Path(__file__).parents[2] / "inventory" / "lab.yaml"


class Dead:
    """A transport to a machine that is off, and how often it was tried."""

    def __init__(self, host: Host):
        self.host, self.tried = host, 0

    def connect(self, *_: object, **__: object):
        self.tried += 1
        raise ConnectionFailed(
            f"{self.host.address}:22 does not answer within 10.0 s",
            self.host.name,
            hint=f"ping -c 3 {self.host.address}",
        )

    run = dial = forward = stream = follow = connect

    def close(self) -> None: ...


@pytest.fixture
def made() -> list[Dead]:
    return []


@pytest.fixture
def session(tmp_path, monkeypatch, made) -> Session:
    def connect(host: Host, prompt=None) -> Dead:
        made.append(Dead(host))
        return made[-1]

    monkeypatch.setattr("hardway.ssh.connect", connect)
    return Session.open(load(INVENTORY), tmp_path / "state", Report(stream=io.StringIO()), read_only=True)


def test_every_host_away(session, made, tmp_path):
    Credentials(session.cluster, StateDir(tmp_path / "state")).ensure_all()
    before = {path: path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()}
    seen = examine(session)
    roots = {(cause.finding.name, cause.finding.host) for cause in seen.causes}
    assert seen.exit_code == 4
    assert {("host-away", host.name) for host in session.cluster.hosts} <= roots
    assert not {name for name, _ in roots if name.startswith(("unit-", "etcd", "api"))}, "what only follows is no cause"
    assert {transport.tried for transport in made} == {1}, "nobody waits twice for a host that is off"
    assert before == {path: path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()}
    assert "next: ping -c 3 10.240.0.10" in to_text(seen)


def test_the_state_directory_is_another_clusters(session, tmp_path):
    StateDir(tmp_path / "state").create("cluster", b"shop\n")
    seen = examine(session)
    [cause] = [cause for cause in seen.causes if cause.finding.name == "state-directory"]
    assert "belongs to another cluster" in cause.finding.what and "use another --state-dir" in cause.finding.next
    keyed = {one.name for one in DIAGNOSES if one.needs_keys or one.needs_api}
    assert keyed == {
        name for name, reason in seen.unseen if reason == "the keys of this cluster are not on this computer"
    }


def test_a_host_that_is_away_stays_so(made):
    away = Away(Dead(load(INVENTORY).hosts[0]), ConnectionFailed("off", "lb"))
    for question in (away.connect, away.dial, away.run, away.probe):
        with pytest.raises(ConnectionFailed, match="off"):
            question("x")
