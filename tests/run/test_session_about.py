"""A session about another inventory of its cluster: the same connections, keys and right to change it."""

from __future__ import annotations

import io
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from hardway.cluster import Host, Role
from hardway.errors import ReadOnlyError
from hardway.inventory import load
from hardway.report import Report
from hardway.session import Session
from hardway.targets.readonly import ReadingKube, ReadingTransport

LAB = load(Path(__file__).parents[2] / "inventory/lab.yaml")
FORMER = Host("former", IPv4Address("10.240.0.99"), frozenset({Role.WORKER}))


def opened(tmp_path, **access) -> Session:
    return Session.open(LAB, tmp_path / "state", Report(stream=io.StringIO()), **access)


def test_a_host_that_is_new_in_it_is_connected_to_and_the_others_stay_connected(tmp_path):
    session = opened(tmp_path)
    more = session.about(replace(LAB, hosts=(*LAB.hosts, FORMER)))
    assert more.live.transports["former"].host == FORMER and "former" not in session.live.transports
    assert all(more.live.transports[host.name] is session.live.transports[host.name] for host in LAB.hosts)
    assert more.live.remotes["lb"] is session.live.remotes["lb"] and "former" in more.live.concerned


def test_it_has_the_same_keys_and_the_same_lease(tmp_path):
    session = opened(tmp_path)
    fewer = session.about(replace(LAB, hosts=LAB.hosts[1:]))
    assert fewer.credentials.store is session.store and fewer.credentials.cluster == fewer.cluster
    assert fewer.permission is session.permission and fewer.live.cluster == fewer.cluster
    with pytest.raises(ReadOnlyError, match="without its lease"):
        fewer.live.remotes["worker-0"].change([])


def test_one_that_only_looks_stays_so(tmp_path):
    more = opened(tmp_path, read_only=True).about(replace(LAB, hosts=(*LAB.hosts, FORMER)))
    assert isinstance(more.live.transports["former"], ReadingTransport) and more.live._kind is ReadingKube
    with pytest.raises(ReadOnlyError):
        more.store.create("x", b"")


def test_all_connections_are_closed_with_the_first(tmp_path):
    session, closed = opened(tmp_path), []
    more = session.about(replace(LAB, hosts=(*LAB.hosts, FORMER)))
    more.live.transports["former"].close = lambda: closed.append("former")
    session.live.close()
    assert closed == ["former"]
