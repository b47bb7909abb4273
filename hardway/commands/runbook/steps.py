"""The changes of one phase as steps: what is the same on several hosts is written once, as a loop over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...cluster import Cluster, Host
from ...phase import Target
from ...pki.stand_ins import StandIns
from ...resources.base import Change
from ...vocabulary import Op
from . import handover
from .ops import Writing, command
from .shell import Way, loop

# Changes of these kinds are one step together when they follow each other.
TOGETHER = {
    "mkdir": "Folders",
    "binary": "Programs",
    "image": "Images",
    "modprobe": "Kernel modules",
    "apply": "Objects",
    "mark": "Labels, taints and pod CIDRs",
    "copy": "Certificates and keys",
}


@dataclass(frozen=True)
class Step:
    """A title, the resources it brings about, and for each group of hosts the commands that are the same for them."""

    title: str
    keys: tuple[str, ...]
    blocks: tuple[tuple[tuple[str, ...], str], ...]


class Writer:
    """Writes the commands of one cluster."""

    def __init__(self, cluster: Cluster, secrets: StandIns, cache: Path):
        self.cluster, self.secrets, self.cache = cluster, secrets, cache

    def steps(self, targets: Sequence[Target], changes: Mapping[str, Sequence[Change]]) -> list[Step]:
        """The steps of a phase; `changes` by target name."""
        runs: list[tuple[str, list[str]]] = []
        kinds = {change.key: self._kind(change) for name in changes for change in changes[name]}
        for key in _merged([[change.key for change in changes[target.name]] for target in targets]):
            kind = kinds[key]
            if runs and kind in TOGETHER and kinds[runs[-1][1][-1]] == kind:
                runs[-1][1].append(key)
            else:
                runs.append((TOGETHER.get(kind) or _title(key), [key]))
        found = [Step(title, tuple(keys), self._blocks(targets, changes, keys)) for title, keys in runs]
        return [step for step in found if step.blocks]

    def _blocks(self, targets: Sequence[Target], changes: Mapping[str, Sequence[Change]], keys: list[str]):
        groups: dict[str, list[Target]] = {}
        for target in targets:
            ops = [op for change in changes[target.name] if change.key in keys for op in change.ops]
            text = self._text(ops, target, "$host")
            if text:
                groups.setdefault(text, []).append(target)
        blocks = []
        for text, hosts in groups.items():
            names = tuple(host.name for host in hosts)
            ops = [op for change in changes[hosts[0].name] if change.key in keys for op in change.ops]
            blocks.append(
                (names, loop(list(names), text) if len(hosts) > 1 else self._text(ops, hosts[0], hosts[0].name))
            )
        return tuple(blocks)

    def _text(self, ops: Sequence[Op], host: Target, name: str) -> str:
        sudo = isinstance(host, Host) and host.ssh.user != "root"
        writing = Writing(host.name, Way(name, sudo), self.secrets, self.cache)
        lines = [command(op, writing) for op in _joined(ops) if op.verb not in handover.VERBS]
        return "\n".join(line for index, line in enumerate(lines) if line not in lines[:index])

    def _kind(self, change: Change) -> str:
        op = change.ops[0]
        return "copy" if op.verb == "put" and self.secrets.file(op.blob.data) else op.verb


def _joined(ops: Sequence[Op]) -> list[Op]:
    """Folders alike in mode and owner are made by one command."""
    joined: list[Op] = []
    for op in ops:
        if op.verb == "mkdir" and joined and joined[-1].verb == "mkdir" and joined[-1].args[1:] == op.args[1:]:
            joined[-1] = Op("mkdir", (f"{joined[-1].args[0]} {op.args[0]}", *op.args[1:]))
        else:
            joined.append(op)
    return joined


def _merged(orders: Sequence[Sequence[str]]) -> list[str]:
    """One order that keeps all of them: what only some have comes as late as what they have in common allows."""
    merged: list[str] = []
    for order in orders:
        for index, key in enumerate(order):
            if key not in merged:
                following = [merged.index(later) for later in order[index:] if later in merged]
                merged.insert(min(following, default=len(merged)), key)
    return merged


def _title(key: str) -> str:
    kind, _, rest = key.removeprefix("state ").partition(" ")
    return (
        f"{kind.capitalize()} `{rest}`" if kind in ("file", "unit", "user", "packages", "sysctl") else key.capitalize()
    )
