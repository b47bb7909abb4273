"""How large content travels to a host: as it is, or through gzip where the link is slower than that.

Compressing costs the sender and the host processor time, so it pays on slow links only; on a fast
one it would be the bottleneck. Content is compressed once for all hosts that want it.
"""

from __future__ import annotations

import io
import os
import shlex
import tarfile
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..transport import Transport
from ..vocabulary import Blob

CHUNK = 1 << 20
LEVEL = 1
# Large enough to fill an SSH window and the socket buffers, so that the time to swallow it is the link's.
SAMPLE = 4 << 20
# Less than this is sent sooner than a decision is made.
WORTH_ASKING = 16 << 20
# A host unpacks programs about as fast as a link of this many bytes a second delivers them unpacked.
GZIP_PAYS_BELOW = 40e6


def pays(transport: Transport, blobs: Sequence[Blob], clock: Callable[[], float] = time.monotonic) -> bool:
    """Whether to compress these for this host: as its inventory says, or by the speed of a sample and gzip's presence
    there."""
    choice = transport.host.ssh.compress
    if choice != "auto" or sum(blob.size for blob in blobs) < WORTH_ASKING:
        return choice == "always"
    began: list[float] = []

    def sample() -> Iterator[bytes]:
        began.append(clock())  # the first piece is fetched once the host is listening
        for _ in range(SAMPLE // CHUNK):
            yield bytes(CHUNK)

    result = transport.stream("cat >/dev/null; command -v gzip >/dev/null", sample())
    return result.code == 0 and SAMPLE / max(clock() - began[0], 1e-6) < GZIP_PAYS_BELOW


def receiver(folder: str, compressed: bool) -> str:
    """The command that unpacks a stream into a folder. A pipe hides gzip's own verdict, so that is left in a file."""
    into = shlex.quote(folder)
    if not compressed:
        return f"tar -xf - -C {into}"
    return f"{{ gzip -dc || : >{into}/.broken; }} | tar -xf - -C {into} && [ ! -e {into}/.broken ]"


def tar_stream(blobs: Iterable[Blob], compressed: bool = False) -> Iterator[bytes]:
    """A tar whose members are named 0, 1, 2 …, piece by piece: nothing larger than a chunk is ever held.

    Compressed, it is one gzip member after the other: packed content is reused as it is.
    """
    outer = gzipped if compressed else bytes
    for number, blob in enumerate(blobs):
        info = tarfile.TarInfo(str(number))
        info.size, info.mode = blob.size, 0o600
        yield outer(info.tobuf(tarfile.USTAR_FORMAT))
        yield from packed(blob) if compressed else content(blob)
        if rest := -blob.size % tarfile.BLOCKSIZE:
            yield outer(bytes(rest))
    yield outer(bytes(2 * tarfile.BLOCKSIZE))


def content(blob: Blob) -> Iterator[bytes]:
    """A blob's bytes in chunks."""
    with blob.path.open("rb") if blob.path else io.BytesIO(blob.data or b"") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def gzipped(data: bytes) -> bytes:
    """One complete gzip member."""
    packer = zlib.compressobj(LEVEL, wbits=31)
    return packer.compress(data) + packer.flush()


def packed(blob: Blob) -> Iterator[bytes]:
    """A blob as a gzip member; files are packed once per process and kept in a nameless file, so nothing is left
    behind."""
    if not blob.path:
        yield gzipped(blob.data or b"")
        return
    with _lock:
        parcel = _parcels.setdefault(blob.sha256, _Parcel(blob))
    yield from parcel.pieces()


class _Parcel:
    """Packed content of one file; whoever asks first packs it, the others wait."""

    def __init__(self, blob: Blob):
        self.blob, self.packing, self.file = blob, threading.Lock(), None

    def pieces(self) -> Iterator[bytes]:
        with self.packing:
            self.file = self.file or self._pack()
        at = 0
        # Several hosts read at a time, each at its own place.
        while piece := os.pread(self.file.fileno(), CHUNK, at):
            at += len(piece)
            yield piece

    def _pack(self):
        # /tmp may be memory; what does not fit there belongs on a disk.
        file = tempfile.TemporaryFile(prefix="hardway-", dir="/var/tmp" if os.access("/var/tmp", os.W_OK) else None)
        packer = zlib.compressobj(LEVEL, wbits=31)
        for chunk in content(self.blob):
            file.write(packer.compress(chunk))
        file.write(packer.flush())
        file.flush()
        return file


_parcels: dict[str, _Parcel] = {}
_lock = threading.Lock()
