"""Where a machine's host keys can be learnt without trusting the network: from its lab, from Vagrant, or from a
person."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .. import ssh
from ..cluster import Cluster, Host
from ..errors import HardwayError, HostKeyError, UsageError
from ..ssh import HostKey

Keys = tuple[HostKey, ...]
FILES = "/etc/ssh/ssh_host_*_key.pub"
# The addresses come as comments among the keys.
WHO_ARE_YOU = f"cat {FILES}; PATH=$PATH:/usr/sbin:/sbin; ip -4 -o address | sed 's/^/# /'"
PATIENCE = 120.0


def learn(cluster: Cluster, hosts: Sequence[Host], prompt: Callable[[str], str] | None = None) -> dict[str, Keys]:
    """The keys of each host by a way that can be trusted; HostKeyError when one has none, or does not answer on it.

    All hosts are asked before anything is concluded, so that a machine that is off changes nothing.
    """
    with ThreadPoolExecutor(8) as pool:
        return dict(
            zip([host.name for host in hosts], pool.map(lambda host: _learn(cluster, host, prompt), hosts), strict=True)
        )


def _learn(cluster: Cluster, host: Host, prompt: Callable[[str], str] | None) -> Keys:
    if cluster.lab is not None:
        return from_lab(cluster, host)
    folder = vagrant_folder(cluster, host)
    if folder is None:
        raise _no_way(host, prompt)
    return from_vagrant(cluster, host, folder)


def from_lab(cluster: Cluster, host: Host) -> Keys:
    """From the disk of a machine of our own."""
    from ..lab import disk, preconditions
    from ..lab.spec import LabSpec

    preconditions.require_root()
    return tuple(key for _, key in ssh.parse(disk.host_keys(LabSpec.of(cluster), host.name)))


def vagrant_folder(cluster: Cluster, host: Host) -> Path | None:
    """The folder whose Vagrantfile has made a machine of that name: looked for where the inventory is, then here, and
    above each."""
    starts = [path.resolve() for path in (cluster.source and cluster.source.parent, Path.cwd()) if path]
    for folder in (above for start in starts for above in (start, *start.parents)):
        if (folder / "Vagrantfile").is_file():
            state = folder / os.environ.get("VAGRANT_DOTFILE_PATH", ".vagrant")
            if any((state / "machines" / host.name).glob("*/id")):
                return folder
    return None


def from_vagrant(cluster: Cluster, host: Host, folder: Path) -> Keys:
    """By `vagrant ssh`, which logs in through the hypervisor on this computer with a key that only this machine was
    given."""
    said = _ask_vagrant(cluster, host, folder)
    if f" {host.address}/" not in said:
        raise HostKeyError(
            f"Vagrant's machine {host.name} does not have the address {host.address}: it is another machine",
            host.name,
            evidence="\n".join(line.removeprefix("# ") for line in said.splitlines() if line.startswith("#")),
            hint=(
                f"compare INV with the inventory of that machine; if {host.name} is not a machine of Vagrant:"
                f" hardway trust INV {host.name} --from-file FILE"
            ),
        )
    return tuple(key for _, key in ssh.parse(said))


def _ask_vagrant(cluster: Cluster, host: Host, folder: Path) -> str:
    command = ["vagrant", "ssh", host.name, "--no-tty", "-c", WHO_ARE_YOU]
    environment = {**os.environ, "VAGRANT_CWD": str(folder)}
    if cluster.source:
        environment["HARDWAY_INVENTORY"] = str(cluster.source.resolve())
    up = f"HARDWAY_INVENTORY=INV vagrant up {host.name}"
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise _vagrant_failed(host, folder, "there is no program `vagrant` on the PATH", "install Vagrant") from None
    except subprocess.TimeoutExpired:
        raise _vagrant_failed(host, folder, f"no answer within {PATIENCE:.0f} s", up) from None
    if done.returncode or not done.stdout.strip():
        raise _vagrant_failed(host, folder, done.stderr or done.stdout, up)
    return done.stdout


def _vagrant_failed(host: Host, folder: Path, evidence: str, remedy: str) -> HostKeyError:
    return HostKeyError(
        f"Vagrant did not return the host keys of {host.name}",
        host.name,
        command=f"cd {folder} && HARDWAY_INVENTORY=INV vagrant ssh {host.name} -c 'cat {FILES}'",
        evidence=evidence,
        hint=f"{remedy}, then: hardway trust INV {host.name}",
    )


def from_text(text: str, hosts: Sequence[Host]) -> dict[str, Keys]:
    """From what a person copied: lines with names belong to the hosts so called; lines without, to the only host that
    is meant."""
    lines = list(ssh.parse(text))
    if any(not names for names, _ in lines) and len(hosts) != 1:
        hint = f"name the host they belong to: hardway trust INV {hosts[0].name} --from-file FILE"
        raise UsageError("a line names no host, and several hosts are selected", hint=hint)
    found = {
        host.name: tuple(key for names, key in lines if not names or set(names) & set(ssh.names_of(host)))
        for host in hosts
    }
    for host in hosts:
        if not found[host.name]:
            known = " or ".join(ssh.names_of(host))
            raise HostKeyError(
                f"there is no key for {host.name} in these lines", host.name, hint=f"each must start with {known}"
            )
    return found


def _no_way(host: Host, prompt: Callable[[str], str] | None) -> HostKeyError:
    try:
        offered = [f"the network offers: {shown}" for _, shown in ssh.host_key_lines(host, prompt=prompt)]
    except HardwayError as error:
        offered = [f"the network offers nothing: {error.message}"]
    return HostKeyError(
        f"{host.name} is not a Vagrant or lab machine, so only you can confirm its host keys",
        host.name,
        evidence="\n".join(
            [*offered, f"run on the machine's console: for key in {FILES}; do ssh-keygen -lf $key; done"]
        ),
        hint=f"copy the lines of `cat {FILES}` from its console, then: hardway trust INV {host.name} --from-file -",
    )
