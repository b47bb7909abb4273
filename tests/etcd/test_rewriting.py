"""A key rotated on a real API server over a real etcd: each configuration is read, each Secret comes under the new key
by a change of nothing, and is read when the old key is gone."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_etcd import LocalTransport, RealEtcd, eventually

from hardway.assets import AssetStore
from hardway.errors import AssetError
from hardway.inventory import load
from hardway.pki.encryption import new_key
from hardway.pki.encryption.retirement import retire
from hardway.targets.kube import KubeApi, tls_context
from hardway.targets.live import loaded
from hardway.targets.secrets.rewriting import StoredSecrets
from hardway.targets.secrets.stored import Stored, stored
from hardway.vocabulary import Op, Probe

pytestmark = pytest.mark.slow

LAB = Path(__file__).parents[2] / "inventory/lab.yaml"
SECRETS = "/api/v1/namespaces/default/secrets"
PREFIX = "/rotation"
SECONDS = 300


class Near(LocalTransport):
    """A host whose loopback is the address of its member."""

    def dial(self, port: int, address: str = "127.0.0.1", seconds: float | None = None):
        return super().dial(port, str(self.host.address) if address == "127.0.0.1" else address)


class Server:
    """One API server, and what the commands ask of a cluster."""

    def __init__(self, folder: Path, etcd: RealEtcd, program: Path):
        self.folder, self.etcd, self.program, self.credentials = folder, etcd, program, etcd.credentials
        self.cluster = etcd.cluster
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def _file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.touch(0o600)
        path.write_bytes(content)
        return path

    def _flags(self, config: bytes) -> Iterator[str]:
        keys, member = self.credentials, self.etcd.cluster.hosts[0]
        serving, tokens, pki = keys.certificate("apiserver"), keys.service_account(), self.etcd.pki(member)
        files = {
            "client-ca-file": self._file("ca.crt", keys.ca()),
            "tls-cert-file": self._file("tls.crt", serving.cert),
            "tls-private-key-file": self._file("tls.key", serving.key.reveal()),
            "service-account-key-file": self._file("sa.pub", tokens.public),
            "service-account-signing-key-file": self._file("sa.key", tokens.private.reveal()),
            "encryption-provider-config": self._file("encryption.yaml", config),
            "etcd-cafile": pki / "ca.crt",
            "etcd-certfile": pki / "server.crt",
            "etcd-keyfile": pki / "server.key",
        }
        plain = {
            "etcd-servers": member.client_url,
            "etcd-prefix": PREFIX,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": self.port,
            "service-cluster-ip-range": "10.9.0.0/24",
            "service-account-issuer": "https://kubernetes.default.svc",
            "authorization-mode": "AlwaysAllow",
            "endpoint-reconciler-type": "none",
            "cert-dir": self.folder,
        }
        yield from (f"--{name}={value}" for name, value in {**files, **plain}.items())

    @contextlib.contextmanager
    def runs(self) -> Iterator[KubeApi]:
        """It, with the configuration that the keys make now."""
        config = self.credentials.encryption_config().reveal()
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen([self.program, *self._flags(config)], stdout=log, stderr=log)
            try:
                eventually(lambda: not self.kube().not_ready(), SECONDS)
                assert loaded(self.kube().request("GET", "/metrics")[1]) == hashlib.sha256(config).hexdigest()
                assert hashlib.sha256(config).hexdigest() in self.credentials.encryption_configs()
                yield self.kube()
            finally:
                process.kill()
                process.wait()

    def kube(self) -> KubeApi:
        pair = self.credentials.certificate("super-admin")
        context = tls_context(self.credentials.ca(), pair.cert, pair.key)
        return KubeApi(lambda: socket.create_connection(("127.0.0.1", self.port)), context, timeout=60)

    def stored(self) -> Stored:
        near = Near(self.cluster.hosts[0], self.etcd.binaries)
        return stored(near, self.credentials, f"{PREFIX}/secrets/")


@pytest.fixture
def server(tmp_path, real_etcd) -> Server:
    try:
        program = AssetStore(load(LAB)).binary("kube-apiserver").path
    except AssetError as error:
        pytest.skip(f"{error.message}; hardway assets fetch {LAB}")
    return Server(tmp_path, real_etcd, program)


def test_every_secret_comes_under_the_new_key_and_is_read_without_the_old_one(server):
    def create(api: KubeApi, name: str, **more) -> None:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"said": name}}
        api.send("POST", SECRETS, {**body, **more})

    names = [f"old-{number}" for number in range(12)]
    with server.runs() as api:
        for name in names:
            create(api, name, immutable=name == "old-3")
        assert server.stored().counts == {"aescbc:key1": 12}
    new_key("aescbc", server.credentials.store)
    with server.runs() as api:
        create(api, "new")
        before = {one: api.get(f"{SECRETS}/{one}")["data"] for one in [*names, "new"]}
        remote, asked = StoredSecrets(server), Probe("others", ("aescbc:key2",))
        assert remote.probe([asked]) == {asked: "aescbc:key1 12"}
        remote.change([Op("rewrite", ("aescbc:key2",))])
        assert remote.probe([asked]) == {asked: ""} and server.stored().counts == {"aescbc:key2": 13}
    retire(server.credentials.store, ["aescbc:key1"], "2026-11-30T12:00:00+00:00", server.stored().revision)
    with server.runs() as api:
        assert {one: api.get(f"{SECRETS}/{one}")["data"] for one in before} == before
        assert base64.b64decode(before["new"]["said"]) == b"new"
        assert len(api.get(SECRETS)["items"]) == 13
