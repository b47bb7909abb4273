"""The table pki/certificates.yaml as values: every authority and every leaf certificate of a cluster."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import yaml

from ..cluster import Cluster, Host, Role
from ..shipped import shipped
from .issuing import Profile


@dataclass(frozen=True)
class Authority:
    """A certificate authority: `name` is its file name, `cn` its subject."""

    name: str
    cn: str


@dataclass(frozen=True)
class Definition:
    """One row of the table; `roles` are those whose hosts receive it, `per_host` whether each gets its own.

    `server` is "api" or "local" when it lives in a kubeconfig that names that API server, else empty.
    """

    name: str
    ca: str
    cn: str
    o: tuple[str, ...]
    usages: tuple[str, ...]
    san_rules: tuple[str, ...]
    per_host: bool
    roles: frozenset[Role]
    server: str = ""

    @property
    def of_api(self) -> bool:
        """Whether clients check by it that they have reached the API."""
        return "api_sans" in self.san_rules

    def hosts(self, cluster: Cluster) -> tuple[Host, ...]:
        """The hosts on which it lands, in the inventory's order."""
        return cluster.with_role(*self.roles)

    def profile(self, cluster: Cluster, host: Host | None) -> Profile:
        """What the certificate says for this cluster and, where there is one per host, this host."""
        sans: list[str] = []
        for rule in self.san_rules:
            sans += _sans(rule, cluster, host)
        cn = self.cn.format(host=host.name if host else "")
        return Profile(cn, self.o, self.usages, tuple(dict.fromkeys(sans)))


def _sans(rule: str, cluster: Cluster, host: Host | None) -> tuple[str, ...]:
    if rule == "api_sans":
        return cluster.api_sans
    if rule == "loopback":
        return ("localhost", "127.0.0.1")
    if rule == "host" and host:
        return (host.name, str(host.address))
    raise ValueError(f"pki/certificates.yaml: SAN rule {rule!r}")


@functools.cache
def _table() -> dict:
    return yaml.safe_load((shipped("pki") / "certificates.yaml").read_text(encoding="utf-8"))


@functools.cache
def authorities() -> tuple[Authority, ...]:
    """The authorities, in the table's order."""
    return tuple(Authority(**row) for row in _table()["authorities"])


@functools.cache
def definitions() -> tuple[Definition, ...]:
    """Every leaf certificate, in the table's order."""
    return tuple(
        Definition(
            name=row["name"],
            ca=row["ca"],
            cn=row["cn"],
            o=tuple(row.get("o", ())),
            usages=tuple(row["usages"]),
            san_rules=tuple(row.get("sans", ())),
            per_host=row["per"] == "host",
            roles=frozenset(Role(role) for role in row["roles"]),
            server=row.get("server", ""),
        )
        for row in _table()["certificates"]
    )


def definition(name: str) -> Definition:
    """The row of that name; KeyError when the table has none."""
    return {row.name: row for row in definitions()}[name]


def label(row: Definition, host: Host | None) -> str:
    """What a certificate is called by people: its row, and its host where each has its own, as in kubelet@worker-0."""
    return f"{row.name}@{host.name}" if host else row.name


def issued(cluster: Cluster) -> list[tuple[Definition, Host | None]]:
    """Every certificate of a cluster: its row, and the host it is for where each has its own."""
    return [(row, host) for row in definitions() for host in (row.hosts(cluster) if row.per_host else (None,))]
