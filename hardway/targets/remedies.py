"""What to say and to try when an act on a host failed: by the act, since the host's own words are the evidence beside
it."""

from __future__ import annotations

import re

from ..vocabulary import Op

INSTALL = {"apt-get": "apt-get update && apt-get install -y", "apk": "apk add", "zypper": "zypper install"}


def advice(op: Op, host: str, said: str = "") -> tuple[str, str]:
    """(message, next command) for a failed op and what the host said of it; an empty message where the general one will
    do, an empty hint where nothing is known."""
    if op.verb == "packages":
        return _of_packages(op, host, said)
    if op.verb == "check":
        render = f"hardway render INV --host {host} -o DIR   writes the new file; on {host}: {op.args[0]} -v"
        return f"{op.args[0]} does not accept its new configuration, so the one that is there stays in use", render
    if op.verb in ("start", "restart", "load"):
        return "", f"on {host}: systemctl status {op.args[0]}; journalctl -b -u {op.args[0]}"
    if op.verb == "cluster":
        return (
            "another run has just added this host to its own cluster",
            f"on {host}: who; last   show who else is logged in",
        )
    if op.blob and "has SHA-256" in said:
        return f"what arrived on {host} is not what was to be sent", f"hardway assets verify INV; on {host}: dmesg"
    if op.verb in ("put", "binary", "mkdir", "block"):
        return "", f"on {host}: df -h {op.args[0]}; findmnt -T {op.args[0]}"
    return "", ""


def _of_packages(op: Op, host: str, said: str) -> tuple[str, str]:
    """A package of somebody else's that dpkg cannot bring to an end keeps every other one out."""
    manager, *names = op.args
    message, install = (
        f"the packages {', '.join(names)} cannot be installed",
        INSTALL.get(manager, f"{manager} install"),
    )
    broken = dict.fromkeys(re.findall(r"dpkg: error processing package ([\w.+-]+)", said))
    if others := " ".join(name for name in broken if name not in names):
        remove = f"if that fails: apt-get remove {others}   (or dpkg --remove --force-remove-reinstreq {others})"
        return f"{message}: {others} is only half installed", f"on {host}: dpkg --configure -a; {remove}"
    return message, f"on {host}: {install} {' '.join(names)}"
