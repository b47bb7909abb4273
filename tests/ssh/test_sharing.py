"""Sharing a connection: opened by the first, closed by the last, never while anybody uses it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from hardway.errors import ConnectionFailed
from hardway.ssh.route import Hop
from hardway.ssh.sharing import Sharing


def hop(host: str = "node-1", **more) -> Hop:
    given = {"address": "10.0.0.1", "port": 22, "user": "root", "keys": (), "agent": False, "only_these_keys": False}
    known = {"known_as": (), "known_hosts": (), "record_in": None, "host_keys": "strict", "timeout": 1.0}
    return Hop(host=host, **{**given, **known, **more})


class Bastion:
    """Connections to it, the newest last."""

    def __init__(self) -> None:
        self.opened: list[SimpleNamespace] = []
        self.sharing: Sharing = Sharing()

    def open(self) -> SimpleNamespace:
        link = SimpleNamespace(alive=True, closed=0)
        link.close = lambda: setattr(link, "closed", link.closed + 1)
        self.opened.append(link)
        return link

    def lease(self, host: str = "node-1", **more):
        return self.sharing.lease(hop(host, **more), self.open)


@pytest.fixture
def bastion() -> Bastion:
    return Bastion()


def test_the_first_opens_it_and_the_last_closes_it(bastion):
    first, second = bastion.lease("node-1"), bastion.lease("node-2")
    assert first.connection is second.connection and len(bastion.opened) == 1
    first.close()
    first.close()
    assert bastion.opened[0].closed == 0
    second.close()
    assert bastion.opened[0].closed == 1
    bastion.lease()
    assert len(bastion.opened) == 2


def test_another_way_to_a_bastion_is_another_connection(bastion):
    ways = [{}, {"port": 23}, {"user": "admin"}, {"host_keys": "accept-new"}, {"via": hop(address="10.0.0.9")}]
    assert len({id(bastion.lease(**way).connection) for way in ways}) == len(ways)
    again = bastion.lease("node-2", via=hop("node-2", address="10.0.0.9"))
    assert again.connection is bastion.opened[-1], "for whose sake the hop before was worked out does not count"


def test_one_that_broke_is_replaced_and_closed_when_its_users_are_done(bastion):
    first, second = bastion.lease(), bastion.lease()
    bastion.opened[0].alive = False
    third = bastion.lease()
    assert third.alive and not first.alive and len(bastion.opened) == 2
    first.close()
    second.close()
    assert [link.closed for link in bastion.opened] == [1, 0]
    assert bastion.lease().connection is third.connection
    third.close()
    assert [link.closed for link in bastion.opened] == [1, 0]


def test_who_waits_for_it_to_open_fails_with_it_and_who_comes_later_tries_again(bastion):
    begun, go_on, tries = threading.Barrier(2), threading.Event(), []

    def refused():
        tries.append(1)
        begun.wait(5)
        go_on.wait(5)
        raise ConnectionFailed("nothing listens", "node-0", hint="systemctl status ssh")

    def ask(name: str) -> ConnectionFailed:
        with pytest.raises(ConnectionFailed, match="nothing listens") as caught:
            bastion.sharing.lease(hop(name), refused)
        return caught.value

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, "node-0")
        begun.wait(5)
        others = [pool.submit(ask, f"node-{n}") for n in range(1, 4)]
        [shared] = bastion.sharing._shared.values()
        while shared.users < 4:
            threading.Event().wait(0.001)
        go_on.set()
        found = [first.result(5), *(other.result(5) for other in others)]
    assert [error.host for error in found] == [f"node-{n}" for n in range(4)] and len(tries) == 1
    assert {error.hint for error in found} == {"systemctl status ssh"}
    assert bastion.lease().alive


def test_when_whoever_opens_it_is_interrupted_somebody_else_does(bastion):
    begun, go_on = threading.Barrier(2), threading.Event()

    def interrupted():
        begun.wait(5)
        go_on.wait(5)
        raise KeyboardInterrupt

    def first() -> None:
        with pytest.raises(KeyboardInterrupt):
            bastion.sharing.lease(hop(), interrupted)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        begun.wait(5)
        other = pool.submit(bastion.lease, "node-2")
        [shared] = bastion.sharing._shared.values()
        while shared.users < 2:
            threading.Event().wait(0.001)
        go_on.set()
        one.result(5)
        assert other.result(5).alive
    assert len(bastion.opened) == 1


def test_many_threads_come_and_go(bastion):
    def use(number: int) -> bool:
        lease = bastion.lease(f"node-{number}")
        alive = lease.alive and not lease.connection.closed
        lease.close()
        return alive

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(use, range(400)))
    assert all(link.closed == 1 for link in bastion.opened) and not bastion.sharing._shared
