"""Which component versions go together: the defaults for a Kubernetes version, and the rules a choice must keep."""

from __future__ import annotations

import dataclasses
import re

from ..settings import Versions
from .table import numbers, table


def minors() -> list[tuple[int, ...]]:
    """The supported minors of Kubernetes, oldest first, as (1, 34)."""
    return sorted(map(numbers, table()["sets"]))


def default_versions(kubernetes: str | None = None) -> Versions:
    """The tested set for a Kubernetes version or minor ("1.36"), or of the newest one; never raises.

    An unknown minor gets the companions of the nearest known one, and `supported` says what is wrong with it.
    """
    sets = table()["sets"]
    wanted = numbers(kubernetes or table()["default"])[:2]
    nearest = min(sets, key=lambda minor: (_distance(numbers(minor), wanted), minor))
    chosen = Versions(**sets[nearest])
    if not kubernetes or kubernetes == nearest:
        return chosen
    return dataclasses.replace(chosen, kubernetes=kubernetes)


def _distance(minor: tuple[int, ...], wanted: tuple[int, ...]) -> int:
    major_, minor_ = (*wanted, *minors()[-1][len(wanted) :])
    return abs(minor[0] - major_) * 1000 + abs(minor[1] - minor_)


def supported(versions: Versions) -> list[str]:
    """Every reason why these versions cannot make a cluster, each with what is allowed; [] when they can."""
    malformed = _malformed(versions)
    return malformed or _kubernetes(versions) + _etcd(versions) + _crictl(versions) + _others(versions)


def _malformed(versions: Versions) -> list[str]:
    parts = dataclasses.asdict(versions)
    wanted = {name: r"\d+\.\d+(\.\d+)?" if name == "pause" else r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?" for name in parts}
    return [
        f"{name}: {text!r} is not a version: write it like {getattr(default_versions(), name)}"
        for name, text in parts.items()
        if not re.fullmatch(wanted[name], str(text), re.ASCII)
    ]


def _kubernetes(versions: Versions) -> list[str]:
    oldest, newest = minors()[0], minors()[-1]
    if oldest <= versions.minor <= newest:
        return []
    problem = f"kubernetes: {versions.kubernetes} is not supported, allowed: {_text(oldest)} to {_text(newest)}"
    if versions.minor > newest:
        return [problem]
    # An older inventory deserves more than a refusal: what was built from it cannot be changed by this release any
    # more.
    return [
        f"{problem}. Remove the key to build {default_versions().kubernetes}, the newest. Rebuild a cluster that runs "
        f"{_text(versions.minor)} from scratch, or upgrade it one minor at a time with the hardway that built it"
    ]


def _etcd(versions: Versions) -> list[str]:
    # A newer etcd than the set's comes first in an upgrade; the API server of 1.37 needs what only etcd 3.7 has.
    least, most = (numbers(default_versions(kubernetes).etcd)[:2] for kubernetes in (_text(versions.minor), None))
    if least <= numbers(versions.etcd)[:2] <= most:
        return []
    allowed = _text(least) if least == most else f"{_text(least)} to {_text(most)}"
    return [f"etcd: {versions.etcd} does not work with Kubernetes {_text(versions.minor)}, allowed: {allowed}"]


def _crictl(versions: Versions) -> list[str]:
    found = numbers(versions.crictl)[:2]
    if found[0] == versions.minor[0] and abs(found[1] - versions.minor[1]) <= 1:
        return []
    return [f"crictl: {versions.crictl} must be within one minor of Kubernetes {versions.kubernetes}"]


def _others(versions: Versions) -> list[str]:
    least = {"containerd": (2, 2), "runc": (1, 3), "cni_plugins": (1, 4), "coredns": (1, 12), "pause": (3, 10)}
    return [
        f"{name}: {getattr(versions, name)} is too old, the oldest supported is {_text(oldest)}"
        for name, oldest in least.items()
        if numbers(getattr(versions, name)) < oldest
    ]


def _text(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
