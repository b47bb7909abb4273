"""What paramiko and the socket library raise, told as one of our errors."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

import paramiko

from ..errors import ConnectionFailed, HardwayError
from .hop import Hop

TIMEOUT = "Timeout opening channel"
# paramiko keeps one reason for all channels of a connection: of two that are refused at once, one is told no reason.
UNTOLD = "Unable to open channel."


@dataclass(eq=False)
class Dropped(ConnectionFailed):
    """The server hung up before or during the handshake, as a busy one does: worth another try."""


def is_break(error: Exception) -> bool:
    """Whether an error of paramiko's means the connection is gone, not that the host refuses or delays one channel of
    it."""
    return not isinstance(error, paramiko.ChannelException) and TIMEOUT not in str(error)


def explain(error: paramiko.SSHException | OSError | EOFError, hop: Hop, seconds: float) -> HardwayError:
    """The ConnectionFailed for anything that went wrong while connecting to `hop` for `seconds`."""
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        error = next(iter(error.errors.values()))
    if isinstance(error, socket.gaierror) and hop.wants_another_family:
        return _failed(
            hop,
            f"{hop.address} cannot be reached with AddressFamily {hop.family}",
            evidence=hop.family_from,
            hint=f"remove AddressFamily for {hop.address} from the SSH configuration, or set it to any",
        )
    if isinstance(error, socket.gaierror):
        return _failed(
            hop, f"the name {hop.address} cannot be resolved: {error.strerror}", hint=f"getent hosts {hop.address}"
        )
    if isinstance(error, paramiko.ChannelException):
        return _through_bastion(error, hop)
    if isinstance(error, TimeoutError):
        return _silent(hop, f"{hop.called} does not answer", "a TCP connection", seconds)
    if isinstance(error, paramiko.SSHException | EOFError):
        return _handshake(error, hop, seconds)
    return _socket(error, hop, seconds)


def proxy_failed(hop: Hop, said: str) -> ConnectionFailed:
    """A ProxyCommand that has ended before the server at its other end had greeted."""
    message = f"the ProxyCommand that leads to {hop.called} has ended"
    return _failed(hop, message, command=hop.proxy_command, evidence=said)


def _failed(hop: Hop, message: str, **more) -> ConnectionFailed:
    return ConnectionFailed(message, hop.host, **{"hint": hop.ssh_command("-v"), **more})


def _silent(hop: Hop, message: str, awaited: str, seconds: float) -> ConnectionFailed:
    hint = f"ping -c 3 {hop.address}; {hop.ssh_command('-v')}"
    return _failed(hop, f"{message} within {seconds:.1f} s", waited_for=awaited, waited_seconds=seconds, hint=hint)


def _socket(error: OSError, hop: Hop, seconds: float) -> ConnectionFailed:
    if error.errno == errno.ECONNREFUSED:
        hint = f"on the {'bastion' if hop.is_bastion else 'machine'}: systemctl status ssh sshd"
        return _failed(hop, f"nothing listens on {hop.called}: connection refused", hint=hint)
    if error.errno in (errno.ECONNRESET, errno.EPIPE):
        return Dropped(f"{hop.called} closed the connection", hop.host, hint=hop.ssh_command("-v"))
    if error.errno in (
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
    ):  # the second is what our own network says of a machine that is off
        return _silent(hop, f"{hop.called} does not answer", "a TCP connection", seconds)
    return _failed(
        hop, f"{hop.called} cannot be reached: {error.strerror or error}", hint=f"ip route get {hop.address}"
    )


def _through_bastion(error: paramiko.ChannelException, hop: Hop) -> ConnectionFailed:
    if hop.via is None:
        hint = "raise MaxSessions in /etc/ssh/sshd_config on the machine"
        return _failed(hop, f"{hop.endpoint} refused a channel: {error.text}", hint=hint)
    if error.code == 1:
        why, hint = (
            "its sshd forbids forwarding (AllowTcpForwarding)",
            "on the bastion: sshd -T | grep -i allowtcpforwarding",
        )
    else:
        why, hint = f"it says: {error.text}", f"{hop.via.ssh_command()} nc -zv {hop.address} {hop.port}"
    return _failed(hop, f"{hop.via.called} cannot reach {hop.endpoint}: {why}", hint=hint)


def _handshake(error: Exception, hop: Hop, seconds: float) -> ConnectionFailed:
    text = str(error).strip()
    if TIMEOUT in text:
        who = (
            f"{hop.via.called} gets no answer from {hop.endpoint}"
            if hop.via
            else f"{hop.called} does not open an SSH channel"
        )
        return _silent(hop, who, "a channel of the SSH connection", seconds)
    early = (
        "banner" in text or "No existing session" in text or isinstance(error, EOFError) or "Negotiation failed" in text
    )
    if early and seconds >= hop.timeout * 0.9:
        return _silent(hop, f"{hop.called} accepts connections but does not speak SSH", "the SSH greeting", seconds)
    if early or isinstance(error, EOFError):
        hint = f"MaxStartups in the server's sshd_config may be too low; {hop.ssh_command('-v')}"
        return Dropped(
            f"{hop.called} closed the connection during the SSH handshake", hop.host, evidence=text, hint=hint
        )
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return _failed(
            hop, f"hardway and {hop.called} have no SSH algorithm in common", evidence=text, hint=hop.ssh_command("-vv")
        )
    return _failed(hop, f"the SSH handshake with {hop.called} failed", evidence=text)
