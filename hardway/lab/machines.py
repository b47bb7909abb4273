"""The lab as the rest of hardway uses it: all machines of a cluster, up, down, and everything that can befall them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..assets.cache import default_directory
from ..cluster import Cluster
from ..errors import LabError, UsageError
from ..state.statedir import StateDir
from ..state.store import FOUNDED
from . import disk, network, power, preconditions, registry, state
from .access import Access
from .image.base import base_image
from .spec import LabSpec, MachineSpec, machine_specs
from .status import MachineStatus, status_of
from .together import on_each

Report = Callable[[str], None]


def quiet(line: str) -> None:
    """Report to nobody."""


class LabMachines:
    """The machines of one cluster on this host. `state_dir` is the cluster's folder on the operator's side."""

    def __init__(self, cluster: Cluster, state_dir: Path):
        self.cluster = cluster
        self.lab = LabSpec.of(cluster)
        self.access = Access(state_dir / "lab")
        self.store = StateDir(state_dir)

    def up(self, names: Sequence[str] | None = None, report: Report = quiet) -> None:
        """Make and boot machines (all by default) until each answers; those that run are left alone.

        LabError, NotReadyError.
        """
        preconditions.require_root()
        wanted = self._names(names)
        with registry.working_on(self.lab.name, report):
            base = base_image(default_directory(), report)
            specs = self._specs(base, wanted)
            preconditions.require_disk(self.lab, sum(not spec.home.exists() for spec in specs))
            self._connect()
            public_key = self.access.public_key()
            on_each(specs, lambda spec: self._boot(spec, public_key))
            self.access.write(self._known())
            on_each(specs, power.await_answer)
            ready = "1 machine answers" if len(specs) == 1 else f"{len(specs)} machines answer"
            report(f"{ready}: {', '.join(spec.name for spec in specs)}")

    def down(self, report: Report = quiet) -> None:
        """Shut every machine down and remove the lab's processes, mounts, interfaces, rules and groups; the disks
        stay."""
        preconditions.require_root()
        with registry.working_on(self.lab.name, report):
            self._down()

    def wipe(self, report: Report = quiet) -> None:
        """`down`, then delete the machines' disks and keys; the cluster on them is given up with them."""
        preconditions.require_root()
        with registry.working_on(self.lab.name, report):
            self._down()
            on_each(disk.made(self.lab), disk.remove)
            self.access.forget()
            self.store.discard(FOUNDED)
            for directory in (self.lab.machines, self.lab.directory):
                if directory.is_dir() and not any(directory.iterdir()):
                    directory.rmdir()

    def power_on(self, names: Sequence[str], report: Report = quiet) -> None:
        """Switch machines on and wait until those with a cable answer; LabError for one that was never made."""
        with self._work(names, report) as specs:
            self._connect()
            on_each(specs, power.switch_on)
            on_each([spec for spec in specs if not spec.cut.exists()], power.await_answer)

    def power_off(self, names: Sequence[str], report: Report = quiet) -> None:
        """Cut machines' power: the network first, then every process at once."""
        with self._work(names, report) as specs:
            on_each(specs, power.cut_power)

    def shut_down(self, names: Sequence[str], report: Report = quiet) -> None:
        """Stop machines in order, as `systemctl poweroff` does."""
        with self._work(names, report) as specs:
            on_each(specs, power.shut_down)

    def reboot(self, names: Sequence[str], report: Report = quiet) -> None:
        """Stop machines in order and start them again; returns when those with a cable answer."""
        self.shut_down(names, report)
        self.power_on(names, report)

    def cut(self, names: Sequence[str]) -> None:
        """Pull machines' network cables; they stay pulled across reboots."""
        with self._work(names, quiet) as specs:
            on_each(specs, lambda spec: network.set_cable(spec, False))

    def heal(self, names: Sequence[str]) -> None:
        """Plug machines' network cables in again."""
        with self._work(names, quiet) as specs:
            on_each(specs, lambda spec: network.set_cable(spec, True))

    def status(self) -> list[MachineStatus]:
        """Every machine of the inventory, in its order."""
        preconditions.require_root()
        made = {spec.name: spec for spec in disk.made(self.lab)}
        absent = [MachineStatus(host.name, str(host.address), "absent", 0, 0) for host in self.cluster.hosts]
        return [status_of(made[row.name]) if row.name in made else row for row in absent]

    def ssh_config(self) -> str:
        """OpenSSH configuration text for all machines that have been made; LabError when there are none."""
        preconditions.require_root()
        known = self._known()
        if not known:
            raise LabError(f"no machine of lab {self.lab.name} has been created yet", hint=self._make())
        return self.access.ssh_config(known)

    def way_to(self, name: str) -> Path:
        """The file with the OpenSSH configuration that leads to a machine; LabError when it was never made, or its key
        is elsewhere."""
        preconditions.require_root()
        if name not in {spec.name for spec in disk.made(self.lab)}:
            raise LabError(f"{name} has not been created yet", host=name, hint=self._make())
        if not self.access.config.is_file():
            hint = (
                "run this in the folder where the lab was created, give its state directory with --state-dir, or:"
                f" {self._make()}"
            )
            raise LabError(f"the key of lab {self.lab.name} is not in {self.access.directory}", hint=hint)
        return self.access.config

    def _make(self) -> str:
        return f"hardway lab up {self.lab.source or 'INV'}"

    def _connect(self) -> None:
        registry.claim(self.lab)
        network.allow_many_machines()
        try:
            network.switch_up(self.lab)
        except LabError:
            registry.release(self.lab)
            raise

    def _down(self) -> None:
        if registry.held_elsewhere(self.lab):
            return
        machines = disk.made(self.lab)
        on_each(machines, power.shut_down)
        on_each(machines, power.clear)
        if up := registry.as_claimed(self.lab):
            network.switch_down(up)
        registry.release(self.lab)

    def _boot(self, spec: MachineSpec, public_key: str) -> None:
        network.set_cable(spec, True)
        disk.make(spec, self.lab, public_key)
        power.switch_on(spec)

    def _specs(self, base: Path, names: Iterable[str]) -> list[MachineSpec]:
        """The machines to bring up.

        A disk stays on the base it was made on; a machine that runs stays what it is until it is off.
        """
        recorded = {spec.name: spec for spec in disk.made(self.lab)}
        planned = machine_specs(self.cluster, self.lab, base)
        return [_merge(planned[name], recorded.get(name)) for name in names]

    def _known(self) -> list[MachineSpec]:
        """In the inventory's order; then those that it no longer has, unless another has their address now."""
        made = {spec.name: spec for spec in disk.made(self.lab)}
        ours = [made.pop(host.name) for host in self.cluster.hosts if host.name in made]
        taken = {spec.address for spec in ours}
        return [*ours, *(spec for spec in made.values() if spec.address not in taken)]

    def _names(self, names: Sequence[str] | None) -> list[str]:
        every = [host.name for host in self.cluster.hosts]
        unknown = [name for name in names or () if name not in every]
        if unknown:
            raise UsageError(
                f"no machine named {', '.join(unknown)} in cluster {self.cluster.name}",
                hint=f"choose from {', '.join(every)}",
            )
        return list(names) if names is not None else every

    @contextmanager
    def _work(self, names: Sequence[str], report: Report) -> Iterator[list[MachineSpec]]:
        """The named machines, which must have been made, while we hold the lab's lock."""
        preconditions.require_root()
        wanted = self._names(names)
        with registry.working_on(self.lab.name, report):
            made = {spec.name: spec for spec in disk.made(self.lab)}
            for name in wanted:
                if name not in made:
                    raise LabError(f"{name} has not been created yet", host=name, hint=self._make())
            yield [made[name] for name in wanted]


def _merge(planned: MachineSpec, recorded: MachineSpec | None) -> MachineSpec:
    if recorded is None:
        return planned
    return recorded if state.is_on(recorded) else replace(planned, base=recorded.base)
