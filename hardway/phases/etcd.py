"""Start the etcd members, all together, over mutual TLS with an authority of their own.

etcd holds the whole state of the cluster, so it runs as its own user, its data and keys closed to
everybody else. The members are started at the same time: a lone first member waits for a quorum
that cannot come. The unit is the same for ever; only `/etc/etcd/etcd.env` says whether this is
the founding (`new`) or an existing cluster.

By hand: `etcdctl --endpoints https://127.0.0.1:2379 … member list` on a member.

Goes wrong: the members were started one after the other and each waits for the rest; a certificate lacks the
member's address (`bad certificate` in the journal); or /var/lib/etcd holds data of an earlier cluster
(`cluster ID mismatch`).
"""

from ..cluster import Host
from ..errors import QuorumError
from ..facts import etcd_born
from ..phase import Inputs, Pending, Phase
from ..render import render
from ..resources import Directory, File, Unit, User, text
from ..targets.live import Live
from .binaries import program

PKI = "/etc/etcd/pki"


def environment(inputs: Inputs, host: Host, state: str) -> File:
    """`state` is new or existing; etcd reads it only while its data folder is empty."""
    return File("/etc/etcd/etcd.env", text(render("etcd.env", inputs.cluster, host, state=state)), "600")


def certificates(inputs: Inputs, host: Host) -> list[File]:
    """Server and peer certificate of one member, readable by etcd alone."""
    files = [File(f"{PKI}/ca.crt", text(inputs.credentials.ca("etcd-ca")), "644", "etcd", "etcd")]
    for name in ("server", "peer"):
        pair = inputs.credentials.certificate(f"etcd-{name}", host)
        files.append(File(f"{PKI}/{name}.crt", text(pair.cert), "644", "etcd", "etcd"))
        files.append(File(f"{PKI}/{name}.key", text(pair.key.reveal(), secret=True), "600", "etcd", "etcd"))
    return files


def desired(inputs: Inputs, host: Host) -> list:
    files = certificates(inputs, host)
    unit = File("/etc/systemd/system/etcd.service", text(render("etcd.service", inputs.cluster, host)), "600")
    state = "existing" if etcd_born(inputs.facts) else "new"
    return [
        User("etcd", "/var/lib/etcd"),
        Directory("/etc/etcd"),
        Directory(PKI, "700", "etcd", "etcd"),
        Directory("/var/lib/etcd", "700", "etcd", "etcd", data=True),
        *files,
        environment(inputs, host, state),
        unit,
        Unit("etcd.service", (unit, *files, program(inputs, host, "etcd"))),
    ]


def ready(live: Live) -> Pending | None:
    for host in live.among(live.cluster.etcd_members):
        problem = live.etcd_health(host)
        if problem:
            return Pending(f"etcd member {host.name} to be healthy ({problem})", host.name, "etcd.service")
    return None


def keep_quorum(live: Live, host: Host) -> None:
    """Refuse to restart a member that serves when the others could not carry on without it; restarting a sick one loses nothing."""
    members = live.cluster.etcd_members
    if live.etcd_health(host):
        return
    sick = {member.name: live.etcd_health(member) for member in members if member.name != host.name}
    healthy = sum(1 for problem in sick.values() if not problem)
    if len(members) > 1 and healthy < len(members) // 2 + 1:
        evidence = "\n".join(f"{name}: {problem or 'healthy'}" for name, problem in sick.items())
        raise QuorumError(
            f"restarting etcd on {host.name} would lose quorum: {healthy} of the other {len(members) - 1} members are healthy",
            host=host.name,
            evidence=evidence,
            hint="bring the sick members back first: systemctl status etcd on each",
        )


PHASE = Phase(
    name="etcd",
    title="Start the etcd members",
    targets=lambda cluster: cluster.etcd_members,
    desired=desired,
    needs=lambda inputs: ("pki", "etcd-members"),
    ready=ready,
    deadline=60,
    rolling=True,
    before_restart=keep_quorum,
)
