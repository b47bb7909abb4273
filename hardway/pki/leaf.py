"""One leaf certificate in the state directory: whether it is as it should be, and how it is issued there.

It is issued again, with the key it has, when its names, usages or authority changed, when it expired or is in the last
tenth of its life. The key stays, so that the change is one file, here and on the hosts, and no crash can leave a
certificate beside the wrong key. To get a new key as well, remove both files.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

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
    issue_leaf,
    key_pem,
    load_certificate,
    load_key,
    matches,
    new_key,
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

    def fault(self, signer: Signer) -> str:
        """Why it must be issued, or nothing; PkiError when what is there is damaged and must not be touched."""
        cert = self.store.read(f"{self.path}.crt")
        if cert is None:
            return f"new, signed by {self.row.ca}"
        leaf = load_certificate(cert, self.store.where(f"{self.path}.crt"), self._remedy())
        key = self._key()
        if key is None:
            raise PkiError(f"the key of {self.store.where(f'{self.path}.crt')} is missing", hint=self._remedy())
        if not matches(leaf, key):
            message = f"{self.store.where(f'{self.path}.key')} is not the key of {self.store.where(f'{self.path}.crt')}"
            raise PkiError(message, hint=self._remedy())
        return difference(leaf, self.profile, signer.certificate)

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
        """Sign it for the key that is there, or for a new one, and store it; the signer must have its key."""
        assert signer.key, "the signer must have its key"
        key = self._key()
        if key is None:
            key = new_key(self.cluster.pki.algorithm)
            self.store.create(f"{self.path}.key", key_pem(key))
        days = self.cluster.pki.validity_days
        cert = certificate_pem(issue_leaf(self.profile, key, signer.certificate, signer.key, days))
        keep = self.store.create if self.store.read(f"{self.path}.crt") is None else self.store.replace
        keep(f"{self.path}.crt", cert)
        return self.read()

    def _key(self) -> PrivateKey | None:
        pem = self.store.read(f"{self.path}.key")
        return load_key(pem, self.store.where(f"{self.path}.key"), self._remedy()) if pem is not None else None

    def _remedy(self) -> str:
        files = " ".join(shlex.quote(self.store.where(f"{self.path}{ending}")) for ending in (".crt", ".key"))
        return f"restore both files from a backup, or remove them to recreate them: rm -f {files}"
