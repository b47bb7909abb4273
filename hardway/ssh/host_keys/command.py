"""KnownHostsCommand: a program of the user's that prints lines of known_hosts for a host."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from ...errors import HostKeyError
from ...patience import stretched
from ..hop import Hop
from .known_hosts import Entry, HostKey, parsed

# Directories may be asked.
SECONDS = 30.0
ORDER, HOSTNAME = "ORDER", "HOSTNAME"
NONE = "NONE"


def printed(hop: Hop, name: str, why: str, offered: HostKey | None = None) -> list[Entry]:
    """The entries that it prints for a name; none when there is no such program, as with ssh. HostKeyError when it
    fails."""
    if not hop.known_hosts_command:
        return []
    argv = _argv(hop, name, why, offered)
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=stretched(SECONDS), check=False
        )
    except OSError:
        return []
    except subprocess.TimeoutExpired as error:
        raise _failed(hop, argv, f"does not end within {error.timeout:.0f} s", "") from error
    if done.returncode:
        raise _failed(hop, argv, f"exits with {done.returncode}", done.stderr.decode("utf-8", "replace"))
    text = done.stdout.decode("utf-8", "replace")
    return [entry for entry in parsed(Path(argv[0]), text) if entry.names(name)]


def _argv(hop: Hop, name: str, why: str, offered: HostKey | None) -> list[str]:
    """The tokens that depend on what is looked up; see hardway.ssh.config.tokens for the others."""
    values = {"%": "%", "H": name, "I": why, "t": NONE, "f": NONE, "K": NONE}
    if offered:
        values |= {"t": offered.kind, "f": offered.fingerprint, "K": offered.text}
    program, *words = hop.known_hosts_command
    return [program, *(re.sub("%(.)", lambda match: values[match[1]], word) for word in words)]


def _failed(hop: Hop, argv: list[str], what: str, said: str) -> HostKeyError:
    message = f"the KnownHostsCommand that knows the host key of {hop.called} {what}"
    return HostKeyError(message, hop.host, command=argv[0], evidence=said.strip(), hint=shlex.join(argv))
