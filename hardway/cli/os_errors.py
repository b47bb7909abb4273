"""What the operator's own computer may refuse, whatever hardway was doing: that is no bug of ours."""

from __future__ import annotations

import errno
import os

from ..errors import HardwayError, UsageError

# Of an error that has one of these, no line of ours is the cause; any other stays a bug.
REMEDIES = {
    errno.ENOSPC: "free some disk space",
    errno.EDQUOT: "free some disk space, or ask for a larger quota",
    errno.EROFS: "use a writable folder, or remount this one",
    errno.EACCES: "check its owner and mode, or run the command as a user with access",
    errno.EPERM: "check its owner and mode, or run the command as a user with access",
    errno.EMFILE: "raise the limit: ulimit -n 4096",
    errno.ENFILE: "close other programs: the system has no file handle left",
    errno.ENOMEM: "free some memory",
}


def refusal(error: OSError) -> HardwayError | None:
    """The error as a user can act on it, or None when the computer is not to blame."""
    if not _stands_somewhere():
        return UsageError(
            "the current directory no longer exists",
            hint="cd to an existing directory, then run the same command again",
        )
    if error.errno not in REMEDIES:
        return None
    where = f": {error.filename}" if error.filename else ""
    return UsageError(
        f"this computer reports: {error.strerror}{where}",
        hint=f"{REMEDIES[error.errno]}; then run the same command again",
    )


def _stands_somewhere() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True
