"""This computer's half of the cluster: the state directory, the binaries, the certificates kept here."""

from __future__ import annotations

from collections.abc import Iterator

from ...cluster import Host
from ...errors import PkiError
from ...living.rotation import AGAIN, unfinished
from ...pki.authority import open_signer
from ...pki.certificates import Definition, definitions, issued
from ...pki.leaf import Leaf
from ...pki.rotation import Stage, rotations
from ...state.statedir import Overlay
from .diagnosis import MEND, Diagnosis, Finding
from .patient import Patient


def identity(patient: Patient) -> Iterator[Finding]:
    """Nothing else is looked into then: what repairs a cluster would take the rest of this one."""
    if found := patient.fault:
        ways = "hardway plan INV   shows the ways out; change nothing on the hosts before that"
        yield Finding("", found.message, ways, tuple(found.evidence.splitlines()))


def state(patient: Patient) -> Iterator[Finding]:
    if error := patient.state_fault:
        yield Finding("", error.message, error.hint or MEND, tuple(error.evidence.splitlines()))


def unbuilt(patient: Patient) -> Iterator[Finding]:
    if not patient.built and not patient.fault:
        yield Finding("", f"cluster {patient.cluster.name} is not built on any host that answers", MEND)


def assets(patient: Patient) -> Iterator[Finding]:
    lacking = patient.missing_assets
    if lacking:
        what = (
            f"{len(lacking)} binaries and images are missing from this computer's cache, so no host is compared with"
            " the inventory"
        )
        yield Finding("", what, "hardway assets fetch INV", tuple(lacking[:3]), warning=True)


def certificates(patient: Patient) -> Iterator[Finding]:
    """Leaves that a bootstrap would issue again: expired, soon to expire, without a name they need."""
    store = Overlay(patient.session.store)
    signers = {name: open_signer(name, patient.cluster.pki, store, []) for name in {row.ca for row in definitions()}}
    for row, host in issued(patient.cluster):
        leaf = Leaf(row, host, patient.cluster, store, patient.session.credentials.kept)
        try:
            reason = leaf.fault(signers[row.ca])
        except PkiError as error:
            reason, remedy = error.message, error.hint
        else:
            remedy = (
                MEND
                if signers[row.ca].key
                else f"have it signed by {row.ca}: hardway certs csr INV --out DIR; then hardway certs import INV DIR"
            )
        if reason and not reason.startswith("new"):  # what was never issued has broken nothing: the plan tells it
            yield Finding(*_told(patient, row, host, reason), remedy, (f"{store.where(f'{leaf.path}.crt')}",))


def authorities(patient: Patient) -> Iterator[Finding]:
    """What breaks nothing yet: a CA that ends soon, or is being replaced."""
    for rotation in rotations(patient.session.store):
        if rotation.stage is not Stage.NONE:
            what = f"the rotation of {rotation.kind} is not finished: stage {rotation.stage.told}"
            yield Finding("", what, rotation.command, warning=True)
        elif ends := rotation.ends:
            yield Finding("", f"the {rotation.kind} CA {ends}", rotation.command, warning=True)


def encryption(patient: Patient) -> Iterator[Finding]:
    """A rotation of the encryption key that was not finished."""
    if left := unfinished(patient.inputs.encryption):
        what = f"a rotation of the encryption key was not finished: {left}"
        yield Finding(
            "", what, f"{AGAIN}   continues; hardway encryption status INV   shows what is left", warning=True
        )


def _told(patient: Patient, row: Definition, host: Host | None, reason: str) -> tuple[str, str]:
    """(host, what): the one host that has it, or all of them by name."""
    owners = (host,) if host else row.hosts(patient.cluster)
    names = ", ".join(owner.name for owner in owners)
    return (owners[0].name if len(owners) == 1 else "", f"the certificate {row.name} of {names}: {reason}")


IDENTITY = Diagnosis(
    "cluster-identity",
    "The cluster's data is gone, or it is another cluster",
    identity,
    anywhere=("etcd-restore",),
    instead_of=("same-cluster",),
)
STATE = Diagnosis("state-directory", "The state directory does not belong to this cluster", state)
UNBUILT = Diagnosis("not-built", "The cluster is not built yet", unbuilt)
ASSETS = Diagnosis("assets-missing", "Binaries are not in the cache", assets)
AUTHORITIES = Diagnosis("ca", "A CA expires soon, or is being replaced", authorities, needs_keys=True)
ROTATION = Diagnosis(
    "encryption-rotation", "A rotation of the encryption key was not finished", encryption, needs_keys=True
)
CERTIFICATES = Diagnosis("certificate", "A certificate has to be issued again", certificates, needs_keys=True)
