"""Which certificates are meant by the names that somebody typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from ...cluster import Cluster
from ...errors import UsageError
from ...pki.certificates import issued, label
from ...pki.leaf import Leaf
from ...pki.rotation import KINDS
from ...run.selection import meant
from ...state.store import Store


def leaves(cluster: Cluster, store: Store) -> dict[str, Leaf]:
    """Every certificate of a cluster by what it is called, as in kubelet@worker-0."""
    return {label(row, host): Leaf(row, host, cluster, store) for row, host in issued(cluster)}


def chosen(every: Mapping[str, Leaf], names: Sequence[str], all_: bool) -> list[str]:
    """The labels that are meant, in the table's order: each name is a label, one without its host, or a pattern with *
    of either. UsageError for a name that means none, and for no name without `all_`."""
    if bool(names) is all_:
        raise UsageError(
            "name the certificates, or add --all, not both" if names else "name the certificates, or add --all",
            hint="hardway certs list INV   shows the names; * stands for anything: 'kubelet@*'",
        )
    if all_:
        return list(every)
    found = {name: [called for called in every if _means(name, called)] for name in names}
    for name, some in found.items():
        if not some:
            raise _unknown(name, every)
    return [called for called in every if any(called in some for some in found.values())]


def _means(name: str, called: str) -> bool:
    return fnmatchcase(called, name) or fnmatchcase(called.partition("@")[0], name)


def _unknown(name: str, every: Mapping[str, Leaf]) -> UsageError:
    for kind, file in KINDS.items():
        if name == file:
            hint = f"hardway certs rotate-ca {kind} INV"
            return UsageError(f"{name} is a CA, which is not renewed but replaced", hint=hint)
    return UsageError(f"there is no certificate {name}", hint=meant(name, list(every), "hardway certs list INV"))
