"""When something cannot be begun on a connection: a living one is spared once, since others are at work on it."""

from types import SimpleNamespace

import pytest

from hardway.cluster import Host
from hardway.errors import ConnectionLost
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
