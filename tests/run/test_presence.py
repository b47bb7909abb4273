"""Hosts that go away during a run are noticed, and one that only hiccups is not taken for gone."""

import threading
from ipaddress import IPv4Address

import pytest

from hardway.cluster import Host
from hardway.errors import ConnectionFailed
from hardway.run.liveness import PATIENCE, watch

REFUSED = ConnectionFailed("nothing listens", "one", hint="look")
SILENT = ConnectionFailed("does not answer", "one", waited_for="a TCP connection", waited_seconds=10, hint="look")


class Patchy:
    """A host whose connections come about or fail as told, one word each; when there are no more it is over."""

    def __init__(self, over: threading.Event, *says: ConnectionFailed | None):
        self.host = Host("one", IPv4Address("10.0.0.1"), frozenset())
        self.says, self.over = list(says), over

    def connect(self):
        word = self.says.pop(0) if self.says else self.over.set()
        if word:
            raise word


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr("hardway.run.liveness.PACE", 0.001)


@pytest.mark.parametrize("says", [[None] * 3, [REFUSED] * (PATIENCE - 1), [*[REFUSED] * (PATIENCE - 1), None] * 3])
def test_a_host_that_is_there_again_is_not_gone(says):
    over = threading.Event()
    host = Patchy(over, *says)
    watch([host], over)
    assert host.says == []


@pytest.mark.parametrize("says", [[None, SILENT], [REFUSED] * PATIENCE])
def test_a_host_that_is_gone_is_named(says):
    over = threading.Event()
    with pytest.raises(ConnectionFailed) as caught:
        watch([Patchy(over, *says)], over)
    assert caught.value.host == "one" and "before: it answered" in caught.value.evidence
