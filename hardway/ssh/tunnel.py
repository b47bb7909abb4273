"""Sockets to ports as the host sees them: a channel of the SSH connection behind a real socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import paramiko

BLOCK = 65536


def as_socket(channel: paramiko.Channel) -> socket.socket:
    """A socket whose other end is carried to and from `channel` until either side is done."""
    ours, theirs = socket.socketpair()
    carry(theirs, channel)
    return ours


def carry(sock: socket.socket, channel: paramiko.Channel) -> None:
    """Start moving bytes both ways; half-closed connections stay open in the other direction."""
    channel.settimeout(None)
    both_done = threading.Barrier(2, action=lambda: _close(sock, channel))
    ways = (
        (sock.recv, channel.sendall, channel.shutdown_write),
        (channel.recv, sock.sendall, lambda: sock.shutdown(socket.SHUT_WR)),
    )
    for receive, send, finish in ways:
        threading.Thread(
            target=_one_way, args=(receive, send, finish, both_done), daemon=True, name="hardway-tunnel"
        ).start()


def _close(sock: socket.socket, channel: paramiko.Channel) -> None:
    sock.close()
    # The connection may be gone already, with nobody left to tell that the channel is.
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        channel.close()


def _one_way(
    receive: Callable[[int], bytes], send: Callable[[bytes], None], finish: Callable, both_done: threading.Barrier
) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        while data := receive(BLOCK):
            send(data)
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        finish()
    with contextlib.suppress(threading.BrokenBarrierError):
        both_done.wait()


@contextlib.contextmanager
def listening(dial: Callable[[], paramiko.Channel]) -> Iterator[int]:
    """A port on our loopback, each connection to it joined to a channel that `dial` opens; closed with all connections
    at the end."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    accepted: list[socket.socket] = []
    thread = threading.Thread(target=_accept, args=(listener, dial, accepted), daemon=True, name="hardway-forward")
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for sock in accepted:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, dial: Callable[[], paramiko.Channel], accepted: list[socket.socket]) -> None:
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        accepted[:] = [known for known in accepted if known.fileno() >= 0] + [sock]
        try:
            carry(sock, dial())
        except Exception:
            # The host refused this one connection: its owner sees it closed, later ones may fare better.
            sock.close()
