"""Readings of releases.yaml, the one table of components; everything here is pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass
from importlib import resources

import yaml

from ..cluster import Cluster, Role
from ..settings import Versions
from .asset import IMAGE, Item


@functools.cache
def table() -> dict:
    """The whole table as plain dicts; callers must not change it."""
    return yaml.safe_load(resources.files(__package__).joinpath("releases.yaml").read_text(encoding="utf-8"))


def numbers(version: str) -> tuple[int, ...]:
    """Leading numeric parts of a version, () when it has none: "1.36.4-rc.1" -> (1, 36, 4)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


@dataclass(frozen=True)
class Release:
    """One file to download: what is published where, its checksum if the table knows it, and the items it yields.

    `pinned` is a sha256 or a sha512 in hex. `members` maps a binary's name to its path in the archive, and is empty
    when the file is the binary itself.
    """

    url: str
    checksum_url: str
    pinned: str
    items: tuple[Item, ...]
    members: dict[str, str]


def release(item: Item) -> Release:
    """Where the binary `item` is published, alone or in an archive with others of its component."""
    spec = table()["components"][item.component]
    values = {"version": item.version, "arch": item.arch}
    names = list(dict.fromkeys([*spec["files"], item.name]))
    members = {name: spec["member"].format(**values, name=name) for name in names if "member" in spec}
    known = table()["sums"].get(f"{item.component}-{item.version}", {}).get(item.arch, "")
    items = tuple(Item(item.component, name, item.version, item.arch) for name in names)
    return Release(spec["url"].format(**values), spec["checksum"].format(**values), known, items, members)


def component_of(name: str) -> str:
    """The component a binary belongs to; KeyError when the table knows no such binary."""
    for component, spec in table()["components"].items():
        if name in spec["files"] or name in spec.get("extra", ()):
            return component
    raise KeyError(name)


def image_reference(cluster: Cluster, name: str) -> str:
    """Full reference of "pause", "coredns" or "busybox", whether or not its archive is here."""
    return table()["images"][name].format(pause=cluster.versions.pause, coredns=cluster.versions.coredns)


def image_item(cluster: Cluster, name: str, arch: str) -> Item:
    """The archive of an image; its version is the reference's tag."""
    return Item(IMAGE, name, image_reference(cluster, name).rpartition(":")[2].removeprefix("v"), arch)


def binary_item(versions: Versions, name: str, arch: str) -> Item:
    """The binary of that name in the cluster's version; KeyError when there is no such binary."""
    component = component_of(name)
    return Item(component, name, getattr(versions, component), arch)


def needed(cluster: Cluster, arch: str, roles: Collection[Role] = tuple(Role)) -> list[Item]:
    """Every binary the cluster's roles need, or those of some roles alone; and what workers need of image archives
    unless the runtime pulls images itself."""
    mine = [role for role in (Role.ETCD, Role.CONTROL_PLANE, Role.WORKER) if role in roles and cluster.with_role(role)]
    names = dict.fromkeys(name for role in mine for name in table()["roles"][role.value])
    images = table()["images"] if cluster.assets.images != "pull" and Role.WORKER in roles else []
    return [binary_item(cluster.versions, name, arch) for name in names] + [
        image_item(cluster, name, arch) for name in images if name != "coredns" or cluster.coredns.enabled
    ]
