"""The operator's own machine as a target: its probes and ops concern the state directory only."""

from __future__ import annotations

from typing import Sequence

from .credentials import Credentials
from .statedir import Overlay
from .vocabulary import Answers, Op, Probe

PREFIXES = {"pki": "pki/", "kubeconfigs": "kubeconfigs/", "encryption": ""}


class OperatorRemote:
    """Answers what would be issued by trying it on an overlay that keeps its writes in memory."""

    def __init__(self, credentials: Credentials):
        self.credentials = credentials

    def probe(self, probes: Sequence[Probe]) -> Answers:
        return {probe: "\n".join(self._missing(probe.args[0])) for probe in probes}

    def change(self, ops: Sequence[Op]) -> None:
        for op in ops:
            getattr(self.credentials, f"ensure_{op.args[0]}")()

    def _missing(self, kind: str) -> list[str]:
        trial = Credentials(self.credentials.cluster, Overlay(self.credentials.store))
        return [line for line in getattr(trial, f"ensure_{kind}")() if line.startswith(PREFIXES[kind])]
