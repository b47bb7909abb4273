"""What the API servers that live can read and write: a Secret that one of them writes, all of them must be able to
read.

What counts is what a process has loaded. Its file may be newer: a run can die between the file and the restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ..cluster import Cluster, Host
from ..facts import Facts
from ..pki.credentials import Credentials
from ..pki.encryption import IDENTITY
from .lives import Lives

CONFIG = "/etc/kubernetes/encryption-config.yaml"
UNIT = "kube-apiserver.service"
FLAG = "encryption-provider-config"
UNKNOWN = Facts(known=False)


def ours(cluster: Cluster) -> bool:
    """Whether the API servers read our configuration, and not one that a flag in the inventory names."""
    return not any(FLAG in flags.get("kube-apiserver", {}) for flags in (cluster.extra_args, cluster.override_args))


def serves(facts: Facts) -> bool:
    """Whether an API server was installed on a host, be it running or not."""
    return bool(facts.service_cidr) or UNIT in facts.units


def in_file(facts: Facts) -> tuple[str, ...]:
    """The entries of a host's configuration, the one that writes first; without a file all is plain."""
    return tuple(provider.partition("=")[0] for provider in facts.providers) if facts.encryption else (IDENTITY,)


def settled(cluster: Cluster, facts: Mapping[str, Facts], writer: str) -> bool:
    """Whether every API server's file has the key `writer` first, which is the newest of the inventory's provider.

    It is put first only when all can read with it, so nothing more has to be asked then.
    """
    known = [facts.get(host.name, UNKNOWN) for host in cluster.control_plane]
    serving = [one for one in known if serves(one)]
    if not ours(cluster) or not serving and all(one.known for one in known):
        return True
    return bool(serving) and all(in_file(one)[:1] == (writer,) for one in serving)


@dataclass(frozen=True)
class Encryption:
    """The API servers' encryption of Secrets, by the facts of their hosts and by what their processes have loaded.

    A key is named as in hardway.pki.encryption.
    """

    cluster: Cluster
    facts: Mapping[str, Facts]
    lives: Lives
    credentials: Credentials

    @cached_property
    def learners(self) -> tuple[Host, ...]:
        """The hosts whose API server cannot read, or may be unable to read, what the newest key writes."""
        if self.lives.loaded is None:
            return ()
        return tuple(host for host in self.cluster.control_plane if not self._reads(host))

    @property
    def servers(self) -> tuple[Host, ...]:
        """The hosts known to have an API server."""
        return tuple(host for host in self.cluster.control_plane if serves(self.of(host)))

    def of(self, host: Host) -> Facts:
        return self.facts.get(host.name, UNKNOWN)

    def writer(self, host: Host) -> str:
        """The key that an API server goes on writing with while it learns another; all others can read that."""
        known = [self.loaded(one) or self._filed(one) for one in (host, *self.servers)]
        return next((kinds[0] for kinds in known if kinds), IDENTITY)

    @cached_property
    def wanted(self) -> str:
        """The key that all API servers are to write with."""
        return self.credentials.encryption_writer()

    def loaded(self, host: Host) -> tuple[str, ...] | None:
        """The entries that an API server can read with, the one it writes with first; None when nobody knows."""
        facts, digest = self.of(host), (self.lives.loaded or {}).get(host.name)
        if digest is None and facts.known and UNIT not in facts.units:
            digest = facts.encryption  # it is not running, and starts with what its file says
        return None if digest is None else self._configs.get(digest)

    def strange(self, host: Host) -> bool:
        """Whether an API server runs with a configuration that nobody can have written with the keys we have."""
        return (self.lives.loaded or {}).get(host.name) is not None and self.loaded(host) is None

    def foreign(self, host: Host) -> list[str]:
        """What is in a host's configuration and not in the state directory; PkiError when a key of that is lost."""
        keys = self.credentials.encryption_keys()
        return [one for one in self.of(host).providers if one not in (IDENTITY, *keys.values())]

    def _reads(self, host: Host) -> bool:
        facts, wanted = self.of(host), self.wanted
        if not facts.known:
            return self._begun
        if not serves(facts):
            return True
        loaded = self.loaded(host)
        return wanted in loaded if loaded else self._begun and wanted in in_file(facts)

    @cached_property
    def _begun(self) -> bool:
        """Whether the newest key is first in some host's file: then all were able to read with it before."""
        return any(in_file(self.of(host))[:1] == (self.wanted,) for host in self.servers)

    def _filed(self, host: Host) -> tuple[str, ...]:
        facts = self.of(host)
        return in_file(facts) if facts.encryption else ()

    @cached_property
    def _configs(self) -> Mapping[str, tuple[str, ...]]:
        return {"": (IDENTITY,), **self.credentials.encryption_configs()}
