"""Where binaries come from, the versions, what the chosen version can do, and which flags may be given."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hardway.inventory.draft import Draft
from hardway.inventory.problem import Problem, show
from hardway.inventory.versions import unsupported

# Flags whose value hardway itself counts on, and what to do instead.
OURS = {
    "etcd": {
        "config-file": "etcd then ignores every flag: write flags here instead",
        "data-dir": "to use another disk, mount it at /var/lib/etcd or make that a link",
        "force-new-cluster": "it would found another cluster at every start: run it by hand, once",
        "initial-cluster": "it follows from the hosts with the role etcd",
        "initial-cluster-state": "it follows from what the members say of themselves",
        "name": "a member has its host's name",
    },
    "kube-apiserver": {
        "anonymous-auth": "it is refused beside --authentication-config, whose file lets callers without a name ask for health alone",
        "etcd-servers": "it follows from the hosts with the role etcd",
        "service-cluster-ip-range": "write network.service_cidr, for others need it too",
        "service-node-port-range": "write network.node_ports",
    },
    "kube-controller-manager": {
        "cluster-cidr": "write network.pod_cidr, for others need it too",
        "service-cluster-ip-range": "write network.service_cidr, for others need it too",
    },
    "kubelet": {"hostname-override": "a Node has its host's name, which its certificate says too"},
}


def mirror(draft: Draft) -> Iterator[Problem]:
    assets, path = draft.model.assets, ("assets", "mirror")
    if not draft.sound("assets"):
        return
    if assets.source != "mirror":
        if assets.mirror:
            yield Problem(path, f"is only used with assets.source: mirror, not {assets.source}: remove one of the two")
    elif not assets.mirror:
        yield Problem(path, "is missing: with assets.source: mirror write a base URL (https://...) or a folder")
    elif not assets.mirror.startswith(("https://", "http://")) and not os.path.isdir(draft.file(assets.mirror)):
        yield Problem(path, f"must be an http(s) URL or an existing folder, not {show(assets.mirror)}")


def checksums(draft: Draft) -> Iterator[Problem]:
    own = draft.model.assets.checksums if draft.sound("assets") else None
    if own and not os.path.isfile(draft.file(own)):
        yield Problem(("assets", "checksums"), f"must be an existing file, and there is no {draft.file(own)}")


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
            yield Problem(("extra_args", component, flag), "is in override_args as well: keep it in one of the two")


def flags_left_to_us(draft: Draft) -> Iterator[Problem]:
    """Where hardway looks for data and what it calls things is not for flags to change."""
    for section in ("extra_args", "override_args"):
        for component, flags in getattr(draft.model, section).by_component().items():
            for flag in sorted(OURS.get(component, {}).keys() & flags):
                yield Problem((section, component, flag), f"cannot be set: {OURS[component][flag]}")


RULES = (mirror, checksums, versions, flags_once, flags_left_to_us)
