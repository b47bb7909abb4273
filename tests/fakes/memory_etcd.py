"""etcd as it follows from the members that run on the memory hosts: its own member list, a leader, and its clients."""

from __future__ import annotations

import datetime
import re
import threading
import zlib
from collections.abc import Mapping
from dataclasses import replace

from cryptography import x509

from hardway.cluster import Host
from hardway.errors import NotReadyError, RemoteCommandError
from hardway.etcd.interface import Alarm, Hash, Health, Member, Status, quorum

from .memory_host import MemoryHost

DATA, UNIT = "/var/lib/etcd/member", "etcd.service"
PORT = ":2380"
SIZE, QUOTA = 20480, 2 << 30


class Membership:
    """What etcd itself knows, whatever an inventory says. A machine whose data is lost stays a member."""

    def __init__(self, hosts: Mapping[str, MemoryHost]):
        self.hosts = hosts
        self.guard = threading.RLock()
        self.known: dict[int, Member] = {}
        # Machines that hold the data of a member which was removed: it never comes back with that.
        self.removed: set[str] = set()
        self.next = 1
        self.leader, self.term, self.index = 0, 1, 100
        # How many entries a member is behind, by the name of its host.
        self.behind: dict[str, int] = {}
        self.revision, self.compacted = 7, 0
        # Size of each member's file and what it holds, by the name of its host; who has raised the alarm NOSPACE.
        self.sizes: dict[str, tuple[int, int]] = {}
        self.alarms: set[int] = set()
        self.id, self.token = 0xE7CD, ""

    def copy(self, hosts: Mapping[str, MemoryHost]) -> Membership:
        other = Membership(hosts)
        other.known, other.behind, other.next = dict(self.known), dict(self.behind), self.next
        other.removed = set(self.removed)
        other.leader, other.term, other.index = self.leader, self.term, self.index
        other.revision, other.compacted = self.revision, self.compacted
        other.sizes, other.alarms = dict(self.sizes), set(self.alarms)
        other.id, other.token = self.id, self.token
        return other

    def size(self, name: str) -> tuple[int, int]:
        """(bytes of the file, bytes that it holds) of the member on a host."""
        return self.sizes.get(name, (SIZE, SIZE))

    def defragmented(self, name: str) -> None:
        _, used = self.size(name)
        self.sizes[name] = (used, used)

    def restored(self, members: str, token: str) -> None:
        """A member has the data of a snapshot: with its token a cluster of its own, whose members have not started."""
        if token != self.token:
            self.token, self.id, self.leader, self.removed = token, zlib.crc32(token.encode()), 0, set()
            self.known.clear()
            for name, url in (pair.split("=", 1) for pair in members.split(",")):
                self.enter(Member(0, name, (url,), ()))

    def members(self) -> list[Member]:
        """The list, after whoever has started since came into it; without any data anywhere there is none."""
        with self.guard:
            self._observe()
            return sorted(self.known.values(), key=lambda member: (member.name, member.id))

    def _observe(self) -> None:
        holding = [name for name, host in self.hosts.items() if DATA in host.disk.dirs]
        if not holding and not any(map(self.runs, self.hosts)):
            self.known.clear()
        self.removed &= set(holding)
        for name in holding:
            if name not in self.removed:
                self._started(name)

    def _started(self, name: str) -> None:
        """A first member brings along all that it was told of; a later one is known by its URL, and so is one whose
        machine was renamed."""
        url = advertised(self.hosts[name])
        if not self.known:
            for other, at in initial_cluster(self.hosts[name]).items():
                self.enter(Member(0, other, (at,), ()))
        found = [one for one in self.known.values() if one.name == name]
        found += [one for one in self.known.values() if one.name not in self.hosts and url in one.peer_urls]
        if not found or not found[0].started or found[0].name != name:
            own = found[0] if found else Member(0, name, (url,), ())
            self.enter(replace(own, name=name, client_urls=(url.replace(PORT, ":2379"),)))

    def enter(self, member: Member) -> Member:
        entered = member if member.id else replace(member, id=self.next)
        self.next += not member.id
        self.known[entered.id] = entered
        return entered

    def runs(self, name: str) -> bool:
        return name in self.hosts and self.hosts[name].systemd.unit(UNIT).active == "active"

    def has_quorum(self) -> bool:
        voting = [member for member in self.members() if not member.learner]
        return bool(voting) and sum(self.runs(member.name) for member in voting) >= quorum(len(voting))

    def leads(self) -> int:
        """Who leads, 0 without a quorum; when the leader has gone the others elect one of them."""
        voting = [member for member in self.members() if not member.learner and self.runs(member.name)]
        if not self.has_quorum():
            return 0
        if self.leader not in [member.id for member in voting]:
            self.leader, self.term = voting[0].id, self.term + 1
        return self.leader


class MemoryEtcd:
    """An EtcdClient by way of the member on one host; `asked` are the hosts of the inventory."""

    how = "memory"

    def __init__(self, membership: Membership, via: Host, asked: tuple[Host, ...], health):
        self.membership, self.via, self.asked, self.ill = membership, via, asked, health

    def __enter__(self) -> MemoryEtcd:
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def close(self) -> None: ...

    def _let_in(self) -> None:
        """A member is asked with its own certificate, which others read at each handshake."""
        host = self.membership.hosts[self.via.name]
        if not self.membership.runs(self.via.name):
            raise NotReadyError("etcd does not answer", evidence="connection refused")
        if expired(host.disk.read("/etc/etcd/pki/server.crt")):
            raise NotReadyError("etcd does not answer", evidence="tls: expired certificate")

    def _agreed(self) -> None:
        self._let_in()
        if not self.membership.has_quorum():
            raise NotReadyError("etcd does not answer", evidence="etcdserver: no leader")

    def members(self) -> tuple[Member, ...]:
        self._agreed()
        return tuple(self.membership.members())

    def health(self) -> tuple[Health, ...]:
        return tuple(Health(host.name, not self.ill(host), self.ill(host)) for host in self.asked)

    def status(self) -> tuple[Status, ...]:
        self._let_in()
        raft, leader = self.membership, self.membership.leads()
        of = {member.name: member for member in raft.members() if raft.runs(member.name)}
        return tuple(self._status(host, of[host.name], leader) for host in self.asked if host.name in of)

    def _status(self, host: Host, member: Member, leader: int) -> Status:
        raft, applied = self.membership, self.membership.index - self.membership.behind.get(host.name, 0)
        size, used = raft.size(host.name)
        known = (member.id, leader, raft.revision, raft.term, size, "3.7.3", raft.id)
        alarms = tuple(Alarm(one, "NOSPACE") for one in sorted(raft.alarms))
        return Status(host.name, *known, raft.index, applied, member.learner, used, QUOTA, "3.7.0", alarms)

    def hashes(self, revision: int) -> dict[str, Hash]:
        self._let_in()
        running = [host for host in self.asked if self.membership.runs(host.name)]
        return {host.name: Hash(hash(revision), self.membership.compacted) for host in running}

    def compact(self, revision: int) -> None:
        self._agreed()
        self.membership.compacted = max(revision, self.membership.compacted)
        self.membership.sizes = {name: (size, min(used, SIZE)) for name, (size, used) in self.membership.sizes.items()}

    def alarms(self) -> tuple[Alarm, ...]:
        self._agreed()
        return tuple(Alarm(one, "NOSPACE") for one in sorted(self.membership.alarms))

    def disarm(self) -> None:
        self._agreed()
        self.membership.alarms.clear()

    def add_member(self, name: str, peer_urls: tuple[str, ...]) -> Member:
        self._agreed()
        if any(member.learner for member in self.membership.known.values()):
            raise RemoteCommandError("etcd refused: too many learner members in cluster")
        return self.membership.enter(Member(0, "", peer_urls, (), learner=True))

    def promote_member(self, member_id: int) -> None:
        self._agreed()
        member = self._member(member_id)
        if not self.membership.runs(member.name) or self.membership.behind.get(member.name):
            raise RemoteCommandError("etcd refused: can only promote a learner member which is in sync with leader")
        self.membership.known[member_id] = replace(member, learner=False)

    def update_member(self, member_id: int, peer_urls: tuple[str, ...]) -> None:
        self._agreed()
        self._member(member_id)
        if any(
            set(peer_urls) & set(other.peer_urls) for other in self.membership.known.values() if other.id != member_id
        ):
            raise RemoteCommandError("etcd refused: Peer URLs already exists")
        self.membership.known[member_id] = replace(self.membership.known[member_id], peer_urls=peer_urls)

    def remove_member(self, member_id: int) -> None:
        self._agreed()
        self.membership.removed.add(self._member(member_id).name)
        del self.membership.known[member_id]

    def move_leader(self, member_id: int) -> None:
        self._agreed()
        heir = self._member(member_id)
        if heir.learner or not self.membership.runs(heir.name):
            raise RemoteCommandError("etcd refused: bad leader transferee")
        self.membership.leader, self.membership.term = member_id, self.membership.term + 1

    def get(self, key: str) -> bytes | None:
        self._agreed()
        return None

    def _member(self, member_id: int) -> Member:
        if member_id not in self.membership.known:
            raise RemoteCommandError("etcd refused: member not found")
        return self.membership.known[member_id]


def advertised(host: MemoryHost) -> str:
    """The peer URL with which the member on a host was started."""
    found = re.search(r"--initial-advertise-peer-urls=(\S+)", (host.systemd.unit(UNIT).definition or b"").decode())
    return found[1] if found else f"https://{host.host.address}{PORT}"


def initial_cluster(host: MemoryHost) -> dict[str, str]:
    """What a member is told of the others, as `NAME=URL` pairs."""
    found = re.search(r"^ETCD_INITIAL_CLUSTER=(.*)$", host.disk.read("/etc/etcd/etcd.env").decode(), re.MULTILINE)
    return dict(pair.split("=", 1) for pair in (found[1] if found else "").split(",") if pair)


def expired(certificate: bytes) -> bool:
    try:
        return x509.load_pem_x509_certificate(certificate).not_valid_after_utc < datetime.datetime.now(datetime.UTC)
    except ValueError:
        return True
