from __future__ import annotations

import os

import pytest
from small_lab import make_cluster

from hardway.cluster import Cluster
from hardway.errors import LabError
from hardway.lab import LabMachines, preconditions


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster()


@pytest.fixture(scope="session")
def can_lab() -> None:
    try:
        preconditions.require_root()
    except LabError as error:
        pytest.skip(f"{error.message}; {error.hint}")


@pytest.fixture(scope="session")
def lab(can_lab, tmp_path_factory) -> LabMachines:
    """A running lab; beta's sshd listens on another port, memory is limited, and the operator has a strict umask."""
    state = tmp_path_factory.mktemp("state")
    machines = LabMachines(make_cluster(ports=(22, 2222), memory="384M"), state)
    machines.wipe()
    umask = os.umask(0o077)
    machines.up(report=print)
    os.umask(umask)
    yield machines
    machines.wipe()
