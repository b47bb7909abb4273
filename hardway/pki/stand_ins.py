"""Stand-ins for everything secret: keys made for the occasion, and where in a text the real one is to be read from its
file.

The guide is written with throw-away keys. Wherever one of their bytes would stand, a command stands that reads
the state directory, so nothing secret can come into the guide and the documents are equal to the real ones.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from ..cluster import Cluster
from ..state.statedir import Overlay, StateDir
from .credentials import Credentials

MARKS = ("cluster", ".sha256")


class StandIns:
    """Credentials of a cluster that are never written anywhere."""

    def __init__(self, cluster: Cluster):
        self.store = Overlay(StateDir(Path("/nonexistent")))
        # Which algorithm does not show in the guide, and these keys cost nothing.
        quick = dataclasses.replace(cluster, pki=dataclasses.replace(cluster.pki, algorithm="ecdsa-p256"))
        self.credentials = Credentials(quick, self.store)
        self.credentials.ensure_all("pki")
        if cluster.encryption.provider != "none":
            self.credentials.ensure_all("encryption")

    def file(self, data: bytes) -> str:
        """The name in the state directory of the file with exactly this content, or nothing."""
        return self._files.get(data, "")

    def expressions(self, text: str) -> tuple[str, dict[str, str]]:
        """The text with marks in place of what was made here, and for each mark the shell expression that reads the
        real thing."""
        found: dict[str, str] = {}
        for value, expression in self._readings:
            if value in text:
                mark = f"\0{len(found)}\0"
                text, found[mark] = text.replace(value, mark), expression
        return text, found

    @cached_property
    def _files(self) -> dict[bytes, str]:
        names = (name for name in self.store.names() if not name.endswith(MARKS))
        return {self.store.read(name) or b"": name for name in names}

    @cached_property
    def _readings(self) -> tuple[tuple[str, str], ...]:
        return tuple(self._read())

    def _read(self) -> Iterator[tuple[str, str]]:
        for data, name in self._files.items():
            yield base64.b64encode(data).decode(), f'$(base64 -w0 < "$STATE/{name}")'
            yield data.decode().strip(), f'$(cat "$STATE/{name}")'

    def secrets(self) -> Iterator[bytes]:
        """The bytes of every key made here, in each form in which they could leak."""
        for data, name in self._files.items():
            if name.endswith(".key"):
                lines = [line for line in data.splitlines() if not line.startswith(b"-----")]
                yield from (data.strip(), base64.b64encode(data), *lines)
