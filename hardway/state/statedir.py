"""The operator's folder of one cluster: its keys, certificates, kubeconfigs and the lock on them.

Files are created once and never overwritten; a crash at any moment leaves either the whole file or none.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import RLock

from ..errors import PkiError
from . import lockfile
from .durable import sync_directory, write_synced
from .store import PRIVATE_FILE, Frozen, Overlay, Store, refuse_key

__all__ = ["Frozen", "Overlay", "StateDir", "Store", "sync_directory", "write_synced"]

IGNORE_EVERYTHING = b"# Keys live here: nothing in this folder belongs in version control.\n*\n"
OLD = "pki/old"
LOCK = "lock"
LOGS = "logs"  # of runs; neither keys nor anything a run needs
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}")


def private(name: str, data: bytes) -> bool:
    """Whether a file of a state directory is one secret. The kubeconfigs hold keys that have a file of their own."""
    return name.endswith(".key") or b"PRIVATE KEY-----" in data[:100]


class StateDir(Store):
    """The real folder, made on the first write: mode 0700, ignoring itself in git."""

    def __init__(self, path: Path):
        self.path = Path(path).expanduser()
        self.history: list[str] = []
        self.made: Callable[[str, bytes], None] = lambda name, data: None  # hears of every file before it is written
        self._ready = False
        self._guard = RLock()

    def where(self, name: str = "") -> str:
        return str(self.path / name) if name else str(self.path)

    @property
    def ours(self) -> bool:
        """Whether the folder has been made a state directory."""
        return self._ignored() == IGNORE_EVERYTHING

    def read(self, name: str) -> bytes | None:
        try:
            with open(os.path.join(self.path, name), "rb") as file:  # asked for thousands of times: Path is slow
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._failed("read", name, error) from error

    def names(self) -> frozenset[str]:
        files = (path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())
        return frozenset(
            name
            for name in files
            if not name.startswith((f"{OLD}/", f"{LOGS}/")) and not Path(name).name.startswith(".")
        )

    def logs(self, make: bool) -> Path | None:
        """The folder of the runs' logs; None where there can be none.

        Without `make` only in a state directory that is there.
        """
        try:
            if make:
                self._prepare()
            elif not self.ours:
                return None
            self._folder(self.path / LOGS)
        except (PkiError, OSError):  # whoever needs the folder for more than a log will say what is wrong with it
            return None
        return self.path / LOGS

    def create(self, name: str, data: bytes, mode: int = PRIVATE_FILE) -> None:
        self.made(name, data)
        with self._temporary(name, data, mode) as temporary:
            try:
                # A link, unlike a rename, fails when the name is taken: an existing file cannot be lost to a race.
                os.link(temporary, self.path / name)
            except FileExistsError:
                hint = f"check {self.where(name)}; if another run created it, run the same command again"
                raise PkiError(f"{self.where(name)} exists already and was not overwritten", hint=hint) from None
            sync_directory((self.path / name).parent)
            self.history.append(name)

    def replace(self, name: str, data: bytes, mode: int = PRIVATE_FILE) -> None:
        refuse_key(name)
        with self._temporary(name, data, mode) as temporary:
            if (self.path / name).exists():
                self._keep_old(name)
            os.rename(temporary, self.path / name)
            sync_directory((self.path / name).parent)
            self.history.append(name)

    def discard(self, name: str) -> None:
        refuse_key(name)
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._failed("remove", name, error) from error

    def succeed(self, name: str, successor: str) -> None:
        self._prepare()
        try:
            if (self.path / name).exists():
                self._keep_old(name)
            os.rename(self.path / successor, self.path / name)
            sync_directory((self.path / name).parent)
        except OSError as error:
            raise self._failed("replace", name, error) from error
        self.history.append(name)

    def retire(self, name: str) -> None:
        if self.read(name) is None:
            return
        try:
            self._keep_old(name)
            (self.path / name).unlink()
            sync_directory((self.path / name).parent)
        except OSError as error:
            raise self._failed("remove", name, error) from error

    def past(self, name: str) -> tuple[bytes, ...]:
        kept = sorted((self.path / OLD).glob(f"*/{name}"))
        found = (self.read(path.relative_to(self.path).as_posix()) for path in kept)
        return tuple(filter(None, found))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        self._prepare()
        with lockfile.held(self.path / LOCK):
            self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove what a killed run was writing; nobody else writes while we hold the lock."""
        for path in self.path.rglob(".*"):
            if TEMPORARY.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _keep_old(self, name: str) -> None:
        moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        kept = self.path / OLD / moment / name
        self._folder(kept.parent)
        os.link(self.path / name, kept)

    def remove(self, keep: str) -> None:
        """Delete every file but those below `keep`: only ever on a user's explicit word."""
        for path in sorted(self.path.rglob("*"), reverse=True):
            name = path.relative_to(self.path).as_posix()
            if name.startswith((keep, f"{LOGS}/")) or f"{name}/" == keep or name in (".gitignore", LOCK, LOGS):
                continue
            path.rmdir() if path.is_dir() else path.unlink()

    @contextlib.contextmanager
    def _temporary(self, name: str, data: bytes, mode: int) -> Iterator[Path]:
        """A synced file beside the final name; removed afterwards if it still has its temporary name."""
        self._prepare()
        final = self.path / name
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(6)}")
        try:
            self._folder(final.parent)
            write_synced(temporary, data, mode)
            yield temporary
        except OSError as error:
            raise self._failed("write", name, error) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _prepare(self) -> None:
        with self._guard:
            if self._ready:
                return
            try:
                self._folder(self.path)
                self._claim()
            except OSError as error:
                raise self._failed("prepare", "", error) from error
            self._ready = True

    def _claim(self) -> None:
        """Make the folder private and ours; one that holds somebody else's files is left alone."""
        ignore, said = self.path / ".gitignore", self._ignored()
        ours = self.ours
        # Only pki/ is a user who brings a CA of their own; lab/ was made with the machines, before there was a cluster.
        known = (
            "pki",
            "lab",
            *([ignore.name] if IGNORE_EVERYTHING.startswith(said) else []),
        )  # one a run died over is cut short
        foreign = [] if ours else [entry.name for entry in self.path.iterdir() if entry.name not in known]
        if foreign:
            evidence = "\n".join(sorted(foreign)[:10])
            hint = "choose an empty folder with --state-dir"
            raise PkiError(f"{self.path} is not a hardway state directory and not empty", evidence=evidence, hint=hint)
        self.path.chmod(0o700)
        if stat.S_IMODE(self.path.stat().st_mode) != 0o700:
            hint = "choose a folder on a native file system of this machine with --state-dir"
            raise PkiError(
                f"the file system of {self.path} cannot keep keys private: it does not keep mode 0700", hint=hint
            )
        if not ours:
            ignore.unlink(missing_ok=True)
            write_synced(ignore, IGNORE_EVERYTHING, 0o600)

    def _ignored(self) -> bytes:
        ignore = self.path / ".gitignore"
        return ignore.read_bytes() if ignore.exists() else b""

    def _folder(self, path: Path) -> None:
        missing = [part for part in (path, *path.parents) if not part.exists()]
        for part in reversed(missing):
            private = part == self.path or self.path in part.parents
            part.mkdir(mode=0o700 if private else 0o777, exist_ok=True)
            sync_directory(part.parent)

    def _failed(self, action: str, name: str, error: OSError) -> PkiError:
        remedies = {errno.ENOSPC: "free some disk space", errno.EROFS: "choose another folder with --state-dir"}
        hint = remedies.get(
            error.errno or 0, f"check the owner and mode of {self.where()}, or choose another folder with --state-dir"
        )
        return PkiError(f"cannot {action} {self.where(name)}: {error.strerror or error}", hint=hint)
