"""A new cluster in place of one whose data is lost, on the same hosts: only when its name was typed, and nothing
lives."""

from __future__ import annotations

from ...cluster import Cluster, Host
from ...errors import UsageError
from ...facts import Facts
from ...parallel import each
from ...render import COMPONENTS
from ...report import plural
from ...session import Known
from ...state.store import FOUNDED
from ...vocabulary import Op

ENVIRONMENT = "/etc/etcd/etcd.env"


def require_name(cluster: Cluster, typed: str) -> None:
    """UsageError unless it is this cluster's name."""
    if typed != cluster.name:
        raise UsageError(
            f"--found-anew {typed} is not the name of this inventory's cluster",
            hint="check that INV is the right inventory, and type what it has under `cluster`",
        )


def clear_way(known: Known, hosts: frozenset[str]) -> None:
    """Forget the lost cluster here, then have its programs stopped: an API server would go on serving what it
    remembers, and a kubelet registers its node only when it starts."""
    session = known.session
    session.store.discard(FOUNDED)
    ops = {host: left(host, known.facts[host.name]) for host in session.cluster.hosts if host.name in hosts}
    at_work = [host for host, some in ops.items() if some]
    session.report.note(f"stopping what is left of the lost cluster on {plural(len(at_work), 'host')}")
    each(lambda host: session.live.remotes[host.name].change(ops[host]), at_work, session.parallel)


def left(host: Host, facts: Facts) -> list[Op]:
    """What ends a lost cluster on a host; containers stay until the new kubelet knows them not to be wanted."""
    if not facts.cluster:
        return []
    units = [f"{name}.service" for name, role in COMPONENTS.items() if host.is_(role) and name != "containerd"]
    stops = [Op("stop", (unit,)) for unit in units if unit in facts.units]
    # Otherwise etcd would wait for the members of the lost cluster.
    return [*stops, *([Op("drop", (ENVIRONMENT,))] if facts.etcd_state else [])]
