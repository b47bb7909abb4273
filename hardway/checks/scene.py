"""What all checks of one verification share: the cluster's connections, what was already read, and the smoke pods."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any, Protocol, TypeVar

from ..cluster import Host
from ..errors import HardwayError
from ..phase import Inputs
from ..phases import wanted_on
from ..resources.base import Resource
from ..run.step import Done
from ..targets.kube import KubeApi
from ..targets.live import UNREACHABLE, Live, wait
from ..transport import Transport
from ..vocabulary import Answers, Probe
from .outcome import Outcome
from .pods import Smoke

T = TypeVar("T")
R = TypeVar("R", bound=Resource)
PARALLEL = 12
# After some failures in a row a client of the API (kubelet, kube-proxy, scheduler, CoreDNS) rests for up to 60 s before
# it asks again (client-go's reflectors): what changed just after the API server was away is heard of as late as that.
HEARD_WITHIN = 75.0


class Suite(Protocol):
    """The smoke suite's namespace and pods: created, waited for, removed."""

    workers: tuple[Host, ...]
    left_out: tuple[Host, ...]

    def prepare(self) -> Outcome: ...

    def gone(self) -> Outcome: ...

    def clear(self) -> None: ...


class Scene:
    """Safe to use from several threads. `smoke` is set once our pods are ready; `stop` tells every wait to give up."""

    def __init__(self, live: Live, inputs: Inputs, drift: Sequence[Done], kubelets: Iterable[str] = ()):
        """`kubelets` are versions besides the inventory's that kubelets may have, while an upgrade lasts."""
        self.live, self.inputs, self.drift = live, inputs, drift
        self.kubelets = frozenset(kubelets) | {inputs.cluster.versions.kubernetes}
        self.cluster = live.cluster
        self.suite: Suite
        self.smoke: Smoke | None = None
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._kept: dict[Any, Future] = {}

    def once(self, key: Any, work: Callable[[], T]) -> T:
        """What `work` gave, or raised, the first time it was asked for under this key."""
        with self._lock:
            future = self._kept.get(key)
            first = future is None
            if future is None:
                future = self._kept[key] = Future()
        if first:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    @cached_property
    def desired(self) -> dict[str, list[Resource]]:
        """Every resource that should stand on each host."""
        return {host.name: wanted_on(self.inputs, host) for host in self.cluster.hosts}

    def wanted(self, host: Host, kind: type[R]) -> list[R]:
        """The resources of one kind on a host, each once."""
        desired = self.once("desired", lambda: self.desired)
        return list(dict.fromkeys(resource for resource in desired[host.name] if isinstance(resource, kind)))

    def ask(self, host: Host, probes: Sequence[Probe]) -> Answers:
        """A host's answers, always asked anew."""
        return self.live.remotes[host.name].probe(probes)

    @property
    def api(self) -> KubeApi:
        """An API server that is ready, the same one for the whole verification."""
        return self.once("api", lambda: self.live.kube())

    @property
    def door(self) -> Transport:
        """A control-plane host that can be reached: where kubectl runs."""
        return self.once("door", self._open_door)

    def _open_door(self) -> Transport:
        for host in self.cluster.control_plane:
            try:
                self.live.transports[host.name].connect()
                return self.live.transports[host.name]
            except HardwayError as error:
                last = error
        raise last

    def kubectl(self, arguments: str, stdin: bytes = b"", timeout: float = 30.0):
        """Run kubectl as the cluster's administrator on a control-plane host; a transport's Result."""
        content = {"stdin": stdin} if stdin else {}  # a connection that only reads has no way for any
        command = f"exec {KUBECTL} {arguments}"
        return through_kubelet(
            lambda: self.door.run(command, timeout=timeout, **content), lambda result: result.error_text
        )

    def wait(self, check: Callable[[], str], seconds: float, interval: float = 0.15) -> None:
        """Poll until `check` names nothing that is missing; NotReadyError with what was."""
        wait(check, seconds, str, interval, self.stop)


# Without a cache: kubectl would keep one in root's home, and a check leaves nothing on a host.
KUBECTL = "/usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /dev/null"


# What a kubelet answers when its own question to the API, whether the caller may, broke off. It closes its connections
# when it has a new certificate, first within ten seconds of its start (kubernetes:
# pkg/kubelet/certificate/transport.go).
BROKE_OFF = "Authorization error"


def through_kubelet(ask: Callable[[], T], text: Callable[[T], str]) -> T:
    """What was answered; asked once more if the kubelet could not find out whether we may."""
    answer = ask()
    return ask() if BROKE_OFF in text(answer) else answer


def at_once(work: Callable[[T], str], items: Iterable[T], name: Callable[[T], str] = str) -> list[str]:
    """What is wrong with each item, asked in parallel; what cannot be reached is a finding too.

    Empty answers are left out.
    """

    def one(item: T) -> str:
        try:
            return work(item)
        except UNREACHABLE as error:
            return f"{name(item)}: {told(error)}"

    listed = list(items)
    if not listed:
        return []
    with ThreadPoolExecutor(min(PARALLEL, len(listed))) as pool:
        return [finding for finding in pool.map(one, listed) if finding]


def on_hosts(work: Callable[[Host], str], hosts: Iterable[Host]) -> list[str]:
    """The same for hosts, each finding beginning with its host's name."""
    return at_once(lambda host: prefixed(host.name, work(host)), hosts, lambda host: host.name)


def prefixed(name: str, finding: str) -> str:
    return f"{name}: {finding}" if finding else ""


def told(error: BaseException) -> str:
    """An error in one or two lines: what happened, and the last line of its evidence."""
    text = str(error) or type(error).__name__
    evidence = getattr(error, "evidence", "").strip().splitlines()[-1:] if isinstance(error, HardwayError) else []
    return "; ".join([text, *evidence])


def names(hosts: Iterable[Host]) -> str:
    return ", ".join(host.name for host in hosts)


def items(answer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The objects of an API list."""
    return (answer or {}).get("items", [])
