"""The lease over real connections: what ends it when its owner dies, falls silent, or comes back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardway.errors import InUseError
from hardway.lease import Holder, Lease, keeper
from hardway.targets import host as shell
from hardway.targets.remote import ask

pytestmark = pytest.mark.sshd

# Another person's computer: it takes the lease, says so, and asks for permission whenever it is told to.
OWNER = """
import sys
from ipaddress import IPv4Address
from pathlib import Path
from hardway import ssh
from hardway.cluster import Host
from hardway.errors import InUseError
from hardway.lease import Lease, keeper, lease as terms
from hardway.settings import Ssh
from hardway.targets import host as shell
port, key, known, file, ttl, beat = sys.argv[1:]
shell.LEASE = shell.LEASE.replace("/run/hardway.lease", file)
shell.READ = shell.READ.replace("/run/hardway.lease", file)
keeper.TTL, keeper.BEAT, keeper.MARGIN, terms.RECOVERY = float(ttl), float(beat), 0.5, 15.0
way = Ssh(port=int(port), key=Path(key), agent=False, config=None, known_hosts=Path(known))
lease = Lease("upgrade")
lease.take(ssh.connect(Host("node-1", IPv4Address("127.0.0.1"), frozenset(), way)))
lease.work()
print("held", flush=True)
for line in sys.stdin:
    try:
        lease.require()
        print("permitted", flush=True)
    except InUseError as error:
        print(error.message, flush=True)
"""


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Not this machine's own lease."""
    found = tmp_path / "lease"
    for name in ("LEASE", "READ"):
        monkeypatch.setattr(shell, name, getattr(shell, name).replace("/run/hardway.lease", str(found)))
    monkeypatch.setattr(keeper, "PAUSE", 0.2)
    return found


@pytest.fixture
def owner(server, file: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """owner(): a process that holds the lease, and has said so."""
    processes: list[subprocess.Popen] = []

    def begin(ttl: float = 60, beat: float = 1) -> subprocess.Popen:
        words = map(str, (server.port, server.key, server.known_hosts, file, ttl, beat))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen([sys.executable, "-c", OWNER, *words], **pipes))
        assert processes[-1].stdout.readline() == "held\n"
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.fixture
def lease() -> Iterator[Callable[[], Lease]]:
    made: list[Lease] = []

    def begin() -> Lease:
        made.append(Lease("bootstrap"))
        return made[-1]

    yield begin
    for one in made:
        one.end()


def answer(process: subprocess.Popen) -> str:
    process.stdin.write("may I?\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def holder(transport) -> Holder | None:
    return Holder.parse(ask(transport, (keeper.LEASE,))[keeper.LEASE])


def until(condition: Callable[[], object], seconds: float = 60) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "waited in vain"
        time.sleep(0.05)
    return time.monotonic() - began


def test_the_second_is_refused_and_the_first_goes_on(server, connect, owner, lease):
    first = owner()
    with pytest.raises(InUseError, match="has been running `hardway upgrade` on this cluster since") as refused:
        lease().take(connect(server.host()))
    assert f"process {first.pid} on " in refused.value.evidence and refused.value.host == "node-1"
    assert answer(first) == "permitted"


def test_it_is_free_at_once_when_its_owner_is_killed(server, connect, owner, lease):
    first, transport = owner(), connect(server.host())
    assert holder(transport).pid == first.pid
    first.send_signal(signal.SIGKILL)
    first.wait()
    next_one = lease()
    began = time.monotonic()
    next_one.take(transport)
    assert time.monotonic() - began < 30, "long before its time is up"
    next_one.work()
    next_one.require()


def test_it_is_free_when_its_owner_ends(server, connect, owner, lease):
    first = owner()
    first.stdin.close()
    assert first.wait(60) == 0
    lease().take(connect(server.host()))


def test_an_owner_that_falls_silent_loses_it_and_begins_nothing_when_it_wakes(server, connect, owner, lease):
    """A laptop whose lid is closed: no connection is closed, and nobody says anything."""
    first, transport = owner(ttl=3), connect(server.host())
    first.send_signal(signal.SIGSTOP)
    until(lambda: holder(transport) is None)
    second = lease()
    second.take(transport)
    second.work()
    until(lambda: holder(transport).working)
    first.send_signal(signal.SIGCONT)
    assert "this run has lost its lease of the cluster" in answer(first)
    second.require()


def test_an_owner_that_wakes_before_anybody_came_goes_on(server, connect, owner):
    first, transport = owner(ttl=3), connect(server.host())
    first.send_signal(signal.SIGSTOP)
    until(lambda: holder(transport) is None)
    first.send_signal(signal.SIGCONT)
    assert answer(first) == "permitted" and holder(transport).pid == first.pid


def test_a_connection_that_breaks_is_made_again_and_the_lease_with_it(server, connect, owner, lease):
    first = owner()
    server.cut()
    transport = connect(server.host())
    until(lambda: holder(transport))
    assert answer(first) == "permitted" and holder(transport).pid == first.pid
    with pytest.raises(InUseError):
        lease().take(transport)


def test_a_run_whose_old_connection_hangs_at_the_server_takes_it_over(server, connect, lease):
    """The server has not noticed yet that nobody is there any more, and what it runs holds the lease."""
    one, transport = lease(), connect(server.host())
    one.take(transport)
    one.work()
    old = _descendants(server)
    for process in old:
        os.kill(process, signal.SIGSTOP)
    try:
        _resume(*_started(old))
        transport.close()
        until(lambda: one.keepers["node-1"].until == 0.0)
        one.require()
        until(lambda: one.keepers["node-1"].until > 0.0)
    finally:
        _resume(*old)


def _descendants(server) -> list[int]:
    found, fresh = [], server.sessions()
    while fresh:
        found += fresh
        fresh = [int(child) for process in fresh for child in _children(process)]
    return found


def _children(process: int) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return []


def _started(processes: list[int]) -> list[int]:
    """Those that are not sshd itself: what it has started."""
    return [process for process in processes if Path(f"/proc/{process}/comm").read_text().strip() != "sshd"]


def _resume(*processes: int) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def test_it_costs_a_run_hardly_any_time(server, connect, lease):
    """On a connection that is open, as it is when hosts are asked for their facts."""
    transport = connect(server.host())
    transport.run("true")
    began = time.monotonic()
    lease().take(transport)
    assert time.monotonic() - began < 5.0
