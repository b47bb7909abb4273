"""The living cluster as checks see it: hosts, etcd's health, the API by each road to it.

Nothing here changes anything.
"""

from __future__ import annotations

import contextlib
import copy
import http.client
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ..cluster import Cluster, Host
from ..errors import ConnectionFailed, ForwardingError, HardwayError, NotReadyError
from ..etcd.command import Etcdctl, beside
from ..etcd.interface import EtcdClient
from ..facts import Facts, parse
from ..foreign.understanding import understood
from ..patience import Deadline, stretched
from ..pki.credentials import Credentials
from ..ports import ETCD_HEALTH, LISTENING
from ..resources.unit_state import properties
from ..transport import Transport
from ..vocabulary import Probe
from .away import Away
from .kube import KubeApi, tls_context
from .readonly import ReadingKube, ReadingTransport
from .remote import HostRemote, follow
from .secrets.stored import Stored, stored

FLAGS = 200  # so many lines a program may list its flags with
HTTPS = 443  # what it means where a URL names no port
UNREACHABLE = (OSError, http.client.HTTPException, HardwayError)


class Live:
    """One cluster's hosts over their transports; connections are opened when first needed and shared by all threads."""

    def __init__(
        self,
        cluster: Cluster,
        credentials: Credentials,
        transports: Mapping[str, Transport | ReadingTransport | Away],
        sent: Callable[[str, int], None] = lambda host, count: None,
        tell: Callable[[str], None] = lambda line: None,
        permit: Callable[[], None] = lambda: None,
    ):
        self.cluster, self.credentials, self.transports = cluster, credentials, dict(transports)
        self._opened = list(transports.values())
        self._sent, self._permit, self._tell = sent, permit, tell
        self.remotes = {name: self._remote(name, transport) for name, transport in transports.items()}
        reads = any(isinstance(transport, ReadingTransport) for transport in transports.values())
        self._kind = ReadingKube if reads else KubeApi
        self.concerned = frozenset(transports)
        self._apis: dict[tuple[str, str], KubeApi] = {}
        self._lock = threading.Lock()

    def give_up(self, name: str, error: HardwayError) -> None:
        """Connect to a host no more: nobody waits a second time for one that does not answer."""
        refused = error if isinstance(error, ConnectionFailed) else ConnectionFailed(error.message, host=name)
        self.transports[name] = self.remotes[name] = Away(self.transports[name], refused)

    def _remote(self, name: str, transport: Transport | ReadingTransport | Away) -> Any:
        if isinstance(transport, ReadingTransport):
            return transport
        return HostRemote(transport, partial(self._sent, name), self._permit)

    def about(self, cluster: Cluster, credentials: Credentials, new: Mapping[str, Transport]) -> Live:
        """The same view for another inventory of the cluster, with the transports of hosts that are `new` in it. They
        are closed with this one."""
        other = copy.copy(self)
        other.cluster, other.credentials, other._apis = cluster, credentials, {}
        other.transports = {**self.transports, **new}
        other.remotes = {**self.remotes, **{name: self._remote(name, transport) for name, transport in new.items()}}
        other.concerned = frozenset(other.transports)
        self._opened += new.values()
        return other

    def trusting(self, credentials: Credentials) -> Live:
        """The same view with other keys and certificates; hosts and connections are shared."""
        other = copy.copy(self)
        other.credentials, other._apis = credentials, {}
        return other

    def among(self, hosts: Sequence[Host]) -> list[Host]:
        """Those of the hosts that this run is about."""
        return [host for host in hosts if host.name in self.concerned]

    def survey(self, host: Host, trial: bool = False) -> Facts:
        """The host's facts, its clock compared with ours; with `trial`, or where nothing was built yet, also whether
        its sshd forwards connections."""
        remote = self.remotes[host.name]
        self.transports[host.name].connect()
        sent = time.time()
        survey = Probe("survey", (self.cluster.api_name, *(str(hop.address) for hop in self.cluster.workers)))
        answer = remote.probe((survey,))[survey]
        with understood(host.name, answer, host.name, f"run the command again; on {host.name}: uname -a; df -k; date"):
            facts = parse(answer, sent, time.time())
        return self.tried(host, facts) if trial or not facts.cluster else facts

    def tried(self, host: Host, facts: Facts) -> Facts:
        """The facts, with whether the host's sshd forwards connections."""
        return replace(facts, forwarding=self.forwards(host))

    def forwards(self, host: Host) -> bool:
        """Whether the host's sshd opens connections from there, by one to a port that its role uses; whether somebody
        listens on it yet is no matter."""
        port = next((port for role in host.roles for port in LISTENING[role]), self.cluster.api.port)
        try:
            self.transports[host.name].dial(port).close()
        except ForwardingError:
            return False
        except UNREACHABLE:
            return True
        return True

    def journal(self, host: str, unit: str, lines: int = 20) -> str:
        """The last lines of a unit's journal that say something, not those with which Kubernetes' programs list all
        their flags; empty when the host cannot be asked."""
        probe = Probe("journal", (unit, str(lines + FLAGS)))
        with contextlib.suppress(HardwayError, KeyError):
            said = self.remotes[host].probe((probe,))[probe].splitlines()
            return "\n".join([line for line in said if " FLAG: --" not in line][-lines:])
        return ""

    def unit(self, host: str, unit: str) -> dict[str, str]:
        """systemd's properties of a unit; empty when the host cannot be asked."""
        probe = Probe("unit", (unit,))
        with contextlib.suppress(HardwayError, KeyError):
            return properties(self.remotes[host].probe((probe,))[probe])
        return {}

    def serves(self, host: Host, unit: str, port: int) -> bool:
        """Whether a service is active and listens on its loopback port, with no restart of it still to come.

        systemd calls a plain program active as soon as it is started, and one that ends at once and is started again so
        every time.
        """
        state = self.unit(host.name, f"{unit}.service")
        if state.get("ActiveState") != "active" or state.get("Job") not in ("", "0"):
            return False
        return self.listens(host, port)

    def follow(self, host: Host, probe: Probe, lines: Callable[[str], None], stop: Callable[[], bool]) -> int:
        """A question whose answer goes on, line by line until `stop` says so."""
        transport = self.transports[host.name]
        ask = transport.listen if isinstance(transport, ReadingTransport) else partial(follow, transport)
        return ask(probe, lines, stop)

    def listens(self, host: Host, port: int, address: str = "127.0.0.1") -> bool:
        """Whether somebody takes a connection to address:port from this host."""
        with contextlib.suppress(*UNREACHABLE), contextlib.closing(self.transports[host.name].dial(port, address)):
            return True
        return False

    def etcd_health(self, host: Host) -> str:
        """Why a member is not healthy, or an empty string; asked on the loopback port that serves health alone.

        One that is full is healthy all the same: a restart harms it no more than others, and may be its remedy.
        """
        try:
            connection = http.client.HTTPConnection("127.0.0.1", timeout=stretched(3))
            connection.sock = self.transports[host.name].dial(ETCD_HEALTH)
            with contextlib.closing(connection):
                connection.sock.settimeout(stretched(3))
                connection.request("GET", "/health?exclude=NOSPACE")
                body = connection.getresponse().read().decode("utf-8", "replace")
        except UNREACHABLE as error:
            return str(error) or type(error).__name__
        return "" if '"health":"true"' in body.replace(" ", "") else body.strip()

    def encryption(self, host: Host) -> str | None:
        """The sha256 of the encryption configuration that the API server on a host has loaded, empty when it has none;
        None without an answer."""
        with contextlib.suppress(*UNREACHABLE):
            status, metrics = self.kube(host).request("GET", "/metrics")
            return loaded(metrics) if status == 200 else None
        return None

    def stored(self) -> Stored:
        """Under which key each Secret lies in etcd; the first member that answers is asked."""
        last: HardwayError = NotReadyError("the inventory has no etcd host")
        for host in self.cluster.etcd_members:
            try:
                return stored(self.transports[host.name], self.credentials, f"{self.cluster.etcd_prefix}/secrets/")
            except HardwayError as error:
                last = error
        raise last

    def etcd(self, host: Host) -> EtcdClient:
        """etcd by way of the member on a host, which alone is asked, over the host's own loopback address."""
        return Etcdctl(self.transports[host.name], beside(host, (host,)))

    def kube(self, host: Host | None = None) -> KubeApi:
        """The API server on a host, or the first that is ready; as the identity that needs no RBAC."""
        if host:
            return self._api(host, "super-admin", self.cluster.apiserver_port(host), "127.0.0.1")
        for candidate in self.cluster.control_plane:
            if candidate.name in self.transports and not self.kube(candidate).not_ready():
                return self.kube(candidate)
        first = next(host for host in self.cluster.control_plane if host.name in self.transports)
        return self.kube(first)

    def balanced(self, via: Host | None = None) -> KubeApi:
        """The API at the address every client uses, dialled from a control-plane host: this one, or the first that can
        be reached."""
        return self._api(via or self._door(), "super-admin", self.cluster.api.port, self.cluster.api.address)

    def shared(self) -> KubeApi:
        """The API at the address that load balancers share; the cluster must have one."""
        return self._api(self._door(), "super-admin", self.cluster.api.port, str(self.cluster.api.vip))

    def road(self, host: Host, url: str = "") -> str:
        """Why the API does not answer a client on this host at the address all clients use, or at another one, its
        certificate being for that address; empty when it does."""
        there = urlsplit(url or self.cluster.api_url)
        name = there.hostname or ""
        api = self._api(host, "super-admin", there.port or HTTPS, name, name)
        try:
            return api.not_ready()
        finally:
            api.close()  # a connection that is open says nothing of the road that the next one takes

    def administrator(self) -> KubeApi:
        """The same as the administrator of the kubeconfig we hand over."""
        return self._api(self._door(), "admin", self.cluster.api.port, self.cluster.api.address)

    def node(self, host: Host) -> dict[str, Any]:
        """A worker's Node object; empty when there is none."""
        return self.kube().get(f"/api/v1/nodes/{host.name}") or {}

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Node objects by name."""
        return {node["metadata"]["name"]: node for node in (self.kube().get("/api/v1/nodes") or {}).get("items", [])}

    def _door(self) -> Host:
        for host in self.cluster.control_plane:
            with contextlib.suppress(HardwayError):
                self.transports[host.name].connect()
                return host
        return self.cluster.control_plane[0]

    def _api(self, host: Host, identity: str, port: int, address: str, name: str = "kubernetes") -> KubeApi:
        key = (host.name, f"{identity} {address}:{port} {name}")
        with self._lock:
            if key not in self._apis:
                pair = self.credentials.certificate(identity)
                context = tls_context(self.credentials.ca(), pair.cert, pair.key)
                transport = self.transports[host.name]
                self._apis[key] = self._kind(lambda: transport.dial(port, address), context, name=name)
                self._apis[key].tell = lambda line: self._tell(f"{host.name} {line}")
            return self._apis[key]

    def close(self) -> None:
        for transport in self._opened:
            transport.close()


def loaded(metrics: bytes) -> str:
    """The sha256 of the encryption configuration that an API server reports in its metrics (since 1.34), or nothing.

    It is there from the start, whether or not the file is watched.
    """
    info = rb'^apiserver_encryption_config_controller_last_config_info\{.*\bhash="sha256:(\w+)"'
    found = re.search(info, metrics, re.MULTILINE)
    return found[1].decode() if found else ""


def wait(
    check: Callable[[], Any],
    deadline: float | Deadline,
    describe: Callable[[Any], str],
    interval: float = 0.15,
    stop: threading.Event | None = None,
) -> float:
    """Poll until `check` returns something false; the seconds it took. NotReadyError with what was still missing, also
    when `stop` is set meanwhile."""
    start, pause = time.monotonic(), stop or threading.Event()
    deadline = deadline if isinstance(deadline, Deadline) else Deadline(deadline)
    while missing := check():
        waited = time.monotonic() - start
        if deadline.passed or pause.wait(interval):
            what = describe(missing)
            raise NotReadyError(f"gave up waiting for {what}", waited_for=what, waited_seconds=waited)
    return time.monotonic() - start
