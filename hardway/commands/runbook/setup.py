"""The guide's first chapter: variables that all others use, and an ssh configuration for the hosts of the inventory."""

from __future__ import annotations

from pathlib import Path

from ...cluster import Bastion, Cluster, Host
from ...state.statedir import IGNORE_EVERYTHING
from .shell import heredoc, open_heredoc
from .writing.document import Code, Part, Table, Text


def setup(cluster: Cluster, state: Path, cache: Path, kubectl: Path, assumptions: str) -> list[Part]:
    """What must be typed first, in the shell that is then used to the end."""
    return [
        Text("Type every block in one bash on your own machine, in this order, from the folder in which this chapter is first begun. "
             "You need ssh, openssl and the programs below; nothing is installed on your machine. A block may be typed twice: keys and "
             "authorities that exist are kept."),
        Text(assumptions),
        Table(("host", "address", "roles"), tuple((h.name, str(h.address), ", ".join(sorted(h.roles))) for h in cluster.hosts)),
        Text("The folder that will hold the keys: closed to everybody else, and ignored by git."),
        Code(_variables(cluster, state, cache, kubectl)),
        Text("How ssh reaches the hosts. Connections stay open for a minute, so that not each of the many short commands "
             "logs in anew."),
        Code(f'CONFIG="$STATE/by-hand/ssh_config"\nCONTROL=$(mktemp -d)\n(umask 077; cat > "$CONFIG" {_ssh_config(cluster)}\n)'),
        Text("Check that every host lets you in."),
        Code(f"for host in {' '.join(host.name for host in cluster.hosts)}; do\n"
             "  ssh -F \"$CONFIG\" -n $host true && echo \"$host lets me in\"\ndone"),
        Text("It prints:"),
        Code("\n".join(f"{host.name} lets me in" for host in cluster.hosts), "text"),
    ]  # fmt: skip


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
    common = "Host *\n  ControlMaster auto\n  ControlPersist 60\n  ControlPath \0/%C\n  LogLevel ERROR\n  BatchMode yes\n"
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
