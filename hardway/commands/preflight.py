"""`hardway preflight`: whether the hosts are fit for the cluster, and nothing else."""

from __future__ import annotations

from ..errors import HardwayError
from ..phase import Inputs
from ..plans import permitted
from ..run.selection import Selection
from ..session import Session


def look(session: Session, selection: Selection) -> tuple[Inputs, list[HardwayError]]:
    """What preflight judges, read in one question a host, and the errors of workers that do not answer.

    QuorumError when another cluster lives there, or the data of this one is lost.
    """
    known = permitted(session.assemble(selection, trial=True), selection).looking()
    return known.inputs, list(known.left_out.values())
