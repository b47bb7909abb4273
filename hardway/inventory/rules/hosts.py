"""Hosts and their roles: unique, and enough of each."""

from __future__ import annotations

from collections.abc import Iterator

from hardway.cluster import Role
from hardway.inventory.draft import Draft
from hardway.inventory.problem import Problem, show


def unique(draft: Draft) -> Iterator[Problem]:
    """Names and addresses tell hosts apart."""
    for key in ("name", "address"):
        seen: dict[object, int] = {}
        for n, host in draft.hosts:
            value = getattr(host, key)
            if value in seen:
                yield Problem(
                    ("hosts", n, key), f"{show(value)} is already hosts[{seen[value]}].{key}: every host needs its own"
                )
            seen.setdefault(value, n)


def not_reserved(draft: Draft) -> Iterator[Problem]:
    """`localhost` in certificates and hosts files means something else, and the others are what a run works on besides
    hosts."""
    for n, host in draft.hosts:
        if host.name in ("localhost", "kubernetes", "operator", "etcd"):
            yield Problem(("hosts", n, "name"), f"{host.name} is a reserved name: choose another")


def names_fit_certificates(draft: Draft) -> Iterator[Problem]:
    """A certificate's common name has room for 64 characters, and a host's name may be a part of it."""
    from hardway.pki.certificates import definitions

    for n, host in draft.hosts:
        rows = [row for row in definitions() if row.per_host and row.roles & set(host.roles)]
        room = 64 - max((len(row.cn.format(host="")) for row in rows), default=0)
        if len(host.name) > room:
            roles = ", ".join(host.roles)
            message = (
                f"is too long ({len(host.name)} characters): the certificates of a host with the roles {roles} allow at"
                f" most {room}"
            )
            yield Problem(("hosts", n, "name"), message)


def roles_once(draft: Draft) -> Iterator[Problem]:
    for n, host in draft.hosts:
        for role in sorted({role for role in host.roles if host.roles.count(role) > 1}):
            yield Problem(("hosts", n, "roles"), f"{role} is listed twice: once is enough")


def every_role_present(draft: Draft) -> Iterator[Problem]:
    """A cluster needs etcd, a control plane and a worker."""
    if not draft.complete:
        return
    if not draft.hosts:
        yield Problem(
            ("hosts",), "must list at least one host (one host may have all roles: etcd, control-plane, worker)"
        )
        return
    for role in (Role.ETCD, Role.CONTROL_PLANE, Role.WORKER):
        if not draft.with_role(role):
            yield Problem(("hosts",), f"no host has the role {role.value}: at least one must")


def odd_etcd(draft: Draft) -> Iterator[Problem]:
    """An even etcd survives no more failures than one member fewer and has one more to fail."""
    members = draft.with_role(Role.ETCD)
    if draft.complete and members and len(members) % 2 == 0:
        names = ", ".join(host.name for _, host in members)
        why = f"{len(members)} etcd members ({names}) survive no more failures than {len(members) - 1}"
        yield Problem(("hosts", members[-1][0], "roles"), f"{why}: use an odd number, 1, 3 or 5")


def many_etcd(draft: Draft) -> Iterator[Problem]:
    members = draft.with_role(Role.ETCD)
    if len(members) > 7:
        yield Problem(
            ("hosts", members[7][0], "roles"),
            f"{len(members)} etcd members slow down every write: 3 or 5 are usual, 7 is the most",
        )


RULES = (unique, not_reserved, names_fit_certificates, roles_once, every_role_present, odd_etcd)
WARNINGS = (many_etcd,)
