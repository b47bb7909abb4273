"""How a row of the CIS benchmark is judged by what a bootstrap has left on the hosts and in the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml
from fakes.disk import Entry
from fakes.memory_host import MemoryHost
from fakes.world import World

from hardway.cluster import Role

KUBERNETES, PKI, UNITS = "/etc/kubernetes", "/etc/kubernetes/pki", "/etc/systemd/system"
PERMISSIVE = {"cluster-admin", "admin", "edit"}


@dataclass(frozen=True)
class Look:
    """What is to be judged: a cluster that was built."""

    world: World

    def on(self, role: Role) -> list[MemoryHost]:
        return [self.world.hosts[host.name] for host in self.world.cluster.with_role(role)]

    @cached_property
    def controllers(self) -> list[MemoryHost]:
        return self.on(Role.CONTROL_PLANE)

    @cached_property
    def workers(self) -> list[MemoryHost]:
        return self.on(Role.WORKER)

    @cached_property
    def members(self) -> list[MemoryHost]:
        return self.on(Role.ETCD)

    def flags(self, component: str) -> Iterator[dict[str, str]]:
        """Of each host that runs it."""
        for host in self.world.hosts.values():
            if unit := host.disk.read(f"{UNITS}/{component}.service").decode():
                yield dict(re.findall(r"^  --([^=\s]+)=(.*?)(?: \\)?$", unit, re.MULTILINE))

    def unit(self, component: str) -> list[str]:
        units = (host.disk.read(f"{UNITS}/{component}.service").decode() for host in self.world.hosts.values())
        return [unit for unit in units if unit]

    def kubelets(self) -> list[dict[str, Any]]:
        return [yaml.safe_load(host.disk.read("/var/lib/kubelet/config.yaml")) for host in self.workers]

    def objects(self, kind: str) -> list[dict[str, Any]]:
        return [body for body in self.world.objects.by_path.values() if body.get("kind") == kind]

    def pods(self) -> list[dict[str, Any]]:
        return [body["spec"]["template"] for kind in ("Deployment", "DaemonSet") for body in self.objects(kind)]

    def containers(self) -> list[dict[str, Any]]:
        return [container for pod in self.pods() for container in pod["spec"]["containers"]]

    def rules(self) -> list[dict[str, Any]]:
        """What roles that hardway makes for others than the API server allow."""
        roles = (role for kind in ("ClusterRole", "Role") for role in self.objects(kind))
        return [
            rule
            for role in roles
            for rule in role["rules"]
            if role["metadata"]["name"] != "system:kube-apiserver-to-kubelet"
        ]


Judge = Callable[[Look], bool]


def files(where: str, pattern: str, most: int, owner: str = "root root") -> Judge:
    """At least one such file on each host, none with more rights or another owner."""

    def judge(look: Look) -> bool:
        found = [_matching(host, pattern) for host in getattr(look, where)]
        return all(found) and all(
            not int(entry.mode, 8) & ~most and f"{entry.owner} {entry.group}" == owner for one in found for entry in one
        )

    return judge


def _matching(host: MemoryHost, pattern: str) -> list[Entry]:
    return [entry for path, entry in host.disk.files.items() if re.fullmatch(pattern, path)]


def flag(component: str, name: str, holds: Callable[[str | None], bool]) -> Judge:
    def judge(look: Look) -> bool:
        found = list(look.flags(component))
        return bool(found) and all(holds(flags.get(name)) for flags in found)

    return judge


def kubelet(holds: Callable[[dict[str, Any]], object]) -> Judge:
    return lambda look: bool(look.kubelets()) and all(map(holds, look.kubelets()))


def is_set(*names: str) -> Callable[[str], Judge]:
    return lambda component: lambda look: all(flag(component, name, bool)(look) for name in names)


def grants_none(resources: set[str], verbs: set[str]) -> Judge:
    return lambda look: (
        not any(resources & set(rule.get("resources", ())) and verbs & set(rule["verbs"]) for rule in look.rules())
    )


def containers(holds: Callable[[dict[str, Any]], object]) -> Judge:
    return lambda look: all(holds(container.get("securityContext", {})) for container in look.containers())


def pods(name: str) -> Judge:
    return lambda look: bool(look.pods()) and not any(pod["spec"].get(name) for pod in look.pods())


def among(*plugins: str) -> Callable[[str | None], bool]:
    return lambda value: not set(plugins) & set((value or "").split(","))


def at_least(number: int) -> Callable[[str | None], bool]:
    return lambda value: value is not None and int(value) >= number


def own_ca(look: Look) -> bool:
    hosts = look.members
    return all(host.disk.read("/etc/etcd/pki/ca.crt") not in (b"", host.disk.read(f"{PKI}/ca.crt")) for host in hosts)


def audited(look: Look) -> bool:
    """Everything that no rule leaves out is written; what is left out is no Secret, no pod and no way into one."""
    policies = [yaml.safe_load(host.disk.read(f"{KUBERNETES}/audit-policy.yaml")) for host in look.controllers]
    left_out = {
        name
        for policy in policies
        for rule in policy["rules"]
        if rule["level"] == "None" and not rule.get("users") and not rule.get("userGroups")
        for resource in rule.get("resources", ())
        for name in resource["resources"]
    }
    kept = {
        "secrets",
        "configmaps",
        "tokenreviews",
        "pods",
        "pods/exec",
        "pods/portforward",
        "pods/proxy",
        "deployments",
    }
    return not left_out & kept and all(policy["rules"][-1].keys() == {"level"} for policy in policies)


def encrypted(look: Look) -> bool:
    configs = [yaml.safe_load(host.disk.read(f"{KUBERNETES}/encryption-config.yaml")) for host in look.controllers]
    providers = [next(iter(rule["providers"][0])) for config in configs for rule in config["resources"]]
    return bool(providers) and set(providers) <= {"aescbc", "kms", "secretbox"}


def bound(look: Look) -> set[tuple[str, str]]:
    """Who has a role with many rights."""
    return {
        (subject["kind"], subject["name"])
        for kind in ("ClusterRoleBinding", "RoleBinding")
        for binding in look.objects(kind)
        if binding["roleRef"]["name"] in PERMISSIVE
        for subject in binding["subjects"]
    }
