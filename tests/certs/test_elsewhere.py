"""Certificates that somebody else's CA signs: requests go out, certificates come back, keys stay; openssl is the CA."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from fakes.memory_ports import use_ports
from fakes.memory_probes import MemoryProbes
from fakes.memory_session import MemorySession
from fakes.state_deaths import each_death
from fakes.world import World, changes

from hardway.cluster import Cluster
from hardway.commands.certs import elsewhere
from hardway.commands.certs.rotation import rotating
from hardway.errors import PkiError, UsageError
from hardway.inventory import load
from hardway.pki.certificates import authorities, issued
from hardway.pki.credentials import Credentials
from hardway.pki.issuing import load_key, matches
from hardway.preflight import findings, judge
from hardway.state.statedir import Overlay, StateDir

pytestmark = pytest.mark.slow

SINGLE = Path(__file__).parents[2] / "inventory/single.yaml"
CAS = [authority.name for authority in authorities()]


def openssl(*words: str, cwd: Path) -> bytes:
    done = subprocess.run(["openssl", *words], cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Office:
    """Where the keys of the CAs are. It signs what it is sent, as README.txt there says."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        for name in CAS:
            self.ca(name)

    def ca(self, name: str) -> None:
        made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/O=Office/CN={name}")
        files = ("-keyout", f"{name}.key", "-out", f"{name}.crt")
        openssl("req", "-x509", *made, "-days", "3650", *files, cwd=self.folder)

    def sign(self, requests: Path, *more: str, only: str = "", ca: str = "", days: int = 365, name: str = "") -> None:
        told = (requests / elsewhere.GUIDE).read_text().split("\n")
        signers = {line.split()[0]: told[i + 1].split()[-1] for i, line in enumerate(told) if ".csr   " in line}
        for request, signer in signers.items():
            if only in request:
                out = requests / (name or request.replace(".csr", ".crt"))
                key = str(self.folder / (ca or signer))
                signer_files = ("-CA", f"{key}.crt", "-CAkey", f"{key}.key", "-days", str(days))
                says = more or ("-copy_extensions", "copy")
                files = ("-in", str(requests / request), "-out", str(out))
                openssl("x509", "-req", *signer_files, *says, *files, cwd=self.folder)

    def show(self, folder: Path) -> None:
        """Put the certificates of its CAs there."""
        for name in CAS:
            (folder / f"{name}.crt").write_bytes((self.folder / f"{name}.crt").read_bytes())


@pytest.fixture
def office(tmp_path) -> Office:
    return Office(tmp_path / "office")


@pytest.fixture
def cluster() -> Cluster:
    return load(SINGLE)


@pytest.fixture
def store(tmp_path) -> StateDir:
    return StateDir(tmp_path / "state")


@pytest.fixture
def imported(cluster, store, office, tmp_path) -> Path:
    """The folder of a cluster whose certificates have all been signed by the office and imported."""
    folder = tmp_path / "requests"
    elsewhere.csr(cluster, store, folder, (), False, False)
    office.sign(folder)
    office.show(folder)
    elsewhere.import_(cluster, store, folder)
    Credentials(cluster, store).ensure_all()  # what no CA signs
    return folder


def test_a_cluster_lives_without_the_key_of_any_ca(cluster, store, imported, tmp_path):
    assert not any(store.read(f"pki/{name}.key") for name in CAS)
    world = World(cluster, tmp_path, Overlay(store))
    world.run()
    host = world.hosts["all-in-one"]
    assert changes(world.plan()) == {} and world.outdated() == []
    assert b"--cluster-signing" not in host.disk.read("/etc/systemd/system/kube-controller-manager.service")
    assert b"rotateCertificates: false" in host.disk.read("/var/lib/kubelet/config.yaml")
    assert not any(path.endswith("/ca.key") or "ca-signing" in path for path in host.disk.files)


def test_without_the_key_of_any_ca_that_of_tokens_is_replaced_and_no_ca(
    cluster, store, imported, tmp_path, monkeypatch
):
    world = World(cluster, tmp_path, Overlay(store))
    world.run()
    use_ports(world, monkeypatch)
    monkeypatch.setattr(MemoryProbes, "q_lived", lambda self, name: "86400" if self._active(name) else "")
    old = world.credentials.service_account().public
    writes = len(world.log)
    for kind in ("kubernetes", "etcd", "front-proxy"):
        with pytest.raises(PkiError, match="hardway cannot rotate it"):
            rotating.rotate(MemorySession.on(world), kind, "restart")
    assert len(world.log) == writes and not any(".next." in name for name in world.store.names())
    rotating.rotate(MemorySession.on(world), "service-account", "")
    assert world.credentials.service_account().public != old
    assert changes(world.plan()) == {} and world.outdated() == []


def test_a_key_that_is_lost_here_is_not_taken_from_the_hosts(cluster, tmp_path):
    world = World(cluster, tmp_path)
    world.run()
    disk = world.hosts["all-in-one"].disk
    assert {"/etc/kubernetes/pki/ca.key", "/etc/kubernetes/pki/ca-signing.crt"} <= disk.files.keys()
    del world.store._written["pki/ca.key"]
    world.use(world.cluster)
    (finding,) = [one for one in findings(world.inputs()) if one.name == "CaKey"]
    assert not finding.warning and "copy it from all-in-one" in finding.remedy
    # Whoever means it says so on the host.
    disk.files.pop("/etc/kubernetes/pki/ca.key")
    judge(world.inputs())
    world.run()
    assert not {"/etc/kubernetes/pki/ca.key", "/etc/kubernetes/pki/ca-signing.crt"} & disk.files.keys()
    assert changes(world.plan()) == {} and world.outdated() == []


def test_no_key_is_among_the_requests(cluster, store, imported):
    files = [path for path in imported.rglob("*") if path.is_file()]
    assert len(files) > 2 * len(issued(cluster))
    assert not [path for path in files if b"PRIVATE KEY" in path.read_bytes()]
    names = {path.relative_to(imported).as_posix() for path in files}
    assert {"apiserver.csr", "hosts/all-in-one/kubelet.csr", elsewhere.GUIDE} <= names


def test_a_request_says_everything_that_the_certificate_must(cluster, store, tmp_path):
    elsewhere.csr(cluster, store, tmp_path / "out", ("apiserver",), False, False)
    request = x509.load_pem_x509_csr((tmp_path / "out/apiserver.csr").read_bytes())
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in names} == set(cluster.api_sans) and request.is_signature_valid
    told = (tmp_path / "out" / elsewhere.GUIDE).read_text()
    assert "apiserver.csr   apiserver" in told and "usages     server" in told and "signed by  ca" in told


def test_what_must_be_signed_is_found_by_itself(cluster, store, imported, tmp_path):
    with pytest.raises(UsageError, match="no certificate has to be signed elsewhere now"):
        elsewhere.csr(cluster, store, tmp_path / "again", (), False, False)
    more = dataclasses.replace(cluster, api=dataclasses.replace(cluster.api, extra_sans=("k8s.example.org",)))
    with pytest.raises(PkiError) as missing:
        Credentials(more, store).ensure_all()
    assert "hardway certs csr INV --out DIR" in missing.value.hint
    assert elsewhere.csr(more, store, tmp_path / "again", (), False, True) == ["apiserver.csr", elsewhere.GUIDE]


def test_a_request_keeps_the_names_of_the_api_that_clients_may_still_use(cluster, store, office, imported, tmp_path):
    """Only the hosts know which; the credentials of a run that has asked them want those too."""
    former = dataclasses.replace(cluster, api=dataclasses.replace(cluster.api, extra_sans=("old.example.org",)))
    assert "old.example.org" not in cluster.api_sans
    for now in (former, cluster):
        folder = tmp_path / now.name / str(now is former)
        elsewhere.csr(now, store, folder, ("apiserver",), False, True)
        assert "old.example.org" in (folder / elsewhere.GUIDE).read_text()
        office.sign(folder)
        elsewhere.import_(now, store, folder)
    assert Credentials(cluster, store).keep(frozenset({"old.example.org"})).ensure_all() == []


def test_a_renewal_uses_the_old_pair_until_the_new_one_is_there(cluster, store, office, imported, tmp_path):
    old = Credentials(cluster, store).certificate("scheduler")
    folder = tmp_path / "renewal"
    elsewhere.csr(cluster, store, folder, ("scheduler",), False, False)
    assert Credentials(cluster, store).certificate("scheduler") == old
    office.sign(folder)
    assert elsewhere.import_(cluster, store, folder) == ["pki/scheduler.crt: imported"]
    new = Credentials(cluster, store).certificate("scheduler")
    assert new.key != old.key and matches(x509.load_pem_x509_certificate(new.cert), load_key(new.key.reveal(), "key"))
    assert elsewhere.import_(cluster, store, folder) == [], "a second time there is nothing to do"


def test_an_import_that_is_killed_at_any_write_is_completed_by_the_next(cluster, store, office, imported, tmp_path):
    folder = tmp_path / "renewal"
    names = ("scheduler", "apiserver", "kubelet")
    elsewhere.csr(cluster, store, folder, names, False, False)
    office.sign(folder)
    kept = {name: store.read(name) for name in store.names()}

    def start() -> None:
        for name in store.names() - kept.keys():
            (store.path / name).unlink()
        for name, content in kept.items():
            (store.path / name).write_bytes(content)

    for _ in each_death(lambda: elsewhere.import_(cluster, StateDir(store.path), folder), start):
        Credentials(cluster, Overlay(store)).ensure_all()
        elsewhere.import_(cluster, StateDir(store.path), folder)
        assert Credentials(cluster, store).ensure_all() == []
        assert not [name for name in store.names() if ".next." in name]


EXTENSIONS = """basicConstraints = critical, CA:{ca}
keyUsage = critical, {usage}
extendedKeyUsage = {eku}
{san}
"""


@pytest.mark.parametrize(
    ("signed", "told"),
    [
        ({"eku": "clientAuth"}, "its usages should be server"),
        ({"eku": "serverAuth, clientAuth"}, "its usages should be server"),
        ({"san": ""}, "lacks the name 10."),
        ({"san": "subjectAltName = DNS:kubernetes"}, "lacks the name kubernetes.default"),
        ({"ca": "TRUE"}, "it is a CA, not a certificate"),
        ({"usage": "keyEncipherment"}, "keyUsage digitalSignature is missing"),
        ({"signer": "etcd-ca"}, "it is not signed by the CA CN=ca,O=Office"),
        ({"days": 0}, "expire"),
    ],
    ids=lambda value: str(value),
)
def test_a_certificate_that_is_not_what_was_asked_for(cluster, store, office, imported, tmp_path, signed, told):
    folder = tmp_path / "renewal"
    elsewhere.csr(cluster, store, folder, ("apiserver",), False, False)
    sans = ",".join(f"{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in cluster.api_sans)
    says = {
        "ca": "FALSE",
        "usage": "digitalSignature",
        "eku": "serverAuth",
        "san": f"subjectAltName = {sans}",
        **signed,
    }
    (tmp_path / "extensions").write_text(EXTENSIONS.format(**says))
    office.sign(
        folder, "-extfile", str(tmp_path / "extensions"), ca=signed.get("signer", ""), days=signed.get("days", 365)
    )
    before = {name: store.read(name) for name in store.names()}
    with pytest.raises(PkiError) as refused:
        elsewhere.import_(cluster, store, folder)
    assert told in refused.value.evidence and "apiserver.crt: " in refused.value.evidence
    assert "nothing was imported" in refused.value.message
    assert {name: store.read(name) for name in store.names()} == before


def test_one_that_is_for_another_key(cluster, store, office, imported, tmp_path):
    folder = tmp_path / "renewal"
    elsewhere.csr(cluster, store, folder, ("scheduler", "controller-manager"), False, False)
    office.sign(folder, only="scheduler", name="controller-manager.crt")
    with pytest.raises(PkiError) as refused:
        elsewhere.import_(cluster, store, folder)
    lines = refused.value.evidence.splitlines()
    assert "controller-manager.crt: it is for another key than those here" in lines
    assert any("subject" in line and "should be CN=system:kube-controller-manager" in line for line in lines)


def test_one_fault_keeps_all_of_them_out(cluster, store, office, imported, tmp_path):
    folder = tmp_path / "renewal"
    elsewhere.csr(cluster, store, folder, ("scheduler", "admin"), False, False)
    office.sign(folder)
    (folder / "admin.crt").write_text("broken")
    (folder / "stranger.crt").write_bytes((folder / "scheduler.crt").read_bytes())
    before = {name: store.read(name) for name in store.names()}
    with pytest.raises(PkiError) as refused:
        elsewhere.import_(cluster, store, folder)
    assert "admin.crt: it is not a readable certificate" in refused.value.evidence
    assert "stranger.crt: no certificate of this cluster is called so" in refused.value.evidence
    assert {name: store.read(name) for name in store.names()} == before


def test_a_ca_that_is_there_is_never_replaced_by_an_import(cluster, store, office, imported, tmp_path):
    other = Office(tmp_path / "other office")
    (imported / "ca.crt").write_bytes((other.folder / "ca.crt").read_bytes())
    with pytest.raises(PkiError) as refused:
        elsewhere.import_(cluster, store, imported)
    assert "ca.crt: this cluster has another CA, which an import never replaces" in refused.value.evidence


def test_certificates_without_their_ca(cluster, store, office, tmp_path):
    folder = tmp_path / "requests"
    elsewhere.csr(cluster, store, folder, ("scheduler",), False, False)
    office.sign(folder)
    with pytest.raises(PkiError) as refused:
        elsewhere.import_(cluster, store, folder)
    assert "scheduler.crt: its CA ca is not in the state directory, and not among these files" in refused.value.evidence


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_folder_without_certificates(cluster, store, tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="there is no certificate"):
        elsewhere.import_(cluster, store, tmp_path / folder)
