"""The client certificate that a kubelet keeps for itself: from the one in its kubeconfig it goes on by itself."""

from __future__ import annotations

from dataclasses import dataclass

from ..pki.inspection import signed_by
from ..pki.reading import Held, held, parsed
from ..vocabulary import Answers, Op, Probe
from .base import Change, Situation


@dataclass(frozen=True)
class OwnCertificate:
    """Nothing tells a kubelet to have another certificate signed but the end of the one it has. Without it, it starts
    over from its kubeconfig: so it is taken away before the kubeconfig gets another certificate than `first`, and when
    the CA `issuer` has not signed it. The unit whose kubeconfig it is has to be restarted for it (Unit.watches).
    """

    path: str
    kubeconfig: str
    first: bytes
    issuer: bytes

    @property
    def key(self) -> str:
        return f"certificate {self.path}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("certificates", (self.path,)), Probe("certificates", (self.kubeconfig,)))

    def compare(self, now: Situation) -> Change | None:
        own, given = (held(now.answers[probe]) for probe in self.probes())
        why = self._why(own, given) if own.there else ""
        return Change(self.key, (why,), (Op("discard", (self.path,)),)) if why else None

    def _why(self, own: Held, given: Held) -> str:
        if own.first is None:
            return "it cannot be read"
        if given.client and (given.client,) != parsed(self.first)[:1]:
            return "the kubelet starts over from its kubeconfig, which gets another certificate"
        signed = signed_by(own.first, parsed(self.issuer)[0])
        return "" if signed else "the CA that signs now has not signed it: the kubelet has another one signed"

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()
