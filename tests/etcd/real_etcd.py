"""A real etcd of three members on addresses of 127.0.0.0/8, and a transport to it that runs scripts on this machine."""

from __future__ import annotations

import contextlib
import secrets
import socket
import socketserver
import subprocess
import threading
import time
from ipaddress import IPv4Address
from pathlib import Path

from hardway.assets import default_versions
from hardway.cluster import Cluster, Host, Role
from hardway.etcd.library import Etcd3, open_library
from hardway.pki.credentials import Credentials
from hardway.settings import Api
from hardway.state.statedir import Overlay, StateDir
from hardway.transport import Result

VERSIONS = default_versions()


class LocalTransport:
    """A host that is this machine: scripts run here, and forwarded ports are carried by real sockets."""

    def __init__(self, host: Host, binaries: Path):
        self.host = host
        self.path = binaries
        self.scripts: list[str] = []
        self.open_forwards = 0

    def connect(self) -> None: ...

    def close(self) -> None: ...

    def dial(self, port: int, address: str = "127.0.0.1", seconds: float | None = None) -> socket.socket:
        return socket.create_connection((address, port))

    def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        self.scripts.append(script)
        environment = {"PATH": f"{self.path}:/usr/bin:/bin"}
        done = subprocess.run(["sh"], input=script.encode(), capture_output=True, timeout=timeout, env=environment)
        return Result(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def forward(self, port: int, address: str = "127.0.0.1"):
        class Carry(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=3) as far:
                    far.settimeout(None)
                    threading.Thread(target=pump, args=(far, self.request), daemon=True).start()
                    pump(self.request, far)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        with Server(("127.0.0.1", 0), Carry) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
            thread.start()
            self.open_forwards += 1
            try:
                yield server.server_address[1]
            finally:
                self.open_forwards -= 1
                server.shutdown()
                thread.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class RealEtcd:
    """Members as processes of ours; their files lie where a host has them, below `folder`/NAME."""

    def __init__(self, folder: Path, binaries: Path):
        # Addresses of our own, for a lab or another test may hold etcd's ports on 127.0.0.1.
        net = f"127.{100 + secrets.randbelow(100)}.{secrets.randbelow(250)}"
        hosts = tuple(Host(f"etcd-{i}", IPv4Address(f"{net}.{i + 1}"), frozenset({Role.ETCD})) for i in range(3))
        self.folder, self.binaries = folder, binaries
        self.cluster = Cluster("lab", hosts, VERSIONS, Api("10.240.0.9"))
        self.credentials = Credentials(self.cluster, Overlay(StateDir(folder / "state")))
        self.processes: dict[str, subprocess.Popen] = {}
        for host in hosts:
            self.write_pki(host)

    def pki(self, host: Host) -> Path:
        return self.folder / host.name / "pki"

    def write_pki(self, host: Host) -> None:
        self.pki(host).mkdir(parents=True)
        (self.pki(host) / "ca.crt").write_bytes(self.credentials.ca("etcd-ca"))
        for name in ("server", "peer"):
            pair = self.credentials.certificate(f"etcd-{name}", host)
            (self.pki(host) / f"{name}.crt").write_bytes(pair.cert)
            (self.pki(host) / f"{name}.key").write_bytes(pair.key.reveal())

    def use(self, cluster: Cluster) -> None:
        """Another inventory; what is issued from now on is for that."""
        self.cluster, self.credentials = cluster, Credentials(cluster, self.credentials.store)

    def library(self) -> Etcd3:
        """The library's client through the first member."""
        return open_library(self.cluster, self.transport(self.cluster.hosts[0]), self.credentials)

    def start(self, host: Host, state: str = "new", *more: str) -> None:
        """`more` are flags of etcd's own; of one that is given twice the last counts."""
        pki, url = self.pki(host), f"https://{host.address}"
        command = [self.binaries / "etcd", "--name", host.name, "--data-dir", self.folder / host.name / "data"]
        command += ["--listen-client-urls", f"{url}:2379", "--advertise-client-urls", f"{url}:2379"]
        command += ["--listen-peer-urls", f"{url}:2380", "--initial-advertise-peer-urls", f"{url}:2380"]
        command += [
            "--initial-cluster",
            self.cluster.etcd_initial_cluster,
            "--initial-cluster-state",
            state,
            "--logger",
            "zap",
        ]
        command += [
            "--cert-file",
            pki / "server.crt",
            "--key-file",
            pki / "server.key",
            "--trusted-ca-file",
            pki / "ca.crt",
        ]
        command += [
            "--peer-cert-file",
            pki / "peer.crt",
            "--peer-key-file",
            pki / "peer.key",
            "--peer-trusted-ca-file",
            pki / "ca.crt",
        ]
        command += [
            "--client-cert-auth",
            "--peer-client-cert-auth",
            "--heartbeat-interval",
            "50",
            "--election-timeout",
            "500",
        ]
        command += more
        log = (self.folder / host.name / "log").open("ab")
        self.processes[host.name] = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self, host: Host, orderly: bool = False) -> None:
        """Kill it; `orderly` it writes down first what it has only in memory, as systemd has it do."""
        process = self.processes.pop(host.name)
        process.terminate() if orderly else process.kill()
        process.wait()

    def transport(self, host: Host) -> LocalTransport:
        return LocalTransport(host, self.binaries)

    def etcdctl(self, *arguments: str, check: bool = True) -> str:
        """What etcdctl itself says, asked without any of our code between; nothing when it fails and `check` is off."""
        first = self.cluster.hosts[0]
        pki = self.pki(first)
        command = [
            self.binaries / "etcdctl",
            "--endpoints",
            f"https://{first.address}:2379",
            "--cacert",
            pki / "ca.crt",
        ]
        command += ["--cert", pki / "server.crt", "--key", pki / "server.key", *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def eventually(condition, seconds: float = 30.0):
    """The first truthy answer of `condition`; the test fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)
    return answer
