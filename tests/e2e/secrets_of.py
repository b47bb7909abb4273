"""Every secret of a cluster in every form its bytes could take, and the search for them in whatever a run leaves
behind.

secrets = secrets_of(stage.state)
assert_no_secret(secrets, ran.out, stage.state / "logs", folder / "bundle.tar.gz")
"""

from __future__ import annotations

import base64
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

Secrets = Mapping[str, frozenset[bytes]]  # where a secret is kept -> the byte strings that give it away
OVERLAP = 8  # so many secret bytes make a line of a PEM file secret: the others hold the public half of the pair
SHORTEST = 6  # shorter byte strings are found in anything


def secrets_of(state: Path, **more: bytes) -> Secrets:
    """The secrets of a state directory, all its private keys and passwords, and more by name (a sudo password, a
    token)."""
    files = [path for path in sorted(state.rglob("*")) if path.is_file() and private(path)]
    found = {str(path.relative_to(state)): needles(path.read_bytes()) for path in files}
    assert any(name.startswith("pki/") for name in found), f"no key in {state}: there is nothing to search for"
    return found | {name: frozenset(forms(value)) for name, value in more.items()}


def private(path: Path) -> bool:
    """Whether a file of the state directory is one secret; the kubeconfigs hold keys that have a file of their own."""
    return path.suffix == ".key" or b"PRIVATE KEY-----" in path.read_bytes()[:100]


def needles(content: bytes) -> frozenset[bytes]:
    """What gives a kept secret away: a key's private numbers and the lines of its file, or the password itself."""
    if b"PRIVATE KEY-----" not in content:
        return frozenset(form for value in plain(content.strip()) for form in forms(value))
    body = [line for line in content.splitlines() if line and not line.startswith(b"-----")]
    whole = base64.b64decode(b"".join(body))
    numbers = [number for number in private_numbers(content) if number in whole]
    assert numbers, "the key's private numbers must stand in its file"
    spans = [(whole.index(number), whole.index(number) + len(number)) for number in numbers]
    lines, at = [], 0
    for line in body:
        end = at + len(line) * 6 // 8  # six bits a digit; OpenSSH's lines do not end where a byte ends
        if any(min(end, stop) - max(at, start) >= OVERLAP for start, stop in spans):
            lines.append(line)
        at = end
    return frozenset(form for value in (*numbers, *lines) for form in forms(value))


def plain(content: bytes) -> Iterator[bytes]:
    """A password as it stands; of one in base64 the bytes too."""
    yield content.rstrip(b"=")
    if len(content) == 44 and content.endswith(b"="):
        yield base64.b64decode(content)


def private_numbers(content: bytes) -> list[bytes]:
    """The numbers of a key that nobody else may know, as they stand in its file."""
    if b"OPENSSH" in content:
        key = serialization.load_ssh_private_key(content, None)
    else:
        key = serialization.load_pem_private_key(content, None, unsafe_skip_rsa_key_validation=True)
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        return [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (numbers.d, numbers.p, numbers.q)]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")]
    return [key.private_bytes_raw()]


def forms(value: bytes) -> Iterator[bytes]:
    """Bytes as they are, in hex, and in base64 wherever in an encoded text they may begin."""
    yield value
    yield value.hex().encode()
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + value)
        # The first digits hold bits of what came before, the last bits of what follows.
        piece = encoded[(shift * 8 + 5) // 6 : (shift + len(value)) * 8 // 6]
        if len(piece) >= SHORTEST:
            yield piece


def assert_no_secret(secrets: Secrets, *places: str | bytes | Path) -> None:
    """AssertionError naming each secret found in texts, files, folders or archives, and where: never the secret
    itself."""
    found = sorted(
        {
            f"{name} in {where}"
            for place in places
            for where, content in contents(place)
            for name in within(secrets, content)
        }
    )
    assert not found, "secrets given away:\n" + "\n".join(found)


def within(secrets: Secrets, content: bytes) -> Iterator[str]:
    """The names of the secrets that stand in some bytes."""
    for name, values in secrets.items():
        if any(value in content for value in values):
            yield name


def contents(place: str | bytes | Path) -> Iterable[tuple[str, bytes]]:
    """(where, bytes) of a text, a file, every file of a folder or every member of a tar archive."""
    if isinstance(place, (str, bytes)):
        data = place.encode(errors="surrogateescape") if isinstance(place, str) else place
        yield f"a text of {len(data)} bytes", data
        return
    assert place.exists(), f"{place} is to be searched and does not exist"
    for file in sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]:
        yield str(file), file.read_bytes()
        if tarfile.is_tarfile(file):
            with tarfile.open(file) as archive:
                yield from (
                    (f"{file}: {member.name}", archive.extractfile(member).read())
                    for member in archive
                    if member.isfile()
                )
