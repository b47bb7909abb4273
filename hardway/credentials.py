"""Everything secret that one cluster needs, out of its state directory: made when absent, kept while valid, never overwritten.

A leaf certificate is issued again, with the key it has, when its names, usages or authority changed, when it expired
or is in the last tenth of its life. Its key stays, so that the change is one file, here and on the hosts, and no crash
can leave a certificate beside the wrong key. To get a new key, move both files away.
"""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass
from threading import RLock

from . import kubeconfig
from .authority import Signer, open_signer
from .certificates import Definition, authorities, definition, definitions
from .cluster import Cluster, Host
from .encryption import encryption_config
from .errors import PkiError
from .inspection import difference
from .issuing import certificate_pem, issue_leaf, key_pem, load_certificate, load_key, matches, new_key, public_pem
from .secret import Secret
from .statedir import Overlay, Store

KINDS = ("pki", "encryption")


@dataclass(frozen=True)
class Pair:
    """A certificate (PEM) and its key (PKCS#8 PEM)."""

    cert: bytes
    key: Secret


@dataclass(frozen=True)
class KeyPair:
    """A public key and its private key, both PEM: the signing pair of service account tokens."""

    public: bytes
    private: Secret


class Credentials:
    """The credentials of `cluster` kept in `store`; safe to use from several threads. Every method may raise PkiError."""

    def __init__(self, cluster: Cluster, store: Store):
        self.cluster = cluster
        self.store = store
        self._lock = RLock()
        self._signers: dict[str, Signer] = {}
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._changes: list[str] = []
        self._bound = False

    def ca(self, name: str = "ca") -> bytes:
        """The certificate of an authority (ca, etcd-ca or front-proxy-ca) as PEM."""
        return self._signer(name).pem

    def ca_key(self, name: str = "ca") -> Secret:
        """The key of an authority; PkiError when it is kept elsewhere."""
        key = self._signer(name).key_pem
        if key is None:
            hint = f"put it at {self.store.where(f'pki/{name}.key')}, mode 0600"
            raise PkiError(f"the key of the authority {name} is not here", hint=hint)
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
        """The pair that signs and checks service account tokens, made once."""
        with self._lock:
            self._bind()
            private, public = self.store.read("pki/sa.key"), self.store.read("pki/sa.pub")
            where = self.store.where("pki/sa.key")
            if private is None and public is not None:
                raise PkiError(f"{where} is gone: tokens in use would be refused", hint="restore it from a backup")
            if private is None:
                private = key_pem(new_key(self.cluster.pki.algorithm))
                self.store.create("pki/sa.key", private)
                self._changes.append("pki/sa.key: new signing key for service accounts")
            derived = public_pem(load_key(private, where))
            if public is None:
                self.store.create("pki/sa.pub", derived)
            elif public.split() != derived.split():
                hint = "restore both from the same backup"
                raise PkiError(f"{self.store.where('pki/sa.pub')} is not the public half of {where}", hint=hint)
            return KeyPair(derived, Secret(private))

    def encryption_config(self) -> Secret:
        """The API server's EncryptionConfiguration as YAML, the same for all control-plane hosts."""
        with self._lock:
            self._bind()
            return encryption_config(self.cluster.encryption.provider, self.store, self._changes)

    def kubeconfig(self, name: str, host: Host | None = None) -> Secret:
        """The kubeconfig of an identity; `host` is needed for a kubelet, and for those that talk to their own API server."""
        server = self._server(definition(name), host)
        pair = self.certificate(name, host)
        return kubeconfig.document(self.cluster.name, f"{self.cluster.name}-{name}", server, self.ca(), pair.cert, pair.key)

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
        return Credentials(self.cluster, Overlay(self.store)).ensure_all(*kinds)

    def _ensure_pki(self) -> None:
        for authority in authorities():
            self._signer(authority.name)
        self._refuse_unsignable()
        for row, host in self._every():
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

    def _every(self) -> list[tuple[Definition, Host | None]]:
        return [(row, host) for row in definitions() for host in (row.hosts(self.cluster) if row.per_host else (None,))]

    def _pair(self, row: Definition, host: Host | None) -> Pair:
        where = _where(row, host)
        key_text = self.store.read(f"{where}.key")
        reason = self._judge(row, host)
        if not reason:
            return Pair(self.store.read(f"{where}.crt") or b"", Secret(key_text or b""))
        signer = self._signer(row.ca)
        if signer.key is None:
            raise self._unsignable([f"{where}.crt: {reason}"])
        key = load_key(key_text, self.store.where(f"{where}.key")) if key_text else new_key(self.cluster.pki.algorithm)
        profile = row.profile(self.cluster, host)
        cert = certificate_pem(issue_leaf(profile, key, signer.certificate, signer.key, self.cluster.pki.validity_days))
        if not key_text:
            self.store.create(f"{where}.key", key_pem(key))
        keep = self.store.create if self.store.read(f"{where}.crt") is None else self.store.replace
        keep(f"{where}.crt", cert)
        self._changes.append(f"{where}.crt: {reason}")
        return Pair(cert, Secret(key_text or key_pem(key)))

    def _judge(self, row: Definition, host: Host | None) -> str:
        """Why this leaf must be issued, or nothing; PkiError when what is there must not be touched."""
        where = _where(row, host)
        cert, key = self.store.read(f"{where}.crt"), self.store.read(f"{where}.key")
        if cert is None:
            return f"new, signed by {row.ca}"
        signer = self._signer(row.ca)
        crt_path, key_path = self.store.where(f"{where}.crt"), self.store.where(f"{where}.key")
        remedy = f"restore both files from a backup, or have them made anew: rm {shlex.quote(crt_path)} {shlex.quote(key_path)}"
        if key is None:
            raise PkiError(f"the key of {crt_path} is gone", hint=remedy)
        leaf = load_certificate(cert, crt_path, remedy)
        if not matches(leaf, load_key(key, key_path, remedy)):
            raise PkiError(f"{key_path} is not the key of {crt_path}", hint=remedy)
        return difference(leaf, row.profile(self.cluster, host), signer.certificate)

    def _refuse_unsignable(self) -> None:
        """All leaves an authority without key would have to sign, in one error."""
        external = [(row, host) for row, host in self._every() if self._signer(row.ca).key is None]
        reasons = [(_where(row, host), self._judge(row, host)) for row, host in external]
        lines = [f"{where}.crt: {reason}" for where, reason in reasons if reason]
        if lines:
            raise self._unsignable(lines)

    def _unsignable(self, lines: list[str]) -> PkiError:
        hint = f"have them signed and put them with their keys into {self.store.where('pki')}, or put the authority's key there"
        return PkiError("certificates are wanted from an authority whose key is not here", evidence="\n".join(lines), hint=hint)


def _where(row: Definition, host: Host | None) -> str:
    return f"pki/hosts/{host.name}/{row.name}" if host else f"pki/{row.name}"
