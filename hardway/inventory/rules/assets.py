"""Where binaries come from, the versions, what the chosen version can do, and which flags may be given."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hardway.inventory.draft import Draft
from hardway.inventory.problem import Problem, show
from hardway.inventory.removed import refused
from hardway.inventory.versions import resolve, unsupported

# Flags whose value hardway itself counts on, and what to do instead.
OURS = {
    "etcd": {
        "config-file": "etcd would ignore all flags: write them here instead",
        "data-dir": "to use another disk, mount it at /var/lib/etcd or make that a symlink",
        "force-new-cluster": "it would create a new cluster at every start: run it by hand, once",
        "initial-cluster": "hardway sets it from the hosts with the role etcd",
        "initial-cluster-state": "hardway sets it from the state of the members",
        "name": "a member is named after its host",
    },
    "kube-apiserver": {
        "advertise-address": "each API server announces the address of its host",
        "anonymous-auth": (
            "kube-apiserver refuses it with --authentication-config, whose file allows anonymous health requests only"
        ),
        "etcd-servers": "hardway sets it from the hosts with the role etcd",
        "secure-port": "set api.server_port, other components need it too",
        "service-cluster-ip-range": "set network.service_cidr, other components need it too",
        "service-node-port-range": "set network.node_ports",
    },
    "kube-controller-manager": {
        "cluster-cidr": "set network.pod_cidr, other components need it too",
        "service-cluster-ip-range": "set network.service_cidr, other components need it too",
    },
    "kubelet": {"hostname-override": "a Node is named after its host, as its certificate is"},
}


def mirror(draft: Draft) -> Iterator[Problem]:
    assets, path = draft.model.assets, ("assets", "mirror")
    if not draft.sound("assets"):
        return
    if assets.source != "mirror":
        if assets.mirror:
            yield Problem(path, f"is only used with assets.source: mirror, not {assets.source}: remove one of the two")
    elif not assets.mirror:
        yield Problem(path, "is missing: assets.source: mirror needs a base URL (https://...) or a folder")
    elif not assets.mirror.startswith(("https://", "http://")) and not os.path.isdir(draft.file(assets.mirror)):
        yield Problem(path, f"must be an http(s) URL or an existing folder, not {show(assets.mirror)}")


def checksums(draft: Draft) -> Iterator[Problem]:
    own = draft.model.assets.checksums if draft.sound("assets") else None
    if own and not os.path.isfile(draft.file(own)):
        yield Problem(("assets", "checksums"), f"must be an existing file: {draft.file(own)} does not exist")


def versions(draft: Draft) -> Iterator[Problem]:
    """Versions that are known to work together."""
    if not (draft.sound("kubernetes") and draft.sound("versions") and draft.sound("assets", "source")):
        return
    for path, message in unsupported(draft.model):
        yield Problem(path, message)


def flags_once(draft: Draft) -> Iterator[Problem]:
    """A flag is added or overridden, not both."""
    override = draft.model.override_args.by_component()
    for component, flags in draft.model.extra_args.by_component().items():
        for flag in sorted(set(flags) & set(override.get(component, ()))):
            yield Problem(("extra_args", component, flag), "is also in override_args: keep one of the two")


def flags_left_to_us(draft: Draft) -> Iterator[Problem]:
    """Where hardway looks for data and what it calls things is not for flags to change."""
    for section in ("extra_args", "override_args"):
        for component, flags in getattr(draft.model, section).by_component().items():
            for flag in sorted(OURS.get(component, {}).keys() & flags):
                yield Problem((section, component, flag), f"cannot be set: {OURS[component][flag]}")


def flags_removed(draft: Draft) -> Iterator[Problem]:
    """Flags and feature gates with which the programs of these versions do not start."""
    if not (draft.sound("kubernetes") and draft.sound("versions")):
        return
    for section in ("extra_args", "override_args"):
        args = getattr(draft.model, section).by_component()
        for component, flag, why in refused(args, resolve(draft.model)):
            yield Problem((section, component, flag), why)


RULES = (mirror, checksums, versions, flags_once, flags_left_to_us, flags_removed)
