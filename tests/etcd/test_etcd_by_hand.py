"""The guide's chapter about etcd's data, typed by bash on a real etcd: ssh and systemctl are stand-ins, all else is
real."""

from __future__ import annotations

import getpass
import grp
import os
import subprocess
from pathlib import Path

import pytest
from real_etcd import RealEtcd, eventually
from test_etcd_restore import CALM, get, healthy, put, started

from hardway.assets.placeholders import Placeholders
from hardway.commands.runbook.later.etcd_restore import etcd_restore
from hardway.commands.runbook.writing.document import Code, Heading
from hardway.phase import Inputs
from hardway.pki.stand_ins import StandIns
from hardway.run.supposed import assumed

pytestmark = pytest.mark.slow

MARK = "-- end of block"
SSH = """#!/bin/bash
# ssh -F CONFIG [-n] HOST COMMAND: here, with the places of that host
shift 2; if [ "$1" = -n ]; then exec </dev/null; shift; fi
pki={folder}/$1/pki data={folder}/$1/data address=$(cat {folder}/$1/address) host=$1
moved() {{
  sed -e "s#/usr/local/bin/#{binaries}/#g; s#https://127.0.0.1:#https://$address:#g; s#/etc/etcd/pki#$pki#g" \\
      -e "s#/var/lib/etcd#$data#g; s#etcd:etcd#{us}#g; s#systemctl #echo $host #g"
}}
command=$(printf %s "$2" | moved)
case $command in *"sh -e"*) moved | bash -c "$command" ;; *) exec bash -c "$command" ;; esac
"""


@pytest.fixture
def etcd(tmp_path, binaries):
    etcd = RealEtcd(tmp_path, binaries)
    yield etcd
    for host in etcd.cluster.hosts:
        if host.name in etcd.processes:
            etcd.stop(host)


class Typist:
    """One bash, in which blocks are typed one after the other."""

    def __init__(self, etcd: RealEtcd):
        folder = etcd.folder
        us = f"{getpass.getuser()}:{grp.getgrgid(os.getgid()).gr_name}"
        (folder / "bin").mkdir()
        ssh = folder / "bin" / "ssh"
        ssh.write_text(SSH.format(folder=folder, binaries=etcd.binaries, us=us))
        ssh.chmod(0o755)
        for host in etcd.cluster.hosts:
            (folder / host.name / "address").write_text(str(host.address))
        self.shell = subprocess.Popen(
            ["bash", "-eo", "pipefail"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "typed.err").open("w"),
            text=True,
            env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin"},
        )
        addresses = " ".join(f"[{host.name}]={host.address}" for host in etcd.cluster.hosts)
        self.type(f"STATE={folder}/state; mkdir -p $STATE/by-hand; CONFIG=none; declare -A ADDRESS=({addresses})")

    def type(self, block: str) -> str:
        self.shell.stdin.write(f"{block}\necho '{MARK}'\n")
        self.shell.stdin.flush()
        lines = []
        while (line := self.shell.stdout.readline()) and line.rstrip("\n") != MARK:
            lines.append(line)
        assert line, f"stopped in:\n{block}"
        return "".join(lines)


def sections(etcd: RealEtcd) -> dict[str, list[Code]]:
    cluster = etcd.cluster
    inputs = Inputs(cluster, assumed(cluster), StandIns(cluster).credentials, Placeholders())
    found: dict[str, list[Code]] = {}
    for part in etcd_restore(inputs):
        if isinstance(part, Heading):
            found[part.text] = []
        elif isinstance(part, Code):
            found[next(reversed(found))].append(part)
    return found


def test_the_chapter_does_what_it_says(etcd):
    started(etcd)
    put(etcd, "kept", "yes")
    typist, chapter = Typist(etcd), sections(etcd)

    def typed(title: str) -> str:
        """Type a section; what it prints is what it says."""
        printed = ""
        for part in chapter.pop(title):
            if part.language == "bash":
                printed = typist.type(part.text)
            else:
                assert printed.splitlines() == part.text.splitlines()
        return printed

    typed("Save a snapshot")
    saved = etcd.folder / "state/by-hand/etcd.db"
    assert saved.stat().st_mode & 0o777 == 0o600
    assert [one for host in etcd.cluster.hosts for one in (etcd.folder / host.name / "data").glob("tmp.*")] == []
    put(etcd, "lost", "yes")
    typed("Give back space")
    assert get(etcd, "lost") == "yes"

    assert typed("Restore: stop everything that reads or writes").splitlines() == [
        f"{host.name} disable -q --now etcd" for host in etcd.cluster.hosts
    ]
    for host in etcd.cluster.hosts:
        etcd.stop(host, orderly=True)
    typed("Restore: the same snapshot on every member")
    [start, *checks] = chapter.pop("Restore: start all members")
    assert typist.type(start.text).count("start --no-block etcd") == 3
    for host in etcd.cluster.hosts:
        etcd.start(host, "existing", *CALM)
    chapter["checks"] = checks
    typed("checks")
    eventually(lambda: healthy(etcd), 120)
    assert (get(etcd, "kept"), get(etcd, "lost")) == ("yes", "")
    for host in etcd.cluster.hosts:
        [before] = Path(etcd.folder / host.name / "data").glob("before-*/member")
        assert (before / "snap/db").exists()
    typist.shell.stdin.close()
    assert typist.shell.wait(20) == 0


def test_a_snapshot_that_is_not_whole_is_not_called_so(etcd):
    typist = Typist(etcd)
    (etcd.folder / "state/by-hand/etcd.db").write_bytes(b"x" * 4096 + bytes(32))
    [check] = [part for part in sections(etcd)["Save a snapshot"] if "sha256sum" in part.text]
    assert typist.type(f'SNAPSHOT="$STATE/by-hand/etcd.db"\n{check.text}') == ""
    typist.shell.stdin.close()
    assert typist.shell.wait(20) == 0
