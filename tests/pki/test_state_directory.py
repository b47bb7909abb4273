"""The folder on disk: private, ignoring itself, never overwriting, locked by one process at a time."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from hardway.errors import InUseError, PkiError, ReadOnlyError
from hardway.pki.credentials import Credentials
from hardway.pki.secret import Secret
from hardway.state import lockfile
from hardway.state.statedir import Frozen, Overlay, StateDir

HOLDER = """
import sys, time
from pathlib import Path
from hardway.state.statedir import StateDir
with StateDir(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["folder", "overlay"])
def either(request, store):
    """Both kinds of store: what holds for one holds for the other."""
    return store if request.param == "folder" else Overlay(store)


def test_everything_is_private_whatever_the_umask(cluster, store):
    old = os.umask(0)
    try:
        credentials = Credentials(cluster, store)
        credentials.ensure_all()
        with store.lock():
            pass
        store.replace("admin.conf", b"1")
        store.replace("admin.conf", b"2")
    finally:
        os.umask(old)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (store.path, *store.path.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert len(modes) > 60


def test_git_sees_nothing_of_it(cluster, tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    Credentials(cluster, StateDir(tmp_path / ".hardway" / "lab")).ensure_all()
    seen = subprocess.run(
        ["git", "-C", tmp_path, "status", "--porcelain", "-uall"], check=True, capture_output=True, text=True
    )
    assert seen.stdout == ""


def test_a_loose_folder_is_tightened(store):
    store.path.mkdir(mode=0o755)
    (store.path / "pki").mkdir()
    store.create("x", b"1")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o700


def test_a_folder_of_something_else_is_left_alone(store):
    store.path.mkdir(mode=0o755)
    (store.path / ".gitignore").write_text("build/\n")
    (store.path / "src").mkdir()
    with pytest.raises(PkiError, match="not a hardway state directory") as foreign:
        store.create("x", b"1")
    assert "src" in foreign.value.evidence and "--state-dir" in foreign.value.hint
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o755
    assert sorted(path.name for path in store.path.iterdir()) == [".gitignore", "src"]


def test_reading_makes_nothing(store):
    assert store.read("pki/ca.crt") is None and store.names() == frozenset()
    assert Overlay(store).read("x") is None
    assert not store.path.exists()


def test_create_never_overwrites(either):
    either.create("a/b", b"first")
    with pytest.raises(PkiError, match="exists already"):
        either.create("a/b", b"second")
    assert either.read("a/b") == b"first" and either.names() == {"a/b"}


def test_of_many_who_create_the_same_file_one_wins(store):
    wins, losses, start = [], [], threading.Barrier(8)

    def race(number):
        other = StateDir(store.path)
        start.wait()
        try:
            other.create("pki/ca.key", str(number).encode() * 5000)
            wins.append(number)
        except PkiError:
            losses.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1 and len(losses) == 7
    assert store.read("pki/ca.key") == str(wins[0]).encode() * 5000
    assert [path.name for path in (store.path / "pki").iterdir()] == ["ca.key"]


def test_a_run_killed_while_writing_leaves_no_file_and_the_next_sweeps_up(store):
    code = "import os, sys; from pathlib import Path; from hardway.state.statedir import StateDir\n"
    code += "os.link = lambda *arguments: os._exit(9)\nStateDir(Path(sys.argv[1])).create('pki/ca.key', b'half')"
    assert subprocess.run([sys.executable, "-c", code, store.path]).returncode == 9
    assert store.read("pki/ca.key") is None and store.names() == frozenset()
    assert len(list((store.path / "pki").iterdir())) == 1
    with store.lock():
        assert list((store.path / "pki").iterdir()) == []


def test_replace_keeps_each_former_file(store):
    for content in (b"1", b"2", b"3"):
        store.replace("pki/x.crt", content)
    assert store.read("pki/x.crt") == b"3" and store.names() == {"pki/x.crt"}
    assert sorted(path.read_bytes() for path in (store.path / "pki/old").rglob("x.crt")) == [b"1", b"2"]


@pytest.mark.parametrize("name", ["pki/ca.key", "pki/sa.pub", "encryption/aescbc-key1.key"])
def test_a_key_cannot_be_replaced(either, name):
    either.create(name, b"1")
    with pytest.raises(ValueError, match="never replaced"):
        either.replace(name, b"2")
    assert either.read(name) == b"1"


def test_what_is_no_key_can_be_discarded(either):
    either.create("drill", b"node worker-0 1700000000\n")
    for _ in range(2):
        either.discard("drill")
    assert either.read("drill") is None and either.names() == frozenset()
    with pytest.raises(ValueError, match="never replaced"):
        either.discard("pki/ca.key")


def test_a_frozen_store_discards_nothing_and_a_scratch_copy_only_in_memory(store):
    store.create("drill", b"1")
    with pytest.raises(ReadOnlyError):
        Frozen(store).discard("drill")
    copy = Overlay(store)
    copy.discard("drill")
    assert copy.read("drill") is None and copy.names() == frozenset()
    copy.create("drill", b"2")
    assert copy.read("drill") == b"2" and store.read("drill") == b"1"


def test_a_successor_takes_the_place_of_a_key_in_one_step_and_nothing_is_lost(either):
    either.create("pki/a.key", b"old")
    either.create("pki/a.next.key", b"new")
    either.succeed("pki/a.key", "pki/a.next.key")
    assert either.read("pki/a.key") == b"new" and either.names() == {"pki/a.key"}
    either.retire("pki/a.key")
    either.retire("pki/a.key")
    assert either.read("pki/a.key") is None and either.names() == frozenset()


def test_everything_that_was_in_a_place_is_remembered(either):
    for content in (b"1", b"2"):
        either.replace("a.conf", content)
    either.create("b.conf", b"3")
    either.succeed("a.conf", "b.conf")
    either.retire("a.conf")
    assert either.past("a.conf") == (b"1", b"2", b"3") and either.past("b.conf") == ()
    for seen in (Frozen(either), Overlay(either)):
        assert seen.past("a.conf") == (b"1", b"2", b"3")


def test_what_was_succeeded_or_retired_is_kept_apart(store):
    store.create("pki/a.key", b"old")
    store.create("pki/a.next.key", b"new")
    store.succeed("pki/a.key", "pki/a.next.key")
    store.retire("pki/a.key")
    kept = sorted((store.path / "pki/old").rglob("a.key"))
    assert [path.read_bytes() for path in kept] == [b"old", b"new"]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


def test_a_full_disk_is_an_error_with_a_remedy_and_leaves_nothing(store, monkeypatch):
    store.create("first", b"1")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PkiError, match="No space left") as error:
        store.create("second", b"2")
    assert error.value.hint == "free some disk space" and error.value.exit_code == 8
    assert sorted(path.name for path in store.path.iterdir()) == [".gitignore", "first"]


def test_a_file_in_the_way_is_an_error_not_a_traceback(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(PkiError):
            StateDir(path).create("x", b"1")


def test_an_overlay_keeps_writes_to_itself(store):
    store.create("a", b"1")
    overlay = Overlay(store)
    overlay.replace("a", b"2")
    overlay.create("b", b"3")
    assert (overlay.read("a"), overlay.read("b"), overlay.names()) == (b"2", b"3", {"a", "b"})
    assert (store.read("a"), store.read("b"), store.names()) == (b"1", None, {"a"})
    with overlay.lock(), overlay.lock():
        assert overlay.where("b") == store.where("b")


def test_threads_share_credentials(cluster, store):
    credentials, results, start = Credentials(cluster, store), [], threading.Barrier(8)

    def work():
        start.wait()
        results.append(
            (credentials.certificate("admin"), credentials.service_account(), credentials.encryption_config())
        )

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8 and len(set(results)) == 1


# The lock


@pytest.fixture
def holder(store):
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, store.path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_is_told_who_the_first_is(store, holder):
    with pytest.raises(InUseError) as taken, store.lock():
        pytest.fail("two hold the lock")
    owner = dict(line.split(" ", 1) for line in taken.value.evidence.splitlines())
    assert owner["pid"] == str(holder.pid) and owner["host"] == os.uname().nodename
    assert set(owner) == {"pid", "host", "user", "started"} and taken.value.hint


def test_a_killed_owner_frees_it(store, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with store.lock():
        assert f"pid {os.getpid()}\n" in (store.path / "lock").read_text()
    assert (store.path / "lock").read_text() == ""


def test_an_error_frees_it_and_a_child_does_not_inherit_it(store):
    child = None
    with pytest.raises(ZeroDivisionError), store.lock():
        child = subprocess.Popen(["sleep", "30"], close_fds=False)
        raise ZeroDivisionError
    try:
        with store.lock():
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_two_threads_of_one_process_exclude_each_other_too(store):
    with store.lock(), pytest.raises(InUseError, match="another hardway process is using"), StateDir(store.path).lock():
        pytest.fail("two hold the lock")


def test_a_lock_is_known_by_its_file_on_this_computer_since_it_was_started(store, tmp_path, monkeypatch):
    with store.lock():
        found = lockfile.identity(store.path / "lock")
    with store.lock():
        assert found and lockfile.identity(store.path / "lock") == found
    shutil.copytree(store.path, tmp_path / "copy")
    assert lockfile.identity(tmp_path / "copy" / "lock") != found
    assert lockfile.identity(tmp_path / "none") == ""
    (tmp_path / "boot").write_text("another")
    monkeypatch.setattr(lockfile, "BOOT", tmp_path / "boot")
    assert lockfile.identity(store.path / "lock") != found
    monkeypatch.setattr(lockfile, "BOOT", tmp_path / "no such file")
    assert lockfile.identity(store.path / "lock") == ""


def test_the_lock_does_not_wait(store, holder):
    started = time.monotonic()
    with pytest.raises(InUseError), store.lock():
        pytest.fail("two hold the lock")
    assert time.monotonic() - started < 5


# Secrets


def test_a_secret_shows_a_digest_and_nothing_else():
    secret = Secret(b"-----BEGIN PRIVATE KEY-----")
    for text in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!s:>40}".strip(),
        repr([secret]),
        repr({"key": secret}),
    ):
        assert "PRIVATE" not in text and f"secret sha256:{secret.digest}" in text
    assert len(secret.digest) == 12 and secret.reveal() == b"-----BEGIN PRIVATE KEY-----"


def test_a_secret_is_equal_by_value_and_not_serialised():
    secret = Secret(b"x")
    assert secret == Secret(b"x") != Secret(b"y") and secret != b"x" and len({secret, Secret(b"x")}) == 1
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not serialised"):
            pickle.dumps({"key": secret}, protocol)
    assert copy.deepcopy(secret) is secret
    with pytest.raises(TypeError):
        bytes(secret)
    with pytest.raises(AttributeError):
        secret.value = b"z"


def test_no_key_shows_in_any_repr_or_error(credentials, cluster, store):
    keys = [store.read(name) for name in store.names() if name.endswith(".key")]
    shown = [credentials.certificate("admin"), credentials.service_account(), credentials.encryption_config()]
    shown += [credentials.kubeconfig("admin"), credentials.certificate("kubelet", cluster.host("worker-0"))]
    shown += [credentials, vars(credentials), credentials._signers, store, credentials.plan()]
    text = repr(shown) + str(shown)
    assert len(keys) == 26
    for key in keys:
        # The first line of a PEM holds private bytes; its last ones are those of the public key, as certificates have.
        body = key.decode().splitlines()[1 if key.startswith(b"-----") else 0]
        assert body not in text


@pytest.mark.parametrize("part", [b"", b"# Keys live"])
def test_a_folder_in_whose_first_moment_a_run_died_is_taken_up_again(tmp_path, part):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/.gitignore").write_bytes(part)
    StateDir(tmp_path / "state").create("cluster", b"demo")
    assert (tmp_path / "state/.gitignore").read_text().endswith("\n*\n")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/.gitignore").write_bytes(part)
    (tmp_path / "theirs/src").touch()
    with pytest.raises(PkiError, match="not a hardway state directory"):
        StateDir(tmp_path / "theirs").create("cluster", b"demo")
    assert (tmp_path / "theirs/.gitignore").read_bytes() == part


def test_a_file_that_finds_no_room_is_not_left_in_part(tmp_path):
    """Half a kubeconfig would stand in the way of the next try, which never overwrites."""
    script = (
        "import resource, signal, sys; from pathlib import Path; from hardway.state.durable import write_synced\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_synced(Path(sys.argv[1]), bytes(2000), 0o600)"
    )
    ran = subprocess.run([sys.executable, "-c", script, tmp_path / "admin.conf"], capture_output=True, text=True)
    assert "File too large" in ran.stderr and list(tmp_path.iterdir()) == []
