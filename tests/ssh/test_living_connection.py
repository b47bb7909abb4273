"""When something cannot be begun on a connection: a living one is spared once, since others are at work on it."""

import threading
import time
from types import SimpleNamespace

import pytest

from hardway.cluster import Host
from hardway.errors import ConnectionFailed, ConnectionLost
from hardway.ssh.become_root import Broken
from hardway.ssh.transport import SshTransport


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """All connections that were opened; the newest is in use while it is alive."""
    opened: list[SimpleNamespace] = []

    def connected(transport: SshTransport) -> SimpleNamespace:
        if not opened or not opened[-1].alive:
            link = SimpleNamespace(alive=True)
            link.close = lambda: setattr(link, "alive", False)
            opened.append(link)
        return opened[-1]

    monkeypatch.setattr(SshTransport, "_connected", connected)
    return opened


def begun(failures: int) -> str:
    left = [Broken()] * failures

    def use(link: SimpleNamespace) -> str:
        if left:
            raise left.pop()
        return "begun"

    return SshTransport(Host("worker-0", "10.0.0.1", frozenset()))._at_once(use)


def test_a_living_connection_is_tried_again(links: list[SimpleNamespace]):
    assert begun(failures=1) == "begun"
    assert [link.alive for link in links] == [True]


def test_one_that_only_seems_alive_is_replaced(links: list[SimpleNamespace]):
    assert begun(failures=2) == "begun"
    assert [link.alive for link in links] == [False, True]


def test_a_new_one_that_breaks_too_is_told(links: list[SimpleNamespace]):
    with pytest.raises(ConnectionLost, match="worker-0 broke as soon as it was open"):
        begun(failures=3)


def test_a_host_that_is_off_is_waited_for_once_by_all_who_want_it(monkeypatch: pytest.MonkeyPatch):
    tries, ended = [], []
    begun, goes_on = threading.Event(), threading.Event()

    def open_link(hop, prompt):
        tries.append(hop)
        begun.set()
        goes_on.wait(30)
        raise ConnectionFailed("10.0.0.1:22 does not answer", "worker-0")

    monkeypatch.setattr("hardway.ssh.transport.open_link", open_link)
    monkeypatch.setattr("hardway.ssh.transport.route", lambda host: host)
    transport = SshTransport(Host("worker-0", "10.0.0.1", frozenset()))

    def connect() -> None:
        try:
            transport.connect()
        except ConnectionFailed as error:
            ended.append(error)

    threads = [threading.Thread(target=connect) for _ in range(3)]
    threads[0].start()
    begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.2)  # they wait for the first
    goes_on.set()
    for thread in threads:
        thread.join(30)
    assert len(tries) == 1 and len({id(error) for error in ended}) == 3
    # Who comes later tries again.
    connect()
    assert len(tries) == 2
