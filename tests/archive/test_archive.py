"""A backup as a file: what opens it, what does not, and that nothing of a damaged one is ever used."""

from __future__ import annotations

import dataclasses
import io
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pyrage
import pytest
from fakes import bolt_file

from hardway import archive
from hardway.archive import Backup, Key, Lock, Manifest, sealing
from hardway.archive.contents import nameless
from hardway.errors import BackupError, UsageError
from hardway.etcd import snapshot
from hardway.etcd.sidecar import Sidecar
from hardway.pki.secret import Secret

PHRASE = Secret(b"correct horse battery staple")
STATE = {"pki/ca.key": b"-----BEGIN PRIVATE KEY-----\nsecret of the CA\n", "cluster": b"lab\n", "founded.json": b"{}"}


@pytest.fixture(scope="session")
def identity(tmp_path_factory) -> Path:
    """A file as age-keygen writes it."""
    key = pyrage.x25519.Identity.generate()
    path = tmp_path_factory.mktemp("identity") / "key.txt"
    path.write_text(f"# created: 2026-11-30\n# public key: {key.to_public()}\n{key}\n")
    return path


@pytest.fixture
def lock(identity: Path) -> Lock:
    return archive.lock_of([identity.read_text().splitlines()[1].removeprefix("# public key: ")])


@pytest.fixture
def key(identity: Path) -> Key:
    return sealing.key_of([identity])


def backup_of(folder: Path, **about) -> Backup:
    """One of a snapshot of some size, so that the file has more than one piece."""
    found = snapshot.read(bolt_file.write(folder / "etcd.db", b"uid-of-this-cluster", os.urandom(150_000), last=70))
    sidecar = Sidecar("lab", "2026-11-28T12:00:00+00:00", "controller-1", 70, found.size, found.sha256, "3.7.3",
                      found.storage, "1.37.2", "c1", "uid-of-this-cluster", "ca", "tokens")  # fmt: skip
    said = {"cluster": "lab", "taken": sidecar.taken, "hardway": "0.13", "kubernetes": "1.37.2", "etcd": "3.7.3",
            "api": "https://10.0.0.1:6443", "hosts": {"controller-0": "10.0.0.2"}}  # fmt: skip
    return Backup(folder / "etcd.db", Manifest(**{**said, **about}), b"cluster: lab\n", found, sidecar, STATE)


def written(folder: Path, lock: Lock, **about) -> Path:
    path = folder / "lab.age"
    with path.open("wb") as file:
        archive.write(lock, file, backup_of(folder, **about))
    return path


def test_what_was_saved_is_what_is_opened(tmp_path, lock, key):
    path = written(tmp_path, lock)
    content, database = path.read_bytes(), (tmp_path / "etcd.db").read_bytes()
    assert b"secret of the CA" not in content and b"uid-of-this-cluster" not in content
    (tmp_path / "etcd.db").unlink()
    with archive.opened(path, key) as backup:
        assert backup.state == STATE and backup.inventory == b"cluster: lab\n"
        assert backup.manifest.hosts == {"controller-0": "10.0.0.2"} and backup.sidecar.revision == 70
        assert backup.snapshot.path.read_bytes() == database and backup.snapshot.holds("uid-of-this-cluster")
        assert str(backup.snapshot) == f"{path}: etcd.db" and "secret" not in repr(backup)


def test_what_is_decrypted_has_no_name_and_nobody_else_can_read_it(tmp_path, lock, key, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with archive.opened(written(tmp_path, lock), key) as backup:
        assert list((tmp_path / "tmp").iterdir()) == []
        assert stat.S_IMODE(backup.snapshot.path.stat().st_mode) == 0o600
    with nameless() as (path, _):
        assert path.stat().st_nlink == 0


def test_a_passphrase_opens_it_and_no_other(tmp_path):
    path = written(tmp_path, Lock(passphrase=PHRASE))
    assert archive.requires_passphrase(path)
    with archive.opened(path, Key(passphrase=PHRASE)) as backup:
        assert backup.state == STATE
    refused(path, Key(passphrase=Secret(b"correct horse")), "the passphrase does not open")


def with_work(content: bytes, work: int) -> bytes:
    """The same file of age, whose head tells of other work for one try of the passphrase."""
    magic, stanza, rest = content.split(b"\n", 2)
    return b"\n".join([magic, stanza.rpartition(b" ")[0] + b" %d" % work, rest])


def test_a_computer_that_is_too_slow_for_a_passphrase_does_not_call_the_file_damaged(tmp_path):
    path = written(tmp_path, Lock(passphrase=PHRASE))
    path.write_bytes(with_work(path.read_bytes(), 40))
    refused(path, Key(passphrase=PHRASE), "is too slow, or too busy, to try the passphrase")


def test_a_computer_that_is_busy_for_a_moment_is_measured_again(tmp_path, monkeypatch):
    real, busy = pyrage.passphrase.decrypt, [True, True]

    def decrypt(content: bytes, phrase: str) -> bytes:
        if busy:
            busy.pop()
            return real(with_work(content, 40), phrase)
        return real(content, phrase)

    monkeypatch.setattr(pyrage.passphrase, "decrypt", decrypt)
    with archive.opened(written(tmp_path, Lock(passphrase=PHRASE)), Key(passphrase=PHRASE)) as backup:
        assert backup.state == STATE and not busy


def test_a_passphrase_is_never_protected_by_little_work(tmp_path, monkeypatch):
    """What a busy computer would write is written by none."""
    head = b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA %d\nbody"
    works = [10, 14, 15]
    monkeypatch.setattr(pyrage.passphrase, "encrypt", lambda content, phrase: head % works.pop(0))
    assert b" 15\n" in written(tmp_path, Lock(passphrase=PHRASE)).read_bytes()
    works = [12] * 10
    with pytest.raises(BackupError, match="too busy, to protect a passphrase"):
        written(tmp_path, Lock(passphrase=PHRASE))


def test_another_key_does_not_open_it(tmp_path, lock):
    path = written(tmp_path, lock)
    refused(path, Key((pyrage.x25519.Identity.generate(),)), "is encrypted to other recipients")
    refused(path, Key(passphrase=PHRASE), "no passphrase opens it", UsageError)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_file_that_is_cut_is_not_used(tmp_path, lock, key, share):
    path = written(tmp_path, lock)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, key, ".")


def test_cut_between_two_pieces_of_the_format_it_is_noticed_too(tmp_path, lock, key):
    path = written(tmp_path, lock)
    content = path.read_bytes()
    header = content.index(b"\n", content.index(b"\n---") + 1) + 1
    path.write_bytes(content[: header + 16 + 65536 + 16])
    refused(path, key, "damaged or cut")


@pytest.mark.parametrize("place", [5, 40, 300, 70_000, -5])
def test_one_changed_bit_anywhere_is_noticed(tmp_path, lock, key, place):
    path = written(tmp_path, lock)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    refused(path, key, ".")


def refused(path: Path, key: Key, said: str, kind: type[Exception] = BackupError) -> None:
    with pytest.raises(kind, match=said) as caught, archive.opened(path, key):
        raise AssertionError("it was opened")
    assert str(path) in caught.value.message and caught.value.hint


def test_whatever_else_is_no_backup(tmp_path, lock, key):
    path = tmp_path / "other.age"
    path.write_bytes(b"not age at all")
    refused(path, key, "is not a file of age")
    refused(tmp_path / "none.age", key, "cannot read")
    for entries, said in (({}, "it has no backup.json"), ({"backup.json": b"{}"}, "it has no inventory.yaml")):
        path.write_bytes(sealed(lock, entries))
        refused(path, key, said)
    with path.open("wb") as file:
        sealing.seal(lock, io.BytesIO(b"no archive" * 100), file)
    refused(path, key, "is no backup of a cluster")


def sealed(lock: Lock, entries: dict[str, bytes]) -> bytes:
    plain, target = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    plain.seek(0)
    sealing.seal(lock, plain, target)
    return target.getvalue()


def test_a_disk_that_is_full_is_no_bug(tmp_path, lock, key):
    whole = backup_of(tmp_path)
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(BackupError, match="not be written") as caught,
    ):
        archive.write(lock, full, whole)
    assert "No space left" in caught.value.evidence
    path = written(tmp_path, lock)
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        sealing.unseal(key, path, full)


def test_names_in_it_lead_nowhere_else(tmp_path, lock, key):
    whole = backup_of(tmp_path)
    for name in ("../escaped", "/etc/passwd", "pki/../../escaped"):
        path = tmp_path / "lab.age"
        with path.open("wb") as file:
            archive.write(lock, file, dataclasses.replace(whole, state={name: b"x"}))
        refused(path, key, "is no name of a file in a state directory")


def test_one_of_a_later_format_is_named_with_the_hardway_that_reads_it(tmp_path, lock, key):
    path = written(tmp_path, lock, schema=2, hardway="2.0")
    with pytest.raises(BackupError, match="another version") as caught, archive.opened(path, key):
        pass
    assert "version: 2.0" in caught.value.hint


def test_recipients_are_public_keys(tmp_path, identity):
    (tmp_path / "ssh.pub").write_text(
        "# of the team\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2MfKsWfmBdmlyEd0l0HN0ZHgFdlTXn7hXO6wRH0mAw me\n"
    )
    assert len(archive.lock_of([], [tmp_path / "ssh.pub"]).recipients) == 1
    private = identity.read_text().splitlines()[-1]
    with pytest.raises(UsageError, match="is a private key") as caught:
        archive.lock_of([private])
    assert private not in str(caught.value.lines())
    for word in ("age1nonsense", "nonsense", ""):
        with pytest.raises(UsageError, match="is no recipient"):
            archive.lock_of([word])
    (tmp_path / "none").write_text("# nobody\n")
    for file, said in ((tmp_path / "none", "names no recipient"), (tmp_path / "absent", "cannot read")):
        with pytest.raises(UsageError, match=said):
            archive.lock_of([], [file])


def test_a_file_that_is_no_private_key_is_not_shown(tmp_path):
    path = tmp_path / "key"
    for text in ("AGE-SECRET-KEY-1NONSENSE", "my password", "", "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"):
        path.write_text(text)
        with pytest.raises(UsageError, match="is no private key") as caught:
            sealing.key_of([path])
        assert not text or text not in str(caught.value.lines())


@pytest.mark.skipif(not shutil.which("age"), reason="age is not installed")
def test_the_tool_of_the_format_reads_it(tmp_path, lock, identity):
    path = written(tmp_path, lock)
    plain = subprocess.run(["age", "-d", "-i", identity, path], check=True, capture_output=True).stdout
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-x", "-C", tmp_path / "out"], input=plain, check=True)
    assert (tmp_path / "out/state/pki/ca.key").read_bytes() == STATE["pki/ca.key"]
    assert snapshot.read(tmp_path / "out/etcd.db").revision == 70
    assert stat.S_IMODE((tmp_path / "out/state/pki/ca.key").stat().st_mode) == 0o600
