"""The guide's chapter about etcd's data: a backup, the space it needs, and the way back, all by hand.

The restore is that of hardway.phases.restoring, in the same order.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

from ....cluster import Host
from ....living.restoration import Restoration
from ....phase import Inputs, Phase
from ....phases import restoring
from ....ports import ETCD_PEER
from ....vocabulary import Blob
from ..checks import ETCDCTL, Check, checks, everywhere, until
from ..ops import KUBECTL
from ..shell import SSH, Way, heredoc, loop
from ..writing.document import Code, Heading, Part, Table, Text

CONTROLLERS = "kube-controller-manager kube-scheduler"
# What etcd's documentation raises the revision by: more than was written since any snapshot.
BUMP = 10**9


def etcd_restore(inputs: Inputs) -> Iterator[Part]:
    """Everything can be typed while the cluster works; at the end it is as it was."""
    yield Text(
        "etcd holds all objects of the cluster. `hardway etcd backup`, `defrag`, `disarm` and `restore` do what"
        " follows, with more checks. You can type this chapter now: at its end the cluster is as it was."
    )
    yield from _backup(inputs)
    yield from _space(inputs)
    yield from _order(inputs)
    yield from _restore(inputs)


def _backup(inputs: Inputs) -> Iterator[Part]:
    member = _way(inputs.cluster.etcd_members[0])
    script = (
        "folder=$(mktemp -d -p /var/lib/etcd)\ntrap 'rm -rf \"$folder\"' EXIT\n"
        f'{ETCDCTL} snapshot save "$folder/etcd.db" >/dev/null\ncat "$folder/etcd.db"\n'
    )
    yield Heading("Save a snapshot")
    yield Text(
        "Any one member has all data. The file contains every Secret as etcd has it. Keep it where nobody else can read"
        " it, with the keys of the state directory: without the encryption key nobody can read its Secrets."
    )
    save = f'install -m 600 /dev/null "$SNAPSHOT"\n{{\n{member.script(script)}\n}} > "$SNAPSHOT"'
    yield Code(f'SNAPSHOT="$STATE/by-hand/etcd.db"\n{save}')
    yield Text("The last 32 bytes are the SHA-256 of all bytes before them.")
    computed = 'computed=$(head -c -32 "$SNAPSHOT" | sha256sum | cut -c 1-64)'
    written = "written=$(tail -c 32 \"$SNAPSHOT\" | od -An -v -tx1 | tr -d ' \\n')"
    yield from _checked(
        Check(
            f'{computed}\n{written}\n[ $computed = $written ] && echo "the snapshot is whole"', "the snapshot is whole"
        )
    )


def _space(inputs: Inputs) -> Iterator[Part]:
    members = inputs.cluster.etcd_members
    first = _way(members[0])
    yield Heading("Give back space")
    yield Text(
        "etcd keeps old revisions until they are compacted, and its file never gets smaller by itself. At the quota it"
        " raises the alarm NOSPACE and refuses every write. Compact once, for all members. Then defragment one member"
        " at a time, because it answers nobody meanwhile, and the leader last (`endpoint status --cluster -w table`"
        " shows it)."
    )
    revision = "grep -o '\"revision\":[0-9]*' | head -n 1 | cut -d : -f 2"
    compact = f"now=$({ETCDCTL} endpoint status -w json | {revision})\n{_slow('compact --physical $now')} >/dev/null\n"
    yield Code(first.script(compact))
    each = Way("$host", first.sudo)
    ask = each.run(f"{ETCDCTL} endpoint health")
    body = (
        f"  {each.run(_slow('defrag'))} >/dev/null\n  {until(60, ask)}\n"
        f'  {ask} >/dev/null 2>&1 && echo "$host is defragmented"'
    )
    done = "\n".join(f"{host.name} is defragmented" for host in members)
    yield from _checked(Check(loop([host.name for host in members], body), done))
    yield Text("The alarm stays until you clear it. Clear it only when every member has room again.")
    clear = f"{first.run(f'{ETCDCTL} alarm disarm')} >/dev/null\n{first.run(f'{ETCDCTL} alarm list')} | wc -l"
    yield from _checked(Check(clear, "0"))


def _order(inputs: Inputs) -> Iterator[Part]:
    """What `hardway etcd restore` does, and why."""
    yield Heading("Restore: in which order")
    for module in restoring.MODULES:
        yield from (Text(" ".join(paragraph.split())) for paragraph in (inspect.getdoc(module) or "").split("\n\n"))
    phases = restoring.phases(Restoration("", "", 0), Blob())
    yield Table(("phase", "what it does", "on", "after"), tuple(_row(phase, inputs) for phase in phases))


def _row(phase: Phase, inputs: Inputs) -> tuple[str, ...]:
    hosts = ", ".join(target.name for target in phase.targets(inputs.cluster))
    return f"`{phase.name}`", phase.title, hosts, ", ".join(phase.needs(inputs))


def _restore(inputs: Inputs) -> Iterator[Part]:
    cluster = inputs.cluster
    members, servers = cluster.etcd_members, cluster.control_plane
    yield Heading("Restore: stop everything that reads or writes")
    yield Text(
        "All that was written since the snapshot is lost. The API is down until the end; pods keep running. First the"
        " controllers, then the API servers, then all members: an API server that runs on would serve what it remembers"
        " of the old data. The units are disabled too, so that a host that reboots meanwhile starts none of them."
    )
    stops = [(servers, CONTROLLERS), (servers, "kube-apiserver"), (members, "etcd")]
    yield Code("\n".join(everywhere(hosts, f"systemctl disable -q --now {units}") for hosts, units in stops))
    yield Heading("Restore: the same snapshot on every member")
    yield Text(
        "The old data is moved, not deleted. The token is new, so that a member with old data can never join. The"
        " revision is raised and marked as compacted: all who watch the API notice, and list everything again."
    )
    yield Code(f"RESTORE=$(date -u +%Y%m%dT%H%M%SZ)\n{_replaced(inputs)}")
    yield Heading("Restore: start all members")
    yield Text("Together: the first one waits for the others. Then all must have the same data, by etcd's own hash.")
    yield Code(
        f"{everywhere(members, 'systemctl enable -q etcd')}\n{everywhere(members, 'systemctl start --no-block etcd')}"
    )
    yield from _checked(*checks("etcd", inputs), _same(members))
    yield Heading("Restore: start the control plane")
    units = f"kube-apiserver {CONTROLLERS}"
    yield Code(
        f"{everywhere(servers, f'systemctl enable -q {units}')}\n"
        f"{everywhere(servers, f'systemctl start --no-block {units}')}"
    )
    yield from _checked(*checks("control-plane", inputs), *checks("load-balancer", inputs))
    yield Heading("Restore: have the nodes look again")
    yield Text("A kubelet registers its Node only when it starts. In a large cluster, restart a few nodes at a time.")
    yield Code(everywhere(cluster.workers, "systemctl restart kubelet kube-proxy") + _dns(inputs))
    yield from _checked(*(check for name in ("kubelet", "kube-proxy", "dns") for check in checks(name, inputs)))
    yield Text(
        "When the cluster is as you want it, remove `/var/lib/etcd/before-…` on every member: the data from before."
    )


def _replaced(inputs: Inputs) -> str:
    cluster = inputs.cluster
    members = cluster.etcd_members
    way = Way("$host", any(host.ssh.user != "root" for host in members))
    script = (
        "umask 077; cd /var/lib/etcd\n"
        "rm -rf restored; mkdir -p before-$3\n"
        "if [ -e member ]; then mv member before-$3/; fi\n"
        f"/usr/local/bin/etcdutl snapshot restore snapshot.db --data-dir restored --name $1 \\\n"
        f"  --initial-advertise-peer-urls https://$2:{ETCD_PEER} --initial-cluster-token {cluster.name}-$3 \\\n"
        f"  --initial-cluster {cluster.etcd_initial_cluster} \\\n"
        f"  --bump-revision {BUMP} --mark-compacted\n"
        "chown -R etcd:etcd restored; mv restored/member member; rm -r restored snapshot.db\n"
        "if command -v restorecon >/dev/null; then restorecon -R member; fi\n"
    )
    copy = way.feed("install -m 600 /dev/stdin /var/lib/etcd/snapshot.db", '< "$SNAPSHOT"')
    run = f'{SSH} $host "{way.root}sh -es $host ${{ADDRESS[$host]}} $RESTORE" {heredoc(script)}'
    return loop([host.name for host in members], f"  {copy}\n  {run}")


def _same(members: Sequence[Host]) -> Check:
    hashes = everywhere(members, f"{ETCDCTL} endpoint hashkv -w json")
    return Check(f"{{\n{hashes}\n}} | grep -o '\"hash\":[0-9]*' | sort -u | wc -l", "1")


def _dns(inputs: Inputs) -> str:
    restart = f"\n{KUBECTL} -n kube-system rollout restart deployment/coredns >/dev/null"
    return restart if inputs.cluster.coredns.enabled else ""


def _checked(*found: Check) -> Iterator[Part]:
    for check in found:
        yield from (Code(check.commands), Text("It prints:"), Code(check.expected, "text"))


def _slow(command: str) -> str:
    """One that works through all data."""
    return f"{ETCDCTL} --command-timeout=600s {command}"


def _way(host: Host) -> Way:
    return Way(host.name, host.ssh.user != "root")
