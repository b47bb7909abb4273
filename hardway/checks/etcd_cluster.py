"""etcd: the members are the inventory's, one leads, and nobody without the right certificate gets in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..cluster import Cluster, Host
from ..errors import HardwayError
from ..etcd.client import open_etcd
from ..etcd.interface import EtcdClient, Health, Member, Status
from ..ports import ETCD_CLIENT
from ..progress.closing import plural
from . import peer
from .check import Check
from .outcome import Outcome, judged, skipped
from .scene import Scene, on_hosts


def open_any(scene: Scene) -> EtcdClient:
    """A client through the first etcd host that can be reached."""
    last: HardwayError | None = None
    for host in scene.cluster.etcd_members:
        try:
            scene.live.transports[host.name].connect()
            return open_etcd(scene.cluster, scene.live.transports[host.name], scene.inputs.credentials)
        except HardwayError as error:
            last = error
    raise last or HardwayError("the inventory has no etcd host")


def member_findings(cluster: Cluster, members: Iterable[Member]) -> list[str]:
    """Members that should not be there, are not there, have not started or cannot vote."""
    wanted = {host.name: host.peer_url for host in cluster.etcd_members}
    seen = {member.name or f"an unstarted member ({', '.join(member.peer_urls)})": member for member in members}
    found = [f"{name} is not a member" for name in wanted if name not in seen]
    for name, member in seen.items():
        if name not in wanted:
            found.append(f"{name} is a member but not in the inventory: hardway node remove INV {name}")
        elif member.learner:
            found.append(f"{name} is still a learner")
        elif member.peer_urls != (wanted[name],):
            found.append(f"{name} has the peer URL {', '.join(member.peer_urls)} instead of {wanted[name]}")
    return found


def agreement_findings(health: Sequence[Health], statuses: Sequence[Status]) -> list[str]:
    """Members that are not healthy, and what they do not agree on."""
    found = [f"{each.name} is unhealthy: {each.error}" for each in health if not each.healthy]
    answered = {each.name for each in statuses}
    found += [f"{each.name} reports no status" for each in health if each.healthy and each.name not in answered]
    leaders = {each.leader for each in statuses}
    if len(leaders) > 1 or 0 in leaders:
        found.append(
            "the members do not agree on a leader: "
            + ", ".join(f"{each.name} says {each.leader:x}" for each in statuses)
        )
    elif statuses and not any(each.is_leader for each in statuses):
        found.append(f"the leader {statuses[0].leader:x} is not a member in the inventory")
    return found


def members(scene: Scene) -> Outcome:
    with open_any(scene) as client:
        listed, health, statuses = client.members(), client.health(), client.status()
    found = [*member_findings(scene.cluster, listed), *agreement_findings(health, statuses)]
    leader = next((each.name for each in statuses if each.is_leader), "none")
    versions = ", ".join(sorted({each.version for each in statuses}))
    size = max((each.db_size for each in statuses), default=0)
    return judged(
        found, f"{plural(len(listed), 'member')} healthy, leader {leader}, version {versions}, {size / 1e6:.1f} MB"
    )


def refusal_finding(who: str, answer: tuple[int, str]) -> str:
    """Why an answer is not the refusal it should be."""
    return f"accepts {who}: {answer[0]} {answer[1][:80]}" if answer[0] else ""


def strangers(scene: Scene) -> Outcome:
    credentials, workers = scene.inputs.credentials, scene.cluster.workers
    if not workers:
        return skipped("there is no worker, so there is no kubelet certificate to test with")
    ca = credentials.ca("etcd-ca")
    kubelet = peer.context(ca, credentials.certificate("kubelet", workers[0]))
    settings = {"a client with a kubelet's certificate": kubelet, "a client without a certificate": peer.context(ca)}
    known = peer.context(ca, credentials.certificate("etcd-healthcheck-client"))

    def look(host: Host) -> str:
        dial = lambda: scene.live.transports[host.name].dial(ETCD_CLIENT, str(host.address))  # noqa: E731
        # Without this the refusals could come from a member that answers nobody.
        control = peer.status(dial, "/version", known)
        if control[0] != 200:
            return f"refuses hardway's own certificate: {control[0]} {control[1][:80]}"
        return "; ".join(
            filter(None, (refusal_finding(who, peer.status(dial, "/version", made)) for who, made in settings.items()))
        )

    found = on_hosts(look, scene.cluster.etcd_members)
    return judged(
        found,
        f"on {plural(len(scene.cluster.etcd_members), 'member')}: clients with a kubelet's certificate or none are"
        " refused, and hardway's is accepted",
    )


CHECKS = (
    Check(
        "etcd-members",
        "etcd has the members of the inventory, and they agree",
        "etcd holds the whole state of the cluster; each lost member brings it closer to losing quorum.",
        "hardway status INV; on the member: systemctl status etcd; journalctl -u etcd -n 50",
        members,
    ),
    Check(
        "etcd-strangers",
        "etcd refuses clients without the right certificate",
        "Access to etcd is access to everything in the cluster; a kubelet must not have it.",
        "compare etcd.service with systemd-units/etcd.service.j2: --client-cert-auth and --trusted-ca-file",
        strangers,
    ),
)
