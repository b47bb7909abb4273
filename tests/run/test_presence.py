"""Hosts that go away during a run are noticed, and one that only hiccups is not taken for gone."""

import threading
from ipaddress import IPv4Address

import pytest

from hardway.cluster import Host
from hardway.errors import ConnectionFailed, ConnectionLost
from hardway.run.liveness import PATIENCE, roll_call, watch

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


class Answering:
    def __init__(self, *errors: Exception):
        self.errors, self.asked = list(errors), 0

    def probe(self, probes):
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return dict.fromkeys(probes, "/bin/sh")


def test_a_roll_call_is_answered_on_a_new_connection_when_the_old_one_is_broken():
    host = Answering(ConnectionLost("broke", "one"))
    roll_call(host)
    assert host.asked == 2


def test_who_does_not_answer_the_roll_call_is_an_error():
    with pytest.raises(ConnectionFailed, match="does not answer"):
        roll_call(Answering(ConnectionLost("broke", "one"), SILENT))
