"""Start the etcd members, all together, over mutual TLS with their own CA.

etcd stores the whole state of the cluster. It runs as its own user, and no other user can read its
data and keys. All members start at the same time, because a first member on its own never reaches
quorum. The unit never changes; only `/etc/etcd/etcd.env` says whether the member creates a new
cluster (`new`) or belongs to an existing one.

By hand: `etcdctl --endpoints https://127.0.0.1:2379 … member list` on a member.

Goes wrong: the members were started one after the other and each waits for the rest; a certificate lacks the
member's address (`bad certificate` in the journal); or /var/lib/etcd holds data of an earlier cluster
(`cluster ID mismatch`).
"""

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from ..cluster import Host, Role, by_address
from ..errors import HardwayError, QuorumError
from ..etcd.interface import Member, Status, quorum
from ..etcd.membership import called, host_of, member_on, typed, voting
from ..facts import Facts, etcd_born
from ..phase import Inputs, Pending, Phase
from ..pki.rotation import Rotation, Stage
from ..ports import ETCD_CLIENT
from ..render import render
from ..resources import Directory, EtcdPeer, File, Unit, User, text
from ..targets.live import Live
from .binaries import program

PKI, UNIT = "/etc/etcd/pki", "/etc/systemd/system/etcd.service"
# So many entries of the log behind the leader a member is close: etcd applies them within a fraction of a second.
BEHIND = 1000


def environment(inputs: Inputs, host: Host, state: str) -> File:
    """`state` is new or existing; etcd reads it only while its data directory is empty."""
    content = render("etcd.env", inputs.cluster, host, state=state, members=initial_cluster(inputs, host, state))
    return File("/etc/etcd/etcd.env", text(content), "600")


def initial_cluster(inputs: Inputs, host: Host, state: str) -> str:
    """The members a new member starts with. One that joins must name exactly those that etcd has, and itself."""
    cluster, members = inputs.cluster, inputs.lives.members
    if state != "existing" or members is None or inputs.facts.get(host.name, Facts()).etcd_data:
        return cluster.etcd_initial_cluster
    there = {other.name: member_on(cluster, members, other) for other in by_address(cluster.etcd_members)}
    urls = {name: found.peer_urls[0] for name, found in there.items() if found} | {host.name: host.peer_url}
    return ",".join(f"{name}={urls[name]}" for name in there if name in urls)


def certificates(inputs: Inputs, host: Host) -> list[File]:
    """Server and peer certificate of one member, readable only by etcd.

    It reads them again at each handshake, so each key comes right after its certificate: in between there is no pair.
    """
    files = []
    for name in ("server", "peer"):
        pair = inputs.credentials.certificate(f"etcd-{name}", host)
        files.append(File(f"{PKI}/{name}.crt", text(pair.cert), "644", "etcd", "etcd"))
        files.append(File(f"{PKI}/{name}.key", text(pair.key.reveal(), secret=True), "600", "etcd", "etcd"))
    return files


def desired(inputs: Inputs, host: Host) -> list:
    ca = File(f"{PKI}/ca.crt", text(inputs.credentials.ca("etcd-ca")), "644", "etcd", "etcd")
    pairs = certificates(inputs, host)
    unit = File(UNIT, text(render("etcd.service", inputs.cluster, host)), "600")
    etcd = program(inputs, host, "etcd")
    state = "existing" if etcd_born(inputs.facts) else "new"
    return [
        User("etcd", "/var/lib/etcd"),
        Directory("/etc/etcd"),
        Directory(PKI, "700", "etcd", "etcd"),
        Directory("/var/lib/etcd", "700", "etcd", "etcd", data=True),
        ca,
        *pairs,
        environment(inputs, host, state),
        unit,
        *([EtcdPeer(host, UNIT)] if moved(inputs, host) else ()),
        etcd,
        Unit("etcd.service", (unit, ca, etcd), rereads=tuple(pairs), pauses=pauses(inputs, host)),
    ]


def pauses(inputs: Inputs, host: Host) -> tuple[str, ...]:
    """In an upgrade, and while etcd's CA is replaced, nobody is to notice that a member restarts. Its own API server
    has no other one, so it says first that it stops, and the load balancer sends new calls to the others."""
    unnoticed = inputs.upgrading or Rotation("etcd-ca", inputs.credentials.store).stage is not Stage.NONE
    others = len(inputs.cluster.control_plane) > 1
    return ("kube-apiserver.service",) if unnoticed and others and host.is_(Role.CONTROL_PLANE) else ()


def moved(inputs: Inputs, host: Host) -> bool:
    """Whether the other members reach this one where the inventory no longer has it."""
    found = member_on(inputs.cluster, inputs.lives.members or (), host)
    return bool(found) and found.peer_urls != (host.peer_url,)


def ready(live: Live, host: Host) -> Pending | None:
    # A member may be healthy seconds before it serves clients; systemd is told when it does.
    if problem := live.etcd_health(host):
        return Pending(f"etcd member {host.name} to be healthy ({problem})", host.name, "etcd.service")
    if not live.serves(host, "etcd", ETCD_CLIENT):
        return Pending(f"etcd member {host.name} to serve clients", host.name, "etcd.service")
    return None


def before_restart(live: Live, host: Host) -> None:
    """Refuse the restart of a healthy member, or have another one lead first; restarting an unhealthy one loses
    nothing."""
    if not live.etcd_health(host):
        keep_quorum(live, host)
        hand_over(live, host)


def keep_quorum(live: Live, host: Host) -> None:
    """Refuse to restart a voting member when the others would have no quorum without it.

    Who votes is what etcd says, not the inventory: the two may differ.
    """
    members = voting(_members(live, host))
    others = [member for member in members if host_of(live.cluster, member) != host]
    if not others or len(others) == len(members):
        return
    problems = {called(member): _problem(live, member) for member in others}
    healthy = sum(1 for problem in problems.values() if not problem)
    if healthy < quorum(len(members)):
        raise QuorumError(
            f"restarting etcd on {host.name} would lose quorum: {healthy} of the other {len(others)} members are"
            " healthy",
            host=host.name,
            evidence="\n".join(f"{name}: {problem or 'healthy'}" for name, problem in problems.items()),
            hint="repair the unhealthy members first: systemctl status etcd on each",
        )


def _members(live: Live, host: Host) -> tuple[Member, ...]:
    """etcd's member list, asked of a healthy member; without it nobody knows what a restart would lose."""
    try:
        return live.etcd(host).members()
    except HardwayError as error:
        raise QuorumError(
            f"etcd is not restarted on {host.name}, because its member list cannot be read: it might lose quorum",
            host=host.name,
            evidence=f"{error.message}\n{error.evidence}".strip(),
            hint=f"on {host.name}: {typed('member', 'list')}",
        ) from error


def _problem(live: Live, member: Member) -> str:
    """Why a member is not healthy, or an empty string."""
    host = host_of(live.cluster, member)
    return live.etcd_health(host) if host else "it is not in the inventory, so hardway cannot ask it"


def hand_over(live: Live, host: Host) -> None:
    """Have a healthy voting member lead in place of this one. etcd does the same by itself when it stops in order, so
    that a leader which cannot be moved is no reason to stop."""
    with contextlib.suppress(HardwayError), live.etcd(host) as etcd:
        if any(own.is_leader for own in etcd.status()) and (heir := _heir(live, host, etcd.members())):
            etcd.move_leader(heir.id)


def _heir(live: Live, host: Host, members: Sequence[Member]) -> Member | None:
    """The last that can lead: turns go through the members in their order, so that it leads for the longest."""
    others = [member for member in voting(members) if host_of(live.cluster, member) != host]
    return next((member for member in reversed(others) if not _problem(live, member)), None)


def caught_up(live: Live, host: Host) -> Pending | None:
    """What is still missing until a healthy member counts again after its restart: it votes, follows the leader of this
    term, and its data is about as far as the leader's."""
    own = _status(live, host)
    if own is None:
        return _pending(host, "to report its status")
    if own.is_learner:
        return _pending(host, "to be promoted from learner to voting member")
    if own.is_leader:
        return None
    others = [found for other in _others(live, host) if (found := _status(live, other))]
    if not others:
        return _pending(host, "to be compared with another healthy member")
    ahead = max(others, key=lambda other: (other.raft_term, other.raft_index))
    if (own.leader, own.raft_term) != (ahead.leader, ahead.raft_term):
        return _pending(host, f"to follow the same leader as {ahead.name}")
    behind = ahead.raft_index - own.raft_applied_index
    return _pending(host, f"to catch up with {ahead.name} ({behind} entries behind)") if behind > BEHIND else None


def api_server(live: Live, host: Host) -> Pending | None:
    """An API server has no other member than that of its own host, so it serves nobody while this one is away; the next
    member's turn would take another one."""
    if not host.is_(Role.CONTROL_PLANE) or not (problem := live.kube(host).not_ready()):
        return None
    return Pending(f"kube-apiserver on {host.name} to be ready again ({problem})", host.name, "kube-apiserver.service")


def _others(live: Live, host: Host) -> list[Host]:
    """The healthy members on other hosts of the inventory; to ask another one costs five seconds."""
    return [other for other in live.cluster.etcd_members if other != host and not live.etcd_health(other)]


def _pending(host: Host, what: str) -> Pending:
    return Pending(f"etcd member {host.name} {what}", host.name, "etcd.service")


def _status(live: Live, host: Host) -> Status | None:
    """What a member says of itself; None when it cannot be asked."""
    with contextlib.suppress(HardwayError):
        return next(iter(live.etcd(host).status()), None)
    return None


PHASE = Phase(
    name="etcd",
    title="Start the etcd members",
    targets=lambda cluster: cluster.etcd_members,
    desired=desired,
    needs=lambda inputs: ("pki", "etcd-members", "etcd-clients"),
    ready=ready,
    deadline=60,
    rolling=True,
    before_restart=before_restart,
    caught_up=caught_up,
    beside=api_server,
)
# The same where nobody is to notice: a turn includes that the member's API server starts again.
UNNOTICED = replace(PHASE, deadline=300.0)
