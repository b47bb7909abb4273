"""What a session that only looks is given in place of connections that can act.

Nothing here has to be remembered by a phase or a command: a script, content or a request that could change something
has no way onto these objects. Hosts answer the questions of `host/read.sh`, the API is asked with GET, etcd for its
members and keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..errors import ReadOnlyError
from ..etcd.interface import EtcdClient
from ..transport import Result, Transport
from ..vocabulary import Answers, Probe
from .kube import REVIEW, KubeApi
from .remote import ask, follow

# etcdctl's questions, as hardway.etcd.command puts them, and one of kubectl's: words without any character that means
# something to a shell.
QUESTION = re.compile(
    r"PATH=/usr/local/bin:\$PATH\nexec etcdctl( --[a-z-]+=[\w:/.,-]+)* -w json "
    r"(member list|alarm list|endpoint health|endpoint status|endpoint hashkv --rev=\d+|get -- [\w/.-]+)"
    # The one thing a check asks of the host's own kubectl, which keeps no cache there.
    r"|exec /usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin\.conf --cache-dir /dev/null get nodes -o name"
)


class ReadingTransport:
    """One host that answers questions.

    It carries no script of the caller's and no content; see hardway.transport.Transport.
    """

    def __init__(self, transport: Transport):
        self.host = transport.host
        self.connect, self.close = transport.connect, transport.close
        self.dial, self.forward = transport.dial, transport.forward
        self.probe, self.listen = _questions(transport), _listening(transport)
        self.run = _etcdctl(transport)

    def __repr__(self) -> str:
        return f"ReadingTransport({self.host.name})"


def reading(transport: Transport | ReadingTransport) -> ReadingTransport:
    """The transport without its ways to write."""
    return transport if isinstance(transport, ReadingTransport) else ReadingTransport(transport)


def _questions(transport: Transport) -> Callable[[Sequence[Probe]], Answers]:
    """Asks the questions of read.sh; the transport itself is out of reach."""
    return lambda probes: ask(transport, probes)


def _listening(transport: Transport) -> Callable[..., int]:
    """Asks a question of read.sh whose answer goes on and on."""
    return lambda probe, lines, stop: follow(transport, probe, lines, stop)


def _etcdctl(transport: Transport) -> Callable[..., Result]:
    def run(script: str, *, timeout: float = 60.0) -> Result:
        if not QUESTION.fullmatch(script):
            raise ReadOnlyError("a read-only session tried to run a command on a host", host=transport.host.name)
        return transport.run(script, timeout=timeout)

    return run


class ReadingKube(KubeApi):
    """One API endpoint, asked with GET; the one POST allowed asks what we may do and is not kept."""

    def request(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        if method != "GET" and (method, path) != ("POST", REVIEW):
            raise ReadOnlyError(
                "a read-only session tried to change the API", host="kubernetes", command=f"{method} {path}"
            )
        return super().request(method, path, body, content_type)


class ReadingEtcd:
    """A client of etcd's that can be asked only."""

    def __init__(self, client: EtcdClient):
        self.how, self.close = client.how, client.close
        self.members, self.health, self.status, self.get = client.members, client.health, client.status, client.get
        self.hashes, self.alarms = client.hashes, client.alarms

    def __enter__(self) -> ReadingEtcd:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
