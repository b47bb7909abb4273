"""Failures of the connection to a host: the network, SSH keys, bastions."""

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
        name="host-silent",
        sees="<address> does not answer within <seconds> s  (host <host>)",
        evidence=("waited <seconds> s for: a TCP connection",),
        why="The machine is off, its network is down, a firewall drops packets, or the address is wrong.",
        injected="a port whose queue is full, so that the kernel drops new connections",
        exit_code=4,
        next="ping -c 3 <address>; ssh -v <login>",
        remedy="Start the machine, or correct `address`. On a slow network raise `ssh.connect_timeout`.",
    ),
    Case(
        name="not-an-ssh-server",
        sees="<address> accepts connections but does not speak SSH within <seconds> s  (host <host>)",
        evidence=("waited <seconds> s for: the SSH greeting",),
        why="Another program listens on that port, or sshd is too busy to answer.",
        injected="a server that accepts connections and sends nothing",
        exit_code=4,
        next="ssh -v <login>",
        remedy="Correct `ssh.port`, or check the machine's load.",
    ),
    Case(
        name="host-key-unknown",
        sees="the host key of <address> is not known  (host <host>)",
        evidence=("offered: ssh-ed25519 SHA256:<fingerprint>", "on the machine itself: ssh-keygen -lf <file>"),
        why="Your computer has no record yet of this machine's host key.",
        injected="a real sshd and an empty `known_hosts`; the test runs the next command, and hardway gets further",
        exit_code=4,
        next="compare the fingerprint, then: ssh-keyscan <options> >> <file>",
        remedy="Compare the fingerprint with the machine's own, then record the key.",
    ),
    Case(
        name="host-key-changed",
        sees=(
            "the host key of <address> has changed: the machine was reinstalled or replaced, or the connection is"
            " intercepted  (host <host>)"
        ),
        evidence=(
            "offered: ssh-ed25519 SHA256:<fingerprint>",
            "on record: ssh-ed25519 SHA256:<fingerprint> (<file> line <number>)",
        ),
        why="The machine was reinstalled, another one has its address, or someone intercepts the connection.",
        injected=(
            "a `known_hosts` with another key; the test runs the next command, and the key is unknown instead of"
            " changed"
        ),
        exit_code=4,
        next=(
            "if the machine was reinstalled: hardway trust <inventory> <host>, or remove its old key: ssh-keygen -R"
            " <address> -f <file>"
        ),
        remedy="Find out which. Remove the old key only if you know that the machine was reinstalled.",
    ),
    Case(
        name="wrong-key",
        sees="<user>@<address> accepts none of your keys  (host <host>)",
        evidence=("tried:", "key <file>: refused"),
        why="The public key is not in the `authorized_keys` of the login user, or `ssh.user` is wrong.",
        injected="a real sshd that accepts another key only",
        exit_code=4,
        next="ssh -v … -i <file> <user>@<address>",
        remedy="Add the public key there (`ssh-copy-id`), or correct `ssh.user` and `ssh.key`.",
    ),
    Case(
        name="bastion-down",
        sees="nothing listens on the bastion <address>: connection refused  (host <host>)",
        why="The bastion itself does not answer, so no host behind it can be reached.",
        injected="a bastion on a port where nothing listens",
        exit_code=4,
        next="on the bastion: systemctl status ssh sshd",
        remedy="Start the bastion, or correct `ssh.bastion`.",
    ),
    Case(
        name="bastion-forbids-forwarding",
        sees=(
            "the bastion <bastion> cannot reach <address>: its sshd forbids forwarding (AllowTcpForwarding)  (host"
            " <host>)"
        ),
        why="The bastion accepts your login, but does not forward connections.",
        injected="a real sshd with `AllowTcpForwarding no`",
        exit_code=4,
        next="on the bastion: sshd -T | grep -i allowtcpforwarding",
        remedy="Set `AllowTcpForwarding yes` in the bastion's sshd_config and reload sshd.",
    ),
    Case(
        name="host-down-behind-bastion",
        sees="the bastion <bastion> cannot reach <address>: it says: Connect failed  (host <host>)",
        why="The bastion works. The machine behind it is off, or the bastion cannot reach it.",
        injected="a real sshd as bastion, and a port behind it where nothing listens",
        exit_code=4,
        next="ssh … <user>@<bastion> nc -zv <address>",
        remedy="Start the machine, or correct its `address`.",
    ),
    Case(
        name="sudo-password-wanted",
        sees="sudo needs a password for <user> on <address>  (host <host>)",
        why="The login user needs a password for sudo, and hardway has no terminal to ask for it.",
        injected="a real user whose sudo needs a password, and no terminal",
        exit_code=4,
        next="write it to a file with mode 0600 and set HARDWAY_SUDO_PASSWORD_FILE to its path",
        remedy="Run hardway on a terminal, or name a file with the password.",
    ),
    Case(
        name="sudo-password-wrong",
        sees="sudo does not accept the password for <user> on <address>  (host <host>)",
        why="The password you typed, or the one in the file, is not that user's.",
        injected="a real user, and a file with another password",
        exit_code=4,
        next="ssh -t <login> sudo -k -v",
        remedy="Try it there by hand, then give hardway the right password.",
    ),
    Case(
        name="not-a-sudoer",
        sees="sudo does not allow <user> to become root on <address>  (host <host>)",
        evidence=("<user> is not in the sudoers file.",),
        why="The login user has no right to use sudo.",
        injected="a real user who is not in the sudoers file",
        exit_code=4,
        next="ssh -t <login> sudo -l",
        remedy="Give that user sudo (on Debian: `adduser USER sudo`), or log in as root.",
    ),
)
