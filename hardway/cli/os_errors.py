"""What the operator's own computer may refuse, whatever hardway was doing: that is no bug of ours."""

from __future__ import annotations

import errno
import os

from ..errors import HardwayError, UsageError

# Of an error that has one of these, no line of ours is the cause; any other stays a bug.
REMEDIES = {
    errno.ENOSPC: "free some disk space",
    errno.EDQUOT: "free some disk space, or have your quota raised",
    errno.EROFS: "name a folder that can be written, or remount this one",
    errno.EACCES: "check its owner and mode, or run this as somebody who may",
    errno.EPERM: "check its owner and mode, or run this as somebody who may",
    errno.EMFILE: "raise the limit: ulimit -n 4096",
    errno.ENFILE: "close other programs: the system has no file handle left",
    errno.ENOMEM: "free some memory",
}


def refusal(error: OSError) -> HardwayError | None:
    """The error as a user can act on it, or None when the computer is not to blame."""
    if not _stands_somewhere():
        return UsageError("the folder you stand in is gone", hint="cd to one that exists, and run the same command again")
    if error.errno not in REMEDIES:
        return None
    where = f": {error.filename}" if error.filename else ""
    return UsageError(f"this computer refused: {error.strerror}{where}", hint=f"{REMEDIES[error.errno]}; the same command then continues")


def _stands_somewhere() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True
