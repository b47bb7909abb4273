"""The commands' own parts on a real etcd of three members: snapshots, a restore by the shell of a host, a survivor, an
alarm, a defragmentation."""

from __future__ import annotations

import datetime
import getpass
import grp
import os
from pathlib import Path

import pytest
from fakes.local_transport import LocalTransport as ShellTransport
from real_etcd import LocalTransport, RealEtcd, eventually

from hardway.cluster import Host
from hardway.commands.etcd import disarm, status
from hardway.errors import HardwayError, NotReadyError, QuorumError, RemoteCommandError, SnapshotError
from hardway.etcd import snapshot
from hardway.etcd.command import Etcdctl
from hardway.etcd.interface import Status
from hardway.living.restoration import Restoration
from hardway.resources import EtcdData
from hardway.resources.base import Situation
from hardway.run.comparing import ordered
from hardway.snapshots import Said
from hardway.targets import etcd_data
from hardway.targets.remote import HostRemote
from hardway.vocabulary import Blob, Op, Probe

pytestmark = pytest.mark.slow

ME, US = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
UID = "0a1b2c3d-1111-2222-3333-444455556666"
# A busy computer must not make the members elect leaders all the time.
CALM = ("--heartbeat-interval", "300", "--election-timeout", "3000")
SMALL = ("--quota-backend-bytes", "2000000", "--backend-batch-interval", "10ms")


class Near(LocalTransport):
    """A host whose loopback is the address of its member."""

    def dial(self, port: int, address: str = "127.0.0.1"):
        return super().dial(port, str(self.host.address) if address == "127.0.0.1" else address)


@pytest.fixture
def etcd(tmp_path, binaries):
    """Three members of its own; what a test has not started is not there."""
    etcd = RealEtcd(tmp_path, binaries)
    yield etcd
    for host in etcd.cluster.hosts:
        if host.name in etcd.processes:
            etcd.stop(host)


def started(etcd: RealEtcd, *more: str, state: str = "new") -> RealEtcd:
    for host in etcd.cluster.hosts:
        etcd.start(host, state, *CALM, *more)
    eventually(lambda: healthy(etcd), 120)
    return etcd


def client(etcd: RealEtcd, host: Host, *asked: Host) -> Etcdctl:
    return Etcdctl(etcd.transport(host), asked or etcd.cluster.etcd_members, pki=str(etcd.pki(host)))


def healthy(etcd: RealEtcd) -> bool:
    try:
        return all(one.healthy for one in client(etcd, etcd.cluster.hosts[0]).health())
    except HardwayError:
        return False


def put(etcd: RealEtcd, key: str, value: str) -> None:
    eventually(lambda: etcd.etcdctl("put", key, value, check=False), 60)


def get(etcd: RealEtcd, key: str) -> str:
    return etcd.etcdctl("get", "--print-value-only", key, check=False).strip()


def statuses(etcd: RealEtcd) -> tuple[Status, ...]:
    return client(etcd, etcd.cluster.hosts[0]).status()


def taken(etcd: RealEtcd, host: Host, path: Path) -> snapshot.Snapshot:
    with path.open("wb") as file:
        etcd_data.snapshot(Near(host, etcd.binaries), etcd.credentials, file.write)
    return snapshot.read(path)


def on_host(etcd: RealEtcd, host: Host) -> HostRemote:
    """The shell of a host, whose /var/lib/etcd is the member's folder here and on which systemd knows no etcd."""
    folder = etcd.folder / host.name
    transport = ShellTransport(folder, ["/bin/sh"], f"{etcd.binaries}:/usr/bin:/bin")
    transport.moves |= {"/var/lib/etcd": str(folder / "data"), "/usr/local/bin/etcd": f"{etcd.binaries}/etcd"}
    transport.moves |= {"etcd:etcd": f"{ME}:{US}"}
    transport.host = host
    return HostRemote(transport)


def restored(etcd: RealEtcd, found: snapshot.Snapshot, now: int) -> Restoration:
    """One snapshot on all members, by the acts of a restore, as its data phase does it."""
    restoration = Restoration.begun(found.sha256, found.top, now, datetime.datetime.now(datetime.UTC))
    blob = Blob(path=found.path, known_sha256=found.sha256, secret=True)
    for host in etcd.cluster.hosts:
        about = (restoration.id, restoration.marker, etcd.cluster.etcd_initial_cluster, restoration.token(etcd.cluster))
        wanted, remote = EtcdData(host, *about, restoration.bump, blob), on_host(etcd, host)
        change = wanted.compare(Situation(remote.probe(wanted.probes())))
        remote.change(ordered([change]))
        assert wanted.compare(Situation(remote.probe(wanted.probes()))) is None
    return restoration


def test_a_cluster_goes_back_to_a_snapshot_of_one_member(etcd, tmp_path):
    started(etcd)
    put(etcd, "/registry/namespaces/kube-system", UID)
    put(etcd, "/registry/old", "old")
    found = taken(etcd, etcd.cluster.hosts[1], tmp_path / "snapshot.db")
    assert found.holds(UID) and found.revision == found.top == 3 and found.minor == (3, 7)
    put(etcd, "/registry/new", "new")
    before = statuses(etcd)
    for host in etcd.cluster.hosts:
        etcd.stop(host)
    restoration = restored(etcd, found, max(one.revision for one in before))
    started(etcd, state="existing")
    after = statuses(etcd)
    assert get(etcd, "/registry/old") == "old" and get(etcd, "/registry/new") == ""
    assert {one.cluster_id for one in after}.isdisjoint(one.cluster_id for one in before) and len(after) == 3
    assert {one.revision for one in after} == {found.top + restoration.bump} and after[0].revision > before[0].revision
    hashes = client(etcd, etcd.cluster.hosts[0]).hashes(after[0].revision)
    assert len(hashes) == 3 and len(set(hashes.values())) == 1
    # Whoever watched an older revision is told that it is gone, and lists again.
    told = etcd.etcdctl("watch", "/registry/old", f"--rev={before[0].revision}", check=False)
    assert told == ""
    for host in etcd.cluster.hosts:
        folder = etcd.folder / host.name / "data"
        assert (folder / f"before-{restoration.id}/member/snap/db").is_file() and (folder / "member/restored").is_file()


def test_a_member_with_the_old_data_never_joins_the_restored_ones(etcd, tmp_path):
    started(etcd)
    put(etcd, "/registry/old", "old")
    found = taken(etcd, etcd.cluster.hosts[0], tmp_path / "snapshot.db")
    for host in etcd.cluster.hosts:
        etcd.stop(host)
    restored(etcd, found, 0)
    late = etcd.cluster.hosts[2]
    data = etcd.folder / late.name / "data"
    (data / "member").rename(data / "set-aside")
    [kept] = data.glob("before-*")
    (kept / "member").rename(data / "member")
    for host in etcd.cluster.hosts:
        etcd.start(host, "existing", *CALM)
    eventually(
        lambda: [one.healthy for one in client(etcd, etcd.cluster.hosts[0]).health()] == [True, True, False], 120
    )
    log = etcd.folder / late.name / "log"
    eventually(lambda: "cluster ID mismatch" in log.read_text() or "cluster-id" in log.read_text(), 60)
    assert {one.name for one in statuses(etcd)} <= {"etcd-0", "etcd-1", "etcd-2"}


def test_a_forged_byte_is_noticed_here_and_where_it_arrives(etcd, tmp_path):
    started(etcd)
    path = tmp_path / "snapshot.db"
    whole = taken(etcd, etcd.cluster.hosts[0], path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match="is damaged"):
        snapshot.read(path)
    for host in etcd.cluster.hosts:
        etcd.stop(host)
    remote = on_host(etcd, etcd.cluster.hosts[0])
    remote.change([Op("aside", ("R",))])
    blob = Blob(path=path, known_sha256=whole.sha256)
    args = ("R", whole.sha256, "etcd-0", etcd.cluster.hosts[0].peer_url, etcd.cluster.etcd_initial_cluster, "t", "7")
    with pytest.raises(RemoteCommandError) as error:
        remote.change([Op("restore", args, blob)])
    assert f"expected {whole.sha256}" in error.value.evidence
    assert not (etcd.folder / "etcd-0/data/member").exists() and not (etcd.folder / "etcd-0/data/.restoring").exists()


def test_a_lone_survivor_sends_its_snapshot_without_a_quorum(etcd, tmp_path):
    started(etcd)
    put(etcd, "/registry/last", "written with a quorum")
    survivor, *lost = reversed(etcd.cluster.hosts)
    for host in lost:
        etcd.stop(host)
    eventually(lambda: client(etcd, survivor, survivor).status()[0].leader == 0, 60)
    found = taken(etcd, survivor, tmp_path / "survivor.db")
    assert found.holds("written with a quorum")


def test_one_that_was_restarted_sends_nothing_and_its_file_is_read(etcd, tmp_path):
    """It waits for the others before it serves anybody; stopped, its file is whole, and becomes a snapshot here."""
    started(etcd)
    put(etcd, "/registry/last", "written with a quorum")
    for host in etcd.cluster.hosts:
        etcd.stop(host, orderly=True)
    survivor = etcd.cluster.hosts[0]
    etcd.start(survivor, "existing", *CALM)
    with pytest.raises(NotReadyError, match="did not send its snapshot"):
        taken(etcd, survivor, tmp_path / "none.db")
    etcd.stop(survivor)
    pieces: list[bytes] = []
    remote = on_host(etcd, survivor)
    etcd_data.database(Following(remote), "", pieces.append)
    path = tmp_path / "survivor.db"
    path.write_bytes(b"".join(pieces))
    found = snapshot.read(path)
    restored(etcd, found, 0)
    started(etcd, state="existing")
    assert get(etcd, "/registry/last") == "written with a quorum"


class Following:
    """`follow` by way of a whole answer."""

    def __init__(self, remote: HostRemote):
        self.remote, self.host = remote, remote.host

    def follow(self, command: str, lines, stop) -> int:
        result = self.remote.transport.run(command)
        for line in result.text.splitlines():
            lines(line)
        return result.code


def test_a_member_without_data_has_no_database(etcd, tmp_path):
    (etcd.folder / "etcd-0").mkdir(exist_ok=True)
    with pytest.raises(RemoteCommandError, match="could not be read"):
        etcd_data.database(Following(on_host(etcd, etcd.cluster.hosts[0])), "", lambda piece: None)


def test_an_alarm_outlives_its_cause_until_it_is_cleared(etcd):
    started(etcd, *SMALL)
    put(etcd, "/registry/first", "v")
    eventually(lambda: fill(etcd), 120)
    with etcd.library() as library:
        for way in (client(etcd, etcd.cluster.hosts[0]), library):
            assert {alarm.kind for alarm in way.alarms()} == {"NOSPACE"}
            assert {alarm.kind for one in way.status() for alarm in one.alarms} == {"NOSPACE"}
    said = tuple(Said(host, one) for host, one in zip(etcd.cluster.hosts, statuses(etcd), strict=True))
    assert any("alarm NOSPACE" in problem for one in status.judge("lab", said).members for problem in one.problems)
    with pytest.raises(QuorumError, match="has no room"):
        disarm.require_gone(said)
    # Deleted, compacted and defragmented, as `hardway etcd defrag --compact` does.
    eventually(lambda: etcd.etcdctl("del", "/fills/", "--prefix", check=False), 60)
    client(etcd, etcd.cluster.hosts[0]).compact(max(one.revision for one in statuses(etcd)))
    before = {one.name: one.db_size for one in statuses(etcd)}
    # etcd measures the file, which is as large as before.
    still = tuple(Said(host, one) for host, one in zip(etcd.cluster.hosts, statuses(etcd), strict=True))
    with pytest.raises(QuorumError, match="has no room") as error:
        disarm.require_gone(still)
    assert "hardway etcd defrag INV" in error.value.hint
    for host in etcd.cluster.hosts:
        defragmented(etcd, host)
    assert all(one.db_size < before[one.name] / 2 for one in statuses(etcd))
    room = tuple(Said(host, one) for host, one in zip(etcd.cluster.hosts, statuses(etcd), strict=True))
    disarm.require_gone(room)
    assert etcd.etcdctl("put", "/registry/later", "v", check=False) == "", "the alarm is still there"
    client(etcd, etcd.cluster.hosts[0]).disarm()
    assert client(etcd, etcd.cluster.hosts[0]).alarms() == ()
    put(etcd, "/registry/later", "v")
    with etcd.library() as library:
        library.disarm()


def fill(etcd: RealEtcd) -> bool:
    """Write until etcd refuses."""
    for number in range(100):
        if not etcd.etcdctl("put", f"/fills/{number}", "x" * 100_000, check=False):
            return any(one.alarms for one in statuses(etcd))
    return False


def defragmented(etcd: RealEtcd, host: Host) -> None:
    """By the op of a host, at this member's address."""
    remote = on_host(etcd, host)
    remote.transport.moves |= {"127.0.0.1:2379": f"{host.address}:2379", "/etc/etcd/pki": str(etcd.pki(host))}
    remote.change([Op("defrag")])


def test_a_defragmentation_that_fails_says_why(etcd):
    remote = on_host(etcd, etcd.cluster.hosts[0])
    remote.transport.moves |= {"600s": "1s", "5s": "1s", "127.0.0.1:2379": f"{etcd.cluster.hosts[0].address}:2379"}
    remote.transport.moves |= {"/etc/etcd/pki": str(etcd.pki(etcd.cluster.hosts[0]))}
    with pytest.raises(RemoteCommandError, match="defrag") as error:
        remote.change([Op("defrag")])
    assert error.value.evidence and '{"level"' not in error.value.evidence


def test_the_probe_tells_the_sizes(etcd):
    started(etcd)
    remote = on_host(etcd, etcd.cluster.hosts[0])
    remote.transport.moves |= {"127.0.0.1:2379": f"{etcd.cluster.hosts[0].address}:2379"}
    remote.transport.moves |= {"/etc/etcd/pki": str(etcd.pki(etcd.cluster.hosts[0]))}
    assert '"dbSizeInUse":' in remote.probe([Probe("etcd")])[Probe("etcd")]
