from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from counter import Counter


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Counter]:
    with socket.socket() as nobody:  # bound and not listening: whoever connects is refused at once
        nobody.bind(("127.0.0.1", 0))
        yield Counter(tmp_path, nobody.getsockname()[1])
