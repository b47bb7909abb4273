"""Failures on the way to a host: the network, SSH keys, bastions."""

from ..case import Case

CASES = (
    Case(
        name="port-closed",
        sees="nothing listens on <address>: connection refused  (host <host>)",
        why="The machine is up, but no SSH server answers on that port.",
        injected="a port of a real machine on which nothing listens",
        exit_code=4,
        next="on the machine: systemctl status ssh sshd",
        remedy="Start sshd there, or correct `ssh.port` in the inventory.",
    ),
    Case(
        name="wrong-key",
        sees="<user>@<address> accepts none of our keys  (host <host>)",
        evidence=("tried:", "key <file>: refused"),
        why="The public key is not in the `authorized_keys` of the login user, or another user is meant.",
        injected="a real sshd that knows another key",
        exit_code=4,
        next="ssh -v … -i <file> <user>@<address>",
        remedy="Put the key's public half there (`ssh-copy-id`), or correct `ssh.user` and `ssh.key`.",
    ),
)
