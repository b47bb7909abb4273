"""The Kubernetes API as far as we need it: HTTP over a socket that someone else dials, with a client certificate."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import (
    AddressTakenError,
    ApiUnavailable,
    ConflictError,
    ConnectionFailed,
    HardwayError,
    RemoteCommandError,
)
from ..foreign.objects import sound
from ..foreign.understanding import mapping, understood, without_nulls
from ..patience import stretched
from ..pki.secret import Secret
from ..resources.kubernetes import UNKNOWN, node_patch
from ..vocabulary import Answers, Op, Probe

CHECK = "check the control plane: hardway status INV"
# Asks what we may do; the API keeps nothing of it.
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def tls_context(ca: bytes, cert: bytes, key: Secret) -> ssl.SSLContext:
    """A client context; the key passes through a private temporary folder because OpenSSL reads files only."""
    context = ssl.create_default_context(cadata=ca.decode())
    with tempfile.TemporaryDirectory(prefix="hardway-") as folder:
        file = Path(folder, "client.pem")
        file.touch(0o600)
        file.write_bytes(cert + key.reveal())
        context.load_cert_chain(file)
    return context


class Connection(http.client.HTTPConnection):
    """HTTP over TLS over whatever `dial` returns; the server's certificate must be for `name`."""

    def __init__(self, dial: Callable[[], socket.socket], context: ssl.SSLContext, timeout: float, name: str):
        super().__init__(name, timeout=timeout)
        self.dial, self.context = dial, context

    def connect(self):
        raw = self.dial()
        raw.settimeout(self.timeout)
        try:
            self.sock = self.context.wrap_socket(raw, server_hostname=self.host)
        except BaseException:
            raw.close()
            raise


class KubeApi:
    """One API endpoint. Connections are kept open, one per thread."""

    def __init__(
        self,
        dial: Callable[[], socket.socket],
        context: ssl.SSLContext,
        timeout: float = 10.0,
        name: str = "kubernetes",
    ):
        self.dial, self.context, self.timeout, self.name = dial, context, timeout, name
        # Hears of every request, never of what is sent or answered.
        self.tell: Callable[[str], None] = lambda line: None
        self.local = threading.local()

    def request(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """(status, body).

        OSError kinds when the endpoint cannot be reached; one fresh try for a kept connection and for a GET.
        """
        begun = time.monotonic()
        outcome = "interrupted"
        try:
            status, answer = self._persistently(method, path, body, content_type)
            outcome = f"{status}, {len(answer)} bytes"
            return status, answer
        except (OSError, http.client.HTTPException, HardwayError) as error:
            outcome = str(error) or type(error).__name__
            raise
        finally:
            self.tell(f"{method} {path}: {outcome} ({time.monotonic() - begun:.3f} s)")

    def _persistently(self, method: str, path: str, body: bytes | None, content_type: str) -> tuple[int, bytes]:
        fresh = getattr(self.local, "connection", None) is None
        try:
            return self._once(method, path, body, content_type)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            harmless = method == "GET" and isinstance(error, ConnectionError)
            if fresh and not harmless:
                raise
            return self._once(method, path, body, content_type)

    def _once(self, method: str, path: str, body: bytes | None, content_type: str) -> tuple[int, bytes]:
        if getattr(self.local, "connection", None) is None:
            self.local.connection = Connection(self.dial, self.context, stretched(self.timeout), self.name)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        try:
            self.local.connection.request(method, path, body, headers)
            response = self.local.connection.getresponse()
            return response.status, response.read()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        connection, self.local.connection = getattr(self.local, "connection", None), None
        if connection:
            with contextlib.suppress(OSError):
                connection.close()

    def get(self, path: str) -> dict[str, Any] | None:
        """The object, or None when there is none (404); RemoteCommandError for any other refusal."""
        status, body = self.request("GET", path)
        return None if status == 404 else self._judged("GET", path, status, body)

    def send(self, method: str, path: str, body: Any, content_type: str = "application/json") -> dict[str, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._judged(method, path, *self.request(method, path, data, content_type))

    def delete(self, path: str, uid: str = "") -> None:
        """Delete an object, if it is there; with a uid only that very one, ConflictError when another has its name."""
        options = {"propagationPolicy": "Background"} | ({"preconditions": {"uid": uid}} if uid else {})
        status, body = self.request("DELETE", path, json.dumps(options).encode())
        if status != 404:
            self._judged("DELETE", path, status, body)

    @staticmethod
    def _judged(method: str, path: str, status: int, body: bytes) -> dict[str, Any]:
        if status >= 300:
            raise refusal(status, body)(
                f"the API answered {status}",
                host="kubernetes",
                command=f"{method} {path}",
                evidence=body.decode("utf-8", "replace")[-2000:],
                hint=CHECK,
            )
        with understood("the API server", None if "/secrets" in path else body, "kubernetes", CHECK):
            return sound(without_nulls(json.loads(body or b"{}")))

    def not_ready(self) -> str:
        """Why /readyz is not ok, or an empty string."""
        try:
            status, body = self.request("GET", "/readyz?verbose")
        except (OSError, http.client.HTTPException, HardwayError) as error:
            return str(error) or type(error).__name__
        failing = [line for line in body.decode("utf-8", "replace").splitlines() if line.startswith("[-]")]
        return "" if status == 200 else f"readyz {status} {' '.join(failing)[:200]}".strip()

    def forbidden(self) -> str:
        """Why we may not do everything, or an empty string: the API's own answer to `can I do anything?`."""
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                  "spec": {"resourceAttributes": {"verb": "*", "group": "*", "resource": "*"}}}  # fmt: skip
        try:
            status = mapping(self.send("POST", REVIEW, review).get("status"))
        except (OSError, http.client.HTTPException, HardwayError) as error:
            return str(error) or type(error).__name__
        return "" if status.get("allowed") else f"not allowed: {status.get('reason', '')}"


CONFLICTS = 5
CREATING = 3.0  # seconds an API server may still be at the creation of a Service whose address it has reserved
BROKEN = (OSError, http.client.HTTPException, ConnectionFailed)


class ApiRemote:
    """Understands the probes and ops of `resources.kubernetes`; on a bare cluster every answer is "unknown"."""

    def __init__(self, api: Callable[[], KubeApi], may_be_absent: bool):
        self.api, self.may_be_absent = api, may_be_absent

    def probe(self, probes: Sequence[Probe]) -> Answers:
        try:
            found = {probe: self.api().get(probe.args[0]) for probe in dict.fromkeys(probes)}
        except BROKEN as error:
            if self.may_be_absent:
                return dict.fromkeys(probes, UNKNOWN)
            raise unanswered(error)(
                f"the API cannot be reached: {error}", host="kubernetes", hint="hardway status INV"
            ) from error
        return {probe: "absent" if body is None else json.dumps(body) for probe, body in found.items()}

    def change(self, ops: Sequence[Op]) -> None:
        for op in ops:
            try:
                getattr(self, f"_{op.verb}")(op)
            except BROKEN as error:
                raise unanswered(error)(
                    f"the connection to the API broke: {error}",
                    host="kubernetes",
                    command=str(op),
                    hint="hardway status INV   shows which API server is not ready; then run the same command again",
                ) from error

    def _apply(self, op: Op) -> None:
        try:
            self._apply_once(op)
        except AddressTakenError:
            self._free_address(op)
            self._apply_once(op)

    def _apply_once(self, op: Op) -> None:
        path = f"{op.args[0]}?fieldManager=hardway&force=true"
        self.api().send("PATCH", path, op.blob.data, "application/apply-patch+yaml")

    def _free_address(self, op: Op) -> None:
        """Free a fixed Service address reserved for this very Service, which does not exist; AddressTakenError for
        another's.

        The API server reserves the address first and creates the Service then. If it dies between the two, the
        reservation expires after a minute (kubernetes: pkg/registry/core/service/ipallocator/controller/repairip.go).
        """
        address = json.loads(op.blob.data)["spec"]["clusterIP"]
        path = f"/apis/networking.k8s.io/v1/ipaddresses/{address}"
        deadline = time.monotonic() + stretched(CREATING)
        while (held := self.api().get(path)) and not self.api().get(op.args[0]):
            with understood("the API server", held, "kubernetes"):
                of = {"namespace": None, **mapping(held["spec"]["parentRef"])}
                other = "/api/v1/namespaces/{namespace}/{resource}/{name}".format(**of) != op.args[0]
            if other:
                raise taken(address, of, op.args[0])
            if time.monotonic() > deadline:
                self.api().delete(path, held.get("metadata", {}).get("uid", ""))
                return
            time.sleep(0.5)

    def _merge(self, op: Op) -> None:
        self.api().send("PATCH", op.args[0], op.blob.data, "application/merge-patch+json")

    def _delete(self, op: Op) -> None:
        self.api().delete(op.args[0])

    def _mark(self, op: Op) -> None:
        """The kubelet writes to its node every second: a conflict with that is settled by reading again."""
        for left in reversed(range(CONFLICTS)):
            try:
                return self._mark_once(op)
            except ConflictError:
                if not left:
                    raise

    def _mark_once(self, op: Op) -> None:
        node = self.api().get(op.args[0])
        if node is None:
            raise RemoteCommandError(
                "the node is not registered",
                host="kubernetes",
                command=str(op),
                hint="on the node: journalctl -u kubelet",
            )
        self.api().send("PATCH", op.args[0], node_patch(node, json.loads(op.blob.data)), "application/merge-patch+json")


def unanswered(error: Exception) -> type[RemoteCommandError]:
    """The kind of error that no answer is: where nobody listens, asking again does not help."""
    nobody = isinstance(error, (ConnectionFailed, ConnectionRefusedError))
    return RemoteCommandError if nobody else ApiUnavailable


def refusal(status: int, body: bytes) -> type[RemoteCommandError]:
    """The kind of error that an answer is.

    The API asks its clients to come again with 429, as long as it fills its caches, and with 5xx, while etcd has no
    leader (https://kubernetes.io/docs/reference/using-api/api-concepts/).
    """
    if status == 422 and b"provided IP is already allocated" in body:
        return AddressTakenError
    if status == 429 or status >= 500:
        return ApiUnavailable
    return ConflictError if status == 409 else RemoteCommandError


def taken(address: str, holder: dict[str, str], path: str) -> AddressTakenError:
    """What is told of a Service address that another object holds."""
    kind = ".".join(part for part in (holder["resource"], holder.get("group")) if part)
    namespace = holder.get("namespace", "")
    where = f"{kind} {namespace}/{holder['name']}" if namespace else f"{kind} {holder['name']}"
    look = f"kubectl {f'-n {namespace} ' if namespace else ''}get {kind} {holder['name']} -o yaml"
    return AddressTakenError(
        f"the address {address}, which every kubelet gives to its pods, belongs to {where}",
        host="kubernetes",
        command=f"PATCH {path}",
        hint=f"recreate it with another clusterIP: {look}",
    )
