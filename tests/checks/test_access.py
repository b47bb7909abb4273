"""Checks whose answers come by way of a kubelet, which asks the API whether the caller may."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from hardway.checks.access import execute, logs, port_forward
from hardway.checks.scene import Scene

BROKE_OFF = "Authorization error (user=kube-apiserver-kubelet-client, verb=get, resource=nodes, subresource=proxy)"
REFUSED = json.dumps(
    {"kind": "Status", "status": "Failure", "message": f"Internal error occurred: {BROKE_OFF}", "code": 500}
)


def result(code: int, out: bytes = b"", error: str = "") -> SimpleNamespace:
    return SimpleNamespace(code=code, out=out, text=out.decode(errors="replace"), error_text=error)


class Kubelets:
    """The API and kubectl before one worker, whose kubelet cannot ask the API the first `broken` times."""

    def __init__(self, pod, broken: int):
        self.pod, self.left = pod, broken

    def breaks(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def request(self, method: str, path: str) -> tuple[int, bytes]:
        assert path.endswith(f"/pods/{self.pod.name}/log")
        return (500, REFUSED.encode()) if self.breaks() else (200, f"{self.pod.name} serves\n".encode())

    def run(self, script: str, timeout: float, stdin: bytes = b"") -> SimpleNamespace:
        if self.breaks():
            return result(1, error=f"error: unable to upgrade connection: {BROKE_OFF}\n")
        return result(0, stdin or f"{self.pod.name}\n".encode())


@pytest.fixture
def scene_of(pods):
    def make(broken: int) -> SimpleNamespace:
        kubelets = Kubelets(pods[0], broken)
        smoke = SimpleNamespace(path="/api/v1/namespaces/x", namespace="x", pods=pods[:1])
        made = SimpleNamespace(api=kubelets, door=kubelets, smoke=smoke)
        made.kubectl = lambda *words, **options: Scene.kubectl(made, *words, **options)
        return made

    return make


@pytest.mark.parametrize("check", [logs, execute, port_forward])
@pytest.mark.parametrize(("broken", "well"), [(0, True), (1, True), (2, False)])
def test_a_kubelet_that_could_not_ask_is_asked_once_more(scene_of, check, broken: int, well: bool):
    outcome = check(scene_of(broken))
    assert (outcome.status == "passed") is well, outcome
    assert well or "Authorization error" in outcome.detail and "worker-0" in outcome.detail
