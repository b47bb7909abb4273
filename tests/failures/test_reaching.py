"""No way to a host: real SSH servers on loopback that are away, refuse us, or are not who we think."""

from __future__ import annotations

import pytest
from ssh.server import Server, free_port, keygen

from .cases import case
from .desk import Desk

pytestmark = pytest.mark.sshd


@case("port-closed")
def test_port_closed(desk: Desk, server: Server, told):
    told(desk.hardway("bootstrap", desk.ssh_to(server, port=free_port())), host="node-1")


@case("wrong-key")
def test_wrong_key(desk: Desk, server: Server, told):
    told(desk.hardway("bootstrap", desk.ssh_to(server, key=str(keygen(desk.folder / "stranger")))), host="node-1")
