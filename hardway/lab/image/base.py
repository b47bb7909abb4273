"""The base image: a small Debian under every machine's disk, made once and cached.

It is built into a temporary folder and renamed when complete, so a build that dies leaves nothing
that could be taken for an image.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import LabError
from ..shell import run
from . import recipe
from .packages import INSTALL, KEYRING, PACKAGES
from .sources import Mirror, mirrors, proxies

KEYRING_FILE = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SPACE = 1_500_000_000
"""Bytes a build needs at its peak; the finished image takes a fifth of it."""


def base_image(cache: Path, report: Callable[[str], None] = lambda line: None) -> Path:
    """The root folder of the cached base image, built first (one to two minutes) when this recipe has none; LabError if
    that fails."""
    home = cache / "lab"
    image = home / f"base-{recipe.digest()}"
    if image.is_dir():
        return image
    home.mkdir(parents=True, exist_ok=True)
    with _one_builder(home, report):
        if not image.is_dir():
            report(f"building the machines' Debian base image in {image} (once, one to two minutes)")
            _build(image)
    return image


@contextmanager
def _one_builder(home: Path, report: Callable[[str], None]) -> Iterator[None]:
    with (home / "build.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another run is building the base image; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(image: Path) -> None:
    if not KEYRING_FILE.exists():
        raise LabError("Debian's archive keys are missing on this host", hint=f"{INSTALL} {KEYRING}")
    if shutil.disk_usage(image.parent).free < SPACE:
        raise LabError(
            f"less than {SPACE / 1e9:.1f} GB free in {image.parent}",
            hint="free some space, or set HARDWAY_CACHE to a larger disk",
        )
    for left_over in image.parent.glob("building-*"):
        shutil.rmtree(left_over)
    scratch = Path(tempfile.mkdtemp(prefix="building-", dir=image.parent))
    umask = os.umask(0o022)
    try:
        root = scratch / "root"
        sources = mirrors(recipe.SUITE)
        _debootstrap(root, sources[0])
        offer_packages(root, scratch, sources)
        _clean(root)
        _configure(root)
        root.rename(image)
    finally:
        os.umask(umask)
        shutil.rmtree(scratch, ignore_errors=True)


def _debootstrap(root: Path, mirror: Mirror) -> None:
    include = "--include=" + ",".join(recipe.INSTALLED)
    keyring = f"--keyring={KEYRING_FILE}"
    try:
        run(
            "debootstrap",
            "--variant=minbase",
            keyring,
            include,
            recipe.SUITE,
            root,
            mirror.uri,
            timeout=1200,
            env=proxies(),
        )
    except LabError as error:
        log = root / "debootstrap" / "debootstrap.log"
        error.evidence += log.read_text(errors="replace", encoding="utf-8") if log.exists() else ""
        error.message = f"the base image could not be built from {mirror.uri}"
        error.hint = f"check that apt works on this host: {INSTALL} {' '.join(PACKAGES)}"
        raise


def offer_packages(root: Path, scratch: Path, sources: list[Mirror], trust: str = f"signed-by={KEYRING_FILE}") -> None:
    """An offline apt repository inside the image.

    The host's apt downloads it (its proxies, its keys) as if it were the machine.
    """
    for directory in ("lists/partial", "cache/archives/partial"):
        (scratch / directory).mkdir(parents=True)
    listing = scratch / "sources.list"
    listing.write_text("".join(f"deb [{trust}] {m.uri} {m.suite} main\n" for m in sources), encoding="utf-8")
    settings = {
        "Dir::State::status": root / "var/lib/dpkg/status",
        "Dir::State::lists": scratch / "lists",
        "Dir::State::extended_states": root / "var/lib/apt/extended_states",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::sourcelist": listing,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Sandbox::User": "root",
        "APT::Update::Post-Invoke::": "true",
    }
    apt = ["apt-get", "-q", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
    run(*apt, "update", timeout=300)
    run(*apt, "-y", "--no-install-recommends", "--download-only", "install", *recipe.OFFERED, timeout=600)
    repository = root / "opt/apt"
    repository.mkdir(parents=True)
    for package in (scratch / "cache/archives").glob("*.deb"):
        shutil.move(package, repository / package.name)
    run(
        "chroot",
        root,
        "sh",
        "-c",
        "cd /opt/apt && apt-ftparchive packages . >Packages && apt-ftparchive release . >Release",
    )


def _clean(root: Path) -> None:
    for pattern in recipe.REMOVED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _configure(root: Path) -> None:
    for place, text in recipe.FILES.items():
        _write(root / place, text, 0o644)
    for place, name in recipe.PROGRAMS.items():
        _write(root / place, recipe.program(name), 0o755)
    for unit in recipe.MASKED:
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    run("chroot", root, "apt-get", "-q", "update")


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    path.write_text(text, encoding="utf-8")
    os.chmod(path, mode)
