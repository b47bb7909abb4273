"""Gathering a bundle, looking through it once more, and writing it for nobody but its owner."""

from __future__ import annotations

import datetime
import io
import tarfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import HardwayError, UsageError
from ...foreign.understanding import OTHERWISE, unexpected
from ...foreign.visible import visible
from ...session import Session
from ...state.durable import write_synced
from . import hosts, objects
from .home import HOME_ITEMS, HomeItem
from .scan import Scan

MOST = 4 << 20  # of one member; its end is kept
HEAD = """\
A hardway support bundle for cluster {cluster}, created {when}.

hardway collects no key, password, token or Secret. Before it wrote this file, it searched the whole content for every
secret of the state directory. Host names, addresses, image names, log lines and pod arguments are not hidden: read the
bundle before you send it. Values of the pods' environment variables are removed.

Content:
"""
TAIL = """
missing.txt lists what hardway could not collect, and why.
"""


@dataclass(frozen=True)
class Written:
    """Where it is, how large, how much is in it; `missing` has a line for each thing that could not be had."""

    path: Path
    size: int
    members: int
    missing: tuple[str, ...]


def write(session: Session, path: Path | None, more: Sequence[HomeItem] = ()) -> Written:
    """A new file of mode 0600; `more` are items besides those of this folder.

    UsageError when it cannot be made, PkiError when a secret would be in it: nothing is written then."""
    now = datetime.datetime.now()
    name = f"hardway-{session.cluster.name}-{now:%Y%m%d-%H%M%S}"
    target = path or Path(f"{name}.tar.gz")
    _require_new(target)
    items = (*HOME_ITEMS, *more)
    members, missing = gather(session, items)
    members = {"README.txt": readme(session.cluster.name, now, items), **members}
    Scan(session.store).refuse(members)
    data = packed({path: plain(data) for path, data in members.items()}, name, now)
    try:
        write_synced(target, data, 0o600)
    except OSError as error:
        raise _refused(target, error.strerror or str(error)) from error
    return Written(target, len(data), len(members), tuple(missing))


def _require_new(target: Path) -> None:
    if target.exists():
        raise _refused(target, "it already exists")
    if not target.absolute().parent.is_dir():
        raise _refused(target, f"there is no folder {target.absolute().parent}")


def _refused(target: Path, why: str) -> UsageError:
    return UsageError(f"{target} cannot be written: {why}", hint="choose a new file in an existing folder with -o FILE")


def gather(session: Session, items: Sequence[HomeItem] = HOME_ITEMS) -> tuple[dict[str, bytes], list[str]]:
    """Everything that can be had, by name, and a line for whatever cannot."""
    missing: list[str] = []
    guard = threading.Lock()

    def lacks(what: str, error: BaseException) -> None:
        with guard:
            missing.append(f"{what}: {str(error) or type(error).__name__}")

    found: dict[str, bytes] = {}
    for item in items:
        try:
            found.update(item.members(session))
        except (HardwayError, OSError) as error:
            lacks(item.path, error)
        except OTHERWISE as error:  # one odd file must not take all others with it
            lacks(item.path, ValueError(unexpected(error)))
    found.update(hosts.collect(session, lacks))
    found.update(objects.collect(session, lacks))
    found = {
        name: data if len(data) <= MOST else b"(beginning removed: too long)\n" + data[-MOST:]
        for name, data in found.items()
    }
    found["missing.txt"] = "".join(f"{line}\n" for line in sorted(missing)).encode() or b"nothing is missing\n"
    return found, sorted(missing)


def readme(cluster: str, now: datetime.datetime, items: Sequence[HomeItem]) -> bytes:
    """What is inside, from the lists by which it is collected."""
    lines = [(item.path, item.what) for item in items]
    lines += [
        (
            f"kubernetes/: {', '.join(f'{kind}.yaml' for kind in objects.KINDS)}",
            "these objects, at most 500 of each kind",
        )
    ]
    lines += [(f"hosts/<host>/: {item.path}", item.what) for item in hosts.HOST_ITEMS]
    text = "".join(f"  {path}\n      {what}\n" for path, what in lines)
    return f"{HEAD.format(cluster=cluster, when=now.isoformat(' ', 'seconds'))}{text}{TAIL}".encode()


def plain(data: bytes) -> bytes:
    """Text that no terminal obeys, whoever wrote it; a byte that is no text is an escape too."""
    return visible(data.decode("utf-8", "backslashreplace")).encode()


def packed(members: Mapping[str, bytes], folder: str, now: datetime.datetime) -> bytes:
    """A tar.gz with all of it in one folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(now.timestamp())
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
