"""Nothing is written through a link: what a link leads to stays as it is, and a file takes the link's own place."""

import getpass
import grp
import os
import stat

import pytest

from hardway.errors import RemoteCommandError
from hardway.resources import Binary, Directory, File
from hardway.resources.base import Situation
from hardway.vocabulary import Blob, Op

pytestmark = pytest.mark.slow

ME, US = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
KEY = Blob(data=b"a key", secret=True)
PROGRAM = Blob(data=b"a program")


@pytest.fixture
def there(tmp_path):
    """What links lead to: a folder with a file, both of which stay as they are."""
    (tmp_path / "there").mkdir(mode=0o755)
    (tmp_path / "there/file").write_text("theirs")
    (tmp_path / "there/file").chmod(0o644)
    yield tmp_path / "there"
    (only,) = (tmp_path / "there").iterdir()
    assert (only.name, only.read_text()) == ("file", "theirs")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (only, only.parent)] == [0o644, 0o755]


def put(path) -> Op:
    return Op("put", (str(path), "600", ME, US), KEY)


def binary(path) -> Op:
    return Op("binary", (str(path), "700", ME, US, PROGRAM.sha256), PROGRAM)


@pytest.mark.parametrize("write", [put, binary])
@pytest.mark.parametrize("leads", ["there", "there/file", "nowhere"])
def test_a_file_takes_the_place_of_a_link_and_a_reset_brings_that_back(remote, tmp_path, there, write, leads):
    link = tmp_path / "server.key"
    link.symlink_to(tmp_path / leads)
    remote.change([write(link)])
    assert not link.is_symlink() and link.read_bytes() == write(link).blob.data
    remote.change([Op("drop", (str(link),))])
    assert link.is_symlink() and os.readlink(link) == str(tmp_path / leads)


@pytest.mark.parametrize("write", [put, binary])
def test_content_on_its_way_is_not_moved_into_a_folder_either(remote, tmp_path, there, write):
    (tmp_path / ".server.key.hardway").symlink_to(there)
    remote.change([write(tmp_path / "server.key")])
    assert (tmp_path / "server.key").read_bytes() == write(tmp_path).blob.data


@pytest.mark.parametrize("write", [put, binary])
def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_written(remote, tmp_path, write):
    (tmp_path / "server.key").mkdir()
    with pytest.raises(RemoteCommandError) as caught:
        remote.change([write(tmp_path / "server.key")])
    assert "is a folder, and a file belongs there" in caught.value.evidence
    assert not list((tmp_path / "server.key").iterdir()) and not (tmp_path / "state/ours").exists()


def test_a_program_that_waits_is_put_in_the_place_of_a_link(remote, tmp_path, there):
    program = Binary(str(tmp_path / "tool"), PROGRAM)
    remote.change([binary(program.beside)])
    (tmp_path / "tool").symlink_to(there)
    remote.change([Op("swap", (program.path, "700", ME, US, PROGRAM.sha256))])
    assert not (tmp_path / "tool").is_symlink() and (tmp_path / "tool").read_bytes() == b"a program"


def test_a_link_in_the_place_of_a_waiting_program_is_not_put_in_force(remote, tmp_path, there):
    (there.parent / "elsewhere").write_bytes(PROGRAM.data)
    program = Binary(str(tmp_path / "tool"), PROGRAM)
    (tmp_path / ".tool.next").symlink_to(there.parent / "elsewhere")
    with pytest.raises(RemoteCommandError, match="swap"):
        remote.change([Op("swap", (program.path, "700", ME, US, PROGRAM.sha256))])
    assert not (tmp_path / "tool").exists()


def test_the_program_that_is_kept_is_not_moved_through_a_link(remote, tmp_path, there):
    program = Binary(str(tmp_path / "tool"), PROGRAM)
    remote.change([binary(tmp_path / "tool")])
    remote.change([binary(program.beside)])
    (tmp_path / ".tool.before").symlink_to(there)
    remote.change([Op("swap", (program.path, "700", ME, US, PROGRAM.sha256, "keep"))])
    former = tmp_path / ".tool.before"
    assert not former.is_symlink() and former.read_bytes() == b"a program"


def test_owner_and_mode_of_what_a_link_leads_to_stay(remote, tmp_path, there):
    """A file that became a link after the host was asked: its folder may belong to a user who is not root."""
    (tmp_path / "server.key").symlink_to(there / "file")
    with pytest.raises(RemoteCommandError) as caught:
        remote.change([Op("own", (str(tmp_path / "server.key"), "600", ME, US))])
    assert "has become a link" in caught.value.evidence


def test_a_file_that_was_put_back_does_not_follow_a_link(remote, tmp_path, there):
    path = tmp_path / "server.key"
    path.write_text("before")
    remote.change([put(path)])
    path.unlink()
    path.symlink_to(there)
    remote.change([Op("drop", (str(path),))])
    assert not path.is_symlink() and path.read_text() == "before"


def test_a_link_that_leads_nowhere_is_not_a_folder(remote, tmp_path):
    (tmp_path / "pki").symlink_to(tmp_path / "nowhere")
    folder = Directory(str(tmp_path / "pki"), "700", ME, US)
    change = folder.compare(Situation(remote.probe(folder.probes())))
    with pytest.raises(RemoteCommandError) as caught:
        remote.change(change.ops)
    assert "is a link that leads to no folder" in caught.value.evidence
    assert not (tmp_path / "nowhere").exists() and not (tmp_path / "state/dirs").exists()


def test_a_link_is_seen_and_replaced_as_the_plan_says(remote, tmp_path, there):
    path = tmp_path / "ca.crt"
    path.symlink_to(there)
    file = File(str(path), KEY, "600", ME, US)
    change = file.compare(Situation(remote.probe(file.probes())))
    assert change.why == ("is a link, not a file",)
    remote.change(change.ops)
    assert file.compare(Situation(remote.probe(file.probes()))) is None


def test_a_line_in_a_file_of_the_host_is_not_written_through_a_link_beside_it(remote, tmp_path, there):
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "hosts.hardway").symlink_to(there / "file")
    remote.change([Op("block", (str(tmp_path / "hosts"), "m"), Blob(data=b"y\n"))])
    assert "y\n" in (tmp_path / "hosts").read_text() and not (tmp_path / "hosts.hardway").exists()


def test_etcds_data_is_not_moved_through_a_link(remote, tmp_path, there):
    (tmp_path / "etcd/member").mkdir(parents=True)
    (tmp_path / "etcd/before-R1").symlink_to(there)
    remote.transport.moves["/var/lib/etcd"] = str(tmp_path / "etcd")
    remote.change([Op("aside", ("R1",))])
    assert (tmp_path / "etcd/before-R1.2/member").is_dir()
