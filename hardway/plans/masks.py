"""What is yet to be issued cannot be foretold: in its place stands its name.

A plan issues certificates and keys in memory, and the run issues others. So that the two can be compared all the same,
their bytes are replaced by the name of the file they will be in, wherever they occur: alone, inside a kubeconfig, or as
a digest.

A cluster of hundreds of hosts has thousands of them, and as many files to look through. So they are not looked for one
by one: what has the shape of one is looked up.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from ..facts import authority
from ..state.store import Store
from ..vocabulary import Blob

SHORT = 12  # digits of a digest that people see
ISSUED = (".crt", ".key", ".pub")
PEM = re.compile(rb"-----BEGIN [A-Z ]+-----\n[A-Za-z0-9+/=\n]+-----END [A-Z ]+-----")
# The same file in base64, which is how a kubeconfig holds it: every one begins with these letters.
ENCODED = re.compile(rb"LS0tLS1CRUdJTi[A-Za-z0-9+/]+=*")


class Masks:
    """`names` are files of `store` that did not exist, or not as they will be, when the plan was made."""

    def __init__(self, store: Store, names: Iterable[str]):
        self.store = store
        self.names = tuple(sorted(name for name in names if name.endswith(ISSUED)))
        self._awaited = frozenset(self.names)
        self._shaped: dict[bytes, bytes] = {}
        self._others: dict[bytes, bytes] = {}
        self._digests: dict[str, str] = {}
        self._met: dict[str, str] = {}
        self._heard = len(store.history)
        for name in self.names:
            self._learn(name)

    def word(self, word: str) -> str:
        """An argument of an op, or the name of what it is the digest of."""
        self._listen()
        return self._digests.get(word, word)

    def hides(self, blob: Blob) -> bool:
        """Whether something in the content is yet to be issued."""
        return blob.data is not None and self._masked(blob.data) != blob.data

    def digest(self, blob: Blob) -> str:
        """The sha256 of the content with names in place of what is yet to be issued."""
        if not self.hides(blob):
            return blob.sha256
        digest = hashlib.sha256(self._masked(blob.data)).hexdigest()
        self._met[blob.sha256[:SHORT]] = digest[:SHORT]
        return digest

    def found(self, was: str) -> str:
        """What is found somewhere; if an earlier step put it there, its digest as `digest` told of it."""
        head, mark, short = was.rpartition("sha256:")
        return f"{head}{mark}{self._met.get(short, short)}"

    def _masked(self, data: bytes) -> bytes:
        self._listen()
        for shape in (ENCODED, PEM):
            data = shape.sub(self._named, data)
        for form, name in self._others.items():
            data = data.replace(form, name)
        return data

    def _named(self, found: re.Match[bytes]) -> bytes:
        return self._shaped.get(found[0], found[0])

    def _listen(self) -> None:
        """Learn what has been written since: in a run, files appear while it goes on."""
        history = self.store.history
        while self._heard < len(history):
            name = history[self._heard]
            self._heard += 1
            if name in self._awaited:
                self._learn(name)

    def _learn(self, name: str) -> None:
        """The content of a file, if it is there, in every form in which it is written somewhere."""
        data = self.store.read(name)
        if not data:
            return
        known = self._shaped if PEM.fullmatch(data.strip()) else self._others
        known[base64.b64encode(data)] = known[data.strip()] = f"<{name}>".encode()
        if name.endswith(".crt"):
            self._digests[authority(data)] = f"<{name}>"
