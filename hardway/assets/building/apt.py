"""Packages from Debian without touching the machine's own apt state: a private configuration made of its Debian
entries.

Only entries signed by Debian's archive keyring are taken, and they stay bound to it, so apt verifies
the whole chain from that keyring to each package.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...errors import AssetError
from . import tools

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ONE_LINE = re.compile(
    r"^(?:deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+?)\s*(?:#.*)?$"
)
OPTIONS = {"arch": "Architectures", "check-valid-until": "Check-Valid-Until", "signed-by": "Signed-By"}
NETWORK = "check the network and the entries in /etc/apt/sources.list.d"

Paragraph = dict[str, str]


def debian_entries(files: dict[str, str]) -> list[Paragraph]:
    """The Debian archive entries of source files (content by file name), each as one deb822 paragraph of binary
    packages."""
    found = [
        entry
        for name, text in sorted(files.items())
        for entry in (_deb822(text) if name.endswith(".sources") else _one_line(text))
    ]
    return [{**entry, "Types": "deb", "Signed-By": str(KEYRING)} for entry in found if _is_debian(entry)]


def _is_debian(entry: Paragraph) -> bool:
    """An entry that names no key is Debian's own when its URI ends like Debian's: any other would fail against Debian's
    keyring."""
    if entry.get("Enabled", "yes").lower() in ("no", "false") or "main" not in entry.get("Components", "").split():
        return False
    signed = entry.get("Signed-By", "").strip()
    if signed:
        return Path(signed).name.startswith("debian-archive-")
    return bool(re.search(r"/debian(-security)?(/|$)", entry.get("URIs", "")))


def _deb822(text: str) -> list[Paragraph]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [_paragraph(block) for block in re.split(r"\n\s*\n", "\n".join(lines)) if block.strip()]


def _paragraph(block: str) -> Paragraph:
    fields: Paragraph = {}
    name = ""
    for line in block.splitlines():
        if line[:1].isspace():
            fields[name] = f"{fields.get(name, '')} {line.strip()}".strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return fields


def _one_line(text: str) -> list[Paragraph]:
    entries = []
    for match in filter(None, map(ONE_LINE.match, text.splitlines())):
        options = dict(word.split("=", 1) for word in (match["options"] or "").split() if "=" in word)
        extra = {OPTIONS[name.lower()]: value for name, value in options.items() if name.lower() in OPTIONS}
        entries.append({"URIs": match["uri"], "Suites": match["suite"], "Components": match["components"], **extra})
    return entries


def _system_files() -> dict[str, str]:
    parts = Path("/etc/apt/sources.list.d")
    files = [Path("/etc/apt/sources.list"), *parts.glob("*.sources"), *parts.glob("*.list")]
    return {str(path): path.read_text(encoding="utf-8") for path in files if path.is_file()}


class Apt:
    """apt-get with its own lists below `directory`, for packages of the architecture `arch`."""

    def __init__(self, directory: Path, arch: str):
        self.directory = directory
        self.options = [
            *("-o", f"APT::Architecture={arch}", "-o", "APT::Architectures::=" + arch),
            *("-o", "Dir::Etc::SourceList=/dev/null"),
            *("-o", f"Dir::Etc::SourceParts={directory / 'sources'}"),
            *("-o", f"Dir::State::Lists={directory / 'lists'}"),
            *("-o", f"Dir::Cache={directory / 'cache'}"),
            *(("-o", "APT::Sandbox::User=root") if os.geteuid() == 0 else ()),
        ]

    def update(self) -> None:
        """Fetch and verify the package lists of the machine's Debian entries."""
        entries = debian_entries(_system_files())
        if not entries or not KEYRING.is_file():
            raise AssetError(
                "no Debian archive is configured on this machine",
                evidence=f"looked for entries signed by {KEYRING} in /etc/apt/sources.list and /etc/apt/sources.list.d",
                hint="build on Debian with its own sources, or use assets.source upstream or mirror",
            )
        for name in ("sources", "lists/partial", "cache/archives/partial"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        text = "\n\n".join("\n".join(f"{name}: {value}" for name, value in entry.items()) for entry in entries)
        (self.directory / "sources" / "debian.sources").write_text(text + "\n", encoding="utf-8")
        tools.run(["apt-get", *self.options, "-qq", "update"], self.directory, NETWORK)

    def download(self, package: str, target: Path) -> str:
        """Download and unpack a binary package into `target`; its version."""
        before = set(self.directory.glob("*.deb"))
        tools.run(["apt-get", *self.options, "-qq", "download", package], self.directory, NETWORK)
        [archive] = set(self.directory.glob("*.deb")) - before
        tools.run(["dpkg-deb", "-x", archive, target], self.directory, "check the free disk space")
        return tools.run(["dpkg-deb", "-f", archive, "Version"], self.directory, NETWORK).strip()
