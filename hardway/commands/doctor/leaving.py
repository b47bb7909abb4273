"""Hosts on their way out: a drain or a removal that was not finished, and the command that goes on with it."""

from __future__ import annotations

from collections.abc import Iterator

from ...drain.choice import Options, chosen
from ...drain.cordon import cordon_of
from ...drain.pods import pods_on
from ...etcd.membership import member_on
from ...progress.closing import plural
from .diagnosis import Diagnosis, Finding
from .patient import Patient

DRAINED = "node drain"  # a node stays cordoned after it, until a person says otherwise


def cordoned(patient: Patient) -> Iterator[Finding]:
    """Nodes that a command of hardway's has cordoned: a drain with pods left, or one that ends with more than that."""
    api = patient.session.live.kube()
    for found in (api.get("/api/v1/nodes") or {}).get("items") or ():
        name, mark = found["metadata"]["name"], cordon_of(found)
        if not mark or not mark.command:
            continue
        left = chosen(pods_on(api, name), Options(force=True, empty_dir=True)).evict
        if left or mark.command != DRAINED:
            what = f"the node is {mark}, and {plural(len(left), 'pod')} {'is' if len(left) == 1 else 'are'} left on it"
            yield Finding(name, what, _onward(name, mark.command), warning=True)


def _onward(name: str, command: str) -> str:
    words = f"hardway {command} INV" if command == "upgrade" else f"hardway {command} INV {name}"
    return f"{words}   continues; hardway node uncordon INV {name}   gives it up"


def removed(patient: Patient) -> Iterator[Finding]:
    """Hosts with the data of a member that etcd no longer has: it never takes it back with that."""
    members, facts = patient.known.lives.members, patient.known.facts
    for host in patient.cluster.etcd_members if members else ():
        if facts[host.name].etcd_data and not member_on(patient.cluster, members or (), host):
            back = f"hardway reset INV --limit {host.name}; hardway node add INV {host.name}"
            onward = f"hardway node remove INV {host.name}   continues its removal; to have it join again: {back}"
            yield Finding(host.name, "its etcd member was removed, and its data is still there", onward)


CORDONED = Diagnosis(
    "node-cordoned", "A drain or a removal was not finished", cordoned, needs_keys=True, needs_api=True
)
REMOVED = Diagnosis("etcd-removed", "A host has the data of an etcd member that was removed", removed, needs_keys=True)
