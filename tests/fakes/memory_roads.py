"""Which roads to the API are open on hosts in memory, by what runs there with the files it has loaded: who holds a
shared address, which ports HAProxy has, for which names an API server's certificate is."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hardway.cluster import Host, is_address
from hardway.pki.inspection import sans
from hardway.pki.issuing import load_certificate

if TYPE_CHECKING:
    from .memory_host import MemoryHost

HAPROXY, KEEPALIVED = "/etc/haproxy/haproxy.cfg", "/etc/keepalived/keepalived.conf"
APISERVER = "/etc/systemd/system/kube-apiserver.service"
CERTIFICATE = "/etc/kubernetes/pki/apiserver.crt"
CLIENTS = {"kubelet": "/etc/kubernetes/kubelet.conf", "kube-proxy": "/etc/kubernetes/kube-proxy.conf"}


def loaded(host: MemoryHost, unit: str, path: str) -> str:
    """A file as a running unit has read it; empty when it does not run or read it."""
    service = host.systemd.unit(f"{unit}.service")
    return service.loaded.get(path, b"").decode() if service.active == "active" else ""


def inside(block: str, config: str) -> list[str]:
    """The addresses in keepalived's blocks of this name."""
    found = re.findall(rf"^ *{block} \{{\n(.*?)^ *\}}", config, re.MULTILINE | re.DOTALL)
    return [word.split("/")[0] for part in found for word in part.split()]


def holders(hosts: Mapping[str, MemoryHost]) -> dict[str, list[str]]:
    """Each shared address with the hosts that hold it: whoever hears of no other load balancer that does."""
    found: dict[str, list[str]] = {}
    ranked = sorted(hosts.items(), key=lambda one: -_priority(loaded(one[1], "keepalived", KEEPALIVED)))
    for name, host in ranked:
        config = loaded(host, "keepalived", KEEPALIVED)
        if not loaded(host, "haproxy", HAPROXY):
            continue
        for address in inside("virtual_ipaddress", config):
            masters = [loaded(hosts[master], "keepalived", KEEPALIVED) for master in found.get(address, ())]
            if not any(str(host.host.address) in inside("unicast_peer", master) for master in masters):
                found.setdefault(address, []).append(name)
    return found


def _priority(config: str) -> int:
    return int(next(iter(re.findall(r"priority (\d+)", config)), 0))


@dataclass
class Roads:
    """`not_ready` says why an API server does not serve; `names` are names of addresses. Any other name is that of a
    load balancer of the user's own, which leads to all API servers."""

    hosts: Mapping[str, MemoryHost]
    not_ready: Callable[[Host], str]
    names: dict[str, str] = field(default_factory=dict)

    def closed(self, url: str, verified: bool = True) -> str:
        """Why a client does not reach the API at a URL, its certificate being for that name; or an empty string."""
        there = urlsplit(url)
        servers = list(self._behind(there.hostname or "", there.port or 443))
        if not servers:
            return f"nothing listens at {url}"
        ready = [host for host in servers if not self.not_ready(host.host)]
        if not ready:
            return f"no API server is ready behind {url}"
        wrong = [host.host.name for host in ready if there.hostname not in self._names(host)] if verified else []
        return f"the certificate of {wrong[0]} is not for {there.hostname}" if wrong else ""

    def _behind(self, name: str, port: int) -> Iterator[MemoryHost]:
        """The machines with the API servers to which a connection may lead."""
        if not is_address(name) and name not in self.names:
            yield from (host for host in self.hosts.values() if self._serves(host))
        address = self.names.get(name, name)
        held = holders(self.hosts).get(address, [])
        for host in self.hosts.values():
            if str(host.host.address) == address or host.host.name in held:
                config = loaded(host, "haproxy", HAPROXY)
                if f"bind :{port}\n" in config:
                    yield from self._backends(config)
                elif self._serves(host) == str(port):
                    yield host

    def _backends(self, config: str) -> Iterator[MemoryHost]:
        for address, port in re.findall(r"^    server \S+ (\S+):(\d+)$", config, re.MULTILINE):
            yield from (
                host for host in self.hosts.values()
                if str(host.host.address) == address and self._serves(host) == port
            )  # fmt: skip

    @staticmethod
    def _serves(host: MemoryHost) -> str:
        """The port of the API server on a machine."""
        return next(iter(re.findall(r"--secure-port=(\d+)", loaded(host, "kube-apiserver", APISERVER))), "")

    @staticmethod
    def _names(host: MemoryHost) -> frozenset[str]:
        """An API server reads its certificate again when that changes."""
        return names_of(host.disk.read(CERTIFICATE))

    def stranded(self) -> list[str]:
        """Clients that run and do not reach the API."""
        found = []
        for name, host in self.hosts.items():
            for unit, path in CLIENTS.items():
                for url in re.findall(r"^ *server: (\S+)$", loaded(host, unit, path), re.MULTILINE):
                    if problem := self.closed(url):
                        found.append(f"{unit} on {name}: {problem}")
        return found


@functools.cache
def names_of(certificate: bytes) -> frozenset[str]:
    return sans(load_certificate(certificate, "apiserver.crt")) if certificate else frozenset()
