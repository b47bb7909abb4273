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
    Case(
        name="sudo-for-other-commands",
        sees="sudo allows <user> some commands on <address>, but no shell, which hardway needs  (host <host>)",
        why="The sudoers file lists commands that the login user may run as root. A shell is not one of them.",
        injected="a real user whose sudo allows one command without a password",
        exit_code=4,
        next="ssh -t <login> sudo -l",
        remedy="Allow that user all commands, or log in as root (`ssh.user`).",
    ),
    Case(
        name="no-sudo",
        sees="<address> has no program sudo, so <user> cannot become root  (host <host>)",
        why="The machine has no sudo, which a login user other than root needs. hardway does not use doas or su.",
        injected="a real user on a server whose PATH has no sudo",
        exit_code=4,
        next="install sudo there, or set ssh.user: root in <inventory>",
        remedy="Install sudo, or log in as root.",
    ),
    Case(
        name="log-in-as-another-user",
        sees="<address> accepts the key but does not let root in: it wants a login as <user>  (host <host>)",
        evidence=("Please login as the user",),
        why="The image of a cloud provider answers root's login with the name of another user, and ends it.",
        injected="a real sshd with the `authorized_keys` of such an image",
        exit_code=4,
        next="set ssh: {user: <user>} for <host> in <inventory>",
        remedy="Set `ssh.user` to the name that the machine shows.",
    ),
    Case(
        name="ssh-config-wrong",
        sees="OpenSSH cannot use its configuration: <file> line <number>: <problem>  (host <host>)",
        why="`ssh` itself does not understand its configuration. hardway asks `ssh -G` how to reach a host.",
        injected="a configuration with `Port many`",
        exit_code=4,
        next="correct that; this shows whether ssh understands it: ssh -G <options>",
        remedy="Correct that line.",
    ),
    Case(
        name="ssh-config-too-much",
        sees="<file> line <number>: <option> is more than hardway can do  (host <host>)",
        why=(
            "The OpenSSH configuration has a setting about who is trusted, or about the way, which hardway cannot"
            " follow. It does not connect without it."
        ),
        injected="a configuration with `RevokedHostKeys`",
        exit_code=4,
        next="change that for <address>, or set ssh.config in <inventory> to another file, or to none",
        remedy="Leave the hosts out of that setting (`Host`, `Match`), or give hardway a configuration of its own.",
    ),
    Case(
        name="ssh-config-contradicts-itself",
        sees=(
            "the SSH configuration says user <name> for <address>, and user <name> for <host>, which is the same host "
            " (host <host>)"
        ),
        evidence=("<file> line <number>: user <name>",),
        why="One block means the host by its address, another by its name, and they say different things.",
        injected="a configuration with two such blocks",
        exit_code=4,
        next="write one block for both there (Host <host> <address>), or set it in the ssh section of <inventory>",
        remedy="Write one block for the name and the address.",
    ),
    Case(
        name="proxy-command-ended",
        sees="the ProxyCommand that leads to <address> has ended  (host <host>)",
        evidence=("no way there",),
        why="The program that `ProxyCommand` names has ended before an SSH server answered.",
        injected="a configuration with a program that fails",
        exit_code=4,
        next="ssh -v … <user>@<host>",
        remedy="Run that program by hand.",
    ),
)
