"""A cluster whose programs come from a local server in the place of the projects' own: all real files, with checksums
of our own."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from published import publish
from stage import COMMON, SHARED_INVENTORY, Stage
from test_other_shapes import host

from hardway.assets import AssetStore
from hardway.inventory import load


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_): ...


@pytest.fixture
def mirror(tmp_path: Path):
    store = AssetStore(load(SHARED_INVENTORY))
    store.gather()
    sums = publish(store, tmp_path / "mirror")
    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path / "mirror"))
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    yield {"source": "mirror", "mirror": f"http://127.0.0.1:{http.server_port}", "checksums": str(sums)}
    http.shutdown()


@pytest.mark.soak
def test_a_cluster_from_a_local_server(
    mirror: dict, make_stage: Callable[[dict], Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(os.environ, "HARDWAY_CACHE", str(tmp_path / "cache"))
    base = AssetStore(load(SHARED_INVENTORY), Path("~/.cache/hardway").expanduser()).cache.directory / "lab"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/lab").symlink_to(base)
    stage = make_stage(
        {
            "cluster": "e2e-mirror",
            **COMMON,
            "assets": mirror,
            "network": {"node_cidr": "10.244.0.0/24", "pod_cidr": "10.204.0.0/16", "service_cidr": "10.36.0.0/24"},
            "addons": {"coredns": {"replicas": 1}},
            "lab": {"gateway": "10.244.0.1"},
            "hosts": [host("all-in-one", "10.244.0.10", "etcd", "control-plane", "worker")],
        }
    )
    fetched = stage.hardway("assets", "fetch", "INV", timeout=600).ok()
    assert "21 assets" in fetched.out
    stage.lab("up")
    stage.bootstrap()
    stage.verified()
