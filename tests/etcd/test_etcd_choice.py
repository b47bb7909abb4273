"""Which way is taken, and what a person is told when neither leads anywhere."""

from __future__ import annotations

import subprocess
import sys

import pytest
from real_etcd import LocalTransport, RealEtcd

from hardway.errors import NotReadyError, ReadOnlyError, RemoteCommandError
from hardway.etcd import command as etcd_command
from hardway.etcd import library as etcd_library
from hardway.etcd.client import open_etcd
from hardway.etcd.command import Etcdctl
from hardway.etcd.library import Unusable, open_library
from hardway.targets.readonly import ReadingEtcd, ReadingTransport

pytestmark = pytest.mark.slow

IMPORT = "from hardway.etcd.library import library; print(library().__version__)"


@pytest.fixture
def silent_etcd(tmp_path, binaries):
    """A cluster whose members were never started."""
    return RealEtcd(tmp_path, binaries)


def test_the_library_imports_with_warnings_as_errors():
    done = subprocess.run([sys.executable, "-W", "error", "-c", IMPORT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("0.12")


def test_hardway_etcd_imports_nothing_heavy():
    code = "import hardway.etcd.client, hardway.etcd.library, hardway.etcd.command, sys\n"
    code += "print([m for m in ('grpc', 'google.protobuf', 'etcd3') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_an_import_that_fails_leads_to_etcdctl(silent_etcd):
    # The way it fails where protobuf was already imported with its C implementation.
    code = "import os; os.environ['PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION'] = 'upb'\n" + IMPORT
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Unusable: etcd3 cannot be imported: Descriptors cannot be created directly" in done.stderr


def test_a_library_that_cannot_be_imported_is_told_in_how(silent_etcd, monkeypatch):
    monkeypatch.setitem(sys.modules, "etcd3", None)
    client = open_etcd(
        silent_etcd.cluster, silent_etcd.transport(silent_etcd.cluster.hosts[2]), silent_etcd.credentials
    )
    assert isinstance(client, Etcdctl)
    assert client.how.startswith("etcdctl on etcd-2 (etcd3 cannot be imported: ")


def test_when_nothing_answers_the_call_says_so_not_the_opening(silent_etcd):
    transport = silent_etcd.transport(silent_etcd.cluster.hosts[0])
    with open_etcd(silent_etcd.cluster, transport, silent_etcd.credentials) as client:
        assert isinstance(client, Etcdctl) and "etcd3 cannot connect" in client.how
        assert transport.open_forwards == 0
        with pytest.raises(RemoteCommandError) as failure:
            client.members()
        assert "/etc/etcd/pki/server.crt" in failure.value.evidence and failure.value.host == "etcd-0"


def test_members_that_were_never_started_are_all_ill(silent_etcd, monkeypatch):
    monkeypatch.setattr(etcd_command, "CALL_SECONDS", 1.0)
    host = silent_etcd.cluster.hosts[0]
    client = Etcdctl(silent_etcd.transport(host), silent_etcd.cluster.etcd_members, pki=str(silent_etcd.pki(host)))
    assert [each.healthy for each in client.health()] == [False, False, False]
    assert client.status() == ()
    with pytest.raises(NotReadyError, match="etcd does not answer"):
        client.members()


def test_a_certificate_of_another_authority_is_refused_by_etcd(real_etcd, tmp_path, binaries):
    stranger = RealEtcd(tmp_path, binaries)
    with pytest.raises(Unusable, match="cannot connect"):
        open_library(real_etcd.cluster, real_etcd.transport(real_etcd.cluster.hosts[0]), stranger.credentials)


def test_a_kubelet_certificate_is_refused_by_etcd(real_etcd):
    """The reason for an authority of its own: whoever etcd lets in owns the cluster."""
    pair = real_etcd.credentials.certificate("kubelet", real_etcd.cluster.hosts[0])
    with real_etcd.transport(real_etcd.cluster.hosts[0]).forward(2379, str(real_etcd.cluster.hosts[0].address)) as port:
        endpoint = etcd_library.Endpoint(real_etcd.cluster.hosts[0], port)
        client = etcd_library.Etcd3((endpoint,), real_etcd.credentials.ca("etcd-ca"), pair)
        with client, pytest.raises(NotReadyError):
            client.members()
        allowed = real_etcd.credentials.certificate("apiserver-etcd-client")
        with etcd_library.Etcd3((endpoint,), real_etcd.credentials.ca("etcd-ca"), allowed) as client:
            assert len(client.members()) == 3


def test_a_host_without_etcdctl_is_named(silent_etcd, tmp_path):
    host = silent_etcd.cluster.hosts[0]
    client = Etcdctl(LocalTransport(host, tmp_path), silent_etcd.cluster.etcd_members)
    with pytest.raises(RemoteCommandError) as failure:
        client.members()
    assert failure.value.host == "etcd-0" and "not found" in failure.value.evidence


def test_no_key_material_in_scripts_or_reprs(real_etcd):
    host = real_etcd.cluster.hosts[0]
    transport = real_etcd.transport(host)
    Etcdctl(transport, real_etcd.cluster.etcd_members, pki=str(real_etcd.pki(host))).health()
    key = real_etcd.credentials.certificate("etcd-server", host).key.reveal().decode().splitlines()[1]
    assert transport.scripts and not any(key in script for script in transport.scripts)


def test_a_proxy_of_the_environment_is_not_used(real_etcd, monkeypatch):
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with open_library(
        real_etcd.cluster, real_etcd.transport(real_etcd.cluster.hosts[0]), real_etcd.credentials
    ) as client:
        assert len(client.members()) == 3


def test_who_only_looks_can_ask_by_both_ways_and_add_by_none(real_etcd, monkeypatch):
    reading = ReadingTransport(real_etcd.transport(real_etcd.cluster.hosts[0]))
    with ReadingEtcd(open_etcd(real_etcd.cluster, reading, real_etcd.credentials)) as client:
        assert "etcd3" in client.how and len(client.members()) == 3
        assert not any(hasattr(client, f"{verb}_member") for verb in ("add", "remove", "update"))
        assert not hasattr(client, "move_leader")
    etcdctl = Etcdctl(reading, real_etcd.cluster.etcd_members, pki=str(real_etcd.pki(real_etcd.cluster.hosts[0])))
    assert len(etcdctl.members()) == 3 and all(entry.healthy for entry in etcdctl.health())
    assert len(etcdctl.status()) == 3 and etcdctl.get("/no/such-key") is None
    writes = [lambda: etcdctl.add_member("x", ("https://10.0.0.1:2380",)), lambda: etcdctl.remove_member(1)]
    writes += [lambda: etcdctl.update_member(1, ("https://10.0.0.1:2380",)), lambda: etcdctl.move_leader(1)]
    for write in writes:
        with pytest.raises(ReadOnlyError):
            write()
    assert len(etcdctl.members()) == 3
