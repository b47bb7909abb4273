"""What lives in a cluster while it is changed: objects and pods that must all still be there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from stage import Stage, await_true

OBJECTS = """apiVersion: v1
kind: ConfigMap
metadata: {name: canary, namespace: default}
data: {said: still here}
---
apiVersion: v1
kind: Secret
metadata: {name: canary, namespace: default}
stringData: {said: kept secret}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: canary, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: canary}}
  template:
    metadata: {labels: {app: canary}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: sleep, image: IMAGE, command: [sleep, 1d]}]
---
apiVersion: v1
kind: Service
metadata: {name: canary, namespace: default}
spec: {selector: {app: canary}, ports: [{port: 80}]}
"""
KINDS = "namespace/kube-system,configmap/canary,secret/canary,deployment/canary,service/canary"


@dataclass
class Canary:
    """Objects of every kind that counts; `alive` says that none was lost or made anew."""

    stage: Stage
    born: dict[str, str] = field(default_factory=dict)

    def settle(self) -> Canary:
        """Put them there, and wait for the two pods."""
        said = self.stage.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.images[*].names[*]}").ok().out
        image = next(name for name in said.split() if "busybox" in name and "@" not in name)
        self.stage.kubectl("apply", "-f", "-", stdin=OBJECTS.replace("IMAGE", image)).ok()
        await_true(lambda: len(self._running()) == 2, 120, "the canary's pods to run")
        self.born = self.now()
        return self

    def now(self) -> dict[str, str]:
        """The uid of every object and of each running pod, by its kind and name."""
        objects = [one.split("/") for one in KINDS.split(",")]
        found = {f"{kind}/{name}": self._uid(kind, name) for kind, name in objects}
        return found | self._running()

    def alive(self) -> None:
        """Everything is as it was put there: the same objects and the same pods."""
        await_true(
            lambda: self.now() == self.born, 60, "the canary to be as it was", lambda: f"{self.now()}\n{self.born}"
        )
        secret = self.stage.kubectl("get", "secret", "canary", "-o", "jsonpath={.data.said}").ok().out
        assert secret == "a2VwdCBzZWNyZXQ="

    def still_there(self) -> None:
        """After a power cut: the same objects, and two pods run, whichever they are."""
        await_true(lambda: len(self._running()) == 2, 180, "two pods of the canary to run")
        self.born = {name: uid for name, uid in self.born.items() if not name.startswith("pod/")} | self._running()
        self.alive()

    def _uid(self, kind: str, name: str) -> str:
        return self.stage.kubectl("get", kind, name, "-o", "jsonpath={.metadata.uid}").out

    def _running(self) -> dict[str, str]:
        said = self.stage.kubectl("get", "pods", "-l", "app=canary", "-o", "json")
        pods = json.loads(said.out)["items"] if said.code == 0 else []
        return {
            f"pod/{pod['metadata']['name']}": f"{pod['metadata']['uid']} {status['restartCount']}"
            for pod in pods
            for status in pod["status"].get("containerStatuses", [])
            if status["ready"] and "deletionTimestamp" not in pod["metadata"]
        }
