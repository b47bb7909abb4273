"""Certificates as they are when nobody has renewed them."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from hardway.cluster import Cluster, Host
from hardway.pki import issuing
from hardway.pki.authority import open_signer
from hardway.pki.certificates import definition
from hardway.pki.leaf import Leaf
from hardway.state.store import Store

DAYS = 400


@contextlib.contextmanager
def long_ago(years: int = 0) -> Iterator[None]:
    """What is issued meanwhile is 400 days old, when a leaf has expired and a CA has not, or so many years."""
    age = datetime.timedelta(days=years * 365 or DAYS)
    then = SimpleNamespace(now=lambda zone: datetime.datetime.now(zone) - age)
    clock = SimpleNamespace(datetime=then, UTC=datetime.UTC, timedelta=datetime.timedelta)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuing, "datetime", clock)
        yield


def expire(cluster: Cluster, store: Store, name: str, host: Host | None = None) -> bytes:
    """A leaf as the cluster's CA would have issued it 400 days ago, put into the store."""
    row = definition(name)
    signer = open_signer(row.ca, cluster.pki, store, [])
    with long_ago():
        return Leaf(row, host, cluster, store).issue(signer).cert
