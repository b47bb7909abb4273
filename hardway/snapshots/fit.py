"""Whether a snapshot fits the cluster that it is to be restored in: whose it is, which keys it needs, whether there is
room."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..cluster import Cluster, Host
from ..errors import OtherClusterError, PreflightError, SnapshotError, UnreadableError, UsageError
from ..etcd.sidecar import Sidecar
from ..etcd.snapshot import Snapshot
from ..facts import Facts, authority
from ..living.encryption import ours
from ..living.restoration import Restoration
from ..phase import Inputs
from ..pki.credentials import Credentials
from ..pki.encryption import file_of, of_hardway, retirement
from ..pki.rotation import TOKENS, Rotation
from .asking import Said

SLACK_MB = 64
AGAIN = "hardway etcd restore INV FILE"


@dataclass(frozen=True)
class Offer:
    """A snapshot on this computer, and what stands beside it, if anything does."""

    snapshot: Snapshot
    sidecar: Sidecar | None = None


def require_name(cluster: Cluster, typed: str | None) -> None:
    """UsageError unless nothing was typed, or this cluster's name."""
    if typed is not None and typed != cluster.name:
        raise UsageError(
            f"--of-another-cluster {typed} is not the name of this inventory's cluster",
            hint="check that INV is the right inventory, and type what it has under `cluster`",
        )


def require(inputs: Inputs, offer: Offer, other: bool) -> None:
    """The error of whatever does not fit; `other`: a snapshot of another cluster is meant to be restored here."""
    if not other:
        _require_ours(inputs, offer)
    _require_keys(inputs, offer)
    _require_format(inputs.cluster, offer.snapshot)
    _require_one_folder(inputs)


def _require_ours(inputs: Inputs, offer: Offer) -> None:
    """The content decides: the UID of kube-system is in every snapshot of this cluster, and in no other."""
    founded, path = inputs.founded, offer.snapshot
    uid = founded.uid if founded else inputs.lives.uid
    anyway = f"to restore it here anyway: {AGAIN} --of-another-cluster {inputs.cluster.name}"
    if uid and not offer.snapshot.holds(uid):
        named = f" (cluster {offer.sidecar.cluster})" if offer.sidecar else ""
        raise OtherClusterError(
            f"{path} is a snapshot of another cluster{named}",
            evidence=f"it does not contain {uid}, the UID of kube-system of this cluster",
            hint=f"use a snapshot of this cluster; {anyway}",
        )
    ours = offer.sidecar and offer.sidecar.ca in map(authority, Rotation("ca", inputs.credentials.store).ever)
    if not uid and not ours:
        raise OtherClusterError(
            f"nobody knows whether {path} is a snapshot of this cluster: the state directory does not record which"
            " cluster it belongs to, and the API does not answer",
            hint=f"use the state directory of that cluster; {anyway}",
        )


def _require_keys(inputs: Inputs, offer: Offer) -> None:
    """Every key that Secrets in it may be encrypted with must be here: API servers that lack one never get ready."""
    here = inputs.credentials.encryption_keys()
    about = offer.sidecar.keys if offer.sidecar else ()
    missing = [key for key in about if key not in here.values()]
    named = {key.partition("=")[0] for key in missing}
    missing += sorted(key for key in _sealing(inputs.cluster, offer) - here.keys() - named if of_hardway(key))
    if missing:
        where = inputs.credentials.store.where(file_of(missing[0].partition("=")[0]))
        raise UnreadableError(
            f"Secrets in {offer.snapshot} are encrypted with a key that is not in the state directory",
            evidence="\n".join(f"missing: {key}" for key in missing),
            hint=f"copy it from the state directory of that day to {where}, mode 0600; then: {AGAIN}",
        )


def _sealing(cluster: Cluster, offer: Offer) -> frozenset[str]:
    """The keys that Secrets in it are under, as their first bytes say; none where the keys are the operator's own."""
    return frozenset() if not ours(cluster) else _keys_of(offer.snapshot, f"{cluster.etcd_prefix}/secrets/")


@functools.cache
def _keys_of(snapshot: Snapshot, prefix: str) -> frozenset[str]:
    return snapshot.keys_of(prefix)


def recalled(credentials: Credentials, offer: Offer) -> tuple[str, ...]:
    """The retired keys that Secrets in the snapshot are or may be under: API servers must read with them before they
    start with it."""
    names = credentials.encryption_keys()
    told = {key for key, name in names.items() if offer.sidecar and name in offer.sidecar.keys}
    gone = retirement.retired(credentials.store)
    return tuple(key for key in names if key in gone and key in told | _sealing(credentials.cluster, offer))


def _require_format(cluster: Cluster, found: Snapshot) -> None:
    """etcd reads the format of its own minor version, and takes over that of the one before."""
    major, minor = map(int, cluster.versions.etcd.split(".")[:2])
    there = ".".join(map(str, found.minor))
    if found.minor > (major, minor):
        problem, way = "is too new for", f"set versions.etcd in INV to a {there} release"
    elif found.minor < (major, minor - 1):
        problem, way = "is too old for", f"set versions.etcd in INV to a {there} release, and go up one minor at a time"
    else:
        return
    raise SnapshotError(f"{found} {problem} etcd {cluster.versions.etcd}: its format is that of {there}", hint=way)


def _require_one_folder(inputs: Inputs) -> None:
    folders = {facts.flags.get("etcd.wal-dir", "") for facts in inputs.facts.values()}
    folders.add(str(inputs.cluster.extra_args.get("etcd", {}).get("wal-dir", "")))
    if folder := next(iter(folders - {""}), ""):
        raise UsageError(
            f"etcd keeps its log in {folder}, and hardway restores only /var/lib/etcd",
            hint="restore by hand: hardway runbook INV   has a chapter about it; add --wal-dir to its command",
        )


def require_room(inputs: Inputs, offer: Offer, restoration: Restoration) -> None:
    """PreflightError when a host lacks the room for the snapshot and for the data made of it; the old data stays."""
    size = offer.snapshot.size >> 20
    lines = [
        line
        for host in inputs.cluster.etcd_members
        if not restoration.has(inputs.facts, host)
        for line in _too_small(host, inputs.facts[host.name], size)
    ]
    if lines:
        raise PreflightError(
            "there is no room for the snapshot on every etcd host",
            phase="restore-data",
            evidence="\n".join(lines),
            hint="free some space; nothing has been changed",
        )


def _too_small(host: Host, facts: Facts, size: int) -> Iterator[str]:
    needed: dict[tuple[str, int], int] = {}
    for path, free in (("/usr/local", facts.disk_free_mb), ("/var/lib/etcd", facts.var_free_mb)):
        folder = facts.beside.folders.get(path)
        mount = (folder.mount, folder.free_mb) if folder else (path, free)
        needed[mount] = needed.get(mount, 0) + size
    for (mount, free), wanted in needed.items():
        if free < wanted + SLACK_MB:
            yield f"{host.name}: {mount} has {free} MB free, {wanted + SLACK_MB} MB are needed"


def warnings(inputs: Inputs, offer: Offer) -> Iterator[str]:
    """What fits, but not in all."""
    about = offer.sidecar
    if about is None:
        yield f"{offer.snapshot} has no sidecar: nobody knows its age and its versions"
        return
    if about.tokens not in map(authority, Rotation(TOKENS, inputs.credentials.store).listed):
        yield "the key of service account tokens is another one by now: tokens in the snapshot are not accepted"
    if about.ca != authority(inputs.credentials.mark()):
        yield "the cluster's CA is another one by now: ConfigMaps in the snapshot name the old one for some seconds"
    if about.kubernetes != inputs.cluster.versions.kubernetes:
        yield f"it was taken with Kubernetes {about.kubernetes}, the inventory has {inputs.cluster.versions.kubernetes}"


def losses(offer: Offer, said: Sequence[Said], now: datetime.datetime) -> Iterator[str]:
    """How old it is, and what its restore takes back."""
    then, about = offer.snapshot.revision, offer.sidecar
    taken = f", taken {about.taken} ({age(about.taken, now)} ago) from {about.member}" if about else ""
    yield f"snapshot {offer.snapshot}: revision {then}{taken}, {offer.snapshot.size / 1e6:.1f} MB"
    present = revision_now(said)
    if not present:
        yield "etcd does not answer, so nobody knows what has been written since; all of it is lost"
    elif present > then:
        yield f"etcd is at revision {present} now: all that was written since revision {then} is lost"
    else:
        yield f"etcd is at revision {present} now"


def revision_now(said: Sequence[Said]) -> int:
    """The newest that a member reports, 0 when none answers."""
    return max((one.status.revision for one in said if one.status), default=0)


def age(taken: str, now: datetime.datetime) -> str:
    """How long ago a moment (ISO 8601) was, for people."""
    try:
        seconds = (now - datetime.datetime.fromisoformat(taken)).total_seconds()
    except (ValueError, TypeError):
        return "unknown"
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
