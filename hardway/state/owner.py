"""Whose run this is: what a lock tells those whom it keeps out."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Owner:
    """`user` is the one that the run has on `computer`."""

    user: str
    computer: str
    pid: int

    @classmethod
    def of_this_run(cls) -> Owner:
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = f"uid {os.getuid()}"
        return cls(user, socket.gethostname(), os.getpid())
