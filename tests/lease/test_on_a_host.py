"""The lease of one host with the real shell, Debian's and busybox's: a process that has it, and a file that says
who."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.local_transport import LocalTransport

from hardway.lease import Holder
from hardway.lease.keeper import HELD_BY_ANOTHER, LEASE, UNABLE
from hardway.targets import host as shell
from hardway.targets.remote import ask

pytestmark = pytest.mark.slow
LONG = 60.0  # seconds: a busy computer starts processes slowly


@pytest.fixture(params=["sh", "busybox"])
def machine(request, tmp_path: Path) -> Callable[[], LocalTransport]:
    """machine(): a connection to it."""
    if request.param == "sh":
        return lambda: LocalTransport(tmp_path, ["/bin/sh"], os.environ["PATH"])
    assert shutil.which("busybox"), "busybox is needed: apt install busybox"
    applets = tmp_path / "applets"
    applets.mkdir()
    subprocess.run([shutil.which("busybox"), "--install", "-s", applets], check=True)
    if not (applets / "flock").exists():  # Debian's busybox is built without it
        (applets / "flock").symlink_to(shutil.which("flock"))
    return lambda: LocalTransport(tmp_path, [str(applets / "sh")], str(applets))


class Holding:
    """A run that holds the lease of a host as long as somebody says so."""

    def __init__(self, transport: LocalTransport, token: str, seconds: int = 300, ended: str = ""):
        self.transport, self.token = transport, token
        self.words: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.code: int | None = None
        script = f"{shell.LEASE}\nhold {token} {seconds} '{ended}'"
        self.thread = threading.Thread(target=self._talk, args=(script,), daemon=True)
        self.thread.start()

    def _talk(self, script: str) -> None:
        self.code = self.transport.talk(script, self.heard.put, self._say, 0.02)

    def _say(self) -> bytes | None:
        try:
            return self.words.get_nowait()
        except queue.Empty:
            return b""

    def beat(self, rest: str = "working 1.000 1700000000 ana@laptop 7 - bootstrap") -> str:
        """Say it, and what comes back."""
        self.words.put(f"{self.token} {rest}\n".encode())
        return self.heard.get(timeout=LONG)

    @property
    def before(self) -> str:
        """What it hears first: who had it before."""
        return self.heard.get(timeout=LONG)

    @property
    def process(self) -> int:
        return self.transport.talking[-1].pid

    def ended(self) -> int:
        self.thread.join(LONG)
        assert self.code is not None
        return self.code

    def end(self) -> int:
        self.words.put(None)
        return self.ended()


@pytest.fixture
def hold(machine) -> Iterator[Callable[..., Holding]]:
    """hold(TOKEN): another run that wants it."""
    made: list[Holding] = []

    def begin(token: str, **more) -> Holding:
        made.append(Holding(machine(), token, **more))
        return made[-1]

    yield begin
    for one in made:
        one.words.put(None)
        one.thread.join(LONG)


def seen(machine) -> Holder | None:
    """Who holds it, as anybody can ask."""
    return Holder.parse(ask(machine(), (LEASE,))[LEASE])


def test_who_holds_it_is_known_to_all_and_keeps_the_next_one_out(machine, hold):
    first = hold("one")
    assert first.before.split() == ["after"]
    assert first.beat() == "one working 1.000 1700000000 ana@laptop 7 - bootstrap"
    found = seen(machine)
    assert (found.token, found.where, found.pid, found.command) == ("one", "ana@laptop", 7, "bootstrap")
    assert 0 <= found.age < 5
    assert hold("two").ended() == HELD_BY_ANOTHER
    assert seen(machine).token == "one"


def test_it_ends_with_what_it_hears_and_the_next_one_learns_who_it_was(machine, hold):
    first = hold("one")
    assert first.before and first.beat()
    assert first.end() == 0 and seen(machine) is None
    second = hold("two")
    assert second.before == "after one working"
    assert second.beat().startswith("two ") and seen(machine).token == "two"


def test_a_killed_holder_leaves_nothing_that_keeps_others_out(machine, hold):
    first = hold("one")
    assert first.before and first.beat()
    os.kill(first.process, signal.SIGKILL)
    first.transport.talking[-1].wait(LONG)
    assert seen(machine) is None
    second = hold("two")
    assert second.before == "after one working" and second.beat()


def test_one_that_says_nothing_any_more_loses_it(machine, hold):
    first = hold("one", seconds=2)
    assert first.before and first.beat()
    began = time.monotonic()
    assert first.ended() == 0 and time.monotonic() - began > 1.5
    assert seen(machine) is None and hold("two").before == "after one working"


def test_every_sign_of_life_counts_anew(machine, hold):
    first, began = hold("one", seconds=6), time.monotonic()
    assert first.before
    while time.monotonic() - began < 8:
        assert first.beat()
        time.sleep(0.5)
    assert first.code is None and seen(machine).token == "one"


def test_one_that_is_just_ending_is_waited_for(machine, hold):
    first = hold("one")
    assert first.before and first.beat()
    second = hold("two")
    time.sleep(0.5)
    assert first.end() == 0
    assert second.before == "after one working" and second.beat()


def test_a_run_that_comes_back_need_not_wait_for_its_own_old_connection(machine, hold):
    first = hold("one")
    assert first.before and first.beat()
    again = hold("one")
    assert again.before == "after one working" and again.beat()
    assert first.ended() != 0 and seen(machine).token == "one"


def test_what_an_ended_run_has_left_is_ended_and_nothing_else(machine, hold):
    first = hold("one")
    assert first.before and first.beat()
    assert hold("three", ended="two").ended() == HELD_BY_ANOTHER
    second = hold("two", ended="one")
    assert second.before == "after one working" and second.beat()
    assert first.ended() != 0 and seen(machine).token == "two"


def test_no_process_is_ended_for_having_the_number_of_an_old_holder(machine, hold, tmp_path):
    bystander = subprocess.Popen(["sleep", "300"])
    try:
        assert seen(machine) is None
        (tmp_path / "run/hardway.lease").write_text(f"{bystander.pid} one working 1 1 a@b 1 - bootstrap\n")
        assert seen(machine) is None, "it holds nothing"
        first = hold("two")
        assert first.before == "after one working"
        # Held, and not yet said by whom: the file names the bystander still.
        assert hold("one").ended() == HELD_BY_ANOTHER
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_the_state_is_kept_as_it_is_said(machine, hold):
    first = hold("one")
    assert first.before and first.beat("trying 1.000 1 a@b 7 - bootstrap") and not seen(machine).working
    assert first.beat("working 2.000 1 a@b 7 - bootstrap") and seen(machine).working


def test_what_is_said_is_text(machine, hold, tmp_path):
    awkward = f"working 1 1 a@b 7 - -n \\t $(touch {tmp_path}/x) `touch {tmp_path}/x` ; touch {tmp_path}/x %s 'q\""
    first = hold("one")
    assert first.before and first.beat(awkward) == f"one {awkward}"
    assert seen(machine).command == awkward.partition(" 7 - ")[2] and not (tmp_path / "x").exists()


def test_the_file_is_roots_alone(machine, hold, tmp_path):
    first = hold("one")
    assert first.before and first.beat()
    assert (tmp_path / "run/hardway.lease").stat().st_mode & 0o777 == 0o600


def test_where_nothing_can_be_written_there_is_no_lease(machine, hold, tmp_path):
    assert seen(machine) is None
    (tmp_path / "run/hardway.lease").mkdir()
    assert hold("one").ended() == UNABLE and seen(machine) is None


def test_where_there_is_no_flock_there_is_no_lease(tmp_path):
    transport = LocalTransport(tmp_path, ["/bin/sh"], str(tmp_path))
    assert Holding(transport, "one").ended() == UNABLE
