"""What a batch of changes takes in processes, of which a small machine has few to give, and what is never saved."""

import grp
import os
import shutil
import stat
from pathlib import Path

import pytest
from fakes.local_transport import LocalTransport

from hardway.targets.remote import HostRemote
from hardway.vocabulary import Blob, Op

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is needed: apt install util-linux"),
]

# Whoever is not root on this machine is in the namespace, but / is not theirs: then hardway saves no chown.
FOREIGN = 0 if os.stat("/").st_uid == os.getuid() else 1


@pytest.fixture
def counted(tmp_path):
    """counted(ops): how many processes they take. In a namespace of its own they are numbered from 1."""
    own = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "/bin/sh"]
    remote = HostRemote(LocalTransport(tmp_path, own, os.environ["PATH"]))
    run, last = remote.transport.run, tmp_path / "last"
    remote.transport.run = lambda script, **kw: run(f"{script}\nsh -c 'echo $$' >{last}", **kw)

    def count(*ops: Op) -> int:
        remote.change(ops)
        return int(last.read_text()) - 2  # without the shell itself, and the one that tells

    return count


def put(path: Path, content: str, mode: str = "600") -> Op:
    return Op("put", (str(path), mode, "root", "root"), Blob(data=content.encode()))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


ALWAYS = 2  # the folder for content, and the lock


def test_a_small_file_takes_two_processes(counted, tmp_path):
    """To its file system, and to its name. Besides: what unpacks, the records' folder, and a chmod for each mode."""
    files = [tmp_path / f"file {n}" for n in range(20)]
    ops = [put(path, f"1 {path}", "640" if n % 2 else "600") for n, path in enumerate(files)]
    assert counted(*ops) <= ALWAYS + 1 + 1 + 2 + (2 + FOREIGN) * 20
    assert [(path.read_text(), mode(path)) for path in files] == [
        (f"1 {path}", 0o640 if n % 2 else 0o600) for n, path in enumerate(files)
    ]
    assert counted(*(put(path, "2") for path in files)) <= ALWAYS + 1 + 1 + (2 + FOREIGN) * 20


def test_what_brings_no_content_unpacks_none(counted):
    assert counted(Op("stamp", ("a.service", "x"))) <= ALWAYS + 1
    assert counted(*(Op("stamp", (f"{name}.service", "x")) for name in "abc")) == ALWAYS
    assert counted(*(Op("unstamp", (f"{name}.service",)) for name in "abcdef")) == ALWAYS + 3


def test_a_folder_has_its_mode_from_the_beginning(counted, tmp_path):
    folders = [tmp_path / "a", tmp_path / "a/b", tmp_path / "c/d"]
    ops = [Op("mkdir", (str(path), "750", "root", "root")) for path in folders]
    assert counted(*ops) <= ALWAYS + (2 + FOREIGN) * 3 + 1  # its record, itself, and one above it
    assert [mode(path) for path in [*folders, tmp_path / "c"]] == [0o750] * 3 + [0o755]


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_what_is_to_be_somebody_elses_is_given_away(tmp_path):
    """Also what belonged to another before."""
    remote = HostRemote(LocalTransport(tmp_path, ["/bin/sh"], os.environ["PATH"]))
    group = grp.getgrgid(1).gr_name
    theirs, ours, folder = tmp_path / "theirs", tmp_path / "ours", tmp_path / "folder"
    blob = Blob(data=b"x")
    remote.change(
        [
            Op("mkdir", (str(folder), "700", "root", group)),
            Op("put", (str(theirs), "640", "root", group), blob),
            Op("put", (str(ours), "640", "root", "root"), blob),
        ]
    )
    assert [(path.stat().st_gid, mode(path)) for path in (folder, theirs, ours)] == [(1, 0o700), (1, 0o640), (0, 0o640)]
    remote.change([Op("own", (str(path), "600", "root", "root")) for path in (theirs, folder)])
    assert [(path.stat().st_gid, mode(path)) for path in (theirs, folder)] == [(0, 0o600)] * 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root's files are root's")
def test_a_folder_whose_group_its_parent_decides_is_roots_all_the_same(tmp_path):
    remote = HostRemote(LocalTransport(tmp_path, ["/bin/sh"], os.environ["PATH"]))
    (tmp_path / "shared").mkdir()
    os.chown(tmp_path / "shared", 0, 1)
    (tmp_path / "shared").chmod(0o2755)
    remote.change(
        [Op("mkdir", (str(tmp_path / "shared/ours"), "700", "root", "root")), put(tmp_path / "shared/f", "x")]
    )
    assert [(tmp_path / "shared" / name).stat().st_gid for name in ("ours", "f")] == [0, 0]


def test_no_folder_is_ever_open_to_more_than_its_mode_says(tmp_path):
    """Each one is looked at as soon as it is there."""
    remote = HostRemote(LocalTransport(tmp_path, ["/bin/sh"], os.environ["PATH"]))
    spy = f'mkdir() {{ command mkdir "$@"; for f; do :; done; stat -c "%a %n" "$f" >>{tmp_path}/seen; }}\n'
    run = remote.transport.run
    remote.transport.run = lambda script, **kw: run(spy + script, **kw)
    me, us = os.stat(tmp_path).st_uid, os.stat(tmp_path).st_gid
    remote.change([Op("mkdir", (str(tmp_path / "keys"), "700", str(me), str(us)))])
    assert f"700 {tmp_path}/keys" in (tmp_path / "seen").read_text().splitlines()
