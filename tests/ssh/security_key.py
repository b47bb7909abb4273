"""A security key without hardware: an ssh-agent in this process that holds one, and signs as such a key does."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socketserver
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KIND, APPLICATION = b"sk-ssh-ed25519@openssh.com", b"ssh:"
IDENTITIES, SIGN, FAILURE, IDENTITIES_ANSWER, SIGN_ANSWER = 11, 13, 5, 12, 14
TOUCHED = 1


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def blob(public: bytes) -> bytes:
    return string(KIND) + string(public) + string(APPLICATION)


def private_half(public: bytes) -> str:
    """The file that ssh-keygen writes for such a key: it leads to the hardware, without which it is of no use."""
    check = bytes(4) * 2
    secret = check + blob(public) + bytes([TOUCHED]) + string(b"handle") + string(b"") + string(b"test")
    secret += bytes(range(1, 9 - len(secret) % 8)) if len(secret) % 8 else b""
    whole = b"openssh-key-v1\0" + string(b"none") * 2 + string(b"") + struct.pack(">I", 1)
    text = base64.encodebytes(whole + string(blob(public)) + string(secret)).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}-----END OPENSSH PRIVATE KEY-----\n"


class Agent(socketserver.StreamRequestHandler):
    """Answers to one client."""

    key: Ed25519PrivateKey

    def handle(self) -> None:
        while head := self.rfile.read(4):
            answer = self.answer(self.rfile.read(struct.unpack(">I", head)[0]))
            self.wfile.write(string(answer))

    def answer(self, message: bytes) -> bytes:
        public = blob(self.key.public_key().public_bytes_raw())
        if message[0] == IDENTITIES:
            return bytes([IDENTITIES_ANSWER]) + struct.pack(">I", 1) + string(public) + string(b"test")
        if message[0] != SIGN:
            return bytes([FAILURE])
        data = message[1 + 4 + len(public) + 4 : -4]
        return bytes([SIGN_ANSWER]) + string(self.signature(data))

    def signature(self, data: bytes) -> bytes:
        tail = bytes([TOUCHED]) + struct.pack(">I", 7)
        signed = hashlib.sha256(APPLICATION).digest() + tail + hashlib.sha256(data).digest()
        return string(KIND) + string(self.key.sign(signed)) + tail


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def security_key(path: Path, public: Path) -> Iterator[str]:
    """An agent at `path`; the line for authorized_keys, which is also written to `public`."""
    key = Ed25519PrivateKey.generate()
    line = f"{KIND.decode()} {base64.b64encode(blob(key.public_key().public_bytes_raw())).decode()} test\n"
    public.write_text(line)
    with Server(str(path), type("OfThisKey", (Agent,), {"key": key})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield line
        server.shutdown()
