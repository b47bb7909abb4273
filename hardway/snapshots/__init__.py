"""Snapshots of etcd on this computer: taken of a member that is healthy, verified before they have their name."""

from .asking import Said, ask, behind
from .taking import choose, describe, require_member, require_room, save, store, where

__all__ = ["Said", "ask", "behind", "choose", "describe", "require_member", "require_room", "save", "store", "where"]
