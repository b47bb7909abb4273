"""A cluster with every role, and its credentials in a folder of the test."""

from __future__ import annotations

import dataclasses

import pytest
from pki_lab import lab

from hardway.cluster import Cluster
from hardway.pki.credentials import Credentials
from hardway.state.statedir import StateDir


@pytest.fixture
def cluster() -> Cluster:
    return lab()


@pytest.fixture
def store(tmp_path) -> StateDir:
    return StateDir(tmp_path / "state")


@pytest.fixture
def credentials(cluster, store) -> Credentials:
    """Everything issued."""
    credentials = Credentials(cluster, store)
    credentials.ensure_all()
    return credentials


@pytest.fixture
def again(store):
    """Credentials of the same folder as a later run would have them, for a cluster with some values changed."""

    def open_again(cluster: Cluster, **changes) -> Credentials:
        return Credentials(dataclasses.replace(cluster, **changes), store)

    return open_again


@pytest.fixture
def contents(store):
    """A function giving every file's bytes but the superseded ones."""
    return lambda: {name: store.read(name) for name in store.names()}
