"""What to do with the nodes of a cluster that lives: a drain to be typed, and how a host leaves, step by step."""

from __future__ import annotations

from collections.abc import Iterator

from ....cluster import Cluster, Host
from ....removal.course import COURSE
from ..ops import KUBECTL
from ..writing.document import Code, Heading, Part, Table, Text

DRAIN = (
    "Before you work on a machine, drain it: no new pod starts there, and each pod that runs is evicted as its"
    " PodDisruptionBudget allows. Pods of a DaemonSet stay. `hardway node drain` does the same, and names pod, budget"
    " and owner when a pod cannot go."
)
REMOVE = (
    "A host leaves in steps, so that nobody notices. `hardway node remove` does them in this order, and only those that"
    " its roles need; `--plan` shows them for a host."
)
ADD = (
    "A host joins when the inventory names it: `hardway node add` does for it what this guide does, and on the other"
    " hosts only names, routes and what its roles need there."
)


def nodes(cluster: Cluster) -> Iterator[Part]:
    """The guide's chapter."""
    if len(cluster.workers) > 1:
        yield Heading("Drain a node")
        yield from (Text(DRAIN), *_drained(cluster.workers[-1]))
    yield from (Heading("Remove a host"), Text(REMOVE))
    yield Table(("step", "why", "by hand"), tuple((f"`{leg.name}`", leg.why, f"`{leg.by_hand}`") for leg in COURSE))
    yield from (Heading("Add a host"), Text(ADD))


def _drained(host: Host) -> Iterator[Part]:
    """A drain and its end, each with what it prints."""
    drain = f"{KUBECTL} drain {host.name} --ignore-daemonsets --delete-emptydir-data --timeout=120s >/dev/null"
    closed = f"{KUBECTL} get node {host.name} -o jsonpath='{{.spec.unschedulable}}{{\"\\n\"}}'"
    for commands, says in (
        (f"{drain}\n{closed}", "true"),
        (f"{KUBECTL} uncordon {host.name}", f"node/{host.name} uncordoned"),
    ):
        yield from (Code(commands), Text("It prints:"), Code(says, "text"))
