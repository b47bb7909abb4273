"""The cluster's mark on a host belongs to the first phase that leaves anything of hardway's there, whichever phases are
selected: a later run would take what lies there without it for somebody else's."""

from __future__ import annotations

from ..cluster import Host
from ..facts import Facts, authority
from ..phase import Inputs, Phase, Target
from ..pki.rotation import Rotation
from ..resources import Owned
from ..resources.base import Resource

MARK = Owned("", "").key


def wanted(phase: Phase, inputs: Inputs, target: Target) -> list[Resource]:
    """What a phase wants on a target, and on a host the mark before it, if that is anything at all."""
    desired = phase.desired(inputs, target)
    first = [_mark(inputs, target)] if desired and phase.marks and isinstance(target, Host) else []
    return [*first, *desired]


def needs(phase: Phase, inputs: Inputs) -> tuple[str, ...]:
    """The phases that come first; for the mark also the one that issues the CA whose digest is in it."""
    marks = phase.marks and any(isinstance(target, Host) for target in phase.targets(inputs.cluster))
    return tuple(dict.fromkeys([*(["pki"] if marks else []), *phase.needs(inputs)]))


def _mark(inputs: Inputs, host: Host) -> Owned:
    """It follows from a CA that was replaced to the one that has come in its place."""
    ours, said = authority(inputs.credentials.mark()), inputs.facts.get(host.name, Facts()).authority
    # Every phase asks for every host, and nearly all of them have the CA that signs: only for others files are read.
    replaced = said not in ("", ours) and said in map(authority, Rotation("ca", inputs.credentials.store).ever)
    return Owned(inputs.cluster.name, ours, said if replaced else "")
