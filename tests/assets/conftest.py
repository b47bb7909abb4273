from __future__ import annotations

import pytest
from assets_world import BUSYBOX, Server, everything

from hardway.assets.table import table


@pytest.fixture
def server():
    """An HTTP mirror that holds everything a cluster needs."""
    server = Server(everything())
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _made_up_busybox(monkeypatch):
    """The one image whose tag is fixed is pinned, and a made-up one cannot be it."""
    monkeypatch.delitem(table()["digests"], BUSYBOX.reference)


@pytest.fixture(autouse=True)
def _own_cache(request, tmp_path, monkeypatch):
    """No test but those of the real binaries sees the user's cache."""
    if "lab" not in request.keywords:
        monkeypatch.setenv("HARDWAY_CACHE", str(tmp_path / "default-cache"))
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
