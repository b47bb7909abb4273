"""One examination: every diagnosis is made, whatever the others find, and what was found is put in order."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...checks.scene import told
from ...foreign.understanding import OTHERWISE, unexpected
from ...run.selection import Selection
from ...session import Session
from ...targets.live import UNREACHABLE
from . import api
from .causes import Cause, causes
from .diagnoses import BEFORE, DIAGNOSES, ONLY_TOLD
from .diagnosis import Diagnosis, Finding
from .patient import Patient

THREADS = 10


@dataclass(frozen=True)
class Examination:
    """`unseen` are names of diagnoses that could not be made, each with the reason."""

    cluster: str
    hosts: tuple[str, ...]
    away: tuple[str, ...]
    causes: tuple[Cause, ...]
    warnings: tuple[Finding, ...]
    unseen: tuple[tuple[str, str], ...]
    made: int
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 healthy, 7 something is wrong, 4 no host at all can be reached."""
        if len(self.away) == len(self.hosts):
            return 4
        return 7 if self.causes else 0


def examine(session: Session, ignore: Sequence[str] = ()) -> Examination:
    """Look at everything that can be looked at; nothing is changed anywhere. What the checks of preflight find that are
    to be ignored is a warning."""
    start = time.monotonic()
    ignored = frozenset(Selection(ignore=tuple(ignore)).ignored(session.cluster))
    patient = Patient(session, ignored)
    unseen = {one.name: reason for one in DIAGNOSES if (reason := _hidden(one, patient))}
    chosen = [one for one in DIAGNOSES if one.name not in unseen]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="diagnosis") as pool:
        results = list(pool.map(lambda one: _made(one, patient), chosen))
    unseen |= {one.name: reason for one, (_, reason) in zip(chosen, results, strict=True) if reason}
    hosts = tuple(host.name for host in session.cluster.hosts)
    found = [one for seen, _ in results for one in seen]
    arranged = [_quiet(cause, patient) for cause in causes(DIAGNOSES, found, hosts)]
    return Examination(
        cluster=session.cluster.name,
        hosts=hosts,
        away=tuple(name for name in hosts if name in patient.away),
        causes=tuple(one for one in arranged if not one.finding.warning),
        warnings=tuple(one.finding for one in arranged if one.finding.warning),
        unseen=tuple((one.name, unseen[one.name]) for one in DIAGNOSES if one.name in unseen),
        made=len(chosen),
        seconds=time.monotonic() - start,
    )


def _hidden(one: Diagnosis, patient: Patient) -> str:
    """Why a diagnosis cannot be made at all."""
    if patient.fault and one not in ONLY_TOLD:
        return "what repairs a cluster could destroy what is left of this one"
    if not patient.built and one not in BEFORE:
        return "the cluster is not built yet"
    if not patient.keys:
        return "the keys of this cluster are not on this computer" if one.needs_keys or one.needs_api else ""
    return "" if not one.needs_api or api.answers(patient) else "no API server is ready"


def _quiet(cause: Cause, patient: Patient) -> Cause:
    """Without those consequences that only say once more that a host is away."""

    def echoes(one: Finding) -> bool:
        error = patient.away.get(one.host)
        return error is not None and one.what.startswith(error.message)

    return dataclasses.replace(cause, consequences=tuple(one for one in cause.consequences if not echoes(one)))


def _made(diagnosis: Diagnosis, patient: Patient) -> tuple[Sequence[Finding], str]:
    """What it finds, and why it could find nothing."""
    found: list[Finding] = []
    try:
        for finding in diagnosis.look(patient):
            found.append(dataclasses.replace(finding, name=diagnosis.name))
    except UNREACHABLE as error:
        return found, told(error)
    except OTHERWISE as error:  # one odd answer must not take all other causes with it
        return found, unexpected(error)
    return found, ""
