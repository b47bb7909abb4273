"""Whose hosts they are that are to be cleared."""

from __future__ import annotations

from collections.abc import Mapping

from ..cluster import Cluster
from ..errors import PreflightError
from ..facts import Facts, authority
from ..pki.rotation import Rotation
from ..state.store import Store


def refuse_others(cluster: Cluster, store: Store, facts: Mapping[str, Facts]) -> None:
    """Only hosts of this cluster are cleared: a name may be taken twice, so where we have the keys the authority counts
    too. PreflightError names those of others."""
    built = {name: found for name, found in facts.items() if found.cluster}
    if foreign := [name for name, found in built.items() if found.cluster != cluster.name]:
        raise PreflightError(
            f"{', '.join(foreign)} belongs to cluster {built[foreign[0]].cluster}, not to {cluster.name}",
            hint="reset it with that cluster's inventory",
        )
    ours = {"", *map(authority, Rotation("ca", store).ever)}
    if len(ours) > 1 and (others := [name for name, found in built.items() if found.authority not in ours]):
        raise PreflightError(
            f"{', '.join(others)} belongs to another cluster named {cluster.name}: its CA is not the one in"
            f" {store.where()}",
            hint=(
                "use the state directory of that cluster; to delete that cluster: hardway reset INV --state-dir EMPTY"
            ),
        )
