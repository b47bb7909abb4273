"""A CA, or the key pair of service account tokens, in exchange for another one: how far that is, as files of the state
directory.

Both are trusted until everybody trusts the new one and nobody uses the old one any more: `trust` adds the new one to
what is trusted, `sign` has it sign in place of the old one, `drop` takes the old one from what is trusted. Each stage
begins with one rename or one new file; what belongs to it besides is completed by whoever reads next. The
stage says what is wanted. Whether the hosts have it is asked of the hosts.
"""

from __future__ import annotations

import base64
import datetime
import enum
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization

from ..errors import PkiError
from ..settings import Pki
from ..state.store import Store
from .certificates import authorities
from .inspection import authority_ending, authority_fault
from .issuing import (
    PrivateKey,
    certificate_pem,
    fingerprint,
    issue_ca,
    key_pem,
    load_certificate,
    load_key,
    load_public,
    new_key,
    public_pem,
)

PEM = re.compile(rb"-----BEGIN [A-Z ]+-----([^-]+)-----END")
TOKENS = "sa"  # the name of the pair that signs service account tokens
# What people call each, and its file name.
KINDS = {"kubernetes": "ca", "etcd": "etcd-ca", "front-proxy": "front-proxy-ca", "service-account": TOKENS}


class Stage(enum.StrEnum):
    """How far a rotation is. With `NONE` there is none."""

    NONE = "none"
    TRUST = "trust"
    SIGN = "sign"
    DROP = "drop"

    @property
    def told(self) -> str:
        """The stage in words."""
        return TOLD[self]


TOLD = {
    Stage.NONE: "nothing is rotated",
    Stage.TRUST: "1 of 3: the old and the new one are trusted, the old one signs",
    Stage.SIGN: "2 of 3: the old and the new one are trusted, the new one signs",
    Stage.DROP: "3 of 3: the old one is trusted no more; proof that it is refused",
}


@dataclass(frozen=True)
class Rotation:
    """That of `name`: ca, etcd-ca, front-proxy-ca, or sa. Its steps are taken in order, under the store's lock."""

    name: str
    store: Store

    @property
    def kind(self) -> str:
        """What people call it."""
        return next(kind for kind, name in KINDS.items() if name == self.name)

    @property
    def command(self) -> str:
        """The command that begins it, or goes on with it."""
        return f"hardway certs rotate-ca {self.kind} INV"

    @property
    def ending(self) -> str:
        """What is trusted: a CA's certificate, a pair's public key."""
        return "pub" if self.name == TOKENS else "crt"

    def file(self, which: str = "", ending: str = "") -> str:
        """One of its files; `which` is "next", "former", "retired", or empty for the one that signs."""
        return f"pki/{self.name}{'.' if which else ''}{which}.{ending or self.ending}"

    @property
    def stage(self) -> Stage:
        now, former = self._read(), self._read("former")
        if former is not None and former != now:
            return Stage.SIGN
        if self._read("next") is not None:
            return Stage.TRUST
        return Stage.DROP if self._read("retired") is not None else Stage.NONE

    @property
    def trusted(self) -> bytes:
        """Everything that is trusted (PEM), the older one first: its bytes are the same in `trust` and `sign`."""
        *before, last = self.listed or (b"",)
        return b"".join([*(part.rstrip() + b"\n" for part in before), last])

    @property
    def listed(self) -> tuple[bytes, ...]:
        """The same, each by itself."""
        found = (self._read(which) for which in ("former", "", "next"))
        return tuple(dict.fromkeys(filter(None, found)))

    @property
    def dropped(self) -> tuple[bytes, ...]:
        """Every one that was trusted here before, and is no more (PEM)."""
        return tuple(one for one in self.ever if one not in self.listed)

    @property
    def newer(self) -> bytes:
        """The one that signs, or will (PEM)."""
        return self._read("next") or self._read() or b""

    @property
    def ends(self) -> str:
        """When the CA ends that signs, or will, in words; nothing when that is not soon, and of the pair of tokens."""
        newer = self.newer
        if self.name == TOKENS or not newer:
            return ""
        return authority_ending(load_certificate(newer, self._where()))

    @property
    def older(self) -> bytes | None:
        """The one that is to go (PEM), from the first stage to the last; None without a rotation."""
        if self.stage is Stage.TRUST:
            return self._read()
        return self._read("former") or self._read("retired")

    @property
    def older_key(self) -> bytes | None:
        """The key of that one, as long as it is here."""
        return self.store.read(self.file("", "key") if self.stage is Stage.TRUST else self.file("former", "key"))

    @property
    def known(self) -> tuple[bytes, ...]:
        """Every one that hosts may have been built with (PEM)."""
        found = (self._read(which) for which in ("", "next", "former", "retired"))
        return tuple(dict.fromkeys(filter(None, found)))

    @property
    def ever(self) -> tuple[bytes, ...]:
        """Those, and every one that was replaced here before (PEM): a host may have missed it."""
        return (*self.known, *self.store.past(self.file()))

    def knows(self, digest: str) -> bool:
        """Whether a host's digest (Facts.trusts) is that of one that is, was or will be trusted here."""
        return digest in _digests(self.ever)

    def begin(self, pki: Pki) -> None:
        """Make the new one, which is trusted from now on and signs nothing yet."""
        if self._read("next") is not None:
            return
        waiting = self.file("next", "key")
        if self.store.read(waiting) is None:
            self.store.create(waiting, key_pem(new_key(pki.algorithm)))
        key = load_key(self.store.read(waiting) or b"", self._where("next", "key"))
        self.store.create(self.file("next"), self._made(key, pki))

    def _made(self, key: PrivateKey, pki: Pki) -> bytes:
        if self.name == TOKENS:
            return public_pem(key)
        return certificate_pem(issue_ca(self._cn(), key, pki.ca_validity_days))

    def check(self) -> None:
        """PkiError when the new one is damaged or cannot serve: somebody may have brought it."""
        following, where = self._read("next"), self._where("next")
        if following is None:
            return
        self._public(following)
        if self.name != TOKENS and (fault := authority_fault(load_certificate(following, where))):
            raise PkiError(f"the new CA {where} cannot be used: {fault}", hint=f"openssl x509 -in {where} -noout -text")

    def check_keys(self) -> None:
        """PkiError when a key is missing, or the new one's is not its own: it could not take the old one's place."""
        following = self._read("next")
        if following is None:
            return
        for which in ("", "next"):
            if self.store.read(self.file(which, "key")) is None:
                raise self._wrong(f"the key {self._where(which, 'key')} is missing")
        if self._public(following) != self._public_of("next"):
            raise self._wrong(f"{self._where('next', 'key')} is not the key of {self._where('next')}")
        if self._public(following) == self._public_of(""):
            raise self._wrong(f"the new one has the key of the old one, {self._where('', 'key')}: nothing would change")

    def _wrong(self, what: str) -> PkiError:
        files = " and ".join(self._where("next", ending) for ending in (self.ending, "key"))
        return PkiError(f"{what}, so {self.kind} cannot be rotated", hint=f"put the right pair into {files}")

    def sign(self) -> None:
        """Let the new one sign; the old one is still trusted. Only after `check_keys`."""
        self.complete()
        for ending in ("key", self.ending):
            if self.store.read(self.file("former", ending)) is None:
                self.store.create(self.file("former", ending), self.store.read(self.file("", ending)) or b"")
        self.store.succeed(self.file("", "key"), self.file("next", "key"))
        self.complete()

    def complete(self) -> None:
        """Do what is left where a run was killed: put a certificate, or public key, beside its key; put away a key
        whose rotation has ended."""
        following = self._read("next")
        begun = self._read("former") is not None and self._public_of("")
        if following is not None and begun and begun == self._public(following):
            if self.name != TOKENS:
                self.store.replace(f"pki/{self.name}.sha256", f"{self._mark(following)}\n".encode())
            self.store.succeed(self.file(), self.file("next"))
        former = self.store.read(self.file("former", "key"))
        if former and self._ended and former != self.store.read(self.file("", "key")):
            self.store.retire(self.file("former", "key"))

    @property
    def _ended(self) -> bool:
        return self._read("former") is None and self._read("retired") is None

    def drop(self) -> None:
        """Trust the old one no more."""
        if self._read("retired") is None:
            self.store.create(self.file("retired"), self._read("former") or b"")
        self.store.retire(self.file("former"))

    def finish(self) -> None:
        """Forget the old one: it and its key are kept with everything that was replaced.

        The key goes last: as long as the other is there, a run proves with it that the old one is refused.
        """
        self.store.retire(self.file("retired"))
        self.store.retire(self.file("former", "key"))

    def _read(self, which: str = "") -> bytes | None:
        return self.store.read(self.file(which))

    def _cn(self) -> str:
        """With its moment: two CAs of one name would be hard to tell apart, for programs too."""
        cn = next(authority.cn for authority in authorities() if authority.name == self.name)
        return f"{cn}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"

    def _where(self, which: str = "", ending: str = "") -> str:
        return self.store.where(self.file(which, ending))

    def _public_of(self, which: str) -> bytes:
        """The public half of a key (PEM), nothing where there is none."""
        key = self.store.read(self.file(which, "key"))
        return public_pem(load_key(key, self._where(which, "key"))) if key else b""

    def _public(self, pem: bytes) -> bytes:
        """The public key (PEM) in the new one's file."""
        if self.name != TOKENS:
            key = load_certificate(pem, self._where("next")).public_key()
        else:
            key = load_public(pem, self._where("next"))
        return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def _mark(self, pem: bytes) -> str:
        return fingerprint(load_certificate(pem, self._where()))


def _digests(files: Iterable[bytes]) -> frozenset[str]:
    """Of every certificate and public key in PEM files."""
    bodies = (base64.b64decode(body) for file in files for body in PEM.findall(file))
    return frozenset(hashlib.sha256(body).hexdigest()[:16] for body in bodies)


def rotations(store: Store) -> tuple[Rotation, ...]:
    """Every one there may be."""
    return tuple(Rotation(name, store) for name in KINDS.values())
