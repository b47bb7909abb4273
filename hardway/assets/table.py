"""Readings of releases.yaml, the one table of components; everything here is pure."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources

import yaml

from ..cluster import Cluster, Role, Versions
from .model import IMAGE, Item


@functools.cache
def table() -> dict:
    """The whole table as plain dicts; callers must not change it."""
    return yaml.safe_load(resources.files(__package__).joinpath("releases.yaml").read_text())


def numbers(version: str) -> tuple[int, ...]:
    """Leading numeric parts of a version, () when it has none: "1.36.4-rc.1" -> (1, 36, 4)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


@dataclass(frozen=True)
class Release:
    """One file to download: what is published where, its sha256 if the table knows it, and the items it yields.

    `members` maps a binary's name to its path in the archive, and is empty when the file is the binary itself.
    """

    url: str
    checksum_url: str
    sha256: str
    items: tuple[Item, ...]
    members: dict[str, str]


def release(item: Item) -> Release:
    """Where the binary `item` is published, alone or in an archive with others of its component."""
    spec = table()["components"][item.component]
    values = {"version": item.version, "arch": item.arch, "name": item.name}
    names = _files(item.component, item.version) if "member" in spec else [item.name]
    members = {name: spec["member"].format(**{**values, "name": name}) for name in names if "member" in spec}
    # Kubernetes publishes each binary by itself, the others one file per component.
    key = item.name if "{name}" in spec["url"] else item.component
    known = table()["sha256"].get(f"{key}-{item.version}", {}).get(item.arch, "")
    items = tuple(Item(item.component, name, item.version, item.arch) for name in names)
    return Release(spec["url"].format(**values), spec["checksum"].format(**values), known, items, members)


def _files(component: str, version: str) -> list[str]:
    spec = table()["components"][component]
    since = spec.get("since", {})
    return [name for name in spec["files"] if numbers(version) >= numbers(since.get(name, "0"))]


def component_of(name: str) -> str:
    """The component a binary belongs to; KeyError when the table knows no such binary."""
    for component, spec in table()["components"].items():
        if name in spec["files"]:
            return component
    raise KeyError(name)


def image_reference(cluster: Cluster, name: str) -> str:
    """Full reference of "pause", "coredns" or "busybox", whether or not its archive is here."""
    image = table()["images"][name]
    pattern = image.get(cluster.assets.source, image["reference"])
    return pattern.format(pause=cluster.versions.pause, coredns=cluster.versions.coredns)


def image_item(cluster: Cluster, name: str, arch: str) -> Item:
    """The archive of an image; its version is the reference's tag."""
    return Item(IMAGE, name, image_reference(cluster, name).rpartition(":")[2].removeprefix("v"), arch)


def binary_item(versions: Versions, name: str, arch: str) -> Item:
    """The binary of that name in the cluster's version; KeyError when there is no such binary."""
    component = component_of(name)
    return Item(component, name, getattr(versions, component), arch)


def needed(cluster: Cluster, arch: str) -> list[Item]:
    """Every binary the cluster's roles need, and every image archive unless the runtime pulls images itself."""
    roles = [role for role in (Role.ETCD, Role.CONTROL_PLANE, Role.WORKER) if cluster.with_role(role)]
    names = dict.fromkeys(name for role in roles for name in table()["roles"][role.value])
    items = [binary_item(cluster.versions, name, arch) for name in names]
    wanted = [item for item in items if item.version and item.name in _files(item.component, item.version)]
    return wanted + [image_item(cluster, name, arch) for name in _images(cluster)]


def _images(cluster: Cluster) -> list[str]:
    if cluster.assets.images == "pull":
        return []
    return [name for name in table()["images"] if name != "coredns" or cluster.coredns.enabled]
