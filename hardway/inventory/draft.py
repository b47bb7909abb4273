"""An inventory whose keys are right, before it is known whether they fit together; and the facts derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path as FilePath

from hardway import cluster as facts
from hardway import settings
from hardway.inventory import keys
from hardway.inventory.problem import Path

Placed = tuple[int, keys.Host]


@dataclass(frozen=True)
class Draft:
    """The model, its hosts with their places in the file, and the paths that were wrong and left out."""

    model: keys.Inventory
    hosts: tuple[Placed, ...]
    broken: frozenset[Path]
    folder: FilePath

    def sound(self, *path: str | int) -> bool:
        """Whether nothing at, above or below the path was left out."""
        return not any(bad[: len(path)] == path[: len(bad)] for bad in self.broken)

    @property
    def complete(self) -> bool:
        """Whether all hosts are there, so that a missing role really is missing."""
        return not any(
            bad[:1] == ("hosts",) and (len(bad) < 3 or bad[2] in ("name", "address", "roles")) for bad in self.broken
        )

    def with_role(self, role: facts.Role) -> list[Placed]:
        """Hosts with the role and their places."""
        return [(n, host) for n, host in self.hosts if role.value in host.roles]

    def file(self, name: str) -> FilePath:
        """A path as the inventory means it: relative to the inventory's folder, ~ is the user's home."""
        try:
            return self.folder / FilePath(name).expanduser()
        except RuntimeError:  # "~nobody-of-that-name/..." stays as it is and is then found missing
            return self.folder / name

    @property
    def network(self) -> settings.Network:
        chosen = {key: getattr(self.model.network, key) for key in self.model.network.model_fields_set}
        return settings.Network(**chosen)

    @property
    def load_balancer(self) -> str | None:
        """Who balances: as written, else HAProxy where there are lb hosts, nobody for one control-plane host; else
        unknown."""
        if self.model.api.load_balancer:
            return self.model.api.load_balancer
        if self.with_role(facts.Role.LB):
            return "haproxy"
        return "none" if len(self.with_role(facts.Role.CONTROL_PLANE)) == 1 else None

    @property
    def api_address(self) -> str | None:
        """The API's address: as written, else the shared address, the only lb's or the only control-plane host's; else
        unknown."""
        api = self.model.api
        if api.address or api.vip:
            return api.address or str(api.vip)
        role = facts.Role.LB if self.load_balancer == "haproxy" else facts.Role.CONTROL_PLANE
        hosts = [] if self.load_balancer == "external" else self.with_role(role)
        return str(hosts[0][1].address) if len(hosts) == 1 else None

    def pod_block(self, host: keys.Host) -> IPv4Network | None:
        """A worker's pod CIDR: as written, else the block its own name or address says; None when there is no such
        block."""
        if host.pod_cidr:
            return host.pod_cidr
        try:
            return self.network.pod_block(facts.pod_block_index(host.name, host.address))
        except (IndexError, ValueError):
            return None

    def named_addresses(self) -> list[tuple[Path, IPv4Address, str]]:
        """Every single address in the plan with its key path and what it is."""
        found = [(("hosts", n, "address"), host.address, f"host {host.name}") for n, host in self.hosts]
        if self.model.api.vip:
            found.append((("api", "vip"), self.model.api.vip, "the shared API address"))
        if self.model.lab:
            found.append((("lab", "gateway"), self.model.lab.gateway, "the lab's gateway"))
        return found
