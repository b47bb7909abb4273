"""The living cluster as checks see it: hosts, etcd's health, the API by each road to it. Nothing here changes anything."""

from __future__ import annotations

import contextlib
import copy
import http.client
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from typing import Any

from ..cluster import Cluster, Host
from ..errors import HardwayError, NotReadyError
from ..facts import Facts, parse
from ..pki.credentials import Credentials
from ..resources.unit import properties
from ..transport import Transport
from ..vocabulary import Probe
from .kube import KubeApi, tls_context
from .readonly import ReadingKube, ReadingTransport
from .remote import HostRemote

UNREACHABLE = (OSError, http.client.HTTPException, HardwayError)


class Live:
    """One cluster's hosts over their transports; connections are opened when first needed and shared by all threads."""

    def __init__(
        self,
        cluster: Cluster,
        credentials: Credentials,
        transports: Mapping[str, Transport | ReadingTransport],
        sent: Callable[[str, int], None] = lambda host, count: None,
        tell: Callable[[str], None] = lambda line: None,
    ):
        self.cluster, self.credentials, self.transports = cluster, credentials, transports
        reading = {name: transport for name, transport in transports.items() if isinstance(transport, ReadingTransport)}
        self.remotes = {name: reading.get(name) or HostRemote(transport, partial(sent, name)) for name, transport in transports.items()}
        self._kind, self._tell = ReadingKube if reading else KubeApi, tell
        self.concerned = frozenset(transports)
        self._apis: dict[tuple[str, str], KubeApi] = {}
        self._lock = threading.Lock()

    def without(self, names: Set[str]) -> Live:
        """The same view of the cluster, for which some hosts are none of its concern."""
        other = copy.copy(self)
        other.concerned = self.concerned - names
        return other

    def among(self, hosts: Sequence[Host]) -> list[Host]:
        """Those of the hosts that this run is about: a run limited to some does not wait for the others."""
        return [host for host in hosts if host.name in self.concerned]

    def survey(self, host: Host) -> Facts:
        """The host's facts, its clock compared with ours."""
        remote = self.remotes[host.name]
        self.transports[host.name].connect()
        sent = time.time()
        answer = remote.probe((Probe("survey"),))[Probe("survey")]
        return parse(answer, sent, time.time())

    def journal(self, host: str, unit: str, lines: int = 20) -> str:
        """The last lines of a unit's journal; empty when the host cannot be asked."""
        probe = Probe("journal", (unit, str(lines)))
        with contextlib.suppress(HardwayError, KeyError):
            return self.remotes[host].probe((probe,))[probe]
        return ""

    def unit(self, host: str, unit: str) -> dict[str, str]:
        """systemd's properties of a unit; empty when the host cannot be asked."""
        probe = Probe("unit", (unit,))
        with contextlib.suppress(HardwayError, KeyError):
            return properties(self.remotes[host].probe((probe,))[probe])
        return {}

    def serves(self, host: Host, unit: str, port: int) -> bool:
        """Whether a service is active and listens on its loopback port, with no restart of it still to come.

        systemd calls a plain program active as soon as it is started, and one that ends at once and is started again so every time.
        """
        state = self.unit(host.name, f"{unit}.service")
        if state.get("ActiveState") != "active" or state.get("Job") not in ("", "0"):
            return False
        with contextlib.suppress(*UNREACHABLE), contextlib.closing(self.transports[host.name].dial(port)):
            return True
        return False

    def etcd_health(self, host: Host) -> str:
        """Why a member is not healthy, or an empty string; asked on the loopback port that serves health alone."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", timeout=3)
            connection.sock = self.transports[host.name].dial(2381)
            with contextlib.closing(connection):
                connection.sock.settimeout(3)
                connection.request("GET", "/health")
                body = connection.getresponse().read().decode("utf-8", "replace")
        except UNREACHABLE as error:
            return str(error) or type(error).__name__
        return "" if '"health":"true"' in body.replace(" ", "") else body.strip()

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
        """The API at the address every client uses, dialled from a control-plane host: this one, or the first that can be reached."""
        return self._api(via or self._door(), "super-admin", self.cluster.api.port, self.cluster.api.address)

    def administrator(self) -> KubeApi:
        """The same as the administrator of the kubeconfig we hand over."""
        return self._api(self._door(), "admin", self.cluster.api.port, self.cluster.api.address)

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Node objects by name."""
        return {node["metadata"]["name"]: node for node in (self.kube().get("/api/v1/nodes") or {}).get("items", [])}

    def _door(self) -> Host:
        for host in self.cluster.control_plane:
            with contextlib.suppress(HardwayError):
                self.transports[host.name].connect()
                return host
        return self.cluster.control_plane[0]

    def _api(self, host: Host, identity: str, port: int, address: str) -> KubeApi:
        key = (host.name, f"{identity} {address}:{port}")
        with self._lock:
            if key not in self._apis:
                pair = self.credentials.certificate(identity)
                context = tls_context(self.credentials.ca(), pair.cert, pair.key)
                transport = self.transports[host.name]
                self._apis[key] = self._kind(lambda: transport.dial(port, address), context)
                self._apis[key].tell = lambda line: self._tell(f"{host.name} {line}")
            return self._apis[key]

    def close(self) -> None:
        for transport in self.transports.values():
            transport.close()


def wait(check: Callable[[], Any], seconds: float, describe: Callable[[Any], str], interval: float = 0.15) -> float:
    """Poll until `check` returns something false; the seconds it took. NotReadyError with what was still missing."""
    start = time.monotonic()
    while missing := check():
        waited = time.monotonic() - start
        if waited > seconds:
            raise NotReadyError(f"gave up waiting for {describe(missing)}", waited_for=describe(missing), waited_seconds=waited)
        time.sleep(interval)
    return time.monotonic() - start
