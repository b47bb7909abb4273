"""The guide's first chapter: variables that all others use, and an ssh configuration for the hosts of the inventory."""

from __future__ import annotations

from pathlib import Path

from ...cluster import Cluster, Host
from ...settings import Bastion
from ...state.statedir import IGNORE_EVERYTHING
from .shell import heredoc, open_heredoc
from .writing.document import Code, Part, Table, Text


def setup(cluster: Cluster, state: Path, cache: Path, kubectl: Path, assumptions: str) -> list[Part]:
    """What must be typed first, in the shell that is then used to the end."""
    return [
        Text(
            "Type every block into one bash shell on your own machine, in this order, always from the same directory. "
            "You need ssh, openssl and the programs below; the guide installs nothing on your machine. You may type a "
            "block twice: existing keys and CAs are kept."
        ),
        Text(assumptions),
        Table(
            ("host", "address", "roles"),
            tuple((h.name, str(h.address), ", ".join(sorted(h.roles))) for h in cluster.hosts),
        ),
        Text("The directory for the keys: no other user can read it, and git ignores it."),
        Code(_variables(cluster, state, cache, kubectl)),
        Text(
            "How ssh reaches the hosts. Connections stay open for a minute, so that the many short commands need not "
            "log in again."
        ),
        Code(
            'CONFIG="$STATE/by-hand/ssh_config"\nCONTROL=$(mktemp -d)\n'
            f'(umask 077; cat > "$CONFIG" {_ssh_config(cluster)}\n)'
        ),
        Text("Check that you can log in to every host."),
        Code(
            f"for host in {' '.join(host.name for host in cluster.hosts)}; do\n"
            '  ssh -F "$CONFIG" -n $host true && echo "$host accepts my login"\ndone'
        ),
        Text("It prints:"),
        Code("\n".join(f"{host.name} accepts my login" for host in cluster.hosts), "text"),
    ]


def _variables(cluster: Cluster, state: Path, cache: Path, kubectl: Path) -> str:
    addresses = "\n".join(f"  [{host.name}]={host.address}" for host in cluster.hosts)
    ignore = heredoc(IGNORE_EVERYTHING.decode())
    return (f'STATE="{state}"\nCACHE="{cache}"\nKUBECTL="$CACHE/{kubectl.relative_to(cache)}"\n'
            f"declare -A ADDRESS=(\n{addresses}\n)\n"
            'install -d -m 700 "$STATE" "$STATE/pki" "$STATE/pki/hosts" "$STATE/by-hand"\n'
            f'cat > "$STATE/.gitignore" {ignore}')  # fmt: skip


def _ssh_config(cluster: Cluster) -> str:
    hosts = "\n".join(_host(host) for host in cluster.hosts)
    jumps = {host.ssh.bastion: f"bastion-{number}" for number, host in enumerate(cluster.hosts) if host.ssh.bastion}
    named = "\n".join(_bastion(name, bastion) for bastion, name in jumps.items())
    for host in cluster.hosts:
        if host.ssh.bastion:
            hosts = hosts.replace(f"# jump of {host.name}", f"ProxyJump {jumps[host.ssh.bastion]}")
    common = (
        "Host *\n  ControlMaster auto\n  ControlPersist 60\n  ControlPath \0/%C\n  LogLevel ERROR\n  BatchMode yes\n"
    )
    return open_heredoc(f"{hosts}\n{named}\n{common}".replace("\n\n\n", "\n\n"), {"\0": "$CONTROL"})


def _host(host: Host) -> str:
    lines = [f"Host {host.name}", f"HostName {host.address}", f"Port {host.ssh.port}", f"User {host.ssh.user}"]
    lines += [f'IdentityFile "{host.ssh.key}"', "IdentitiesOnly yes"] if host.ssh.key else []
    lines += [f'UserKnownHostsFile "{host.ssh.known_hosts}"'] if host.ssh.known_hosts else []
    lines += [f"StrictHostKeyChecking {'accept-new' if host.ssh.host_keys == 'accept-new' else 'yes'}"]
    lines += [f"# jump of {host.name}"] if host.ssh.bastion else []
    return "\n  ".join(lines) + "\n"


def _bastion(name: str, bastion: Bastion) -> str:
    lines = [f"Host {name}", f"HostName {bastion.address}", f"Port {bastion.port}", f"User {bastion.user}"]
    lines += [f'IdentityFile "{bastion.key}"'] if bastion.key else []
    return "\n  ".join(lines) + "\n"
