"""Desired state, one kind per class: compared with what a target answers, it yields a change or nothing."""

from .base import Change, Resource, Situation
from .etcd_member import EtcdMember, EtcdPeer
from .file import Binary, Block, Delivered, Directory, File, text
from .gone import Gone, gone
from .kubernetes import ApiObject, NodeMarks
from .operator import Issued, LocalFile
from .own_certificate import OwnCertificate
from .system import Image, KernelModule, Leftover, LiveRoutes, Owned, Packages, Records, SwapOff, Sysctl, User
from .unit import Restamp, Unit

__all__ = [
    "ApiObject",
    "Binary",
    "Block",
    "Delivered",
    "Change",
    "Directory",
    "EtcdMember",
    "EtcdPeer",
    "File",
    "Gone",
    "Image",
    "Issued",
    "KernelModule",
    "Leftover",
    "LiveRoutes",
    "LocalFile",
    "NodeMarks",
    "OwnCertificate",
    "Owned",
    "Packages",
    "Records",
    "Resource",
    "Restamp",
    "Situation",
    "SwapOff",
    "Sysctl",
    "Unit",
    "User",
    "gone",
    "text",
]
