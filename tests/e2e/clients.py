"""Clients that come all the time and forgive nothing: each call has a connection of its own, each failure counts."""

from __future__ import annotations

import base64
import functools
import http.client
import itertools
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, urlsplit

import yaml
from stage import Stage

from hardway.pki.secret import Secret
from hardway.targets.kube import Connection, tls_context

TIMEOUT = 10.0


class Client:
    """Use as a context manager: calls `once` again and again, `pace` seconds after the last answer. `failed` are the
    calls without a good answer and what they said, `longest` is the longest call in seconds."""

    def __init__(self, once: Callable[[], str], pace: float):
        self.once, self.pace = once, pace
        self.calls, self.failed, self.longest = 0, list[str](), 0.0
        self._over, self._thread = threading.Event(), threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(self.pace):
            began = time.monotonic()
            try:
                said = self.once()
            except (OSError, http.client.HTTPException) as error:
                said = str(error) or type(error).__name__
            seconds = time.monotonic() - began
            self.calls, self.longest = self.calls + 1, max(self.longest, seconds)
            if said:
                self.failed.append(f"call {self.calls}, {seconds:.1f} s: {said}")


def asked(stage: Stage, path: str) -> bytes:
    """What the API answers the administrator, as the kubeconfig says at that moment, over a connection of its own.

    OSError or HTTPException where there is no good answer. (A kubectl for each call would take more of the machines'
    time than the cluster does.)
    """
    where, context = _known((stage.state / "admin.conf").read_bytes())
    dial = lambda: socket.create_connection((where.hostname, where.port), TIMEOUT)  # noqa: E731
    connection = Connection(dial, context, TIMEOUT, "kubernetes")
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f"{answer.status} {body[:200]!r}")
        return body
    finally:
        connection.close()


@functools.lru_cache(1)
def _known(kubeconfig: bytes) -> tuple[SplitResult, ssl.SSLContext]:
    found = yaml.safe_load(kubeconfig)
    server, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
    data = (server["certificate-authority-data"], user["client-certificate-data"], user["client-key-data"])
    ca, cert, key = map(base64.b64decode, data)
    return urlsplit(server["server"]), tls_context(ca, cert, Secret(key))


SECRETS = "/api/v1/namespaces/default/secrets"


def api(stage: Stage, pace: float = 0.1) -> Client:
    """The administrator at the address of the API, through the load balancer: the list of Secrets."""

    def once() -> str:
        asked(stage, SECRETS)
        return ""

    return Client(once, pace)


class Caller:
    """People who ask the same at the address of the API all the time; a context manager.

    `longest` is the time in seconds in which none of them had an answer: one call that hangs is not an API that is
    away. `failed` are the calls without an answer, and what they said.
    """

    PATH, PEOPLE, PACE = SECRETS, 3, 0.3

    def __init__(self, stage: Stage):
        self.stage, self.failed, self.calls = stage, list[str](), 0
        self.longest, self._last = 0.0, time.monotonic()
        self._over, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(self.PEOPLE)]

    def __enter__(self) -> Caller:
        self._last = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._heard(True)

    def _call(self) -> None:
        while not self._over.wait(self.PACE):
            began = time.monotonic()
            try:
                self.answered(asked(self.stage, self.PATH))
                self._heard(True)
            except (OSError, http.client.HTTPException) as error:
                self._heard(False, f"{time.monotonic() - began:.1f} s: {str(error) or type(error).__name__}")

    def answered(self, content: bytes) -> None:
        """For what else there is to see in an answer."""

    def _heard(self, answered: bool, said: str = "") -> None:
        with self._lock:
            self.calls += 1
            self.longest = max(self.longest, time.monotonic() - self._last)
            if answered:
                self._last = time.monotonic()
            else:
                self.failed.append(said)


def web(addresses: Sequence[str], port: int, pace: float = 0.05) -> Client:
    """Somebody who asks each node in turn for the Service's page, without keep-alive."""
    turns = itertools.cycle(addresses)

    def once() -> str:
        request = urllib.request.Request(f"http://{next(turns)}:{port}/", headers={"Connection": "close"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return "" if answer.status == 200 else str(answer.status)

    return Client(once, pace)


WEB = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 12
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway,
         labelSelector: {matchLabels: {app: web}}}
      containers:
      - name: web
        image: IMAGE
        command: [sh, -c, "mkdir -p /tmp/www && hostname >/tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        lifecycle: {preStop: {exec: {command: [sleep, "8"]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 8080, nodePort: 30080}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: default}
spec: {minAvailable: LEAST, selector: {matchLabels: {app: web}}}
"""


def deployed(stage: Stage, least: int = 1) -> None:
    """Two replicas of a server whose pods serve on while their end becomes known, with a budget."""
    said = stage.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.images[*].names[*]}").ok().out
    image = next(name for name in said.split() if "busybox" in name and "@" not in name)
    stage.kubectl("apply", "-f", "-", stdin=WEB.replace("IMAGE", image).replace("LEAST", str(least))).ok()
    stage.kubectl("-n", "default", "rollout", "status", "deployment/web", "--timeout=55s").ok()
