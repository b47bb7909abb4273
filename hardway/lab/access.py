"""How one gets into the machines: a key pair of the lab, the machines' host keys, an OpenSSH configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .shell import run
from .spec import MachineSpec


@dataclass(frozen=True)
class Access:
    """The lab's files on the operator's side, all in one private folder."""

    directory: Path

    @property
    def key(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def config(self) -> Path:
        return self.directory / "ssh_config"

    def public_key(self) -> str:
        """The lab's public key; the pair is made first when there is none."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hardway-lab", "-f", self.key)
        return self.key.with_suffix(".pub").read_text(encoding="utf-8").strip()

    def write(self, machines: list[MachineSpec]) -> None:
        """Write known_hosts and ssh_config for machines that have a disk."""
        _replace(self.known_hosts, "".join(known_host(machine) for machine in machines))
        _replace(self.config, self.ssh_config(machines))

    def ssh_config(self, machines: list[MachineSpec]) -> str:
        """An OpenSSH configuration by which any tool reaches the machines by name, with strict host keys."""
        hosts = [f"Host {m.name} {m.address}\n  HostName {m.address}\n  Port {m.port}\n" for m in machines]
        common = (
            f"Host {' '.join(word for m in machines for word in (m.name, m.address))}\n"
            "  User root\n"
            f'  IdentityFile "{self.key.absolute()}"\n'
            "  IdentitiesOnly yes\n"
            f'  UserKnownHostsFile "{self.known_hosts.absolute()}"\n'
            "  StrictHostKeyChecking yes\n"
            "  PasswordAuthentication no\n"
            "  ConnectTimeout 5\n"
            "  LogLevel ERROR\n"
        )
        return "\n".join([*hosts, common]) if machines else ""

    def forget(self) -> None:
        """Remove the lab's key and the machines' keys."""
        for path in (self.key, self.key.with_suffix(".pub"), self.known_hosts, self.config):
            path.unlink(missing_ok=True)
        if self.directory.is_dir() and not os.listdir(self.directory):
            self.directory.rmdir()


def known_host(machine: MachineSpec) -> str:
    """The machine's line in known_hosts, by name and by address, with the port when it is not 22."""
    names = [machine.name, machine.address]
    if machine.port != 22:
        names = [f"[{name}]:{machine.port}" for name in names]
    return f"{','.join(names)} {(machine.home / 'hostkey.pub').read_text(encoding='utf-8').strip()}\n"


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="utf-8")
    os.chmod(temporary, 0o600)
    temporary.replace(path)
