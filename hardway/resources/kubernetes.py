"""Objects in the Kubernetes API. Their probes and ops are understood by `hardway.targets.kube.ApiRemote`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ..cluster import Host
from ..foreign.understanding import mapping, texts, understood
from ..vocabulary import Answers, Blob, Op, Probe
from .base import UNKNOWN, Change, Situation, unified

OWNED = "hardway.io/owned"


class Readable(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Texts of several lines as blocks: a diff then shows the line that differs."""


def _text(dumper: Readable, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Readable.add_representer(str, _text)


@dataclass(frozen=True)
class ApiObject:
    """One object, applied server-side.

    It differs when a field we declare has another value; other fields are not ours.
    """

    manifest: Mapping[str, Any]

    @property
    def key(self) -> str:
        meta = self.manifest["metadata"]
        return f"{self.manifest['kind']} {meta['namespace'] + '/' if 'namespace' in meta else ''}{meta['name']}"

    @property
    def path(self) -> str:
        return object_path(self.manifest)

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("object", (self.path,)),)

    def compare(self, now: Situation) -> Change | None:
        answer = now.answers[self.probes()[0]]
        apply = Op("apply", (self.path,), Blob(data=json.dumps(self.manifest).encode()))
        if answer == UNKNOWN:
            return Change(
                self.key, ("unknown until kube-apiserver answers",), (apply,), diff=self._diff({}), unknown=True
            )
        actual = {} if answer == "absent" else json.loads(answer)
        why = (
            ("new",)
            if answer == "absent"
            else tuple(f"field {path}" for path in sorted(missing_fields(self.manifest, actual)))
        )
        return Change(self.key, why, (apply,), diff=self._diff(actual)) if why else None

    def _diff(self, actual: Mapping[str, Any]) -> str:
        """What we declare beside what the cluster has of it, as YAML."""
        declared = declared_of(self.manifest, actual) if actual else None
        there, wanted = ("" if one is None else _readable(one) for one in (declared, _plain(self.manifest)))
        return unified(there, wanted, self.key, "cluster")

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return () if answers[self.probes()[0]] in ("absent", UNKNOWN) else (Op("delete", (self.path,)),)


def _readable(content: Any) -> str:
    return yaml.dump(content, Dumper=Readable, sort_keys=False, width=1000)


@dataclass(frozen=True)
class NodeMarks:
    """A node's labels and taints from the inventory; what we set is remembered on the node, so what leaves the
    inventory leaves it.

    Its block of pod addresses is written on it too, once and for ever: the API refuses a change.
    """

    worker: Host

    @property
    def key(self) -> str:
        return f"Node {self.worker.name} labels, taints and pod CIDR"

    @property
    def path(self) -> str:
        return f"/api/v1/nodes/{self.worker.name}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("object", (self.path,)),)

    def compare(self, now: Situation) -> Change | None:
        answer = now.answers[self.probes()[0]]
        if answer in (UNKNOWN, "absent"):
            return Change(
                self.key,
                ("unknown until the kubelet registers the node",),
                (Op("mark", (self.path,), self._wanted()),),
                unknown=True,
            )
        why = tuple(self._differences(json.loads(answer)))
        return Change(self.key, why, (Op("mark", (self.path,), self._wanted()),)) if why else None

    def _wanted(self) -> Blob:
        taints = [
            {"key": t.key, "effect": t.effect, **({"value": t.value} if t.value else {})} for t in self.worker.taints
        ]
        wanted = {"labels": dict(self.worker.labels), "taints": taints, "pod_cidr": str(self.worker.pod_cidr or "")}
        return Blob(data=json.dumps(wanted).encode())

    def _differences(self, node: Mapping[str, Any]) -> list[str]:
        patch = node_patch(node, json.loads(self._wanted().data or b"{}"))
        out = [
            f"label {key}: {value if value is not None else 'removed'}"
            for key, value in patch["metadata"].get("labels", {}).items()
        ]
        spec = patch.get("spec", {})
        out += ["taints"] if "taints" in spec else []
        return out + ([f"pod CIDR: {spec['podCIDR']}"] if "podCIDR" in spec else [])

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


def node_patch(node: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that gives a node the wanted labels and taints, takes away those that were ours and are no longer
    wanted, and gives it its pod CIDR where it has none."""
    owned = _owned(node["metadata"].get("annotations", {}).get(OWNED, "{}"))
    have = node["metadata"].get("labels", {})
    labels: dict[str, str | None] = {key: value for key, value in wanted["labels"].items() if have.get(key) != value}
    labels |= {key: None for key in owned["labels"] if key in have and key not in wanted["labels"]}
    mark = json.dumps({"labels": sorted(wanted["labels"]), "taints": sorted(t["key"] for t in wanted["taints"])})
    before = node.get("spec", {}).get("taints", [])
    ours = set(owned["taints"]) | {t["key"] for t in wanted["taints"]}
    kept = [t for t in before if t["key"] not in ours]
    patch: dict[str, Any] = {
        "metadata": {"resourceVersion": node["metadata"].get("resourceVersion"), "annotations": {OWNED: mark}}
    }
    if labels:
        patch["metadata"]["labels"] = labels
    mine = [{k: t[k] for k in ("key", "effect", "value") if t.get(k)} for t in before if t["key"] in ours]
    if sorted(mine, key=str) != sorted(({k: v for k, v in t.items() if v} for t in wanted["taints"]), key=str):
        patch["spec"] = {"taints": kept + list(wanted["taints"])}
    if (block := wanted.get("pod_cidr")) and not node.get("spec", {}).get("podCIDR"):
        patch["spec"] = {**patch.get("spec", {}), "podCIDR": block, "podCIDRs": [block]}
    return patch


def _owned(mark: str) -> dict[str, tuple[str, ...]]:
    """The labels and taints that a node has from hardway, by its own mark, which anybody may have written over."""
    remedy = f"remove that annotation: kubectl annotate node --all {OWNED}-; then: hardway bootstrap INV"
    with understood(f"the annotation {OWNED} of a node", mark, "kubernetes", remedy):
        said = mapping(json.loads(mark))
        return {kind: texts(said.get(kind)) for kind in ("labels", "taints")}


RESTARTED = "hardway.io/restarted"


@dataclass(frozen=True)
class RolledOut:
    """A Deployment at a path whose pods were replaced once since `event`, as its own pod template says."""

    path: str
    event: str

    @property
    def key(self) -> str:
        return f"pods of {self.path.rpartition('/')[2]}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("object", (self.path,)),)

    def compare(self, now: Situation) -> Change | None:
        answer = now.answers[self.probes()[0]]
        if answer == "absent":
            return None
        patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: self.event}}}}}
        ops = (Op("merge", (self.path,), Blob(data=json.dumps(patch).encode())),)
        if answer == UNKNOWN:
            return Change(self.key, ("unknown until kube-apiserver answers",), ops, unknown=True)
        about = json.loads(answer)["spec"]["template"].get("metadata", {})
        if (about.get("annotations") or {}).get(RESTARTED) == self.event:
            return None
        return Change(self.key, ("to be replaced: they must read everything again",), ops)

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


PLURALS = {
    "NetworkPolicy": "networkpolicies",
    "Ingress": "ingresses",
    "StorageClass": "storageclasses",
    "Endpoints": "endpoints",
}
CLUSTER_WIDE = {"Namespace", "Node", "ClusterRole", "ClusterRoleBinding", "StorageClass", "PriorityClass"}


def object_path(manifest: Mapping[str, Any]) -> str:
    """The REST path of an object, for example /apis/apps/v1/namespaces/kube-system/deployments/coredns."""
    group, kind, meta = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
    base = f"/apis/{group}" if "/" in group else f"/api/{group}"
    where = "" if kind in CLUSTER_WIDE else f"/namespaces/{meta.get('namespace', 'default')}"
    return f"{base}{where}/{PLURALS.get(kind, kind.lower() + 's')}/{meta['name']}"


# Lists whose items others may add to: the API server merges them by name, so an item of ours is looked up by its name.
NAMED = ("containers", "initContainers", "env", "volumes", "volumeMounts")


def missing_fields(wanted: Any, actual: Any, path: str = "") -> list[str]:
    """Paths below `wanted` whose value the actual object does not have.

    The API server adds defaults of its own, so what `wanted` does not mention does not count; other lists than NAMED
    must be equal item by item: one subject more in a role binding is a difference.
    """
    if not wanted and actual is None:
        return []  # the API server leaves out what is empty
    if isinstance(wanted, Mapping):
        if not isinstance(actual, Mapping):
            return [path]
        return [
            found
            for key, value in wanted.items()
            for found in missing_fields(value, actual.get(key), f"{path}.{key}".lstrip("."))
        ]
    if path.endswith(NAMED) and isinstance(wanted, list) and isinstance(actual, list):
        named = {item.get("name"): item for item in actual}
        return [
            found
            for item in wanted
            for found in missing_fields(item, named.get(item["name"]), f"{path}[{item['name']}]")
        ]
    if isinstance(wanted, list) and isinstance(actual, list) and len(wanted) == len(actual):
        return [
            found
            for i, (one, other) in enumerate(zip(wanted, actual, strict=True))
            for found in missing_fields(one, other, f"{path}[{i}]")
        ]
    return [] if wanted == actual else [path]


def declared_of(wanted: Any, actual: Any, path: str = "") -> Any:
    """The part of an object that `wanted` speaks of, in its order."""
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        return {
            key: declared_of(value, actual[key], f"{path}.{key}".lstrip("."))
            for key, value in wanted.items()
            if key in actual
        }
    if path.endswith(NAMED) and isinstance(wanted, list) and isinstance(actual, list):
        named = {item.get("name"): item for item in actual}
        return [
            declared_of(item, named[item["name"]], f"{path}[{item['name']}]")
            for item in wanted
            if item["name"] in named
        ]
    if isinstance(wanted, list) and isinstance(actual, list) and len(wanted) == len(actual):
        return [
            declared_of(one, other, f"{path}[{i}]") for i, (one, other) in enumerate(zip(wanted, actual, strict=True))
        ]
    return _plain(actual)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
