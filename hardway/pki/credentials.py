"""Everything secret that one cluster needs, out of its state directory: made when absent, kept while valid, never
overwritten."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from threading import RLock

from ..cluster import Cluster, Host
from ..errors import PkiError
from ..state.store import Overlay, Store
from . import kubeconfig
from .authority import Signer, open_signer
from .certificates import Definition, authorities, definition, issued
from .encryption import encryption_config, encryption_configs, encryption_keys, writer_of
from .encryption.retirement import retired
from .issuing import certificate_pem
from .leaf import Leaf, Pair
from .secret import Secret
from .service_account import KeyPair, service_account

KINDS = ("pki", "encryption")


class Credentials:
    """The credentials of `cluster` kept in `store`; safe to use from several threads.

    Every method may raise PkiError.
    """

    def __init__(self, cluster: Cluster, store: Store):
        self.cluster = cluster
        self.store = store
        self._lock = RLock()
        self._signers: dict[str, Signer] = {}
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._changes: list[str] = []
        self._bound = False
        self.kept: frozenset[str] | None = None

    def keep(self, names: frozenset[str] | None) -> Credentials:
        """The same; its API servers' certificate is also for these names, and loses none when it is issued again.

        None when no client uses a former name of the API any more.
        """
        self.kept = names
        return self

    def over(self, store: Store) -> Credentials:
        """Those of the same cluster and the same clients in another store."""
        return Credentials(self.cluster, store).keep(self.kept)

    def ca(self, name: str = "ca") -> bytes:
        """What is trusted as an authority (ca, etcd-ca or front-proxy-ca), as PEM: during a rotation two."""
        return self._signer(name).trusted

    def issuer(self, name: str = "ca") -> bytes:
        """The certificate of the authority that signs, as PEM: that one alone."""
        return certificate_pem(self._signer(name).certificate)

    def mark(self, name: str = "ca") -> bytes:
        """The file of the authority that signs, as it is: hosts remember its digest."""
        return self._signer(name).pem

    def ca_key(self, name: str = "ca") -> Secret:
        """The key of an authority; PkiError when it is kept elsewhere."""
        key = self._signer(name).key_pem
        if key is None:
            hint = f"copy it to {self.store.where(f'pki/{name}.key')}, mode 0600"
            raise PkiError(f"the key of the CA {name} is not in the state directory", hint=hint)
        return key

    def has_ca_key(self, name: str = "ca") -> bool:
        """Whether we can sign; a user's own authority may come without its key."""
        return self._signer(name).key is not None

    def certificate(self, name: str, host: Host | None = None) -> Pair:
        """The leaf of that row of the table, for `host` where each host has its own (it is ignored where not)."""
        row = definition(name)
        owner = host if row.per_host else None
        if row.per_host and not owner:
            raise ValueError(f"{name} is one per host: name the host")
        with self._lock:
            key = (name, owner.name if owner else "")
            if key not in self._pairs:
                self._pairs[key] = self._pair(row, owner)
            return self._pairs[key]

    def service_account(self) -> KeyPair:
        """The pair that signs and checks service account tokens."""
        with self._lock:
            self._bind()
            return service_account(self.cluster.pki.algorithm, self.store, self._changes)

    def encryption_config(self, writer: str = "") -> Secret:
        """The API server's EncryptionConfiguration as YAML; it writes with the key `writer`, or the newest of the
        inventory's provider."""
        with self._lock:
            self._bind()
            return encryption_config(self.cluster.encryption.provider, writer, self.store, self._changes)

    def encryption_writer(self) -> str:
        """The key that API servers are to write Secrets with, such as `aescbc:key2`, or `identity`."""
        with self._lock:
            return writer_of(self.cluster.encryption.provider, self.store)

    def encryption_keys(self) -> Mapping[str, str]:
        """Each key of Secrets' encryption by its name, as `aescbc:key1`, and how a host's facts name it."""
        with self._lock:
            return encryption_keys(self.store)

    def used_keys(self) -> Mapping[str, str]:
        """Those of them that are not retired."""
        with self._lock:
            gone = retired(self.store)
            return {key: name for key, name in encryption_keys(self.store).items() if key not in gone}

    def encryption_configs(self) -> Mapping[str, tuple[str, ...]]:
        """The sha256 of each configuration that was ever written with these keys, and its entries in order."""
        with self._lock:
            return encryption_configs(self.store)

    def kubeconfig(self, name: str, host: Host | None = None) -> Secret:
        """The kubeconfig of an identity; `host` is needed for a kubelet, and for those that talk to their own API
        server."""
        server = self._server(definition(name), host)
        pair = self.certificate(name, host)
        return kubeconfig.document(
            self.cluster.name, f"{self.cluster.name}-{name}", server, self.ca(), pair.cert, pair.key
        )

    def shared_password(self, name: str) -> Secret:
        """A password that several hosts share, made once: 8 characters, for keepalived reads no more."""
        with self._lock:
            self._bind()
            path = f"passwords/{name}.key"
            if self.store.read(path) is None:
                self.store.create(path, secrets.token_hex(4).encode())
                self._changes.append(f"{path}: new password")
            return Secret(self.store.read(path) or b"")

    def ensure_all(self, *kinds: str) -> list[str]:
        """Make whatever is missing or out of date, for every host; the changes made, one line each.

        `kinds` are "pki" and "encryption", without any both.
        """
        with self._lock:
            before = len(self._changes)
            if "pki" in (kinds or KINDS):
                self._ensure_pki()
            if "encryption" in (kinds or KINDS):
                self.encryption_config()
            return self._changes[before:]

    def plan(self, *kinds: str) -> list[str]:
        """What `ensure_all` would do and why, without writing anything."""
        # The keys of a plan are thrown away, so it makes those that cost nothing: an RSA key takes up to a second.
        quick = dataclasses.replace(self.cluster, pki=dataclasses.replace(self.cluster.pki, algorithm="ecdsa-p256"))
        return Credentials(quick, Overlay(self.store)).keep(self.kept).ensure_all(*kinds)

    def _ensure_pki(self) -> None:
        for authority in authorities():
            self._signer(authority.name)
        self._refuse_unsignable()
        for row, host in issued(self.cluster):
            self.certificate(row.name, host)
        self.service_account()
        if self.cluster.api.vip:
            self.shared_password("keepalived")

    def _server(self, row: Definition, host: Host | None) -> str:
        if row.server == "api":
            return self.cluster.api_url
        if row.server == "local" and host:
            return f"https://127.0.0.1:{self.cluster.apiserver_port(host)}"
        raise ValueError(f"no kubeconfig for {row.name} on {host.name if host else 'no host'}")

    def refuse_other_cluster(self) -> None:
        """PkiError when the state directory was made for a cluster of another name; writes nothing."""
        if self.store.read("cluster") is not None:
            self._bind()

    def _bind(self) -> None:
        if not self._bound:
            hint = f"use another --state-dir, or correct the cluster's name in {self.cluster.source or 'the inventory'}"
            self.store.bind("cluster", self.cluster.name, "cluster", hint)
            self._bound = True

    def _signer(self, name: str) -> Signer:
        with self._lock:
            self._bind()
            if name not in self._signers:
                self._signers[name] = open_signer(name, self.cluster.pki, self.store, self._changes)
            return self._signers[name]

    def _pair(self, row: Definition, host: Host | None) -> Pair:
        leaf, signer = Leaf(row, host, self.cluster, self.store, self.kept), self._signer(row.ca)
        reason = leaf.fault(signer)
        if not reason:
            return leaf.read()
        if signer.key is None:
            raise self._unsignable([f"{leaf.path}.crt: {reason}"])
        pair = leaf.issue(signer)
        self._changes.append(f"{leaf.path}.crt: {reason}")
        return pair

    def _refuse_unsignable(self) -> None:
        """All leaves an authority without key would have to sign, in one error."""
        lines = []
        for row, host in issued(self.cluster):
            leaf, signer = Leaf(row, host, self.cluster, self.store, self.kept), self._signer(row.ca)
            reason = "" if signer.key else leaf.fault(signer)
            lines += [f"{leaf.path}.crt: {reason}"] if reason else []
        if lines:
            raise self._unsignable(lines)

    def _unsignable(self, lines: list[str]) -> PkiError:
        hint = (
            "have them signed where it is: hardway certs csr INV --out DIR; then hardway certs import INV DIR; or copy"
            f" the CA's key to {self.store.where('pki')}"
        )
        return PkiError(
            "the state directory has no key of the CA that must sign these certificates",
            evidence="\n".join(lines),
            hint=hint,
        )
