"""The shell that moves and restores etcd's data, with a stand-in for etcdutl: what it does to folders, and in which
order."""

from __future__ import annotations

import base64
import getpass
import grp
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fakes.local_transport import LocalTransport

from hardway.errors import RemoteCommandError
from hardway.resources import EtcdData, Noted
from hardway.resources.base import Situation
from hardway.run.comparing import ordered
from hardway.targets.remote import HostRemote
from hardway.vocabulary import Blob, Op, Probe

pytestmark = pytest.mark.slow

ME, US = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
# It writes what it was told beside a copy of the snapshot, as etcdutl makes a member folder.
ETCDUTL = """#!/bin/sh
echo "$@" >>CALLS
[ ! -e FAIL ] || { mkdir -p DATA/.restoring/member; echo "Error: snapshot is broken" >&2; exit 1; }
while [ "$1" != --data-dir ]; do from=$1; shift; done
mkdir -p "$2/member/snap"; cp "$from" "$2/member/snap/db"
"""


@pytest.fixture(params=["sh", "busybox"])
def remote(request, tmp_path) -> HostRemote:
    """A host whose /var/lib/etcd is a folder of the test's, on which etcd is in the state that `state` says."""
    tools = tmp_path / "tools"
    tools.mkdir()
    if request.param == "busybox":
        assert shutil.which("busybox"), "busybox is needed: apt install busybox"
        subprocess.run([shutil.which("busybox"), "--install", "-s", tools], check=True)
    (tmp_path / "state-of-etcd").write_text("inactive\n")
    script(tools / "systemctl", f"#!/bin/sh\ncat {tmp_path}/state-of-etcd\n")
    words = {"CALLS": tmp_path / "calls", "FAIL": tmp_path / "fail", "DATA": tmp_path / "etcd"}
    text = ETCDUTL
    for word, path in words.items():
        text = text.replace(word, str(path))
    script(tools / "etcdutl", text)
    path = str(tools) if request.param == "busybox" else f"{tools}:{os.environ['PATH']}"
    shell = [str(tools / "sh")] if request.param == "busybox" else ["/bin/sh"]
    transport = LocalTransport(tmp_path, shell, path)
    transport.moves |= {"/var/lib/etcd": str(tmp_path / "etcd"), "/usr/local/bin/etcdutl": str(tools / "etcdutl")}
    transport.moves |= {"etcd:etcd": f"{ME}:{US}"}
    (tmp_path / "etcd").mkdir()
    return HostRemote(transport)


def script(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def lives(folder: Path, content: bytes = b"old data") -> None:
    """What a member that has run leaves."""
    (folder / "etcd/member/snap").mkdir(parents=True)
    (folder / "etcd/member/snap/db").write_bytes(content)


def ask(remote: HostRemote, verb: str, *args: str) -> str:
    probe = Probe(verb, args)
    return remote.probe((probe,))[probe]


def restore(name: str = "R1", content: bytes = b"snapshot") -> Op:
    blob = Blob(data=content, secret=True)
    return Op(
        "restore",
        (name, blob.sha256, "etcd-0", "https://10.0.0.1:2380", "etcd-0=https://10.0.0.1:2380", "lab-R1", "7"),
        blob,
    )


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_note_stays_until_it_is_dropped(remote):
    assert ask(remote, "note", "restore") == "absent"
    change = Noted("restore", "R1 abc 7").compare(Situation(remote.probe(Noted("restore", "R1 abc 7").probes())))
    remote.change(change.ops)
    assert ask(remote, "note", "restore") == "R1 abc 7"
    assert (
        Noted("restore", "R1 abc 7").compare(Situation(remote.probe(change.ops and Noted("restore", "").probes())))
        is None
    )
    assert "restoring=R1 abc 7" in ask(remote, "survey").splitlines()
    remote.change([Op("dropnote", ("restore",))])
    assert ask(remote, "note", "restore") == "absent"
    remote.change([Op("dropnote", ("restore",))])


def test_data_is_moved_aside_and_the_snapshot_takes_its_place(remote, tmp_path):
    lives(tmp_path)
    assert ask(remote, "restored") == "own"
    remote.change([Op("aside", ("R1",)), restore()])
    etcd = tmp_path / "etcd"
    assert (etcd / "before-R1/member/snap/db").read_bytes() == b"old data"
    assert (etcd / "member/snap/db").read_bytes() == b"snapshot"
    digest = hashlib.sha256(b"snapshot").hexdigest()
    assert ask(remote, "restored") == f"R1 {digest}" and f"restored=R1 {digest}" in ask(remote, "survey")
    assert sorted(path.name for path in etcd.iterdir()) == ["before-R1", "member"]
    assert (etcd / "before-R1").stat().st_mode & 0o777 == 0o700
    words = (tmp_path / "calls").read_text()
    assert "--name etcd-0 --initial-advertise-peer-urls https://10.0.0.1:2380" in words
    assert "--initial-cluster-token lab-R1 --bump-revision 7 --mark-compacted" in words


def test_the_resource_sees_what_is_done_and_what_is_not(remote, tmp_path, monkeypatch):
    lives(tmp_path)
    blob = Blob(data=b"snapshot", secret=True)
    host = type("Host", (), {"name": "etcd-0", "peer_url": "https://10.0.0.1:2380"})()
    wanted = EtcdData(host, "R1", f"R1 {blob.sha256}", "etcd-0=https://10.0.0.1:2380", "lab-R1", 7, blob)
    change = wanted.compare(Situation(remote.probe(wanted.probes())))
    assert [op.verb for op in change.ops] == ["aside", "restore"]
    remote.change(ordered([change]))
    assert wanted.compare(Situation(remote.probe(wanted.probes()))) is None


def test_a_run_that_died_after_the_first_rename_finds_the_place_free(remote, tmp_path):
    lives(tmp_path)
    remote.change([Op("aside", ("R1",))])
    assert ask(remote, "restored") == "absent"
    (tmp_path / "etcd/.restoring/member").mkdir(parents=True)
    remote.change([restore()])
    assert sorted(path.name for path in (tmp_path / "etcd").iterdir()) == ["before-R1", "member"]


def test_nothing_that_was_kept_is_ever_overwritten(remote, tmp_path):
    for content in (b"first", b"second", b"third"):
        lives(tmp_path, content)
        remote.change([Op("aside", ("R1",))])
    kept = {path.name: (path / "member/snap/db").read_bytes() for path in (tmp_path / "etcd").iterdir()}
    assert kept == {"before-R1": b"first", "before-R1.2": b"second", "before-R1.3": b"third"}


def test_a_snapshot_that_etcdutl_refuses_leaves_nothing(remote, tmp_path):
    (tmp_path / "fail").touch()
    with pytest.raises(RemoteCommandError, match="restore R1") as error:
        remote.change([restore()])
    assert "snapshot is broken" in error.value.evidence and tree(tmp_path / "etcd") == []


def test_data_that_is_in_use_or_in_its_place_is_left_alone(remote, tmp_path):
    lives(tmp_path)
    before = tree(tmp_path / "etcd")
    with pytest.raises(RemoteCommandError, match="restore") as error:
        remote.change([restore()])
    assert "is there already" in error.value.evidence
    for state in ("active", "activating", "deactivating", "reloading"):
        (tmp_path / "state-of-etcd").write_text(f"{state}\n")
        for op in (Op("aside", ("R1",)), restore()):
            with pytest.raises(RemoteCommandError) as error:
                remote.change([op])
            assert "etcd runs on this host: its data was left alone" in error.value.evidence
    assert tree(tmp_path / "etcd") == before
    (tmp_path / "state-of-etcd").write_text("failed\n")
    remote.change([Op("aside", ("R1",))])


def test_the_snapshot_does_not_stay_on_the_host(remote, tmp_path):
    remote.change([restore(content=os.urandom(3 << 20))])
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size >= 3 << 20]
    assert [path.relative_to(tmp_path / "etcd") for path in left] == [Path("member/snap/db")]


@pytest.mark.parametrize("size", [0, 1, 49152, 49153, 200_000])
def test_a_database_is_read_as_it_is(remote, tmp_path, size):
    content = os.urandom(size)
    lives(tmp_path, content)
    digest, _, rest = ask(remote, "database", "").partition("\n")
    assert digest == hashlib.sha256(content).hexdigest() and base64.b64decode(rest) == content
    assert max(map(len, rest.splitlines()), default=0) <= 8192
    remote.change([Op("aside", ("R1",)), restore()])
    assert ask(remote, "database", "R1").startswith(digest), "where a restore has moved it aside"
    assert ask(remote, "database", "R2").startswith(hashlib.sha256(b"snapshot").hexdigest())


def test_without_data_there_is_nothing_to_read(remote):
    assert ask(remote, "database", "") == ""
