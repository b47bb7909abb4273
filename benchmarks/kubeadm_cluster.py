"""A cluster made by kubeadm on the lab's machines, in a hurry: all hosts at once wherever kubeadm allows it."""

from __future__ import annotations

import base64
import http.client
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import floor
import kubeadm_scripts as scripts
import yaml
from bench_lab import Stage
from dns_probe import DnsProbe
from kubeadm_config import Keys, init_config, join_config
from kubeadm_files import packed, small_files, spread
from kubeadm_kit import Kit
from kubeadm_ready import lacking

from hardway.cluster import Host, Role
from hardway.errors import HardwayError, RemoteCommandError
from hardway.parallel import each
from hardway.pki.secret import Secret
from hardway.session import Session
from hardway.targets.kube import KubeApi, tls_context
from hardway.targets.live import wait

POLL = 0.2
PATIENCE = 600.0


class KubeadmCluster:
    """One such cluster, to be made once on bare machines; `session` has connections to them."""

    def __init__(self, stage: Stage, session: Session, kit: Kit):
        self.stage, self.session, self.kit = stage, session, kit
        self.cluster = spread(stage.cluster)
        self.keys = Keys()
        self.marks: dict[str, float] = {}
        self.begun = 0.0
        self.authority = ""

    @property
    def first(self) -> Host:
        return self.cluster.control_plane[0]

    @property
    def nodes(self) -> list[Host]:
        """All but the load balancer, the control plane first, as kubeadm's guide has it."""
        plane = self.cluster.control_plane
        return [*plane, *(host for host in self.cluster.workers if host not in plane)]

    def build(self, together: bool) -> dict[str, Any]:
        """Seconds from the first byte pushed until DNS answers on every worker, until all is ready, and in between.

        `together` joins all other nodes at once, else one after the other.
        """
        self.begun = time.monotonic()
        probe = DnsProbe(self.session, PATIENCE)
        with ThreadPoolExecutor(len(self.cluster.hosts)) as pool:
            prepared = {host.name: pool.submit(self._prepare, host) for host in self.cluster.hosts}
            self._grow(pool, prepared, together)
        self._mark("joined")
        wait(self._lacking(), PATIENCE, str, POLL)
        ready = self._mark("ready")
        dns = probe.wait() - self.begun
        self._judge_etcd()
        return {"dns": dns, "complete": max(dns, ready), "bytes": self._bytes(), "milestones": self.marks}

    def reset(self) -> float:
        """Seconds of taking it down again, all nodes at once."""
        begun = time.monotonic()
        each(lambda host: self._run(host, scripts.RESET), self.nodes)
        return time.monotonic() - begun

    def _grow(self, pool: Executor, prepared: Mapping[str, Future], together: bool) -> None:
        for host in (*self.cluster.with_role(Role.LB), self.first):
            prepared[host.name].result()
        self._mark("first prepared")
        self._init()
        network = pool.submit(self._apply_first_network)
        others = [host for host in self.nodes if host != self.first]

        def join(host: Host) -> None:
            prepared[host.name].result()
            self._join(host)

        if together:
            each(join, others)
        else:
            for host in others:
                join(host)
        network.result()

    def _prepare(self, host: Host) -> None:
        payload = self.kit.payload(host)
        if payload:
            floor.send(self.stage, host, payload)
            self._mark(f"{host.name} pushed")
        script = scripts.preparing(self.cluster, host, floor.PUSHED)
        self._run(host, script, packed(small_files(self.cluster, host)))
        self._mark(f"{host.name} prepared")

    def _init(self) -> None:
        told = self._run(self.first, scripts.INIT, init_config(self.cluster, self.first, self.keys))
        self.authority = re.search(r"--discovery-token-ca-cert-hash (sha256:[0-9a-f]{64})", told)[1]
        self._mark("initialised")

    def _apply_first_network(self) -> None:
        self._run(self.first, scripts.first_network(self.cluster))
        self._mark(f"{self.first.name} has its network")

    def _join(self, host: Host) -> None:
        self._run(host, scripts.JOIN, join_config(self.cluster, host, self.keys, self.authority))
        self._mark(f"{host.name} joined")

    def _lacking(self) -> Callable[[], str]:
        """Asks the API, by way of the load balancer, what the cluster still lacks."""
        api = self._api()

        def ask() -> str:
            try:
                nodes, pods = api.get("/api/v1/nodes"), api.get("/api/v1/namespaces/kube-system/pods")
            except (OSError, http.client.HTTPException, HardwayError) as error:
                return str(error) or type(error).__name__
            return lacking(self.cluster, nodes["items"], pods["items"])

        return ask

    def _api(self) -> KubeApi:
        config = yaml.safe_load(self._run(self.first, "cat /etc/kubernetes/admin.conf"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"])
        cert, key = (base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key"))
        transport, api = self.session.live.transports[self.first.name], self.cluster.api
        return KubeApi(lambda: transport.dial(api.port, api.address), tls_context(authority, cert, Secret(key)))

    def _judge_etcd(self) -> None:
        """RemoteCommandError unless etcd itself says that every member is started and votes; the clock has stopped."""
        told = self._run(self.first, scripts.MEMBERS)
        members = [line.split(", ") for line in told.splitlines()]
        if [(member[1], member[-1]) for member in members] != [("started", "false")] * len(self.cluster.control_plane):
            raise RemoteCommandError("etcd is not whole", self.first.name, command="etcdctl member list", evidence=told)

    def _bytes(self) -> int:
        return sum(path.stat().st_size for host in self.cluster.hosts for path in self.kit.payload(host))

    def _mark(self, what: str) -> float:
        self.marks[what] = time.monotonic() - self.begun
        return self.marks[what]

    def _run(self, host: Host, script: str, stdin: bytes = b"") -> str:
        result = self.session.live.transports[host.name].run(script, stdin=stdin, timeout=PATIENCE)
        if result.code:
            said, last = result.text + result.error_text, script.splitlines()[-1]
            raise RemoteCommandError("a step of kubeadm's cluster failed", host.name, command=last, evidence=said)
        return result.text
