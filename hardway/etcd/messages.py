"""etcd's answers as the etcd3 library gives them, in hardway's own terms."""

from __future__ import annotations

from typing import Any

from ..cluster import Host
from .interface import Member, Status, alarms

# etcd 3.4 came after the library's protocol files: what it added arrives as fields without a name.
MEMBER_LEARNER, STATUS_APPLIED, STATUS_ERRORS, STATUS_IN_USE, STATUS_LEARNER = 5, 7, 8, 9, 10
STATUS_STORAGE, STATUS_QUOTA = 11, 12


def member(message: Any) -> Member:
    """A member of a list."""
    learner = bool(_unnamed(message, MEMBER_LEARNER))
    return Member(message.ID, message.name, tuple(message.peerURLs), tuple(message.clientURLs), learner)


def _unnamed(message: Any, number: int) -> int:
    """The value of a field that the library's protocol files do not know."""
    return next(iter(_each(message, number)), 0)


def _texts(message: Any, number: int) -> list[str]:
    return [text.decode("utf-8", "replace") for text in _each(message, number)]


def _each(message: Any, number: int) -> list[Any]:
    from google.protobuf.unknown_fields import UnknownFieldSet

    return [field.data for field in UnknownFieldSet(message) if field.field_number == number]


def status(host: Host, answer: Any) -> Status:
    """What the member on a host says of itself."""
    header = answer.header
    return Status(
        host.name,
        header.member_id,
        answer.leader,
        header.revision,
        header.raft_term,
        answer.dbSize,
        answer.version,
        header.cluster_id,
        answer.raftIndex,
        _unnamed(answer, STATUS_APPLIED),
        bool(_unnamed(answer, STATUS_LEARNER)),
        _unnamed(answer, STATUS_IN_USE),
        _unnamed(answer, STATUS_QUOTA),
        "".join(_texts(answer, STATUS_STORAGE)),
        alarms(_texts(answer, STATUS_ERRORS)),
    )
