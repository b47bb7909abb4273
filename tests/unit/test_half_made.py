"""What other programs write in several steps and left between two of them is seen and made whole, by the real shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.local_transport import LocalTransport

from hardway import host as shell
from hardway.remote import HostRemote
from hardway.resources import User
from hardway.resources.base import Situation

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="useradd for a folder needs root")

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
    "addgroup": """gid=990; while getopts Sg: o; do [ $o != g ] || gid=$OPTARG; done
shift $((OPTIND - 1))
grep -q "^$1:" ETC/group && exit 1
while cut -d: -f3 ETC/group | grep -qx $gid; do gid=$((gid - 1)); done; echo "$1:x:$gid:" >>ETC/group""",
    "adduser": """while getopts SDHh:s:G: o; do case $o in G) group=$OPTARG ;; s) shell=$OPTARG ;; h) home=$OPTARG ;; esac
done
shift $((OPTIND - 1)); gid=$(grep "^$group:" ETC/group | cut -d: -f3); echo "$1:x:990:$gid::$home:$shell" >>ETC/passwd
grep -q "^$1:" ETC/shadow || echo "$1:!:1::::::" >>ETC/shadow""",
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
        assert host.change.why == (f"half made, without its {', '.join(_told(ORDER[written:], host))}",)
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
    assert host.change.why[0].startswith("half made, without its group")
    host.mend()
    assert host.line("group")[2] != gid and f"others:x:{gid}:" in (host.etc / "group").read_text()


def test_a_group_made_by_hand_becomes_the_users(host: Accounts):
    """As one would who has read `chown: invalid group`."""
    host.mend()
    (host.etc / "group").write_text(re.sub("etcd:x:[0-9]+", "etcd:x:555", (host.etc / "group").read_text()))
    assert host.change.why[0].startswith("half made, without its gid")
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
