"""Whether the cluster that was founded is still there, and is the one that lives: asked before anything else.

A host may be as fit as ever while the data of its cluster is gone. Then nothing may be founded in its place, however
well that would work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..cluster import Host
from ..errors import ClusterLostError, OtherClusterError, QuorumError
from ..facts import Facts
from ..living.founded import moved
from ..living.restoration import ongoing
from ..phase import Inputs
from ..state.store import FOUNDED
from .restoring import COMMAND as RESTORE
from .restoring import WHOLE, command

UNKNOWN = Facts(known=False)


def require(inputs: Inputs, founds: bool = True) -> None:
    """OtherClusterError or ClusterLostError; the latter not for a run that `founds` nothing, whatever is missing: it
    makes hosts ready for a backup."""
    found = fault(inputs)
    if found and (founds or isinstance(found, OtherClusterError)):
        raise found


def fault(inputs: Inputs) -> QuorumError | None:
    """What is wrong with the cluster as a whole, if anything."""
    return other(inputs) or lost(inputs)


def other(inputs: Inputs) -> OtherClusterError | None:
    """The cluster that lives is another one.

    kube-system's UID decides. etcd's id follows from its first members' names, addresses and token: a second cluster of
    the same hosts has the same, and a restored backup may have another. So it counts only where nobody knows the UID,
    and not while a restore lasts, which gives it another one.
    """
    founded, lives = inputs.founded, inputs.lives
    if not founded:
        return None
    if lives.uid:
        what, then, now = "the UID of kube-system", founded.uid, lives.uid
    else:
        what, then, now = "the id of etcd's cluster", founded.etcd, "" if ongoing(inputs.facts) else lives.etcd
    if not now or then == now:
        return None
    store = inputs.credentials.store
    return OtherClusterError(
        f"this is another cluster than the one that was created on {founded.on}: {what} is another",
        evidence=f"recorded in {store.where(FOUNDED)}: {then}\nthe hosts say: {now}",
        hint=(
            "use the inventory and the state directory that belong together; to keep the cluster that runs there,"
            f" {moved(store)}; then run this command again"
        ),
    )


def lost(inputs: Inputs) -> ClusterLostError | None:
    """A cluster was founded, and its data is on no etcd host that answers; those that do not answer may have it."""
    answering = [host for host in inputs.cluster.etcd_members if _said(inputs, host).known]
    if not answering or any(_said(inputs, host).etcd_data for host in answering):
        return None
    signs = [*_founded(inputs), *_signs(inputs)]
    if not signs:
        return None
    silent = _names([host for host in inputs.cluster.etcd_members if host not in answering])
    day = f" on {inputs.founded.on}" if inputs.founded else " before"
    evidence = [f"no etcd data: {_names(answering)}"]
    evidence += [f"no answer, may have the data: {silent}"] if silent else []
    return ClusterLostError(
        f"this cluster was created{day}; its etcd data is gone from every member that answers",
        evidence="\n".join([*evidence, *signs]),
        hint="; ".join(_ways_out(inputs, silent)),
    )


def _founded(inputs: Inputs) -> Iterator[str]:
    if inputs.founded:
        yield f"recorded in {inputs.credentials.store.where(FOUNDED)}"


def _signs(inputs: Inputs) -> Iterator[str]:
    """What only a cluster that has lived leaves on hosts; a bootstrap that died before that leaves none of it."""
    ours = [host for host in inputs.cluster.hosts if _said(inputs, host).cluster == inputs.cluster.name]
    if inputs.lives.members is not None:
        yield "etcd still runs, though its data directory is gone"
    if inputs.lives.uid:
        yield f"the API still answers; the UID of kube-system is {inputs.lives.uid}"
    if joined := [host for host in ours if _said(inputs, host).joined]:
        yield f"the API has given pods or a certificate to the kubelet of {_names(joined)}"
    if existing := [host for host in ours if _said(inputs, host).etcd_state == "existing"]:
        yield f"/etc/etcd/etcd.env says that etcd's cluster exists: {_names(existing)}"
    yield from _perhaps(inputs, [host for host in ours if _said(inputs, host).service_cidr], joined)


def _perhaps(inputs: Inputs, servers: Sequence[Host], joined: Sequence[Host]) -> Iterator[str]:
    """An API server may have been set up by a run that died before etcd had data; only the workers know, and one that
    does not answer has not said no."""
    silent = [host for host in inputs.cluster.workers if not _said(inputs, host).known]
    if servers and silent and not joined:
        has = f"kube-apiserver is installed on {_names(servers)}"
        yield f"{has}, and {_names(silent)} may have been a node: no answer"


def _ways_out(inputs: Inputs, silent: str) -> Iterator[str]:
    if ongoing(inputs.facts):
        yield f"continue the restore that has begun: {command(inputs.facts)}"
        return
    if inputs.lives.members is not None:
        yield "save a snapshot before etcd stops: hardway etcd backup INV"
    elif inputs.lives.uid:
        yield "put the hosts back into INV on which its etcd runs"
    else:
        yield f"bring a member back with its data{f' ({silent})' if silent else ''}"
    yield f"or restore a backup: {RESTORE}, or of the whole cluster: {WHOLE}"
    yield (
        "or, if everything in the cluster is lost for good, create it again, empty:"
        f" hardway bootstrap INV --found-anew {inputs.cluster.name}"
    )


def require_gone(inputs: Inputs) -> None:
    """QuorumError while there is, or may be, a cluster that a new one would take the place of."""
    members = inputs.cluster.etcd_members
    silent = [host for host in members if not _said(inputs, host).known]
    living = [host for host in members if _said(inputs, host).etcd_data]
    if living:
        raise _lives(f"{_names(living)} has etcd data", "run it without --found-anew: it continues with that data")
    if inputs.lives.members is not None or inputs.lives.uid:
        runs = "etcd still runs" if inputs.lives.members is not None else "the API still answers"
        raise _lives(runs, "hardway plan INV   shows more")
    if silent:
        raise QuorumError(
            f"the cluster may not be lost: {_names(silent)} may have its etcd data, and does not answer",
            host=silent[0].name,
            hint=(
                f"make {silent[0].name} reachable first: hardway status INV; if it will never come back, remove it from"
                " INV"
            ),
        )


def _lives(why: str, remedy: str) -> QuorumError:
    return QuorumError(f"the cluster is not lost: {why}", hint=remedy)


def _said(inputs: Inputs, host: Host) -> Facts:
    return inputs.facts.get(host.name, UNKNOWN)


def _names(hosts: Sequence[Host]) -> str:
    return ", ".join(host.name for host in hosts)
