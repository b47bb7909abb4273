"""Logging in with keys: from the agent and from files, with passphrases, in an order that asks a person last."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
from paramiko.pkey import UnknownKeyType

from ..errors import AuthenticationError
from .credentials import PASSPHRASE_FILE, Prompt, answers
from .route import DEFAULT_KEYS, Hop

_loaded: dict[tuple[Path, int], paramiko.PKey] = {}
_loading = threading.Lock()


# An agent lists its keys at once; a forwarded one whose other end has gone away never does.
AGENT = 5.0


class Agent(paramiko.Agent):
    """An agent that is not waited for without end when it is asked for its keys; to sign with one it may ask a
    person."""

    def _connect(self, conn) -> None:
        conn.settimeout(AGENT)
        super()._connect(conn)
        conn.settimeout(None)


class NeedsPassphrase(Exception):
    """The key file is encrypted and nobody can tell the passphrase."""


class Login:
    """One login at one hop, in the form paramiko takes as `auth_strategy`.

    Order: keys of ours the agent holds, unencrypted key files, the agent's other keys, encrypted key files.
    """

    def __init__(self, hop: Hop, prompt: Prompt | None):
        self.hop = hop
        self.prompt = prompt
        self.tried: list[str] = []

    def authenticate(self, transport: paramiko.Transport) -> list[str]:
        """Try every key in order; AuthenticationError naming all that was tried when none is accepted."""
        agent = self._agent()
        try:
            for label, key in self._candidates(agent.get_keys() if agent else ()):
                if self._accepted(transport, label, key):
                    return []
                if not transport.is_active():
                    self.tried.append("then the server closed the connection: too many keys tried")
                    break
        finally:
            if agent:
                agent.close()
        raise self._refused()

    def _agent(self) -> Agent | None:
        try:
            return Agent() if self.hop.agent else None
        except (OSError, paramiko.SSHException) as error:
            self.tried.append(f"the agent does not list its keys ({str(error).strip()})")
            return None

    def _accepted(self, transport: paramiko.Transport, label: str, key: paramiko.PKey) -> bool:
        try:
            further = transport.auth_publickey(self.hop.user, key)
        except paramiko.BadAuthenticationType as error:
            self.tried.append(f"{label}: the server allows only {', '.join(error.allowed_types)}")
            return False
        except paramiko.SSHException as error:
            self.tried.append(
                f"{label}: {str(error).strip() or 'refused'}".replace("Authentication failed.", "refused")
            )
            return False
        if further:
            self.tried.append(f"{label}: accepted, but the server also requires {', '.join(further)}")
        return not further

    def _candidates(self, agent_keys: tuple[Any, ...]) -> Iterator[tuple[str, paramiko.PKey]]:
        by_blob = {key.asbytes(): key for key in agent_keys}
        encrypted = []
        for path in self._files():
            blob = _public_blob(path)
            if blob in by_blob:
                yield f"agent key {path}", by_blob.pop(blob)
                continue
            try:
                key = self._load(path, "")
            except NeedsPassphrase:
                encrypted.append(path)
                continue
            if key:
                yield f"key {path}", key
        if not self.hop.only_these_keys:
            yield from ((f"agent key {key.get_name()} {key.fingerprint}", key) for key in by_blob.values())
        yield from self._encrypted(encrypted)

    def _encrypted(self, paths: list[Path]) -> Iterator[tuple[str, paramiko.PKey]]:
        for path in paths:
            passphrase = answers.get(f"key {path}", f"Passphrase for {path}", PASSPHRASE_FILE, self.prompt)
            if not passphrase:
                self.tried.append(
                    f"key {path}: encrypted, and no passphrase was given (run ssh-add {path}, or set {PASSPHRASE_FILE})"
                )
                continue
            if key := self._load(path, passphrase):
                yield f"key {path}", key

    def _files(self) -> list[Path]:
        files = []
        for path in self.hop.keys:
            if path.is_file():
                files.append(path)
            elif path not in [default.expanduser() for default in DEFAULT_KEYS]:
                self.tried.append(f"key {path}: no such file")
        return files

    def _load(self, path: Path, passphrase: str) -> paramiko.PKey | None:
        try:
            return load(path, passphrase)
        except OSError as error:
            self.tried.append(f"key {path}: {error.strerror}")
        except (ValueError, paramiko.SSHException) as error:
            if passphrase:
                answers.forget(f"key {path}", passphrase)
                raise AuthenticationError(
                    f"the passphrase for {path} is wrong",
                    self.hop.host,
                    hint=f"ssh-keygen -y -P '' -f {path}  (shows whether the key needs one)",
                ) from error
            self.tried.append(f"key {path}: not a usable private key")
        return None

    def _refused(self) -> AuthenticationError:
        what = f"{self.hop.user}@{self.hop.endpoint} accepts none of your keys"
        tried = self.tried or [
            "no key file, and no key in the agent" if self.hop.agent else "no key file, and ssh.agent is false"
        ]
        return AuthenticationError(
            what, self.hop.host, evidence="\n".join(["tried:", *tried]), hint=self.hop.ssh_command("-v")
        )


def load(path: Path, passphrase: str) -> paramiko.PKey:
    """The private key of a file, decrypted once per process.

    NeedsPassphrase, ValueError or SSHException (wrong or no key), OSError.
    """
    with _loading:
        known = (path, path.stat().st_mtime_ns)
        if known not in _loaded:
            _loaded[known] = _read(path, passphrase)
        return _loaded[known]


def _read(path: Path, passphrase: str) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path, passphrase.encode() if passphrase else None)
    except (TypeError, paramiko.PasswordRequiredException) as error:
        # cryptography says "encrypted" with a TypeError
        raise NeedsPassphrase(path) from error
    except UnknownKeyType as error:
        raise ValueError(f"{path}: unknown type of key") from error


def _public_blob(path: Path) -> bytes:
    try:
        return base64.b64decode(path.with_name(path.name + ".pub").read_text("utf-8").split()[1])
    except (OSError, IndexError, ValueError, binascii.Error):
        return b""
