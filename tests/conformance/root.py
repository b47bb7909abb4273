"""The small Debian that most test images stand on: what tests call in their pods, as one layer. Made once, cached."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardway.lab.image import recipe
from hardway.lab.image.base import KEYRING_FILE
from hardway.lab.image.sources import mirrors, proxies
from hardway.lab.shell import run

# dig, nslookup, curl, iperf, ss, nc, nginx, ping, ps, socat. Busybox and a static bash are for an image of their own.
PACKAGES = (
    "bind9-dnsutils",
    "curl",
    "iperf",
    "iproute2",
    "netcat-openbsd",
    "nginx",
    "iputils-ping",
    "procps",
    "socat",
    "busybox-static",
    "bash-static",
)
FILES = {"etc/resolv.conf": "", "etc/hostname": "", "etc/machine-id": ""}
# The suite's images have the wget of busybox, which tries once. The user and the group are those of agnhost's image.
SETUP = """
ln -s /bin/busybox /usr/local/bin/wget
groupadd -g 50000 group-defined-in-image
useradd -u 1000 -M -s /bin/sh user-defined-in-image
usermod -aG group-defined-in-image user-defined-in-image
"""
TAKEN = {"busybox": "bin/busybox", "bash": "bin/bash-static"}
EMPTY = ("./proc/*", "./sys/*", "./dev/*", "./run/*", "./tmp/*")


@dataclass(frozen=True)
class Root:
    """A folder with the layer, and two programs out of it that run anywhere."""

    directory: Path

    @property
    def layer(self) -> Path:
        return self.directory / "layer.tar"

    @property
    def busybox(self) -> Path:
        return self.directory / "busybox"

    @property
    def bash(self) -> Path:
        return self.directory / "bash"


def debian(home: Path, say: Callable[[str], None]) -> Root:
    """The root below `home`, made first when there is none of this recipe (some minutes); LabError if that fails."""
    target = home / f"root-{digest()}"
    if not target.is_dir():
        say(f"making the Debian of the test images in {target}")
        for old in home.glob("root-*"):
            shutil.rmtree(old)
        _make(target)
    return Root(target)


def digest() -> str:
    """Twelve hex digits that change with whatever goes into it."""
    made_of = [recipe.SUITE, PACKAGES, FILES, SETUP, recipe.REMOVED, TAKEN, EMPTY, platform.machine()]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]


def _make(target: Path) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="building-root-", dir=target.parent))
    umask = os.umask(0o022)
    try:
        tree, made = scratch / "tree", scratch / "made"
        options = ["--variant=minbase", f"--keyring={KEYRING_FILE}", f"--include={','.join(PACKAGES)}"]
        run("debootstrap", *options, recipe.SUITE, tree, mirrors(recipe.SUITE)[0].uri, timeout=1200, env=proxies())
        _configure(tree)
        made.mkdir()
        for name, place in TAKEN.items():
            shutil.copy(tree / place, made / name)
        options = ["--sort=name", "--mtime=@0", "--numeric-owner", *(f"--exclude={pattern}" for pattern in EMPTY)]
        run("tar", *options, "-C", tree, "-cf", made / "layer.tar", ".", timeout=300)
        made.rename(target)
    finally:
        os.umask(umask)
        shutil.rmtree(scratch, ignore_errors=True)


def _configure(tree: Path) -> None:
    run("chroot", tree, "sh", "-ec", SETUP)
    for pattern in recipe.REMOVED:
        for path in tree.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for place, text in FILES.items():
        (tree / place).unlink(missing_ok=True)
        (tree / place).write_text(text)
