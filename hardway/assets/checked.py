"""What this user's hardway has checked, remembered outside of the cache, which does not vouch for itself: it can be
copied, shared or changed.

One small file for each file of a cache: its sha256, and the size, inode, mtime and ctime that were current then. Nobody
but root can change content and keep the ctime, so what is as it was need not be read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import AssetError


@dataclass(frozen=True)
class Seen:
    """A file as it was when it was checked."""

    sha256: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def seen(path: Path, sha256: str) -> Seen:
    """A file as it is now, with the sha256 that is known of it."""
    stat = path.stat()
    return Seen(sha256, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


def directory() -> Path:
    """`hardway/checked` below $XDG_STATE_HOME or ~/.local/state."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser().absolute() / "hardway" / "checked"


def remembered(path: Path) -> Seen | None:
    """What was last checked at this path, None when nothing was."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return Seen(**json.loads(_note(path).read_text(encoding="utf-8"))["seen"])
    return None


def remember(path: Path, found: Seen) -> None:
    """From now on this is what belongs at the path; AssetError when that cannot be written."""
    note = _note(path)
    temporary = note.with_name(f"{note.name}.{os.getpid()}")
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"path": str(path), "seen": asdict(found)}) + "\n", encoding="utf-8")
        temporary.replace(note)
    except OSError as error:
        raise AssetError(
            f"hardway cannot note which files of the cache it has checked: {error.strerror}",
            evidence=str(note),
            hint="use a folder that can be written: export XDG_STATE_HOME=DIR",
        ) from error


def _note(path: Path) -> Path:
    return directory() / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"
