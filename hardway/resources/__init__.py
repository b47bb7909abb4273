"""Desired state, one kind per class: compared with what a target answers, it yields a change or nothing."""

from .base import Change, Resource, Situation
from .etcd_care import Defragmented, NoAlarm
from .etcd_data import EtcdData
from .etcd_member import EtcdMember, EtcdPeer, EtcdVoting
from .file import Binary, Block, Delivered, Directory, File, text
from .gone import Gone, gone
from .kubernetes import ApiObject, NodeMarks, RolledOut
from .operator import Issued, LocalFile
from .own_certificate import OwnCertificate
from .packages import Packages
from .stopped import Noted, Restarted, Stopped
from .stored import Rewritten
from .system import Image, KernelModule, Leftover, LiveRoutes, Owned, Records, SwapOff, Sysctl, User
from .unit import Restamp, Unit

__all__ = [
    "ApiObject",
    "Binary",
    "Block",
    "Defragmented",
    "Delivered",
    "Change",
    "Directory",
    "EtcdData",
    "EtcdMember",
    "EtcdPeer",
    "EtcdVoting",
    "File",
    "Gone",
    "Image",
    "Issued",
    "KernelModule",
    "Leftover",
    "LiveRoutes",
    "LocalFile",
    "NoAlarm",
    "NodeMarks",
    "Noted",
    "OwnCertificate",
    "Owned",
    "Packages",
    "Records",
    "Resource",
    "Restamp",
    "Restarted",
    "Rewritten",
    "RolledOut",
    "Situation",
    "Stopped",
    "SwapOff",
    "Sysctl",
    "Unit",
    "User",
    "gone",
    "text",
]
