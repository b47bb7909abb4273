"""The ssh-agent behind a socket, and what it holds."""

from __future__ import annotations

import socket

import paramiko

# An agent lists its keys at once; a forwarded one whose other end has gone away never does.
AGENT = 5.0


class HeldCertificate(paramiko.AgentKey):
    """A certificate that an agent holds: it is shown, and the agent asked to sign with it, as it is."""

    def asbytes(self) -> bytes:
        """The certificate; paramiko would show the key alone, under the certificate's name."""
        return self.blob


class Agent(paramiko.Agent):
    """The agent behind a socket, which is not waited for without end when it is asked for its keys; to sign with one it
    may ask a person."""

    def __init__(self, path: str):
        paramiko.agent.AgentSSH.__init__(self)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(AGENT)
            connection.connect(path)
            self._connect(connection)
            self._keys = tuple(map(self._as_held, self._keys))
            connection.settimeout(None)
        except BaseException:
            connection.close()
            raise

    def _as_held(self, key: paramiko.AgentKey) -> paramiko.AgentKey:
        return HeldCertificate(self, key.blob, key.comment) if "-cert-" in key.get_name() else key

    def another(self, key: paramiko.AgentKey) -> paramiko.AgentKey:
        """A key of its own that signs with the same."""
        return paramiko.AgentKey(self, key.blob, key.comment)
