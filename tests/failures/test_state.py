"""The state directory in other hands: a second run, another cluster's keys, somebody's own files.

No host is needed for these.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from stage import await_true

from .cases import case
from .desk import Desk, keys_of


@pytest.fixture
def silent(desk: Desk) -> Iterator[str]:
    """An SSH configuration that leads to a server which accepts connections and says nothing: whoever asks it has to
    wait."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = desk.folder / "ssh_config"
        config.write_text(f"Host node-1\n  HostName 127.0.0.1\n  Port {listener.getsockname()[1]}\n")
        yield str(config)


@case("two-bootstraps-at-once")
def test_two_bootstraps_at_once(desk: Desk, silent: str, told):
    patient = desk.inventory("patient", ssh={"config": silent, "connect_timeout": 120})
    hasty = desk.inventory("hasty", ssh={"config": silent, "connect_timeout": 1})
    lock = desk.folder / ".hardway/refused/lock"
    first = subprocess.Popen(
        [sys.executable, "-m", "hardway.cli.app", "bootstrap", patient], cwd=desk.folder, stderr=subprocess.DEVNULL
    )
    try:
        await_true(
            lambda: lock.exists() and f"pid {first.pid}" in lock.read_text(), 30, "the first run to hold the lock"
        )
        assert f"pid {first.pid}" in told(desk.hardway("bootstrap", hasty)).err
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    # The dead owner's name still stands there, and nobody is kept out by it: the host is asked, which says nothing.
    assert f"pid {first.pid}" in lock.read_text()
    assert "does not speak SSH" in desk.hardway("bootstrap", hasty).ok(4).err


@case("state-of-another-cluster")
def test_state_of_another_cluster(desk: Desk, silent: str, told):
    keys_of(desk.inventory("shop", cluster="shop"), desk.folder / "shop")
    inventory = desk.inventory(ssh={"config": silent, "connect_timeout": 1})
    told(desk.hardway("bootstrap", inventory, "--state-dir", "shop"))
    told(desk.hardway("plan", inventory, "--state-dir", "shop"))
    desk.hardway("bootstrap", inventory).ok(4)


@case("folder-of-somebody-else")
def test_folder_of_somebody_else(desk: Desk, silent: str, told):
    (desk.folder / "thesis").mkdir()
    (desk.folder / "thesis/chapter-1.tex").touch()
    told(
        desk.hardway("bootstrap", desk.inventory(ssh={"config": silent, "connect_timeout": 1}), "--state-dir", "thesis")
    )
    assert [path.name for path in (desk.folder / "thesis").iterdir()] == ["chapter-1.tex"]
