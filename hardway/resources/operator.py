"""State on the operator's own machine: issued certificates and kubeconfigs in the state directory."""

from __future__ import annotations

from dataclasses import dataclass

from ..vocabulary import Answers, Blob, Op, Probe
from .base import Change, Situation


@dataclass(frozen=True)
class Issued:
    """All keys and certificates of one kind ("pki" or "encryption").

    The answer lists what is to be issued and why, a line each.
    """

    kind: str

    @property
    def key(self) -> str:
        return {"pki": "keys and certificates", "encryption": "encryption key"}[self.kind]

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("issued", (self.kind,)),)

    def compare(self, now: Situation) -> Change | None:
        lines = tuple(now.answers[self.probes()[0]].splitlines())
        return Change(self.key, lines, (Op("issue", (self.kind,)),)) if lines else None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


@dataclass(frozen=True)
class LocalFile:
    """A file in the state directory, 0600."""

    name: str
    blob: Blob

    @property
    def key(self) -> str:
        return f"state file {self.name}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("state", (self.name,)),)

    def compare(self, now: Situation) -> Change | None:
        digest = now.answers[self.probes()[0]]
        if digest == self.blob.sha256:
            return None
        was = "" if digest == "absent" else f"sha256:{digest[:12]}"
        return Change(
            self.key, ("new" if digest == "absent" else "content",), (Op("keep", (self.name,), self.blob),), was=was
        )

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()
