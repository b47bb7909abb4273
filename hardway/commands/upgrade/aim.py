"""Where an upgrade is to end: the inventory's versions, or those that a person named instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from ...assets.table import table
from ...assets.versions import default_versions, supported
from ...cluster import Cluster
from ...errors import UsageError
from ...inventory.pinned import KUBERNETES, Pin, pinned
from ...preflight.upgrades import parsed
from ...settings import Versions


@dataclass(frozen=True)
class Aim:
    """The cluster with the versions that are wanted; `edits` are the lines of the inventory that do not say so yet."""

    cluster: Cluster
    edits: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What to write into the inventory afterwards, or nothing."""
        if not self.edits:
            return ""
        return "\n".join(["write what runs now into the inventory, or the next bootstrap is refused:", *self.edits])


def aimed(cluster: Cluster, to: str = "") -> Aim:
    """The tested set of a version or minor of Kubernetes, no component lower than the inventory has it; without one the
    inventory's versions. UsageError for versions that make no cluster."""
    if not to:
        return Aim(cluster)
    pins = pinned(cluster.source) if cluster.source else {}
    tested = default_versions(to.removeprefix("v"))
    higher = {
        name: pin.version
        for name, pin in pins.items()
        if name != KUBERNETES and parsed(pin.version) > parsed(getattr(tested, name))
    }
    chosen = replace(tested, **higher)
    if problems := supported(chosen):
        known = ", ".join(one["kubernetes"] for one in table()["sets"].values())
        raise UsageError(f"--to {to}: {problems[0]}", hint=f"choose one that is tested: {known}")
    return Aim(replace(cluster, versions=chosen), tuple(_edits(str(cluster.source), pins, chosen)))


def _edits(file: str, pins: Mapping[str, Pin], chosen: Versions) -> Iterator[str]:
    """A line for each key that says another version, with its place; one without the key is to be added."""
    for name, version in asdict(chosen).items():
        pin = pins.get(name)
        if pin and pin.version != version:
            last = pin.key.rpartition(".")[2]
            yield f"  {file}:{pin.line}: {last}: {version}   (it says {pin.version})"
    if KUBERNETES not in pins:
        yield f"  {file}: add the line kubernetes: {chosen.kubernetes}"
