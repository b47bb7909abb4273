"""A few hundred OpenSSH configurations, and for each of them the way that hardway takes is the one `ssh -G` prints."""

from __future__ import annotations

import fnmatch
import multiprocessing
import os
import pwd
import re
import subprocess
import tempfile
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hardway.cluster import Host
from hardway.errors import ConnectionFailed
from hardway.settings import Ssh
from hardway.ssh.hop import Hop
from hardway.ssh.route import route

pytestmark = pytest.mark.slow

ADDRESS, NAME = "10.0.0.1", "node-1"
FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])

PATTERN = st.sampled_from(
    ["10.0.0.1", "10.0.0.*", "10.*", "1?.0.0.1", "*", "*.1", "172.16.*", "a", "?", "other", "!10.0.0.1", "!10.*", "!a"]
)
OPTION = st.one_of(
    st.tuples(st.just("User"), st.sampled_from(["admin", "core", "root", '"ops"'])),
    st.tuples(st.just("Port"), st.sampled_from(["22", "2222", "2200"])),
    st.tuples(st.just("HostName"), st.sampled_from(["%h", "%h.example", "192.0.2.1", "real"])),
    st.tuples(st.just("IdentityFile"), st.sampled_from(["/k1", '"/k 2"', "/k3", "none"])),
    st.tuples(st.just("CertificateFile"), st.sampled_from(["/c1", "/c2"])),
    st.tuples(st.just("IdentitiesOnly"), st.sampled_from(["yes", "no"])),
    st.tuples(st.just("IdentityAgent"), st.sampled_from(["none", "SSH_AUTH_SOCK", "/agent"])),
    st.tuples(st.just("ProxyJump"), st.sampled_from(["none", "a", "u@a:2201", "a,b:99", "ssh://u@b:1,a", "%r@j-%h,b"])),
    st.tuples(st.just("ProxyCommand"), st.sampled_from(["none", "nc %h %p", 'sh -c "x %r@%n"', "x %%"])),
    st.tuples(st.just("UserKnownHostsFile"), st.sampled_from(["/kh1", '/kh1 "/kh 2"', "/%k", "/dev/null", "none"])),
    st.tuples(st.just("GlobalKnownHostsFile"), st.sampled_from(["/g1 /g2", "none"])),
    st.tuples(st.just("HostKeyAlias"), st.sampled_from(["alias", "Alias2"])),
    st.tuples(st.just("StrictHostKeyChecking"), st.sampled_from(["yes", "no", "ask", "accept-new", "off"])),
    st.tuples(st.just("ConnectTimeout"), st.sampled_from(["3", "none"])),
    st.tuples(st.just("HashKnownHosts"), st.sampled_from(["yes", "no"])),
    st.tuples(st.just("KnownHostsCommand"), st.sampled_from(["none", '/x %H %h-%r "%n %%"', "/x"])),
    st.tuples(st.just("Ciphers"), st.sampled_from(["aes256-ctr", "-aes128-*", "+3des-cbc"])),
    st.tuples(st.just("HostKeyAlgorithms"), st.sampled_from(["^ecdsa-*", "ssh-ed25519"])),
    st.tuples(st.just("PubkeyAcceptedAlgorithms"), st.sampled_from(["-rsa-*", "*-cert-*"])),
    st.tuples(st.just("CASignatureAlgorithms"), st.sampled_from(["-rsa-*", "ssh-ed25519"])),
    st.tuples(st.just("RequiredRSASize"), st.sampled_from(["2048", "4096"])),
    st.tuples(st.just("BindAddress"), st.just("127.0.0.1")),
    st.tuples(st.just("AddressFamily"), st.sampled_from(["inet", "any"])),
    st.tuples(
        st.just("Include"), st.sampled_from(["{folder}/more*", '"{folder}/more"', "{folder}/none-*", "{folder}/m?re"])
    ),
)
CONDITION = st.sampled_from(
    [
        *("all", "final", "canonical", "!final", "host 10.*", "!host 10.*", "originalhost 10.0.0.1,!10.0.0.2"),
        *("host real", 'host "192.*,real"', "user root", "user admin,core", "!user root", "localuser {me}"),
        *('exec "true"', 'exec "false"', '!exec "false"', 'exec "test %h = 10.0.0.1"', 'exec "test %r = admin"'),
        *('exec "test %n = a"', "originalhost=a"),
    ]
)
ALGORITHMS = (
    "ciphers",
    "macs",
    "kexalgorithms",
    "hostkeyalgorithms",
    "pubkeyacceptedalgorithms",
    "casignaturealgorithms",
)
SPACE = st.sampled_from([" ", "\t", " = ", "=", "  "])
TAIL = st.sampled_from(["", "", "", "  ", " # a note"])


@st.composite
def line(draw, option=OPTION) -> str:
    keyword, value = draw(option)
    written = draw(st.sampled_from([keyword, keyword.lower(), keyword.upper()]))
    tail = draw(TAIL) if not keyword.endswith("Command") else ""
    return draw(st.sampled_from(["", "  ", "\t"])) + written + draw(SPACE) + value + tail


@st.composite
def head(draw) -> str:
    if draw(st.booleans()):
        patterns = [
            f'"{word}"' if draw(st.booleans()) else word for word in draw(st.lists(PATTERN, min_size=1, max_size=3))
        ]
        return draw(st.sampled_from(["Host", "host"])) + draw(SPACE) + " ".join(patterns)
    conditions = draw(st.lists(CONDITION, min_size=1, max_size=2))
    return "Match " + (" ".join(conditions) if not {"all"} & set(conditions) else "all")


@st.composite
def text(draw) -> str:
    lines = draw(st.lists(line(), max_size=2)) + draw(st.sampled_from([[], ["# a comment"], [""]]))
    for _ in range(draw(st.integers(0, 4))):
        lines += [draw(head()), *draw(st.lists(line(), min_size=1, max_size=4))]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Client:
    """ssh itself with a configuration file."""

    config: Path

    def says(self, host: str, user: str | None = None, port: int | None = None) -> dict[str, list[str]] | None:
        """Every option with its values, None when ssh refuses."""
        argv = [
            "ssh",
            "-T",
            "-F",
            self.config,
            "-G",
            *(["-l", user] if user else []),
            *(["-p", str(port)] if port else []),
        ]
        done = subprocess.run([*argv, host], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        values: dict[str, list[str]] = {}
        for one in done.stdout.splitlines():
            values.setdefault(one.partition(" ")[0], []).append(one.partition(" ")[2])
        return values if done.returncode == 0 else None

    def way(self, host: str, user: str | None = None, port: int | None = None, hops: int = 0) -> list[tuple]:
        """(user, host, port) of every hop; RecursionError when there is no end of them."""
        said = self.says(host, user, port)
        if said is None or hops > 12:
            raise RecursionError(host)
        before: list[tuple] = []
        tokens = {"h": said["hostname"][0], "n": host, "p": said["port"][0], "r": said["user"][0]}
        for jump in said.get("proxyjump", ["none"])[0].split(","):
            if jump != "none":
                jump = re.sub("%(.)", lambda match, tokens=tokens: tokens[match[1]], jump)
                who, _, where = jump.removeprefix("ssh://").rpartition("@")
                name, _, at = where.partition(":")
                one = self.says(name, who or None, int(at) if at else None)
                before = before or self.way(name, who or None, int(at) if at else None, hops + 1)[:-1]
                before = [*before, *([_place(one)] if one else [])]
        return [*before, _place(said)]


def _place(said: dict[str, list[str]]) -> tuple:
    return said["user"][0], said["hostname"][0], int(said["port"][0])


def ours(config: Path, name: str = "unheard-of", **ssh) -> Hop | None:
    try:
        return route(Host(name, IPv4Address(ADDRESS), frozenset(), Ssh(config=config, **ssh)))
    except ConnectionFailed as error:
        assert error.exit_code == 4 and error.host == name and error.hint
        return None


def chain(hop: Hop | None) -> list[tuple]:
    return [*chain(hop.via), (hop.user, hop.address, hop.port)] if hop else []


def as_ssh_prints(hop: Hop) -> dict[str, str]:
    """A hop in the words of ssh -G."""
    lenient = hop.host_keys == "accept-new"
    return {
        "identityfile": " ".join(map(str, hop.keys)) or "none",
        "certificatefile": " ".join(map(str, hop.certificates)) or "none",
        "identitiesonly": "yes" if hop.only_these_keys else "no",
        "identityagent": hop.agent or "none",
        "knownhosts": " ".join(map(str, hop.known_hosts)),
        "strict": "accept-new" if lenient else "strict",
        "connecttimeout": f"{hop.timeout:.0f}",
        "bindaddress": hop.bind_address,
        "addressfamily": hop.family,
        "known_as": hop.known_as[0],
        "proxycommand": hop.proxy_command,
        "hashknownhosts": "yes" if hop.hashed else "no",
        "knownhostscommand": " ".join(hop.known_hosts_command),
        "requiredrsasize": str(hop.rsa_size),
        "algorithms": str({option: sorted(names) for option, names in hop.algorithms}),
    }


def as_printed(said: dict[str, list[str]], user: str) -> dict[str, str]:
    """The same of ssh's own words."""
    one = lambda option, default="": said.get(option, [default])[0].replace("none", default)  # noqa: E731
    host, port, home = one("hostname"), one("port"), pwd.getpwuid(os.getuid()).pw_dir
    lists = {option: " ".join(said.get(option, ["none"])) for option in ("identityfile", "certificatefile")}
    command = one("proxycommand").replace("%%", "\0").replace("%h", host).replace("%p", port).replace("%r", user)
    agent = said.get("identityagent", ["SSH_AUTH_SOCK"])[0]
    files = [*said.get("userknownhostsfile", []), *said.get("globalknownhostsfile", [])]
    algorithms = {option: sorted(said[option][0].split(",")) for option in ALGORITHMS}
    program = one("knownhostscommand").replace("%h", host).replace("%r", user).replace('"', "").replace("%n", ADDRESS)
    strict = said["stricthostkeychecking"][0] in ("true", "ask")
    return {
        **{option: text.replace("~", home).replace("none ", "").replace(" none", "") for option, text in lists.items()},
        "identitiesonly": one("identitiesonly"),
        "identityagent": "/env" if agent == "SSH_AUTH_SOCK" else agent,
        "knownhosts": " ".join(file for file in files if file != "none"),
        "strict": "strict" if strict else "accept-new",
        "connecttimeout": one("connecttimeout", "10"),
        "bindaddress": one("bindaddress"),
        "addressfamily": one("addressfamily"),
        "known_as": one("hostkeyalias") or (host if port == "22" else f"[{host}]:{port}"),
        "proxycommand": command.replace("%n", ADDRESS).replace("\0", "%"),
        "hashknownhosts": one("hashknownhosts"),
        "knownhostscommand": program,
        "requiredrsasize": one("requiredrsasize"),
        "algorithms": str(algorithms),
    }


def written(folder: Path, main: str, more: str) -> Path:
    me = pwd.getpwuid(os.getuid()).pw_name
    for name, content in (("config", main), ("more", more.replace("{folder}/m", "{folder}/x"))):
        (folder / name).write_text(content.replace("{folder}", str(folder)).replace("{me}", me))
        (folder / name).chmod(0o644)
    return folder / "config"


@pytest.fixture(autouse=True)
def an_agent(monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/env")


SAID = st.sampled_from([None, "admin", "root"])
PORT = st.sampled_from([None, 2222])


@FUZZ
@given(text(), text(), SAID, PORT)
@example("Host 10.0.0.*\n User core\nHost *\n User other\n", "", None, None)
@example('Match exec "false"\n Include {folder}/more\n', "Host *\n User x\n", None, None)
@example("Port 2222 # note\n", "", None, None)
@example("ProxyCommand nc %h %p\nHost a\n Port 1\n", "", None, 2222)
def test_one_host_is_reached_as_ssh_reaches_its_address(main, more, user, port):
    with tempfile.TemporaryDirectory() as folder:
        config = written(Path(folder), main, more)
        hop = ours(config, written=frozenset({"user"} if user else ()), user=user or "root", port=port or 22)
        ssh = Client(config)
        said = ssh.says(ADDRESS, user, port)
        if user is None and said and said["user"] == [pwd.getpwuid(os.getuid()).pw_name]:
            said = ssh.says(ADDRESS, "root" if os.getuid() else None, port)
        if hop is None:
            with pytest.raises(RecursionError):
                ssh.way(ADDRESS, user, port)
            return
        assert said, "hardway must not connect where ssh does not"
        assert chain(hop) == ssh.way(ADDRESS, user, port)
        assert as_ssh_prints(hop) == as_printed(said, hop.user)


OWN = ("User", "Port", "HostName", "HostKeyAlias", "IdentityAgent", "UserKnownHostsFile")


@st.composite
def blocks(draw) -> list[tuple[list[str], list[str]]]:
    """(patterns, options) of blocks without exceptions, no value twice."""
    patterns = st.sampled_from([ADDRESS, NAME, "10.*", "node-?", "*", "other", f"{NAME} 172.*", "*.0.1"])
    found = []
    for number in range(draw(st.integers(1, 5))):
        names = draw(st.lists(st.sampled_from(OWN), min_size=1, max_size=3, unique=True))
        values = {"Port": 2000 + number, "IdentityAgent": f"/a{number}", "UserKnownHostsFile": f"/kh{number}"}
        found.append((draw(patterns).split(), [f" {name} {values.get(name, f'v{number}')}" for name in names]))
    return found


def either(patterns: list[str]) -> str:
    """A pattern for everybody where one of these means the host, and one for nobody where none does."""
    meant = any(fnmatch.fnmatchcase(name, pattern) for name in (ADDRESS, NAME) for pattern in patterns)
    return "*" if meant else "nobody.at.all.invalid"


@settings(FUZZ, max_examples=60)
@given(blocks())
@example([([ADDRESS], [" User v0"]), (["*"], [" User v1"])])
@example([([NAME], [" User v0"]), (["*"], [" User v1"])])
def test_a_block_counts_that_means_the_address_or_the_name(found):
    """As if every Host line that means either meant the host: or the contradiction is named, and nothing is done."""
    with tempfile.TemporaryDirectory() as folder:
        config, rewritten = Path(folder) / "config", Path(folder) / "rewritten"
        config.write_text("".join(f"Host {' '.join(names)}\n" + "\n".join(lines) + "\n" for names, lines in found))
        rewritten.write_text("".join(f"Host {either(names)}\n" + "\n".join(lines) + "\n" for names, lines in found))
        hop, said = ours(config, NAME), Client(rewritten).says(ADDRESS)
        if hop is None:
            assert contradiction(config)
            return
        assert chain(hop) == [_place(said)]
        assert as_ssh_prints(hop) == as_printed(said, hop.user)


def contradiction(config: Path) -> bool:
    by_address, by_name, nobody = (Client(config).says(name) for name in (ADDRESS, NAME, "no.body.at.all"))
    return any(
        by_address.get(key) != by_name.get(key) and nobody.get(key) not in (by_address.get(key), by_name.get(key))
        for key in map(str.lower, OWN)
    )


def as_somebody_else(config: Path, pipe) -> None:
    os.setgroups([])
    os.setresgid(12345, 12345, 12345)
    os.setresuid(1, 1, 1)
    pipe.send(ours(config))


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize(
    ("config", "user"),
    [
        ("", "root"),
        ("Host 10.*\n User {them}\n", "{them}"),
        ("Host other\n User {them}\n", "root"),
        ("Host other\n User {them}\nMatch user root\n Port 2222\n", "root"),
        ("Host 10.*\n User x\n", "x"),
    ],
)
def test_somebody_who_is_not_root_logs_in_as_root_where_nobody_is_named(tmp_path, config, user):
    """ssh would take the user's own name; the inventory's default is root. Where the configuration names that very
    user, that user is meant."""
    them = pwd.getpwuid(1).pw_name
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        file = written(Path(folder), config.replace("{them}", them), "")
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=as_somebody_else, args=(file, sender))
        process.start()
        assert receiver.poll(60)
        hop = receiver.recv()
        process.join(10)
    assert hop.user == user.replace("{them}", them)
    assert hop.port == (2222 if "Match" in config else 22)
