"""Encrypting and decrypting in the format of age (age-encryption.org/v1), so that its own tool can read every file.

The format notices every change, and that a file is cut: nothing of one that is not whole is ever used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyrage

from ..errors import BackupError, UsageError
from ..pki.secret import Secret

MAGIC = b"age-encryption.org/v1\n"
BY_PASSPHRASE = b"-> scrypt "
# The library measures this computer, and makes guessing as slow as it can bear. A busy one seems slow for a moment.
LEAST, TRIES = 15, 10  # the exponent of that work (age itself takes 18), and how often it is measured again
SLOW = "Excessive work"
HEAD = 4096  # bytes in which the first recipient of any file stands
TAKE = "use another copy of the file, or an older backup"


class Reader(Protocol):
    """Whatever is read piece by piece."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Lock:
    """For whom a file is encrypted: the holders of keys, by their `recipients`, or who knows the `passphrase`."""

    recipients: tuple[Any, ...] = ()
    passphrase: Secret | None = None


@dataclass(frozen=True)
class Key:
    """What opens a file: `identities` (private keys), or the `passphrase`."""

    identities: tuple[Any, ...] = ()
    passphrase: Secret | None = None


def lock_of(recipients: Sequence[str], files: Sequence[Path] = ()) -> Lock:
    """For these recipients, and those in files, one a line: `age1…`, or an SSH public key. UsageError for any other."""
    words = [*recipients, *(line for file in files for line in _lines(file))]
    return Lock(tuple(_recipient(word.strip()) for word in words))


def _lines(file: Path) -> list[str]:
    lines = [line.strip() for line in text_of(file).splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise UsageError(f"{file} names no recipient", hint="write one a line: age1… or an SSH public key")
    return found


def text_of(file: Path) -> str:
    """A small file of the operator's; UsageError when it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {file}: {getattr(error, 'strerror', '') or 'it is not text'}",
                         hint="check its name and mode") from error  # fmt: skip


def _recipient(word: str) -> Any:
    kind = pyrage.ssh if word.startswith("ssh-") else pyrage.x25519
    if word.startswith("AGE-SECRET-KEY-"):
        raise UsageError(
            "a recipient is a public key, and one of these is a private key",
            hint="name its public key: age-keygen -y FILE   prints it",
        )
    try:
        return kind.Recipient.from_str(word)
    except (pyrage.RecipientError, ValueError) as error:
        raise UsageError(
            f"{word[:80]} is no recipient", hint="name a public key: age1… (age-keygen makes one), or ssh-ed25519 …"
        ) from error


def key_of(files: Iterable[Path]) -> Key:
    """The private keys in files: those of age-keygen, or SSH keys without a passphrase; UsageError for any other."""
    return Key(tuple(one for file in files for one in _identities(file)))


def _identities(file: Path) -> list[Any]:
    text = text_of(file)
    try:
        if text.startswith("-----BEGIN"):
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines]
    except (pyrage.IdentityError, ValueError):
        found = []
    if not found:
        # The library's own words may contain what stands in the file.
        raise UsageError(f"{file} is no private key that opens a backup",
                         hint="name a file of age-keygen, or an SSH private key without a passphrase")  # fmt: skip
    return found


def seal(lock: Lock, source: Reader, target: BinaryIO) -> None:
    """Encrypt all of `source` into `target`; BackupError where that cannot be. For a passphrase it is all in memory
    meanwhile."""
    if lock.passphrase is not None:
        target.write(_by_passphrase(source.read(), lock.passphrase.reveal().decode()))
        return
    try:
        pyrage.encrypt_io(source, target, list(lock.recipients))
    except pyrage.EncryptError as error:
        # The library reports by it what the system says of either file.
        hint = "free some space there and in $TMPDIR, then run the same command again"
        raise BackupError("the backup could not be written", evidence=str(error), hint=hint) from None


def _by_passphrase(content: bytes, phrase: str) -> bytes:
    for _ in range(TRIES):
        found = pyrage.passphrase.encrypt(content, phrase)
        if _work(found) >= LEAST:
            return found
    raise BackupError(
        "this computer is too slow, or too busy, to protect a passphrase against guessing",
        evidence=f"the work of one try would be 2^{_work(found)}, and it must be 2^{LEAST} at least",
        hint="wait until it is idle; or encrypt to a key: hardway backup -h",
    )


def _work(content: bytes) -> int:
    """The exponent of the work of one try, as it stands in the head of a file."""
    return int(content.split(b"\n", 2)[1].split()[-1])


def requires_passphrase(path: Path) -> bool:
    """Whether a file was encrypted with a passphrase; BackupError when it is no file of age."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise BackupError(f"cannot read {path}: {error.strerror}", hint="check the file's name and mode") from error
    if not head.startswith(MAGIC):
        raise BackupError(
            f"{path} is no backup of a cluster: it is not a file of age",
            hint="name a file that hardway backup has written",
        )
    return head[len(MAGIC) :].startswith(BY_PASSPHRASE)


def unseal(key: Key, path: Path, target: BinaryIO) -> None:
    """Decrypt a whole file into `target`, which counts only if this returns. BackupError when the key does not open it,
    or it is not as it was written."""
    by_passphrase = requires_passphrase(path)
    if by_passphrase != (key.passphrase is not None):
        raise _other_key(path, by_passphrase)
    try:
        with path.open("rb") as file:
            if key.passphrase is not None:
                target.write(_from_passphrase(file.read(), key.passphrase.reveal().decode()))
            else:
                pyrage.decrypt_io(file, target, list(key.identities))
    except pyrage.DecryptError as error:
        raise _not_opened(path, by_passphrase, str(error)) from None
    except OSError as error:
        # The library reports by it what it cannot decrypt in the middle of a file, too.
        if error.errno is not None:
            raise
        raise _damaged(path, str(error)) from None


def _from_passphrase(content: bytes, phrase: str) -> bytes:
    for _ in range(TRIES - 1):
        try:
            return pyrage.passphrase.decrypt(content, phrase)
        except pyrage.DecryptError as error:
            if not str(error).startswith(SLOW):
                raise
    return pyrage.passphrase.decrypt(content, phrase)


def _other_key(path: Path, by_passphrase: bool) -> UsageError:
    if by_passphrase:
        return UsageError(f"{path} is encrypted with a passphrase", hint="remove --identity, and type the passphrase")
    return UsageError(
        f"{path} is encrypted to recipients: no passphrase opens it",
        hint="name the file with a recipient's private key: --identity FILE",
    )


def _not_opened(path: Path, by_passphrase: bool, said: str) -> BackupError:
    if said.startswith(SLOW):
        return BackupError(
            f"this computer is too slow, or too busy, to try the passphrase of {path}",
            evidence=said,
            hint="an idle or faster one can read it; or unpack it by hand: age -d FILE | tar -x",
        )
    if said == "No matching keys found":
        hint = "name the file with a recipient's private key: --identity FILE"
        return BackupError(f"{path} is encrypted to other recipients than this identity", hint=hint)
    if by_passphrase and said == "Decryption failed":
        return BackupError(f"the passphrase does not open {path}", hint="type it again; it must be that of the day")
    return _damaged(path, said)


def _damaged(path: Path, said: str) -> BackupError:
    return BackupError(f"{path} is damaged or cut: it is not as it was written", evidence=said, hint=TAKE)
