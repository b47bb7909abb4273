"""Desired state, one kind per class: compared with what a target answers, it yields a change or nothing."""

from .base import Change, Resource, Situation
from .etcd_member import EtcdMember
from .file import Binary, Block, Directory, File, text
from .kubernetes import ApiObject, NodeMarks
from .operator import Issued, LocalFile
from .system import Image, KernelModule, Leftover, LiveRoutes, Owned, Packages, Records, SwapOff, Sysctl, User
from .unit import Unit

__all__ = [
    "ApiObject", "Binary", "Block", "Change", "Directory", "EtcdMember", "File", "Image", "Issued", "KernelModule", "Leftover",
    "LiveRoutes",
    "LocalFile", "NodeMarks", "Owned", "Packages", "Records", "Resource", "Situation", "SwapOff", "Sysctl", "Unit", "User", "text",
]  # fmt: skip
