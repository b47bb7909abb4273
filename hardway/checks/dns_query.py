"""One DNS question over TCP, on a socket someone else dialled: a host needs no resolver tool, and no pod has to run."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv4Address

from ..errors import HardwayError

A, IN, RECURSE = 1, 1, 0x0100


class CutOff(HardwayError):
    """The connection ended before the answer did."""


def question(name: str, number: int) -> bytes:
    """A query for the addresses of a full name, with the length that TCP wants in front."""
    labels = b"".join(bytes([len(label)]) + label for label in name.rstrip(".").encode().split(b"."))
    message = struct.pack(">6H", number, RECURSE, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", A, IN)
    return struct.pack(">H", len(message)) + message


def addresses(message: bytes) -> list[IPv4Address]:
    """The A records of an answer; HardwayError for a truncated or refused one."""
    try:
        _, flags, questions, answers = struct.unpack_from(">4H", message)
        if flags & 0xF:
            raise HardwayError(f"the name server returns error code {flags & 0xF}")
        at, found = 12, []
        for _ in range(questions):
            at = _after_name(message, at) + 4
        for _ in range(answers):
            at = _after_name(message, at)
            kind, _, _, length = struct.unpack_from(">2HIH", message, at)
            at += 10
            if kind == A:
                found.append(IPv4Address(message[at : at + 4]))
            at += length
        return found
    except (struct.error, IndexError, ValueError) as error:
        raise HardwayError("the name server's answer is malformed") from error


def _after_name(message: bytes, at: int) -> int:
    while length := message[at]:
        if length >= 0xC0:
            return at + 2
        at += length + 1
    return at + 1


def resolve(dial: Callable[[], socket.socket], name: str, seconds: float = 3.0) -> list[IPv4Address]:
    """The addresses of a name, asked on a socket that `dial` opens, again if that is cut off; OSError or HardwayError
    without an answer."""
    try:
        return _asked(dial(), name, seconds)
    except CutOff:
        return _asked(dial(), name, seconds)


def _asked(sock: socket.socket, name: str, seconds: float) -> list[IPv4Address]:
    with sock:
        sock.settimeout(seconds)
        sock.sendall(question(name, secrets.randbelow(1 << 16)))
        (length,) = struct.unpack(">H", _exactly(sock, 2))
        return addresses(_exactly(sock, length))


def _exactly(sock: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        piece = sock.recv(count - len(got))
        if not piece:
            raise CutOff("the name server closed the connection")
        got += piece
    return got
