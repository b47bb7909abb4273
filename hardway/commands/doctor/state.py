"""This computer's half of the cluster: the state directory, the binaries, the certificates kept here."""

from __future__ import annotations

from collections.abc import Iterator

from ...cluster import Host
from ...errors import PkiError
from ...pki.authority import open_signer
from ...pki.certificates import Definition, definitions
from ...pki.leaf import Leaf
from ...state.statedir import Overlay
from .diagnosis import MEND, Diagnosis, Finding
from .patient import Patient


def state(patient: Patient) -> Iterator[Finding]:
    if error := patient.state_fault:
        yield Finding("", error.message, error.hint or MEND, tuple(error.evidence.splitlines()))


def unbuilt(patient: Patient) -> Iterator[Finding]:
    if not patient.built:
        yield Finding("", f"nothing of cluster {patient.cluster.name} is on the hosts that answer", MEND)


def assets(patient: Patient) -> Iterator[Finding]:
    lacking = patient.missing_assets
    if lacking:
        what = f"{len(lacking)} binaries and images are not in the cache of this computer, so no host is compared with the inventory"
        yield Finding("", what, "hardway assets fetch INV", tuple(lacking[:3]), warning=True)


def certificates(patient: Patient) -> Iterator[Finding]:
    """Leaves that a bootstrap would issue again: expired, soon to expire, without a name they need."""
    store = Overlay(patient.session.store)
    signers = {name: open_signer(name, patient.cluster.pki, store, []) for name in {row.ca for row in definitions()}}
    for row in definitions():
        for host in row.hosts(patient.cluster) if row.per_host else (None,):
            leaf = Leaf(row, host, patient.cluster, store)
            try:
                reason = leaf.fault(signers[row.ca])
            except PkiError as error:
                reason, remedy = error.message, error.hint
            else:
                remedy = MEND if signers[row.ca].key else f"have it signed by {row.ca} and put it at {store.where(f'{leaf.path}.crt')}"
            if reason and not reason.startswith("new"):  # what was never issued has broken nothing: the plan tells it
                yield Finding(*_told(patient, row, host, reason), remedy, (f"{store.where(f'{leaf.path}.crt')}",))


def _told(patient: Patient, row: Definition, host: Host | None, reason: str) -> tuple[str, str]:
    """(host, what): the one host that has it, or all of them by name."""
    owners = (host,) if host else row.hosts(patient.cluster)
    names = ", ".join(owner.name for owner in owners)
    return (owners[0].name if len(owners) == 1 else "", f"the certificate {row.name} of {names}: {reason}")


STATE = Diagnosis("state-directory", "The state directory is not this cluster's", state)
UNBUILT = Diagnosis("not-built", "The cluster is not built yet", unbuilt)
ASSETS = Diagnosis("assets-missing", "Binaries are not in the cache", assets)
CERTIFICATES = Diagnosis("certificate", "A certificate is not as it should be", certificates, needs_keys=True)
