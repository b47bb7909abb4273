"""A host that is still booting when a run comes: its units have been stopped by nobody, and are waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.world import changes

from hardway.errors import NotReadyError

pytestmark = pytest.mark.slow

ONLINE = "systemd-networkd-wait-online.service"
WAITS = f"waits in systemd's queue for {ONLINE} (start running for 84 s)"


@pytest.fixture
def booting(built):
    """A cluster one of whose workers has come up, and hangs at the network."""
    world = built("lab")
    world.hosts["worker-0"].systemd.boots(f"{ONLINE} start running 84")
    return world


def test_a_plan_says_what_is_waited_for_and_stops_nothing(booting):
    found = {change.key: change.why for step in booting.plan() for change in step.changes}
    assert found["unit containerd.service"] == (f"{WAITS}, to be started",)
    assert "unit kubelet.service" not in found and "unit kube-proxy.service" not in found, "they come by themselves"


def test_a_boot_that_hangs_is_told_as_what_it_is(booting):
    with pytest.raises(NotReadyError) as caught:
        booting.run()
    [error] = getattr(caught.value, "errors", (caught.value,))
    assert (error.exit_code, error.host, error.message) == (
        6,
        "worker-0",
        f"containerd.service has not started: it {WAITS}",
    )
    assert f"on worker-0: systemctl list-jobs; systemctl status {ONLINE}" in error.hint
    assert "start waiting" in error.evidence and "bootstrap" not in error.hint


def test_one_that_comes_to_its_end_meanwhile_needs_nothing_more(booting):
    host = booting.hosts["worker-0"]
    start = host.w_start

    def waited(name: str, how: str) -> None:
        host.systemd.booted()
        start(name, how)

    host.w_start = waited
    booting.run()
    assert changes(booting.plan()) == {} and booting.outdated() == []
    assert {unit.starts for unit in host.systemd.units.values() if unit.enabled} == {2}


def test_what_is_not_waited_for_in_its_step_is_named_when_its_phase_is_not_ready(booting, monkeypatch):
    """The runtime has come up, the kubelet has not."""
    monkeypatch.setattr("hardway.run.waiting.QUEUE_SECONDS", 0.1)
    kubelet = booting.hosts["worker-0"].systemd.unit("kubelet.service")
    behind, kubelet.behind = kubelet.behind, ""
    booting.hosts["worker-0"].systemd.booted()
    kubelet.behind, kubelet.active = behind, "inactive"
    short = [replace(phase, deadline=0.2) for phase in booting.phases]
    with pytest.raises(NotReadyError) as caught:
        booting.run(short)
    error = getattr(caught.value, "errors", (caught.value,))[0]
    assert (error.host, error.message) == ("worker-0", f"kubelet.service has not started: it {WAITS}")
