"""Packages are ours when they are installed, also after a run that died."""

import os
import shutil

import pytest
from fakes.local_transport import LocalTransport

from hardway.errors import RemoteCommandError
from hardway.resources import Packages
from hardway.resources.base import Situation
from hardway.targets.remote import HostRemote
from hardway.vocabulary import Op

pytestmark = pytest.mark.slow

SOCAT = Packages("apt-get", (("socat", "socat"),))
# A package is a file in the folder `db`; its state is what the file says.
DPKG_QUERY = """case "$*" in
  *Package*Abbrev*) shift 3; for name; do if [ -e DB/$name ]; then echo "$name $(cat DB/$name)"; fi; done ;;
  *Abbrev*) for name; do :; done; if [ -e DB/$name ]; then cat DB/$name; else exit 1; fi ;;
  *) ls DB ;;
esac
"""
DPKG = """case $1 in --configure) ;; --purge) shift 2; for p; do rm -f DB/$p BIN/$p; done ;; esac
"""
APT = """case "$*" in *update*) exit 0 ;; esac
if [ -e DB/../offline ]; then echo "E: Unable to locate package" >&2; exit 100; fi
for name; do :; done
echo "ii  " >DB/$name; echo "ii  " >DB/lib$name; printf "#!/bin/sh\\n" >BIN/$name; chmod 755 BIN/$name
if [ -e DB/../dies ]; then kill -KILL $PPID; fi
"""


@pytest.fixture
def host(tmp_path):
    """A host with an apt-get that installs what is asked for, and a library with it."""
    tools, db = tmp_path / "tools", tmp_path / "db"
    tools.mkdir()
    db.mkdir()
    for name, body in {"dpkg-query": DPKG_QUERY, "dpkg": DPKG, "apt-get": APT}.items():
        (tools / name).write_text("#!/bin/sh\n" + body.replace("DB", str(db)).replace("BIN", str(tools)))
        (tools / name).chmod(0o755)
    for name in ("sh", "sync", "mktemp", "rm", "tar", "mkdir", "date", "head", "tail", "grep", "awk", "sort", "cat",
                 "ls", "chmod", "flock", "sleep", "sed"):  # fmt: skip
        (tools / name).symlink_to(shutil.which(name))
    return HostRemote(LocalTransport(tmp_path, ["/bin/sh"], str(tools)))


def look(host) -> Situation:
    return Situation(host.probe(SOCAT.probes()))


def install(host) -> None:
    host.change(SOCAT.compare(look(host)).ops)


def records(tmp_path) -> dict[str, list[str]]:
    return {kind: sorted(os.listdir(tmp_path / "state" / kind)) for kind in ("packages", "installing")}


def test_what_was_installed_is_recorded_with_what_came_along_and_removed_again(host, tmp_path):
    install(host)
    assert records(tmp_path) == {"packages": ["socat"], "installing": []}
    assert "libsocat" in (tmp_path / "state/packages/socat").read_text()
    assert SOCAT.compare(look(host)) is None
    host.change(SOCAT.removal(look(host).answers))
    assert os.listdir(tmp_path / "db") == [] and records(tmp_path) == {"packages": [], "installing": []}


def test_what_could_not_be_installed_is_not_ours_when_somebody_else_installs_it(host, tmp_path):
    (tmp_path / "offline").touch()
    with pytest.raises(RemoteCommandError, match="socat cannot be installed"):
        install(host)
    assert records(tmp_path) == {"packages": [], "installing": []}
    (tmp_path / "db/socat").write_text("ii  ")
    (tmp_path / "tools/socat").touch(0o755)
    assert SOCAT.compare(look(host)) is None and SOCAT.removal(look(host).answers) == ()


def test_a_run_that_died_while_it_installed_leaves_a_package_of_ours(host, tmp_path):
    (tmp_path / "dies").touch()
    with pytest.raises(RemoteCommandError):
        install(host)
    assert records(tmp_path) == {"packages": [], "installing": ["socat"]}
    removal = SOCAT.removal(look(host).answers)
    assert removal == (Op("unpackages", ("apt-get", "socat")),), "also when the next command is a reset"
    (tmp_path / "dies").unlink()
    change = SOCAT.compare(look(host))
    assert change.why == ("not yet recorded as installed by hardway: socat",)
    host.change(change.ops)
    assert records(tmp_path) == {"packages": ["socat"], "installing": []} and SOCAT.compare(look(host)) is None


def test_a_run_that_died_before_it_installed_leaves_nothing_of_ours(host, tmp_path):
    (tmp_path / "state/installing").mkdir(parents=True)
    (tmp_path / "state/installing/socat").touch()
    assert SOCAT.removal(look(host).answers) == ()


def test_a_package_that_was_half_installed_by_others_is_made_whole_and_stays_theirs(host, tmp_path):
    (tmp_path / "db/socat").write_text("iU ")
    (tmp_path / "tools/socat").touch(0o755)
    assert SOCAT.compare(look(host)).why == ("half installed: socat (iU)",)
    install(host)
    assert records(tmp_path) == {"packages": [], "installing": []} and SOCAT.removal(look(host).answers) == ()
