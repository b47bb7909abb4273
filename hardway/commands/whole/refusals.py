"""When a backup is not restored: it is of another cluster, or a cluster lives on these machines."""

from __future__ import annotations

from collections.abc import Iterator

from ...archive import Backup
from ...cluster import Cluster, Host
from ...errors import OtherClusterError, QuorumError, UsageError
from ...living.restoration import Restoration, ongoing
from ...phase import Inputs
from ...session import Known, Session

ETCD_ALONE = "hardway etcd restore INV FILE"


def require_fit(cluster: Cluster, backup: Backup) -> None:
    """OtherClusterError or UsageError unless the inventory is of the cluster of the backup, in the same minor."""
    about = backup.manifest
    if about.cluster != cluster.name:
        raise OtherClusterError(
            f"{backup.path} is a backup of cluster {about.cluster}, and the inventory is of cluster {cluster.name}",
            hint=f"to see the inventory of the backup: hardway restore NEW.yaml {backup.path} --write-inventory",
        )
    if minor(about.kubernetes) != minor(cluster.versions.kubernetes):
        raise UsageError(
            f"the backup is of Kubernetes {about.kubernetes}, and the inventory says {cluster.versions.kubernetes}",
            hint=f"write kubernetes: {about.kubernetes} in INV, restore, and change the version afterwards",
        )


def minor(version: str) -> str:
    """1.37 of 1.37.2."""
    return ".".join(version.split(".")[:2])


def require_issuable(session: Session) -> None:
    """PkiError before any host is touched when a certificate must be issued, and a CA's key is not in the backup."""
    session.credentials.plan()


def require_gone(known: Known, backup: Backup) -> Restoration | None:
    """The restore of this backup that has begun, if any; QuorumError when a cluster lives, or may have data here."""
    begun = ongoing(known.facts)
    ours = next((one for one in begun if one.sha256 == backup.snapshot.sha256), None)
    if ours:
        return ours
    if begun:
        raise _other_restore(begun[0], backup)
    if signs := [*_signs(known.inputs), *_reached(known)]:
        raise QuorumError(
            "a cluster is on these machines: a backup never replaces one",
            evidence="\n".join(signs),
            hint=(
                "if this backup has just been restored: hardway verify INV; to take the data of a living cluster back:"
                f" {ETCD_ALONE}; to delete what is on a host, data too: hardway reset INV --limit HOST"
            ),
        )
    return None


def _signs(inputs: Inputs) -> Iterator[str]:
    """What only a cluster has that lives, or could live again."""
    lives = inputs.lives
    if lives.uid:
        yield f"the API answers; the UID of kube-system is {lives.uid}"
    elif lives.servers is not None:
        yield "an API server answers"
    if lives.members is not None:
        yield "etcd runs"
    if found := [host.name for host in inputs.cluster.etcd_members if _has_data(inputs, host)]:
        yield f"etcd has data on {', '.join(found)}"


def _reached(known: Known) -> Iterator[str]:
    """Where a worker still reaches the API: a control plane that the inventory no longer names, and that would go on
    beside the new one."""
    live, workers = known.session.live, known.session.cluster.workers
    doors = {url: host for host in workers if host.name in known.facts for url in known.facts[host.name].servers}
    yield from (f"the API answers {host.name} at {url}" for url, host in doors.items() if not live.road(host, url))


def _has_data(inputs: Inputs, host: Host) -> bool:
    return host.name in inputs.facts and inputs.facts[host.name].etcd_data


def _other_restore(one: Restoration, backup: Backup) -> QuorumError:
    with_what = "another backup" if one.whole else "a snapshot of etcd"
    return QuorumError(
        f"a restore of {with_what} began here at {one.id}, and is not finished",
        evidence=f"its snapshot has sha256 {one.sha256}\nthat of {backup.path} has {backup.snapshot.sha256}",
        hint=(
            "continue with that one; to begin again with this one, first delete what is on each control-plane host:"
            " hardway reset INV --limit HOST"
        ),
    )


def moved(cluster: Cluster, backup: Backup) -> list[str]:
    """What has another address than on the day of the backup, a line each."""
    now, then = {host.name: str(host.address) for host in cluster.hosts}, backup.manifest.hosts
    lines = [
        f"{name} has moved from {then[name]} to {now[name]}" for name in now if then.get(name, now[name]) != now[name]
    ]
    lines += [f"{name} is new in the inventory" for name in now if name not in then]
    lines += [f"{name} of the backup is not in the inventory any more" for name in then if name not in now]
    if cluster.api_url != backup.manifest.api:
        lines.append(f"the API moves from {backup.manifest.api} to {cluster.api_url}: workers are led there")
    return lines
