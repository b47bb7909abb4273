"""The state directory of a backup beside the one that is here: what is missing is written, nothing is overwritten."""

from __future__ import annotations

from pathlib import PurePath

from ...archive import Backup
from ...errors import BackupError
from ...pki.certificates import authorities
from ...pki.service_account import PRIVATE
from ...state.store import FOUNDED, Store

# What a cluster is known by, and what makes its data readable: never two of them in one folder.
CLUSTER, PKI, ENCRYPTION = "cluster", "pki", "encryption"


def lasting(name: str) -> bool:
    """Whether a file must be the very one that the cluster has."""
    folder, _, file = name.rpartition("/")
    return name == CLUSTER or (folder == PKI and _signs(file)) or (folder == ENCRYPTION and file.endswith(".key"))


def _signs(file: str) -> bool:
    """Whether it is of a CA or of the pair that signs tokens, also of one that takes its place: ca.key, ca.next.key."""
    names = {authority.name for authority in authorities()} | {PurePath(PRIVATE).stem}
    return file.partition(".")[0] in names


def _passing(name: str) -> bool:
    """Whether it is of a CA, or of such a pair, only while another one takes its place."""
    return lasting(name) and len(PurePath(name).suffixes) > 1


def missing(store: Store, backup: Backup, older: bool = False) -> tuple[str, ...]:
    """The files of the backup that the state directory lacks, in the order in which they are written.

    BackupError when it has other keys than the backup, or keys that the backup lacks, which is `older` then.
    """
    _require_same(store, backup)
    if not older:
        _require_newest(store, backup)
    return tuple(_absent(store, backup))


def _absent(store: Store, backup: Backup) -> list[str]:
    """Keys before certificates; what says that the cluster exists comes last, so that it is not said of half of it.

    A folder of which that is said already knows better than the backup which CA is in exchange for another one.
    """
    whole = store.read(FOUNDED) is not None
    names = [name for name in backup.state if store.read(name) is None and not (whole and _passing(name))]
    return sorted(names, key=lambda name: (name == FOUNDED, not lasting(name), not name.endswith(".key"), name))


def _require_same(store: Store, backup: Backup) -> None:
    here = {name: store.read(name) for name in backup.state if lasting(name)}
    if other := sorted(name for name, found in here.items() if found is not None and found != backup.state[name]):
        raise BackupError(
            f"the state directory {store.where()} has other keys than the backup: it is of another cluster, or of"
            " another time",
            evidence="\n".join(f"differs: {name}" for name in other),
            hint="to restore with the keys of the backup, name a new folder with --state-dir; this one stays as it is",
        )


def _require_newest(store: Store, backup: Backup) -> None:
    more = sorted(name for name in store.names() if lasting(name) and name not in backup.state)
    if more and store.read(FOUNDED) is not None:
        raise BackupError(
            f"{backup.path} is older than the state directory {store.where()}, which has keys that it lacks",
            evidence="\n".join(f"not in the backup: {name}" for name in more),
            hint="use a newer backup; to restore this one all the same, add --older",
        )


def lay(store: Store, backup: Backup) -> None:
    """Write what is missing. A run that dies in between leaves files of the backup, and the next one the others."""
    for name in _absent(store, backup):
        store.create(name, backup.state[name])
