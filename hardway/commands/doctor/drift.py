"""What bootstrap would repair, a finding for each target: the same comparison that `hardway plan` makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ...errors import HardwayError
from ...phase import API, ETCD, OPERATOR
from ...phases import PHASES
from ...preflight.upgrades import parsed
from ...report import plural
from ...resources.base import Change
from ...run.planning import plan
from ...run.step import Done
from ...upgrading import stand
from ...upgrading.standing import SERVERS, kubelets
from .api import answers
from .diagnosis import MEND, Diagnosis, Finding
from .patient import Patient

LINES = 6
ONWARD = "hardway upgrade INV   continues it (with --to VERSION as before, if the inventory does not say that version)"
# Told with more evidence by other diagnoses, which look at the same resources.
ELSEWHERE = ("packages ", "image ", "swap off", "sysctl ", "kernel module ", "routes ", "keys and certificates")


def compared(patient: Patient, target: str) -> list[Done]:
    """The plan of one target, made once; nothing where the cache lacks what hosts are compared with."""
    if patient.missing_assets and target not in (OPERATOR.name, API.name):
        return []
    return patient.scene.once(
        ("plan", target), lambda: plan(patient.inputs, patient.known.readers(), PHASES, frozenset({target}), 1)
    )


def targets(patient: Patient) -> list[str]:
    return [OPERATOR.name, *(host.name for host in patient.there), ETCD.name, *([API.name] if answers(patient) else [])]


def steps(patient: Patient) -> Iterator[tuple[str, list[Done] | HardwayError]]:
    """Each target's plan, or why it cannot be made."""
    for target in targets(patient):
        try:
            yield target, compared(patient, target)
        except HardwayError as error:
            yield target, error


def drift(patient: Patient) -> Iterator[Finding]:
    for target, found in steps(patient):
        if isinstance(found, HardwayError):
            yield Finding(
                place(target),
                f"cannot be compared with the inventory: {found.message}",
                found.hint or "hardway plan INV",
                lines_of(found),
            )
        elif differing := [(step.phase, change) for step in found for change in step.changes if not elsewhere(change)]:
            what = f"{plural(len(differing), 'difference')} from the inventory"
            yield Finding(place(target), what, f"hardway plan INV   shows all differences; {MEND}", shown(differing))


def elsewhere(change: Change) -> bool:
    """Whether another diagnosis tells this, or nobody can tell it now."""
    return change.unknown or change.key.startswith(ELSEWHERE) or (change.key.startswith("unit ") and _is_state(change))


def _is_state(change: Change) -> bool:
    return all(why in ("not enabled", "masked") or why.endswith(", to be started") for why in change.why)


def shown(differing: Iterable[tuple[str, Change]]) -> tuple[str, ...]:
    lines = [f"{phase}: {change.key}: {'; '.join(change.why)}" for phase, change in differing]
    return (*lines[:LINES], *([f"and {len(lines) - LINES} more"] if len(lines) > LINES else []))


def lines_of(error: HardwayError) -> tuple[str, ...]:
    return tuple(error.evidence.splitlines()[-3:])


def place(target: str) -> str:
    """A host's name; targets that are no hosts are the cluster as a whole."""
    return "" if target in (OPERATOR.name, ETCD.name, API.name) else target


def versions(patient: Patient) -> Iterator[Finding]:
    """Another minor of Kubernetes than the inventory's, in whole or in parts: an upgrade that was not begun, or that
    ended in the middle. What differs for that is no drift."""
    cluster, lives = patient.cluster, patient.known.lives
    found = {host.name: patient.known.facts[host.name] for host in cluster.hosts}
    standing = patient.scene.once("standing", lambda: stand(patient.session.live, cluster, found, lives))
    there = {*standing.versions(cluster.control_plane, *SERVERS).values(), *kubelets(cluster, standing).values()}
    minors, wanted = {parsed(version)[:2] for version in there}, cluster.versions
    if len(minors) > 1:
        runs = ", ".join(sorted(there, key=parsed))
        yield Finding("", f"an upgrade was not finished: Kubernetes {runs} run side by side", ONWARD)
    elif minors and minors != {wanted.minor}:
        what = f"Kubernetes {max(there, key=parsed)} runs, and the inventory says {wanted.kubernetes}"
        yield Finding("", what, f"hardway upgrade INV; or write kubernetes: {max(there, key=parsed)} in INV")


def absent(prefix: str, what: str) -> Callable[[Patient], Iterator[Finding]]:
    """A look at the plans for one kind of resource that is missing on a host."""

    def look(patient: Patient) -> Iterator[Finding]:
        for target, found in steps(patient):
            changes = [] if isinstance(found, HardwayError) else [change for step in found for change in step.changes]
            missing = [change for change in changes if change.key.startswith(prefix)]
            if missing:
                yield Finding(
                    place(target), what, MEND, tuple(f"{change.key}: {'; '.join(change.why)}" for change in missing)
                )

    return look


VERSIONS = Diagnosis("upgrade", "An upgrade was not finished, or not begun", versions)
DRIFT = Diagnosis(
    "drift",
    "Hosts differ from the inventory",
    drift,
    anywhere=(VERSIONS.name,),
    needs_keys=True,
    instead_of=("no-drift",),
)
TOOLS = Diagnosis(
    "tools-missing",
    "Programs a worker needs are missing",
    absent("packages ", "programs that every node needs are missing"),
    needs_keys=True,
)
NODE_IMAGES = Diagnosis(
    "node-image-missing",
    "Images every node needs are missing",
    absent("image ", "images that every node needs are missing"),
    here=("unit-containerd", "disk-full"),
    needs_keys=True,
)
