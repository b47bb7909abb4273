"""What is yet to be issued cannot be foretold: in its place stands its name.

A plan issues certificates and keys in memory, and the run issues others. So that the two can be compared all the same,
their bytes are replaced by the name of the file they will be in, wherever they occur: alone, inside a kubeconfig, or as a digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from ..facts import authority
from ..state.store import Store
from ..vocabulary import Blob

ISSUED = (".crt", ".key", ".pub")


class Masks:
    """`names` are files of `store` that did not exist, or not as they will be, when the plan was made."""

    def __init__(self, store: Store, names: Iterable[str]):
        self.store = store
        self.names = tuple(sorted(name for name in names if name.endswith(ISSUED)))
        self._known: dict[str, bytes] = {}

    def word(self, word: str) -> str:
        """An argument of an op, or the name of what it is the digest of."""
        marks = {authority(data): name for name, data in self._contents().items() if name.endswith(".crt")}
        return f"<{marks[word]}>" if word in marks else word

    def hides(self, blob: Blob) -> bool:
        """Whether something in the content is yet to be issued."""
        return blob.data is not None and self._masked(blob.data) != blob.data

    def digest(self, blob: Blob) -> str:
        """The sha256 of the content with names in place of what is yet to be issued."""
        return blob.sha256 if blob.data is None else hashlib.sha256(self._masked(blob.data)).hexdigest()

    def _masked(self, data: bytes) -> bytes:
        for needle, name in self._needles():
            data = data.replace(needle, f"<{name}>".encode())
        return data

    def _needles(self) -> list[tuple[bytes, str]]:
        """Each content in every form in which it is written somewhere, longest first."""
        found = {form: name for name, data in self._contents().items() for form in (base64.b64encode(data), data.strip())}
        return sorted(found.items(), key=lambda pair: -len(pair[0]))

    def _contents(self) -> dict[str, bytes]:
        """What is there by now: in a run, files appear while it goes on, and what has appeared stays as it is."""
        for name in self.names:
            if name not in self._known and (data := self.store.read(name)):
                self._known[name] = data
        return self._known
