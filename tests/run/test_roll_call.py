"""The end of a run: units that keep running are believed, one that ends again and again is not, at any moment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from hardway.errors import ConnectionFailed, ConnectionLost, NotReadyError
from hardway.inventory import load
from hardway.run import liveness
from hardway.run.liveness import require_steady

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")
KUBELET, PROXY = "kubelet.service", "kube-proxy.service"
SILENT = ConnectionFailed("one does not answer", "one")


class Host:
    """Gives its answers one after the other, the last for ever: "STATE RESTARTS" of the kubelet."""

    def __init__(self, *moments: str | Exception, lived: str = "0", journal: str = ""):
        self.moments, self.lived, self.said, self.asked = list(moments), lived, journal, 0

    def probe(self, probes):
        if probes[0].verb != "lived":
            self.asked += 1
            self.now = self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]
        if isinstance(self.now, Exception):
            raise self.now
        return {probe: self._answer(probe) for probe in probes}

    def _answer(self, probe) -> str:
        if probe.verb == "lived":
            return self.lived
        if probe.args != (KUBELET,):
            return "ActiveState=active\nNRestarts=0"
        state, _, restarts = str(self.now).partition(" ")
        return f"ActiveState={state}\nNRestarts={restarts}"


def end(host: Host, units=(KUBELET, PROXY)) -> Host:
    require_steady(SimpleNamespace(cluster=LAB, journal=lambda *about: host.said), host, "one", units)
    return host


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(liveness, "LOOK", 0.001)


@pytest.mark.parametrize("moments", [["active 0"], ["active "], ["reloading 0"]])
def test_units_that_run_are_asked_once(moments):
    assert end(Host(*moments)).asked == 1


def test_one_that_has_been_started_anew_long_ago_is_believed():
    assert end(Host("active 7", lived="3600")).asked == 1


def test_one_that_has_settled_meanwhile_is_believed():
    host = Host("activating 3", "active 4", "active 4", lived="11")
    assert end(host).asked == 2


@pytest.mark.parametrize(
    "moments",
    [
        ["active 3", "activating 4", "active 4", "active 5"],
        ["activating 3", "activating 3", "active 4", "activating 5"],
    ],
)
def test_one_that_ends_again_and_again_is_an_error_at_whatever_moment_it_is_asked(moments):
    host = Host(*moments, journal="kubelet[1]: no such flag file\nkubelet.service: Failed with result 'exit-code'.")
    with pytest.raises(NotReadyError) as caught:
        end(host)
    error = caught.value
    assert (
        error.host == "one" and error.message == "kubelet.service does not keep running: systemd restarted it 5 times"
    )
    assert "no such flag file" in error.evidence and "systemctl cat kubelet.service" in error.hint


def test_a_flag_that_it_refuses_is_named():
    host = Host("activating 3", "activating 9", journal="Error: unknown flag: --no-such-flag")
    with pytest.raises(NotReadyError, match="kubelet refuses --no-such-flag"):
        end(host)


def test_one_that_stays_stopped_is_an_error(monkeypatch):
    monkeypatch.setattr(liveness, "SETTLING", 0.05)
    with pytest.raises(NotReadyError) as caught:
        end(Host("failed 0"))
    assert "it is failed" in caught.value.evidence


def test_one_that_cannot_start_yet_is_waited_for_longer(monkeypatch):
    monkeypatch.setattr(liveness, "SETTLING", 0.0)
    queued = "inactive 0\nJob=3\nWaits=x.service start running 84"
    assert end(Host(queued, queued, queued, "active 0")).asked == 4
    monkeypatch.setattr(liveness, "QUEUE_SECONDS", 0.05)
    with pytest.raises(NotReadyError) as caught:
        end(Host(queued))
    assert "kubelet.service has not started: it waits in systemd's queue for x.service" in caught.value.message
    assert "systemctl list-jobs; systemctl status x.service" in caught.value.hint


def test_a_host_without_units_says_that_it_is_there_on_a_new_connection_when_the_old_one_is_broken():
    host = Host(ConnectionLost("broke", "one"), "active 0")
    assert end(host, ()).asked == 2


def test_who_does_not_answer_is_an_error():
    with pytest.raises(ConnectionFailed, match="does not answer"):
        end(Host(ConnectionLost("broke", "one"), SILENT))
