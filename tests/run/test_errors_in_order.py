"""Of several failures of a run the one nearest to the cause is told first and gives the exit code."""

from __future__ import annotations

import itertools
from pathlib import Path

from hardway.errors import ConnectionFailed, InUseError, NotReachedError, NotReadyError, RemoteCommandError
from hardway.inventory import load
from hardway.phases import PHASES
from hardway.run.failures import in_order

HOSTS = load(Path(__file__).parents[2] / "inventory/lab.yaml").hosts
FAILED = (
    ConnectionFailed("gone", host="worker-0", phase="kubelet"),
    ConnectionFailed("gone", host="worker-1", phase="etcd"),
    RemoteCommandError("no room", host="controller-1", phase="binaries"),
    NotReadyError("no quorum", host="controller-0", phase="etcd"),
    NotReadyError("not ready", host="controller-0", phase="control-plane"),
    NotReachedError("not restarted", host="controller-2", phase="etcd"),
    InUseError("another run", host="worker-1", phase="dns"),
)
NEAREST = [FAILED[number] for number in (1, 0, 6, 2, 3, 4, 5)]


def told(errors) -> list:
    return list(in_order(errors, PHASES, HOSTS))


def test_errors_are_told_in_one_order():
    assert all(told(errors) == NEAREST for errors in itertools.permutations(FAILED))


def test_of_a_host_that_is_gone_one_is_told():
    later = ConnectionFailed("gone for good", host="worker-0", phase="kube-proxy")
    assert told([*FAILED, later]) == told([later, *FAILED]) == NEAREST


def test_a_unit_that_two_phases_wait_for_in_vain_is_told_once():
    found = [NotReadyError("kubelet waits", host="worker-0", phase=phase) for phase in ("dns", "kubelet")]
    other = NotReadyError("kubelet waits", host="worker-1", phase="dns")
    assert told([*found, other]) == told([other, *reversed(found)]) == [found[1], other]
