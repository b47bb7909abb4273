"""One leaf certificate in the state directory: whether it is as it should be, and how it is issued there.

It is issued again, with the key it has, when its names, usages or authority changed, when it expired or is in the last
tenth of its life. The key stays, so that the change is one file, here and on the hosts.

A renewal that somebody asks for gives it a new key too. That key waits beside the old one until the new certificate is
in its place, which is one rename; a certificate whose key still waits is told by the key itself, and the rest is done
then. So no crash leaves a certificate without its key.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from cryptography import x509

from ..cluster import Cluster, Host
from ..errors import PkiError
from ..state.store import Store
from .authority import Signer
from .certificates import Definition
from .inspection import difference, sans
from .issuing import (
    PrivateKey,
    Profile,
    certificate_pem,
    fingerprint,
    issue_leaf,
    key_pem,
    load_certificate,
    load_key,
    matches,
    new_key,
    request,
)
from .secret import Secret


@dataclass(frozen=True)
class Pair:
    """A certificate (PEM) and its key (PKCS#8 PEM)."""

    cert: bytes
    key: Secret


@dataclass(frozen=True)
class Leaf:
    """A row of the table, for one host where each host has its own, in the store of one cluster.

    `kept` are names of the API that clients still use besides those of the inventory, None when there are none.
    """

    row: Definition
    host: Host | None
    cluster: Cluster
    store: Store
    kept: frozenset[str] | None = None

    @property
    def path(self) -> str:
        """Where it is in the store, without the ending .crt or .key."""
        return f"pki/hosts/{self.host.name}/{self.row.name}" if self.host else f"pki/{self.row.name}"

    @property
    def waiting(self) -> str:
        """Where the key is that the next certificate is issued for, if there is one."""
        return f"{self.path}.next.key"

    @property
    def mark(self) -> str:
        """The file that names a certificate which is to be issued again."""
        return f"{self.path}.renew"

    @property
    def asked(self) -> bool:
        """Whether somebody has asked for another certificate in place of the one that is there."""
        mark, cert = self.store.read(self.mark), self.store.read(f"{self.path}.crt")
        if mark is None or cert is None:
            return False
        return mark.decode(errors="replace").strip() == fingerprint(self._certificate(cert))

    def ask(self, keep_key: bool) -> None:
        """Have it issued again by whichever run issues next, for a new key or the one it has."""
        cert = self.store.read(f"{self.path}.crt")
        if cert is None or self.asked:
            return
        if not keep_key and self.store.read(self.waiting) is None:
            self.store.create(self.waiting, key_pem(new_key(self.cluster.pki.algorithm)))
        self.store.discard(self.mark)
        self.store.create(self.mark, f"{fingerprint(self._certificate(cert))}\n".encode())

    def request(self, keep_key: bool) -> bytes:
        """A request (PEM) to sign it elsewhere, for the key it has or, where it is there already, for one that waits
        until the certificate comes (see `keep`)."""
        if self.store.read(f"{self.path}.crt") is not None and not keep_key and self.store.read(self.waiting) is None:
            self.store.create(self.waiting, key_pem(new_key(self.cluster.pki.algorithm)))
        return request(self.profile, self._next_key() or self._key() or self._new_key())

    def complete(self) -> None:
        """Put a key beside its certificate where a run was killed in between."""
        cert, waiting = self.store.read(f"{self.path}.crt"), self.store.read(self.waiting)
        if cert and waiting and matches(self._certificate(cert), self._load(waiting, self.waiting)):
            self.store.succeed(f"{self.path}.key", self.waiting)

    def fault(self, signer: Signer) -> str:
        """Why it must be issued, or nothing; PkiError when what is there is damaged and must not be touched."""
        self.complete()
        cert = self.store.read(f"{self.path}.crt")
        if cert is None:
            return f"new, signed by {self.row.ca}"
        leaf = self._certificate(cert)
        key = self._key()
        if key is None:
            raise PkiError(f"the key of {self.store.where(f'{self.path}.crt')} is missing", hint=self._remedy())
        if not matches(leaf, key):
            message = f"{self.store.where(f'{self.path}.key')} is not the key of {self.store.where(f'{self.path}.crt')}"
            raise PkiError(message, hint=self._remedy())
        reason = difference(leaf, self.profile, signer.certificate)
        return reason or ("renewal was asked for" if self.asked else "")

    @property
    def profile(self) -> Profile:
        """What it must say: while clients use former names of the API, those too, and every name that it has."""
        wanted = self.row.profile(self.cluster, self.host)
        if self.kept is None or not self.row.of_api:
            return wanted
        cert = self.store.read(f"{self.path}.crt")
        there = sans(load_certificate(cert, self.path)) if cert else frozenset[str]()
        return replace(wanted, sans=tuple(dict.fromkeys([*wanted.sans, *sorted(self.kept | there)])))

    def read(self) -> Pair:
        """The pair as it is in the store; only after `fault` found nothing."""
        return Pair(self.store.read(f"{self.path}.crt") or b"", Secret(self.store.read(f"{self.path}.key") or b""))

    def issue(self, signer: Signer) -> Pair:
        """Sign it for the key that waits, the one that is there, or a new one, and store it; the signer must have its
        key."""
        assert signer.key, "the signer must have its key"
        key = self._next_key() or self._key() or self._new_key()
        days = self.cluster.pki.validity_days
        self.keep(certificate_pem(issue_leaf(self.profile, key, signer.certificate, signer.key, days)))
        return self.read()

    @property
    def keys(self) -> tuple[PrivateKey, ...]:
        """Those for which a certificate may come: one that waits, and the one that is there."""
        return tuple(key for key in (self._next_key(), self._key()) if key)

    def keep(self, cert: bytes) -> None:
        """Store a certificate (PEM) for the key that waits, or is there, in place of the former one."""
        put = self.store.create if self.store.read(f"{self.path}.crt") is None else self.store.replace
        put(f"{self.path}.crt", cert)
        self.complete()
        self.store.discard(self.mark)

    def _certificate(self, pem: bytes) -> x509.Certificate:
        return load_certificate(pem, self.store.where(f"{self.path}.crt"), self._remedy())

    def _new_key(self) -> PrivateKey:
        key = new_key(self.cluster.pki.algorithm)
        self.store.create(f"{self.path}.key", key_pem(key))
        return key

    def _next_key(self) -> PrivateKey | None:
        pem = self.store.read(self.waiting)
        return self._load(pem, self.waiting) if pem is not None else None

    def _key(self) -> PrivateKey | None:
        pem = self.store.read(f"{self.path}.key")
        return self._load(pem, f"{self.path}.key") if pem is not None else None

    def _load(self, pem: bytes, name: str) -> PrivateKey:
        return load_key(pem, self.store.where(name), self._remedy())

    def _remedy(self) -> str:
        files = " ".join(shlex.quote(self.store.where(f"{self.path}{ending}")) for ending in (".crt", ".key"))
        return f"restore both files from a backup, or remove them to recreate them: rm -f {files}"
