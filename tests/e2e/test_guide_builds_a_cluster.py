"""The guide of a cluster, typed by bash alone on bare machines, builds that very cluster, and takes its etcd back to a
snapshot: hardway finds nothing to change."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from stage import Stage, of_the_lab

BLOCK = re.compile(r"^(```+)(bash|text)\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)
MARK = "-- end of block"


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    stage = make_stage(of_the_lab("guide", node="10.243.0", pods="10.203", services="10.35.0"))
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    return stage


def blocks(folder: Path) -> list[tuple[str, str]]:
    """(bash or text, content) of all chapters in their order."""
    chapters = (chapter.read_text() for chapter in sorted(folder.glob("[0-9]*.md")))
    return [(kind, text) for chapter in chapters for _, kind, text in BLOCK.findall(chapter)]


def typed(stage: Stage, commands: list[str]) -> tuple[list[str], str]:
    """What each block printed, in one bash with ssh and openssl but without hardway; the shell ends at the first
    failure."""
    script, log = stage.folder / "guide.sh", stage.folder / "guide.log"
    script.write_text("set -eo pipefail\n" + "".join(f"{block}\necho '{MARK}'\n" for block in commands))
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ["HOME"]}
    # Into files: ssh keeps a connection open behind its back, and with it the pipe of whoever waits for its end.
    with log.open("w") as out, (stage.folder / "guide.err").open("w+") as err:
        subprocess.run(
            ["bash", script],
            cwd=stage.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            timeout=600,
        )
        err.seek(0)
        said = err.read()
    return log.read_text().split(f"{MARK}\n")[:-1], said


class TestGuide:
    chain = True

    def test_typing_the_guide_prints_what_it_says(self, stage: Stage):
        stage.hardway("runbook", "INV", "-o", "guide").ok()
        found = blocks(stage.folder / "guide")
        commands = [text for kind, text in found if kind == "bash"]
        printed, said = typed(stage, commands)
        assert len(printed) == len(commands), f"stopped in:\n{commands[len(printed)]}\n{said[-3000:]}"
        checked = 0
        for index, (kind, text) in enumerate(found):
            if kind == "text":
                number = sum(1 for kind, _ in found[:index] if kind == "bash") - 1
                assert (commands[number], printed[number].splitlines()) == (commands[number], text.splitlines())
                checked += 1
        assert checked > 20

    def test_hardway_finds_nothing_to_change(self, stage: Stage):
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    def test_the_cluster_works(self, stage: Stage):
        stage.settled()

    def test_hardway_can_take_it_away_again(self, stage: Stage):
        stage.hardway("reset", "INV", "--yes").ok()
        left = (
            "ls -d /etc/kubernetes /etc/etcd /usr/local/bin/* /var/lib/etcd /var/lib/kubelet /var/lib/hardway"
            " 2>/dev/null || :"
        )
        assert [stage.ssh(host, left) for host in stage.hosts] == [""] * len(stage.hosts)
