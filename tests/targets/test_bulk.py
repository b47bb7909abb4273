"""Large content on slow and fast links: when it is compressed, and that the same bytes arrive either way."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from hardway.cluster import Host, Role
from hardway.errors import InUseError, RemoteCommandError
from hardway.settings import Ssh
from hardway.targets import bulk
from hardway.targets.remote import HostRemote
from hardway.transport import Result
from hardway.vocabulary import Blob, Op


class Link:
    """A transport of so many bytes a second, by a clock of its own; commands run in a real sh."""

    def __init__(self, speed: float, compress: str = "auto", has_gzip: bool = True):
        self.host = Host("worker-0", IPv4Address("10.0.0.1"), frozenset({Role.WORKER}), Ssh(compress=compress))
        self.speed, self.has_gzip, self.now = speed, has_gzip, 1000.0
        self.commands: list[str] = []
        self.carried = 0

    def clock(self) -> float:
        return self.now

    def stream(self, command, chunks, *, timeout=600.0, sent=None) -> Result:
        self.commands.append(command)
        # Without gzip there is no program at all, so cat, which such a host does have, is one of the shell's own.
        world = "PATH=/usr/bin:/bin" if self.has_gzip else "cat() { :; }; PATH=/nowhere"
        data = b"".join(chunks)
        self.carried += len(data)
        self.now += len(data) / self.speed
        shell = subprocess.run(["/bin/sh", "-c", f"{world}; {command}"], input=data, capture_output=True)
        return Result(shell.returncode, shell.stdout, shell.stderr)


@pytest.fixture
def blobs(tmp_path: Path) -> list[Blob]:
    """Files as unlike as programs, none a multiple of tar's block, and one held in memory."""
    contents = [os.urandom(3_000_001), b"program " * 1_000_003, b"", bytes(9_000_000) + b"end"]
    paths = [tmp_path / f"file-{number}" for number in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    return [*(Blob(path=path, known_sha256=f"{path}") for path in paths), Blob(data=b"from memory")]


def decide(link: Link, blobs: list[Blob]) -> bool:
    return bulk.pays(link, blobs, link.clock)


@pytest.mark.parametrize(("megabytes", "expected"), [(1, True), (30, True), (45, False), (500, False)])
def test_the_speed_of_the_link_decides(blobs, megabytes, expected):
    assert decide(Link(megabytes * 1e6), blobs) is expected


@pytest.mark.parametrize("compress", ["always", "never"])
def test_the_inventory_overrules_measurement(blobs, compress):
    link = Link(1e6 if compress == "never" else 1e9, compress)
    assert decide(link, blobs) is (compress == "always")
    assert link.commands == []


def test_a_host_without_gzip_gets_content_as_it_is(blobs):
    assert decide(Link(1e6, has_gzip=False), blobs) is False


def test_little_content_is_not_worth_a_question(blobs):
    link = Link(1e6)
    assert decide(link, blobs[:1]) is False
    assert link.commands == []


@pytest.mark.parametrize("compressed", [False, True])
def test_every_byte_arrives_through_a_real_shell(blobs, tmp_path, compressed):
    into = tmp_path / "host's folder"
    into.mkdir()
    link = Link(1e9)
    assert link.stream(bulk.receiver(str(into), compressed), bulk.tar_stream(blobs, compressed)).code == 0
    got = [(into / str(number)).read_bytes() for number in range(len(blobs))]
    assert got == [b"".join(bulk.content(blob)) for blob in blobs]
    assert sorted(os.listdir(into)) == ["0", "1", "2", "3", "4"]
    assert (link.carried < 5_000_000) is compressed


@pytest.mark.parametrize("damage", ["flip", "cut", "tail"])
def test_a_damaged_stream_is_never_taken_for_a_whole_one(blobs, tmp_path, damage):
    data = bytearray(b"".join(bulk.tar_stream(blobs, True)))
    if damage == "flip":
        data[2_000_000] ^= 1
    cut = {"flip": len(data), "cut": len(data) // 2, "tail": len(data) - 5}[damage]
    assert Link(1e9).stream(bulk.receiver(str(tmp_path), True), [bytes(data[:cut])]).code != 0


def test_content_is_packed_once_for_all_hosts(blobs, monkeypatch):
    packs = []
    whole = bulk._Parcel._pack
    monkeypatch.setattr(bulk._Parcel, "_pack", lambda parcel: packs.append(parcel) or whole(parcel))
    fresh = [dataclasses.replace(blob, known_sha256=f"{blob.sha256} again") for blob in blobs if blob.path]
    first = b"".join(bulk.tar_stream(fresh, True))
    assert b"".join(bulk.tar_stream(fresh, True)) == first
    assert len(packs) == len(fresh)


def test_a_remote_asks_a_host_once_and_sends_all_the_rest_compressed(blobs):
    link = Link(1e6)
    link.run = lambda script, stdin=b"", timeout=0.0: Result(0, b"", b"")
    remote = HostRemote(link, clock=link.clock)
    link.stream, calls = lambda command, chunks, **_: calls.append(command) or _swallow(link, chunks), []
    for _ in range(2):
        remote.change([Op("put", (f"/x/{number}", "644", "root", "root"), blob) for number, blob in enumerate(blobs)])
    assert [("gzip -dc" in call) for call in calls] == [False, True, True]


def test_a_refused_stream_says_what_to_look_at(blobs):
    link = Link(1e9, "never")
    link.stream = lambda command, chunks, **_: Result(2, b"", b"tar: no space left on device")
    with pytest.raises(RemoteCommandError) as caught:
        HostRemote(link).change([Op("put", ("/x", "644", "root", "root"), blobs[0])])
    assert "no space left" in caught.value.evidence and "df -h" in caught.value.hint


LARGE, SMALL = Blob(data=bytes(2 << 20)), Blob(data=b"x")


@pytest.mark.parametrize(
    ("blob", "times", "done"),
    [(SMALL, 0, []), (SMALL, 1, ["run"]), (LARGE, 0, []), (LARGE, 1, ["stream"]), (LARGE, 2, ["stream", "run"])],
)
def test_permission_is_asked_before_each_thing_that_changes_a_host(blob, times, done):
    """Also when large content has arrived: that takes long, and a computer may have slept meanwhile."""
    link, acts, asked = Link(1e9, "never"), [], []
    link.stream = lambda command, chunks, **_: acts.append("stream") or _swallow(link, chunks)
    link.run = lambda script, stdin=b"", timeout=0.0: acts.append("run") or Result(0, b"", b"")

    def permit() -> None:
        asked.append(True)
        if len(asked) > times:
            raise InUseError("another run")

    with contextlib.nullcontext() if "run" in done else pytest.raises(InUseError):
        HostRemote(link, permit=permit).change([Op("put", ("/x", "644", "root", "root"), blob)])
    assert acts == done


def test_what_fails_because_another_run_is_at_work_says_so(blobs):
    """It may have removed what this one was writing."""
    link, lost = Link(1e9, "never"), []
    link.stream = lambda command, chunks, **_: lost.append(True) or Result(2, b"", b"tar: no such directory")

    def permit() -> None:
        if lost:
            raise InUseError("another run")

    with pytest.raises(InUseError):
        HostRemote(link, permit=permit).change([Op("put", ("/x", "644", "root", "root"), blobs[0])])


def _swallow(link: Link, chunks) -> Result:
    link.now += sum(map(len, chunks)) / link.speed
    return Result(0, b"", b"")
