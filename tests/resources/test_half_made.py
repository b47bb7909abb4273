"""What other programs write in several steps and left between two of them is seen and made whole, by the real shell."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.local_transport import LocalTransport

from hardway.resources import Image, Packages, Unit, User
from hardway.resources.base import Situation
from hardway.resources.unit_state import properties
from hardway.targets import host as shell
from hardway.targets.remote import HostRemote
from hardway.vocabulary import Blob, Op, Probe

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="useradd for a folder needs root")]

ACCOUNTS = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "group": "root:x:0:\nadm:x:4:\n",
    "shadow": "root:*:1::::::\n",
    "gshadow": "root:*::\n",
}
ORDER = ("passwd", "shadow", "group", "gshadow")  # in which useradd puts its files in place, as strace shows it
ETCD = User("etcd", "/var/lib/etcd")
SHADOW_UTILS = ("useradd", "usermod", "userdel", "groupadd", "groupmod", "groupdel")
# As busybox has them, which is not always built with them: no locks, and no way to add to a shadow file.
BUSYBOX = {
    "addgroup": (
        """gid=990; while getopts Sg: o; do [ $o != g ] || gid=$OPTARG; done
shift $((OPTIND - 1))
grep -q "^$1:" ETC/group && exit 1
while cut -d: -f3 ETC/group | grep -qx $gid; do gid=$((gid - 1)); done; echo "$1:x:$gid:" >>ETC/group"""
    ),
    "adduser": (
        """while getopts SDHh:s:G: o; do
case $o in G) group=$OPTARG ;; s) shell=$OPTARG ;; h) home=$OPTARG ;; esac; done
shift $((OPTIND - 1)); gid=$(grep "^$group:" ETC/group | cut -d: -f3); echo "$1:x:990:$gid::$home:$shell" >>ETC/passwd
grep -q "^$1:" ETC/shadow || echo "$1:!:1::::::" >>ETC/shadow"""
    ),
    "deluser": """sed -i "/^$1:/d" ETC/passwd ETC/shadow ETC/group""",
    "delgroup": """sed -i "/^$1:/d" ETC/group""",
}


class Accounts:
    """A host whose users and groups are those of a folder."""

    def __init__(self, folder: Path, kind: str):
        self.folder, self.etc, tools = folder, folder / "root/etc", folder / "tools"
        self.etc.mkdir(parents=True)
        tools.mkdir()
        for name, text in ACCOUNTS.items():
            if (kind, name) != ("busybox", "gshadow"):
                (self.etc / name).write_text(text)
        shutil.copy("/etc/login.defs", self.etc)
        shells = {"sh": ["/bin/sh"], "busybox": [str(tools / "sh")]}
        if kind == "busybox":
            subprocess.run([shutil.which("busybox") or "busybox", "--install", "-s", tools], check=True)
            for name in SHADOW_UTILS:
                (tools / name).unlink(missing_ok=True)
            self._programs(tools, BUSYBOX)
        else:
            self._programs(tools, {name: f'exec {shutil.which(name)} -P {folder}/root "$@"' for name in SHADOW_UTILS})
        path = str(tools) if kind == "busybox" else f"{tools}:/usr/bin:/bin"
        self.remote = HostRemote(LocalTransport(folder, shells[kind], path))
        run = self.remote.transport.run
        self.remote.transport.run = lambda script, **kw: run(script.replace("/etc/", f"{self.etc}/"), **kw)

    def _programs(self, tools: Path, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            (tools / name).unlink(missing_ok=True)
            (tools / name).write_text(f"#!/bin/sh\n{text.replace('ETC', str(self.etc))}\n")
            (tools / name).chmod(0o755)

    @property
    def answers(self):
        return self.remote.probe(ETCD.probes())

    @property
    def change(self):
        return ETCD.compare(Situation(self.answers))

    def mend(self) -> None:
        self.remote.change(self.change.ops)
        assert self.change is None

    def line(self, file: str) -> list[str]:
        """The fields of etcd's entry, which is there once."""
        [found] = [line.split(":") for line in (self.etc / file).read_text().splitlines() if line.startswith("etcd:")]
        return found

    def others(self) -> dict[str, list[str]]:
        """All lines that are not etcd's."""
        files = {name: self.etc / name for name in ORDER if (self.etc / name).exists()}
        lines = {name: path.read_text().splitlines() for name, path in files.items()}
        return {name: [line for line in found if not line.startswith("etcd:")] for name, found in lines.items()}

    def forget(self, *files: str) -> None:
        """These files as they were before etcd was added."""
        for name in files:
            if (self.etc / name).exists():
                (self.etc / name).write_text("".join(f"{line}\n" for line in self.others()[name]))


@pytest.fixture(params=["sh", "busybox"])
def host(request, tmp_path: Path) -> Accounts:
    assert shutil.which("busybox"), "busybox is needed: apt install busybox"
    return Accounts(tmp_path, request.param)


@pytest.fixture
def debian(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path, "sh")


def whole(host: Accounts) -> None:
    user, group = host.line("passwd"), host.line("group")
    assert user[3] == group[2] and user[5] == "/var/lib/etcd" and user[6].endswith("/nologin")
    assert host.line("shadow")[1] == "!" and (not (host.etc / "gshadow").exists() or host.line("gshadow")[1] == "!")


def test_a_user_is_made_and_taken_away(host: Accounts):
    before = host.others()
    host.mend()
    whole(host)
    host.remote.change(ETCD.removal(host.answers))
    assert host.others() == before and "etcd" not in "".join((host.etc / name).read_text() for name in before)
    assert ETCD.removal(host.answers) == ()


@pytest.mark.parametrize("written", [1, 2, 3])
def test_what_useradd_had_not_come_to_is_made_up_for(host: Accounts, written: int):
    host.mend()
    before, user = host.others(), host.line("passwd")
    host.forget(*ORDER[written:])
    if (host.etc / ORDER[written]).exists():
        assert host.change.why == (f"incomplete, missing {', '.join(_told(ORDER[written:], host))}",)
        host.mend()
    whole(host)
    assert host.others() == before and host.line("passwd") == user, "the number that its files may have is kept"


def _told(files: tuple[str, ...], host: Accounts) -> list[str]:
    kept = [name for name in ("group", "shadow", "gshadow") if name in files and (host.etc / name).exists()]
    return kept + [f"gid {host.line('passwd')[3]}"] * ("group" in files)


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_what_userdel_had_not_come_to_is_taken_away_or_used_again(host: Accounts, gone: int):
    host.mend()
    host.forget(*ORDER[:gone])
    if gone < 3:
        assert host.answers[ETCD.probes()[0]].splitlines() == ["absent", "left group"]
        assert [op.verb for op in ETCD.removal(host.answers)] == ["dropuser"]
    host.mend()
    whole(host)
    host.forget(*ORDER[:gone])
    if gone < 3:
        host.remote.change(ETCD.removal(host.answers))
        assert not [line for line in (host.etc / "group").read_text().splitlines() if line.startswith("etcd:")]
        assert ETCD.removal(host.answers) == ()


def test_a_number_that_is_taken_by_now_is_not_taken_away(host: Accounts):
    host.mend()
    gid = host.line("passwd")[3]
    host.forget("group", "gshadow")
    (host.etc / "group").write_text(f"{(host.etc / 'group').read_text()}others:x:{gid}:\n")
    assert host.change.why[0].startswith("incomplete, missing group")
    host.mend()
    assert host.line("group")[2] != gid and f"others:x:{gid}:" in (host.etc / "group").read_text()


def test_a_group_made_by_hand_becomes_the_users(host: Accounts):
    """As one would who has read `chown: invalid group`."""
    host.mend()
    (host.etc / "group").write_text(re.sub("etcd:x:[0-9]+", "etcd:x:555", (host.etc / "group").read_text()))
    assert host.change.why[0].startswith("incomplete, missing gid")
    host.mend()
    assert host.line("passwd")[3] == "555"


def test_a_user_of_somebody_with_another_primary_group_is_left_alone(host: Accounts):
    theirs = ("etcd:x:70:4::/x:/bin/sh", "etcd:!:1::::::", "etcd:x:71:", "etcd:!::")
    for file, line in zip(ORDER, theirs, strict=True):
        if (host.etc / file).exists():
            (host.etc / file).write_text(f"{(host.etc / file).read_text()}{line}\n")
    assert host.change is None and ETCD.removal(host.answers) == ()


def test_a_group_with_members_is_theirs(host: Accounts):
    host.mend()
    (host.etc / "group").write_text(re.sub("(etcd:x:[0-9]+:)", r"\1root", (host.etc / "group").read_text()))
    host.forget("passwd", "shadow")
    host.remote.change(ETCD.removal(host.answers))
    assert host.line("group")[3] == "root"


def dead() -> str:
    child = subprocess.Popen(["true"])
    child.wait()
    return str(child.pid)


NUMBERS = {"dead": dead, "taken-by-init": lambda: "1", "taken-by-a-program": lambda: str(os.getpid()), "emptied": str}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_the_locks_of_a_useradd_that_was_killed_keep_nobody_out(debian: Accounts, number: Callable[[], str]):
    for name in (*ORDER, "subuid", "subgid"):
        lock = debian.etc / f"{name}.lock"
        lock.write_text(number())
        os.utime(lock, (1_000_000_000, 1_000_000_000))
    (debian.etc / ".pwd.lock").touch()
    debian.mend()
    whole(debian)
    assert [path.name for path in debian.etc.glob("[a-z]*.lock")] == []


def test_the_lock_of_a_useradd_at_work_is_respected(debian: Accounts):
    with subprocess.Popen(["sleep", "100"]) as worker:
        (debian.etc / "passwd.lock").write_text(str(worker.pid))
        script = f"{shell.WRITE}\nset -eu\nfree_accounts; [ -e /etc/passwd.lock ]"
        try:
            assert debian.remote.transport.run(script).code == 0
        finally:
            worker.kill()


class Dpkg:
    """A host whose packages are a real dpkg's, in a folder; apt-get is a dpkg that has the archives at hand."""

    def __init__(self, folder: Path):
        self.root, self.debs, tools = folder / "root", folder / "debs", folder / "tools"
        for path in (self.root / "var/lib/dpkg/updates", self.root / "var/lib/dpkg/info", self.debs, tools):
            path.mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        there = {name: shutil.which(name) for name in ("dpkg", "dpkg-query", "dpkg-deb")}
        self.dpkg = [there["dpkg"], f"--root={self.root}", "--force-not-root,script-chrootless,depends"]
        install = f"""while [ $# -gt 0 ]; do case $1 in install) shift; break ;; *) shift ;; esac; done
for p; do {" ".join(self.dpkg)} --refuse-downgrade -i {self.debs}/$p.deb || exit 1; done"""
        programs = {
            "dpkg": f'exec {" ".join(self.dpkg)} "$@"',
            "dpkg-query": f'exec {there["dpkg-query"]} --admindir={self.root}/var/lib/dpkg "$@"',
            "apt-get": install,
        }
        for name, text in programs.items():
            (tools / name).write_text(f"#!/bin/sh\n{text}\n")
            (tools / name).chmod(0o755)
        self.remote = HostRemote(LocalTransport(folder, ["/bin/sh"], f"{self.root}/bin:{tools}:{os.environ['PATH']}"))
        self.state = folder / "state/packages"
        self.wanted = Packages("apt-get", (("one-tool", "one"), ("two-tool", "two")))

    def build(self, name: str) -> None:
        folder = self.debs / name
        (folder / "DEBIAN").mkdir(parents=True)
        (folder / "bin").mkdir()
        (folder / "bin" / f"{name}-tool").write_text("#!/bin/sh\n")
        (folder / "bin" / f"{name}-tool").chmod(0o755)
        (folder / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n"
        )
        subprocess.run(["dpkg-deb", "-b", folder, f"{folder}.deb"], check=True, stdout=subprocess.DEVNULL)

    def run(self, *words: str) -> None:
        subprocess.run([*self.dpkg, *words], check=True, stdout=subprocess.DEVNULL)

    def tear(self, name: str) -> None:
        """As dpkg leaves a package in the middle of which it was killed."""
        status = self.root / "var/lib/dpkg/status"
        states = ("ok installed", "reinstreq half-installed")
        whole, torn = (f"Package: {name}\nStatus: install {state}" for state in states)
        status.write_text(status.read_text().replace(whole, torn))

    @property
    def change(self):
        return self.wanted.compare(Situation(self.remote.probe(self.wanted.probes())))

    def letters(self, name: str) -> str:
        return self.remote.probe([Probe("package", (name,))])[Probe("package", (name,))]


@pytest.fixture
def dpkg(tmp_path: Path) -> Dpkg:
    host = Dpkg(tmp_path)
    for name in ("one", "two"):
        host.build(name)
    return host


def test_packages_come_and_go(dpkg: Dpkg):
    assert dpkg.change.why == ("missing: one-tool, two-tool",)
    dpkg.remote.change(dpkg.change.ops)
    assert dpkg.change is None and dpkg.letters("one") == "whole"
    dpkg.remote.change(dpkg.wanted.removal(dpkg.remote.probe(dpkg.wanted.probes())))
    assert dpkg.letters("one") == "absent" and not list(dpkg.state.iterdir())


@pytest.mark.parametrize("state", ["iU", "iHR"])
@pytest.mark.parametrize("ours", [True, False])
def test_a_package_that_was_not_finished_is_finished_and_stays_whose_it_was(dpkg: Dpkg, state: str, ours: bool):
    dpkg.run("-i", str(dpkg.debs / "two.deb"))
    dpkg.run("--unpack", str(dpkg.debs / "one.deb"))
    if state == "iHR":
        dpkg.run("--configure", "one")
        dpkg.tear("one")
    if ours:
        dpkg.state.mkdir(parents=True)
        (dpkg.state / "one").touch()
    assert dpkg.letters("one") == f"half {state}" and (dpkg.root / "bin/one-tool").exists()
    assert dpkg.change.why == (f"half installed: one ({state})",)
    dpkg.remote.change(dpkg.change.ops)
    assert dpkg.change is None and dpkg.letters("one") == "whole" and (dpkg.state / "one").exists() == ours
    removal = dpkg.wanted.removal(dpkg.remote.probe(dpkg.wanted.probes()))
    assert removal == ((Op("unpackages", ("apt-get", "one")),) if ours else ())


@pytest.mark.parametrize("state", ["iU", "iHR"])
def test_a_package_of_ours_that_was_not_finished_can_be_removed(dpkg: Dpkg, state: str):
    dpkg.run("-i", str(dpkg.debs / "one.deb"))
    dpkg.run("--unpack", str(dpkg.debs / "one.deb"))
    if state == "iHR":
        dpkg.run("--configure", "one")
        dpkg.tear("one")
    dpkg.state.mkdir(parents=True)
    (dpkg.state / "one").touch()
    dpkg.remote.change([Op("unpackages", ("apt-get", "one"))])
    assert dpkg.letters("one") == "absent" and not (dpkg.root / "bin/one-tool").exists()


# What ctr of containerd 1.6.20 says when: all is there; the configuration of the image is not; its manifest is not.
REFERENCE = "registry.k8s.io/pause:1"
CHECKED = {
    "complete (2/2) 253.0 B/253.0 B true": "present sha256:a3",
    "complete (2/2) 253.0 B/253.0 B false": "half complete false",
    "incomplete (1/2) 94.0 B/253.0 B false": "half incomplete false",
    "error  -    false": "half error false",
    "": "absent",
}


@pytest.mark.parametrize(("said", "found"), CHECKED.items(), ids=CHECKED.values())
def test_an_image_is_there_when_all_of_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, found: str):
    monkeypatch.chdir(tmp_path)
    line = f"{REFERENCE} application/vnd.oci.image.manifest.v1+json sha256:a3 {said}" if said else ""
    head = "REF TYPE DIGEST STATUS SIZE UNPACKED"
    listed = f"{REFERENCE} type io.cri-containerd.pinned=pinned"
    says = f"case $4 in ls) echo '{listed}' ;; *) printf '%s\\n' '{head}' '{line}' ;; esac\n"
    says += f"printf '%s\\n' \"$*\" >>{tmp_path}/seen\n"
    (tmp_path / "ctr").write_text(f"#!/bin/sh\n{says}")
    (tmp_path / "ctr").chmod(0o755)
    remote = HostRemote(LocalTransport(tmp_path, ["/bin/sh"], os.environ["PATH"]))
    run, places = remote.transport.run, {"/usr/local/bin/ctr": "ctr", "/run/containerd/containerd.sock": "c.sock"}

    def moved(script: str, **kw):
        for place, here in places.items():
            script = script.replace(place, f"{tmp_path}/{here}")
        return run(script, **kw)

    remote.transport.run = moved
    with socket.socket(socket.AF_UNIX) as containerd:
        containerd.bind("c.sock")
        image = Image(REFERENCE, Blob(data=b"archive"))
        answers = remote.probe(image.probes())
        assert list(answers.values()) == [found]
        change = image.compare(Situation(answers))
        assert (change is None) == (found == "present sha256:a3")
        if change:
            remote.change(change.ops)
            words = [line.split()[3] for line in (tmp_path / "seen").read_text().splitlines()]
            assert words[1:] == ["rm", "import", "ls"][found == "absent" :]


@pytest.mark.parametrize(
    ("link", "state"),
    [
        ("/lib/systemd/system/x.service", "enabled"),
        ("/gone/x.service", "disabled"),
        ("/lib/systemd/system/y.service", "disabled"),
        ("", "disabled"),
    ],
)
def test_a_unit_is_enabled_when_its_link_leads_to_it(tmp_path: Path, link: str, state: str):
    """systemd says enabled as long as it has not looked anew."""
    wants, units = tmp_path / "root/etc/systemd/system/multi-user.target.wants", tmp_path / "root/lib/systemd/system"
    wants.mkdir(parents=True)
    units.mkdir(parents=True)
    for name in ("x", "y"):
        (units / f"{name}.service").touch()
    if link:
        (wants / "x.service").symlink_to(f"{tmp_path}/root{link}")
    remote = HostRemote(LocalTransport(tmp_path, ["/bin/sh"], os.environ["PATH"]))
    run = remote.transport.run
    systemctl = "systemctl() { echo ActiveState=active; echo UnitFileState=enabled; }\n"
    remote.transport.run = lambda script, **kw: run(systemctl + script.replace("/etc/", f"{tmp_path}/root/etc/"), **kw)
    unit = Unit("x.service")
    answers = remote.probe(unit.probes())
    assert properties(answers[unit.probes()[0]])["UnitFileState"] == state
    change = unit.compare(Situation(answers))
    assert ("not enabled" in change.why) == (state == "disabled")
