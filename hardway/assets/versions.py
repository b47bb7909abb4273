"""Which component versions go together: the defaults for a Kubernetes version, and the rules a choice must keep."""

from __future__ import annotations

import dataclasses
import re

from ..cluster import Versions
from .table import numbers, table

OLDEST_OF_TODAY, NEWEST = (1, 32), (1, 37)
BUILT_FROM_DEBIAN = (1, 20)


def default_versions(kubernetes: str | None = None, source: str = "upstream") -> Versions:
    """The tested set for a Kubernetes version or minor ("1.36"), or of the newest one; never raises.

    `crictl` is "" where the source offers none. An unknown minor gets the companions of the nearest
    known one, and `supported` says what is wrong with it.
    """
    sets = table()["sets"].get(source, table()["sets"]["upstream"])
    wanted = numbers(kubernetes or table()["default"].get(source, table()["default"]["upstream"]))[:2]
    nearest = min(sets, key=lambda minor: (_distance(numbers(minor), wanted), minor))
    chosen = Versions(**sets[nearest])
    if not kubernetes or kubernetes == nearest:
        return chosen
    return dataclasses.replace(chosen, kubernetes=kubernetes)


def _distance(minor: tuple[int, ...], wanted: tuple[int, ...]) -> int:
    major_, minor_ = (*wanted, *NEWEST[len(wanted) :])
    return abs(minor[0] - major_) * 1000 + abs(minor[1] - minor_)


def supported(versions: Versions, source: str = "upstream") -> list[str]:
    """Every reason why these versions cannot make a cluster, each with what is allowed; [] when they can."""
    malformed = _malformed(versions)
    if malformed:
        return malformed
    problems = _kubernetes(versions) + _etcd(versions) + _containerd(versions) + _crictl(versions) + _others(versions)
    return problems + (_debian(versions) if source == "debian" else [])


def _malformed(versions: Versions) -> list[str]:
    parts = dataclasses.asdict(versions)
    wanted = {name: r"\d+\.\d+(\.\d+)?" if name == "pause" else r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?" for name in parts}
    wanted["crictl"] = rf"({wanted['crictl']})?"
    example = {"pause": "3.10.1"}
    return [
        f"{name}: {text!r} is not a version, write it like {example.get(name, '1.36.4')}"
        for name, text in parts.items()
        if not re.fullmatch(wanted[name], str(text), re.ASCII)
    ]


def _kubernetes(versions: Versions) -> list[str]:
    if versions.minor == BUILT_FROM_DEBIAN or OLDEST_OF_TODAY <= versions.minor <= NEWEST:
        return []
    allowed = f"1.20 and {_text(OLDEST_OF_TODAY)} to {_text(NEWEST)}"
    return [f"kubernetes: {versions.kubernetes} is not supported, allowed are {allowed}"]


def _etcd(versions: Versions) -> list[str]:
    found = numbers(versions.etcd)
    # Older patches of 3.4 and 3.5 can lose data after a crash.
    least = {(3, 4): (3, 4, 22), (3, 5): (3, 5, 6), (3, 6): (3, 6, 0)}.get(found[:2])
    if least and found >= least:
        return []
    return [f"etcd: {versions.etcd} is not supported, allowed are 3.4.22, 3.5.6 or newer patches, and 3.6"]


def _containerd(versions: Versions) -> list[str]:
    found = numbers(versions.containerd)
    if found < (1, 6):
        return [f"containerd: {versions.containerd} is too old, 1.6 is the oldest"]
    refused = f"containerd: {versions.containerd} does not serve Kubernetes {_text(versions.minor)}"
    if found < (2,) and versions.minor > (1, 35):
        return [f"{refused}, 1.35 was the last for containerd 1.x"]
    if found >= (2,) and versions.minor < (1, 26):
        return [f"{refused}, which needs containerd 1.6 or 1.7"]
    return []


def _crictl(versions: Versions) -> list[str]:
    found = numbers(versions.crictl)[:2]
    if not found or (found[0] == versions.minor[0] and abs(found[1] - versions.minor[1]) <= 1):
        return []
    return [f"crictl: {versions.crictl} is too far from Kubernetes {versions.kubernetes}, at most one minor is allowed"]


def _others(versions: Versions) -> list[str]:
    least = {"runc": (1, 1), "cni_plugins": (1, 0), "coredns": (1, 8), "pause": (3, 1)}
    return [
        f"{name}: {getattr(versions, name)} is too old, {_text(oldest)} is the oldest"
        for name, oldest in least.items()
        if numbers(getattr(versions, name)) < oldest
    ]


def _debian(versions: Versions) -> list[str]:
    there = default_versions(None, "debian")
    return [
        f"{name}: Debian does not offer {wanted}, but {offered or 'none'}; leave the key out or choose another source of assets"
        for name, wanted in dataclasses.asdict(versions).items()
        if wanted != (offered := getattr(there, name))
    ]


def _text(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
