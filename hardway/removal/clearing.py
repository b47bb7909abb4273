"""Taking away from hosts what the phases put there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..cluster import Cluster, Host
from ..facts import Facts
from ..phase import Inputs, Phase
from ..phases import PHASES
from ..resources import EtcdPeer, Resource
from ..run.supposed import supposed
from ..vocabulary import Op, Reader, Remote


def by_name(cluster: Cluster, facts: Mapping[str, Facts]) -> Inputs:
    """Names are enough to take things away: a CA that has expired or a damaged key must not keep anybody from it."""
    return replace(supposed(cluster), facts=facts)


def clear(remote: Remote, inputs: Inputs, host: Host) -> int:
    """Take away from a host what all phases put there, the last first; the number of ops."""
    return sum(take_away(remote, phase, inputs, host) for phase in _backwards(inputs.cluster, host))


def left(reader: Reader, inputs: Inputs, host: Host) -> int:
    """How many ops that would take as things are; nothing is changed."""
    return sum(len(removal(reader, phase, inputs, host)) for phase in _backwards(inputs.cluster, host))


def take_away(remote: Remote, phase: Phase, inputs: Inputs, host: Host) -> int:
    """Remove from a host what a phase put there; the number of ops."""
    ops = removal(remote, phase, inputs, host)
    if ops:
        remote.change(ops)
    return len(ops)


def removal(reader: Reader, phase: Phase, inputs: Inputs, host: Host) -> list[Op]:
    """The ops that remove from a host what a phase put there."""
    wanted: Sequence[Resource] = phase.desired(inputs, host)
    # Where others reach a member is nothing that is on its host.
    resources = [resource for resource in reversed(wanted) if not isinstance(resource, EtcdPeer)]
    answers = reader.probe([probe for resource in resources for probe in resource.probes()])
    ops = [op for resource in resources for op in resource.removal(answers)]
    if any(op.verb == "drop" and op.args[0].startswith("/etc/systemd/system/") for op in ops):
        ops.append(Op("reload"))
    return ops


def _backwards(cluster: Cluster, host: Host) -> list[Phase]:
    return [phase for phase in reversed(PHASES) if phase.works_on(cluster, host)]
