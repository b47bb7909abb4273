from __future__ import annotations

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
    """A running lab; beta's sshd listens on another port, and memory is limited."""
    state = tmp_path_factory.mktemp("state")
    machines = LabMachines(make_cluster(ports=(22, 2222), memory="384M"), state)
    machines.wipe()
    machines.up(report=print)
    yield machines
    machines.wipe()
