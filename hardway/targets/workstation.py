"""The operator's own machine as a target: its probes and ops concern the state directory only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ..pki.credentials import Credentials
from ..vocabulary import Answers, Op, Probe


class OperatorRemote:
    """`issued KIND` answers what would be issued, tried on an overlay; `state NAME` the sha256 of a kept file."""

    def __init__(self, credentials: Credentials):
        self.credentials, self.store = credentials, credentials.store

    def probe(self, probes: Sequence[Probe]) -> Answers:
        return {
            probe: self._issued(probe.args[0]) if probe.verb == "issued" else self._state(probe.args[0])
            for probe in probes
        }

    def change(self, ops: Sequence[Op]) -> None:
        for op in ops:
            if op.verb == "issue":
                self.credentials.ensure_all(op.args[0])
            elif self.store.read(op.args[0]) is None:
                self.store.create(op.args[0], op.blob.data)
            else:
                self.store.replace(op.args[0], op.blob.data)

    def _issued(self, kind: str) -> str:
        return "\n".join(self.credentials.plan(kind))

    def _state(self, name: str) -> str:
        content = self.store.read(name)
        return "absent" if content is None else hashlib.sha256(content).hexdigest()
