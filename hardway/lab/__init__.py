"""The lab: an inventory's machines on this host, each with its own systemd, sshd, disk and network.

The supervisors of the machines import this package too and should stay small, hence the late import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .image.base import base_image
    from .machines import LabMachines
    from .status import MachineStatus

__all__ = ["LabMachines", "MachineStatus", "base_image"]


def __getattr__(name: str) -> Any:
    if name == "base_image":
        from .image.base import base_image

        return base_image
    if name in ("LabMachines", "MachineStatus"):
        from . import machines

        return getattr(machines, name)
    raise AttributeError(name)
