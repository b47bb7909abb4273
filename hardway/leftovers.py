"""What others have put on a host where our programs read it, or run into it: a part of the answer to the `survey`
probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DropIn:
    """A file that changes a unit of ours, which `hardway` did not write.

    `keys` are the settings in it; of variables each by its name, as "Environment:HTTP_PROXY".
    """

    unit: str
    path: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folder:
    """The file system of a folder, which may not exist yet: where it is mounted, its free MB, and its mount options."""

    mount: str
    free_mb: int
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leftovers:
    """`cni` are network configurations of others in /etc/cni/net.d, `static_pods` the manifests in the kubelet's
    folder, by their names; `bridge` are the addresses ("10.85.0.1/16") of an interface cni0, "none" for one without,
    "other" when it is no bridge; `resolver` says why /etc/resolv.conf cannot be read: "missing" or "link to PATH", else
    empty; `packages` are Debian packages that are only half installed; `folders` are those which we fill.
    """

    drop_ins: tuple[DropIn, ...] = ()
    cni: tuple[str, ...] = ()
    static_pods: tuple[str, ...] = ()
    bridge: tuple[str, ...] = ()
    resolver: str = ""
    packages: tuple[str, ...] = ()
    folders: Mapping[str, Folder] = field(default_factory=dict)


def parse(said: Mapping[str, str]) -> Leftovers:
    """From a survey's values by their keys; what was not said is not there."""
    words = lambda key: tuple(said.get(key, "").split())  # noqa: E731
    return Leftovers(
        drop_ins=tuple(
            DropIn(unit, path, tuple(key for key in keys.split(",") if key))
            for unit, path, keys in (word.split("=", 2) for word in words("drop_ins") if word.count("=") >= 2)
        ),
        cni=words("cni"),
        static_pods=words("static_pods"),
        bridge=words("bridge"),
        resolver=said.get("resolver", ""),
        packages=words("half_packages"),
        folders={
            folder: Folder(mount, int(free) // 1024, tuple(options.split(",")))
            for folder, mount, free, options in (
                word.split("=", 3) for word in words("folders") if word.count("=") >= 3
            )
            if free.isdecimal()
        },
    )
