"""The text of a drill with this cluster's names in it."""

from __future__ import annotations

from collections.abc import Sequence

from ...cluster import Cluster, Host
from ...etcd.interface import quorum
from ...ssh.route import route
from .drill import GRACE, Drill


def filled(text: str, cluster: Cluster, hosts: Sequence[Host]) -> str:
    """The text with its words in braces replaced."""
    members = len(cluster.etcd_members)
    worker = hosts[0] if hosts[0] in cluster.workers else cluster.workers[0]
    words = {
        "host": ", ".join(host.name for host in hosts),
        "address": hosts[0].address,
        "api": cluster.api_url,
        "inv": cluster.source or "INV",
        "grace": GRACE,
        "members": members,
        "others": members - 1,
        "quorum": quorum(members),
        "ssh_worker": login(cluster, worker),
        "ssh_controller": login(cluster, cluster.control_plane[0]),
    }
    return text.format(**words)


def login(cluster: Cluster, host: Host) -> str:
    """What to type to be root on a host, with a command to follow."""
    if cluster.lab:
        return f"hardway lab ssh {cluster.source or 'INV'} {host.name}"
    way = route(host)
    return way.ssh_command() + ("" if way.user == "root" else " sudo")


def exercise(drill: Drill, cluster: Cluster, hosts: Sequence[Host]) -> str:
    """What the class reads when something has been broken."""
    fill = lambda text: filled(text, cluster, hosts)  # noqa: E731
    lines = [f"Drill {drill.name}: {drill.title} ({fill('{host}')})", "", fill(drill.story), ""]
    lines += [
        "Type these commands in another terminal. First make kubectl use this cluster:",
        f'     $ eval "$(hardway env {cluster.source or "INV"})"',
        "",
    ]
    for number, look in enumerate(drill.looks(cluster), 1):
        lines += [f"  {number}. $ {fill(look.command)}", f"     {fill(look.after)}: {fill(look.expect)}"]
        lines += [f"     why: {fill(look.why)}", ""]
    return "\n".join([*lines, f"If it stays broken: {fill(drill.later)}", ""])


def ending(drill: Drill, cluster: Cluster) -> str:
    """How it is ended."""
    return f"To end the drill: hardway drill {cluster.source or 'INV'} --restore   (by hand: {drill.by_hand})"
