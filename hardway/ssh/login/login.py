"""One login: which keys are tried, in an order that asks a person last, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm

from ...errors import AuthenticationError
from ..config.powers import KEYS_OF_USERS
from ..credentials import PASSPHRASE_FILE, Prompt, answers
from ..hop import Hop
from . import certificates
from .agent import Agent
from .certificates import Certificate, NoCertificate
from .keyfiles import KeyFile, NeedsPassphrase, load

RSA = ("rsa-sha2-512", "rsa-sha2-256")
Candidate = tuple[str, paramiko.PKey]


class Login:
    """One login at one hop, in the form paramiko takes as `auth_strategy`.

    Order: certificates, keys of ours that the agent holds, unencrypted key files, the agent's other keys, encrypted
    key files.
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
            return Agent(self.hop.agent) if self.hop.agent else None
        except (OSError, ValueError, paramiko.SSHException) as error:
            self.tried.append(f"the agent {self.hop.agent} does not list its keys ({str(error).strip()})")
            return None

    def _accepted(self, transport: paramiko.Transport, label: str, key: paramiko.PKey) -> bool:
        if not self.hop.allowed(KEYS_OF_USERS, _algorithms(key)):
            self.tried.append(f"{label}: PubkeyAcceptedAlgorithms of the SSH configuration does not allow it")
            return False
        if self.hop.too_short(key.asbytes()):
            self.tried.append(f"{label}: shorter than RequiredRSASize of the SSH configuration allows")
            return False
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

    def _candidates(self, agent_keys: tuple[paramiko.AgentKey, ...]) -> Iterator[Candidate]:
        files = [KeyFile(path) for path in self.hop.keys]
        certified = list(self._certificates())
        ours = {file.public: file.path for file in files if file.public}
        beside = {certificate.blob for certificate in certified if not self.hop.certificates}
        meant = ours.keys() | beside
        held = {key.blob: key for key in agent_keys if key.blob in meant or not self.hop.only_these_keys}
        ready, encrypted = self._sorted([file for file in files if file.public not in held])
        shown = list(_shown(certified, held | {key.asbytes(): key for key in ready.values()}))
        yield from shown
        yield from ((f"agent key {path}", held[blob]) for blob, path in ours.items() if blob in held)
        yield from ((f"key {path}", key) for path, key in ready.items())
        done = ours.keys() | {
            key.blob for _, key in shown if isinstance(key, paramiko.AgentKey) and not key.public_blob
        }
        others = [key for blob, key in held.items() if blob not in done]
        yield from ((f"agent key {key.get_name()} {key.fingerprint}", key) for key in others)
        for label, key in self._encrypted(encrypted):
            yield from _shown(certified, {key.asbytes(): key})
            yield label, key

    def _sorted(self, files: list[KeyFile]) -> tuple[dict[Path, paramiko.PKey], list[Path]]:
        """The keys of files that need no passphrase, and the files that do."""
        ready: dict[Path, paramiko.PKey] = {}
        encrypted = []
        for file in files:
            if not self._usable(file):
                continue
            try:
                key = self._load(file.path, "")
            except NeedsPassphrase:
                encrypted.append(file.path)
                continue
            ready |= {file.path: key} if key else {}
        return ready, encrypted

    def _usable(self, file: KeyFile) -> bool:
        why = ""
        if not file.private:
            why = "only its public half is here, and the agent does not hold it" if file.public else "no such file"
        elif file.open_to_others:
            why = f"others can read it, so neither ssh nor hardway uses it (chmod 600 {quote(str(file.path))})"
        if why and (file.path in self.hop.named_keys or file.public):
            self.tried.append(f"key {file.path}: {why}")
        return not why

    def _certificates(self) -> Iterator[Certificate]:
        for path, named in certificates.paths(self.hop):
            try:
                yield certificates.read(path)
            except OSError as error:
                if named:
                    self.tried.append(f"certificate {path}: {error.strerror}")
            except NoCertificate as error:
                self.tried.append(f"certificate {path}: {error}")

    def _encrypted(self, paths: list[Path]) -> Iterator[Candidate]:
        for path in paths:
            passphrase = answers.get(f"key {path}", f"Passphrase for {path}", PASSPHRASE_FILE, self.prompt)
            if not passphrase:
                ways = f"run ssh-add {quote(str(path))}, or set {PASSPHRASE_FILE}"
                self.tried.append(f"key {path}: encrypted, and no passphrase was given ({ways})")
                continue
            if key := self._load(path, passphrase):
                yield f"key {path}", key

    def _load(self, path: Path, passphrase: str) -> paramiko.PKey | None:
        try:
            return load(path, passphrase)
        except OSError as error:
            self.tried.append(f"key {path}: {error.strerror}")
        except UnsupportedAlgorithm:
            self.tried.append(f"key {path}: of a kind that only an agent can use (ssh-add {quote(str(path))})")
        except (ValueError, paramiko.SSHException) as error:
            if passphrase:
                answers.forget(f"key {path}", passphrase)
                raise AuthenticationError(
                    f"the passphrase for {path} is wrong",
                    self.hop.host,
                    hint=f"ssh-keygen -y -P '' -f {quote(str(path))}  (shows whether the key needs one)",
                ) from error
            self.tried.append(f"key {path}: not a usable private key")
        return None

    def _refused(self) -> AuthenticationError:
        what = f"{self.hop.user}@{self.hop.endpoint} accepts none of your keys"
        none = "no key file, and no key in the agent" if self.hop.agent else "no key file, and no agent"
        evidence = "\n".join(["tried:", *(self.tried or [none]), *self.hop.no_keys_from])
        return AuthenticationError(what, self.hop.host, evidence=evidence, hint=self.hop.ssh_command("-v"))


def _algorithms(key: paramiko.PKey) -> list[str]:
    """Those by which it may sign; a certificate's are those of its key."""
    name = key.public_blob.key_type if key.public_blob else key.get_name()
    if not name.startswith("ssh-rsa"):
        return [name]
    return [name.replace("ssh-rsa", algorithm, 1) for algorithm in RSA]


def _shown(certified: list[Certificate], keys: dict[bytes, paramiko.PKey]) -> Iterator[Candidate]:
    """The certificates that one of the keys can sign with, or that the agent holds themselves."""
    for certificate in certified:
        if key := keys.get(certificate.public):
            yield f"certificate {certificate.path}", certificate.on(key)
        elif key := keys.get(certificate.blob):
            yield f"certificate {certificate.path}", key
