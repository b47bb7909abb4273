"""Processors as Kubernetes names them, and the C compiler for each on this machine."""

from __future__ import annotations

import platform

CROSS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def here() -> str:
    """This machine's own."""
    return MACHINES.get(platform.machine(), platform.machine())


def compiler_for(arch: str) -> str:
    """The name of the C compiler whose programs run on `arch`."""
    return "gcc" if arch == here() else f"{CROSS[arch]}-gcc"


def compiler_package(arch: str) -> dict[str, str]:
    """That compiler, and the Debian packages that bring it and its C library."""
    cross = CROSS[arch].replace("_", "-")
    packages = "gcc libc6-dev" if arch == here() else f"gcc-{cross} libc6-dev-{arch}-cross"
    return {compiler_for(arch): packages}
