"""The desk of somebody who uses hardway: a folder with inventories, from which the real command line is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ssh.server import Server
from stage import Ran, run

from hardway.inventory import load
from hardway.pki.credentials import Credentials
from hardway.state.statedir import StateDir

ADDRESS = "10.254.0.10"
ALL_ROLES = ["etcd", "control-plane", "worker"]


@dataclass
class Desk:
    """`environment` is added to ours."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def inventory(self, name: str = "cluster", **keys: Any) -> Path:
        """An inventory of one host; `keys` are laid over it."""
        whole = {"cluster": "refused", "hosts": [{"name": "node-1", "address": ADDRESS, "roles": ALL_ROLES}], **keys}
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return path

    def ssh_to(self, server: Server, **changes: Any) -> Path:
        """An inventory whose host is reached at this server; the address of the inventory is one of a network that is
        not there."""
        config = self.folder / "ssh_config"
        config.write_text(f"Host node-1\n  HostName 127.0.0.1\n  Port {changes.pop('port', server.port)}\n")
        ssh = {
            "key": str(server.key),
            "agent": False,
            "known_hosts": str(server.known_hosts),
            "config": str(config),
            **changes,
        }
        return self.inventory(ssh=ssh)

    def hardway(
        self, *words: str | Path, environment: Mapping[str, str] = {}, timeout: float = 120, stdin: str = ""
    ) -> Ran:
        env = {**os.environ, **self.environment, **environment}
        command = (sys.executable, "-m", "hardway.cli.app", *words)
        return run(*command, cwd=self.folder, env=env, timeout=timeout, stdin=stdin)


def keys_of(inventory: Path, folder: Path) -> None:
    """A state directory with the keys and kubeconfigs of that inventory's cluster, as a bootstrap makes it."""
    credentials = Credentials(load(inventory), StateDir(folder))
    credentials.ensure_all()
    for name in ("admin", "super-admin"):
        credentials.store.create(f"{name}.conf", credentials.kubeconfig(name).reveal())
