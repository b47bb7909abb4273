"""Where this host's own apt gets Debian from: the lab downloads from there and nowhere else."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass

from ...errors import LabError
from ..shell import run

FORMAT = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ARCHITECTURE)"


@dataclass(frozen=True)
class Mirror:
    uri: str
    suite: str


def mirrors(suite: str) -> list[Mirror]:
    """The mirrors of a Debian suite, the suite itself first, then its updates; LabError when apt knows none."""
    text = run("apt-get", "indextargets", "--format", FORMAT, "Created-By: Packages")
    found = parse(text, suite)
    if not found:
        hint = f"add a Debian mirror of {suite} to /etc/apt/sources.list.d/ (man sources.list), then run apt-get update"
        raise LabError(
            f"apt on this host has no mirror of Debian {suite}, from which the machines are built", hint=hint
        )
    return found


def parse(text: str, suite: str) -> list[Mirror]:
    """Mirrors of the suite out of `apt-get indextargets` lines; empty unless the suite itself is among them."""
    rows = [line.split() for line in text.splitlines()]
    mine = [
        Mirror(row[0].rstrip("/"), row[1])
        for row in rows
        if len(row) == 4 and row[2] == "main" and is_part_of(row[1], suite)
    ]
    ordered = sorted(dict.fromkeys(mine), key=lambda mirror: mirror.suite != suite)
    return ordered if ordered and ordered[0].suite == suite else []


def is_part_of(release: str, suite: str) -> bool:
    return release in (suite, f"{suite}-updates", f"{suite}-security")


def proxies() -> dict[str, str]:
    """apt's proxies as the variables debootstrap's downloader reads; the environment's own come first."""
    text = run("apt-config", "shell", "http_proxy", "Acquire::http::Proxy", "https_proxy", "Acquire::https::Proxy")
    found = dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)
    return {name: value for name, value in found.items() if value and value != "DIRECT" and name not in os.environ}
