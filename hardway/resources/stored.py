"""Secrets as they lie in etcd."""

from __future__ import annotations

from dataclasses import dataclass

from ..vocabulary import Answers, Op, Probe
from .base import Change, Situation


@dataclass(frozen=True)
class Rewritten:
    """Every Secret under one key, such as `aescbc:key2`."""

    under: str

    @property
    def key(self) -> str:
        return "Secrets in etcd"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("others", (self.under,)),)

    def compare(self, now: Situation) -> Change | None:
        said = [line.split() for line in now.answers[self.probes()[0]].splitlines()]
        why = tuple(f"{count} under {key}, not {self.under}" for key, count in said)
        return Change(self.key, why, (Op("rewrite", (self.under,)),)) if why else None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()
