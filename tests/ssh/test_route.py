"""What the inventory and the OpenSSH configuration together say about the way to a host."""

from __future__ import annotations

import os
import pwd
import shlex
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from hardway.cluster import Host
from hardway.errors import ConnectionFailed
from hardway.settings import Bastion, Ssh
from hardway.ssh.config import asking
from hardway.ssh.hop import Hop
from hardway.ssh.programs import program
from hardway.ssh.route import route

ME = pwd.getpwuid(os.getuid()).pw_name


def way(tmp_path: Path, text: str = "", **ssh) -> Hop:
    file = tmp_path / "config"
    file.write_text(text)
    return route(Host("node-1", IPv4Address("10.0.0.1"), frozenset(), Ssh(**{"config": file, **ssh})))


def refused(tmp_path: Path, text: str, **ssh) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as caught:
        way(tmp_path, text, **ssh)
    error = caught.value
    assert (error.exit_code, error.host) == (4, "node-1") and error.hint
    return error


def test_the_inventory_alone(tmp_path):
    hop = way(tmp_path, user="admin", port=2222, key=Path("/k"))
    assert (hop.address, hop.user, hop.port, hop.keys, hop.via) == ("10.0.0.1", "admin", 2222, (Path("/k"),), None)
    assert hop.known_as == ("[10.0.0.1]:2222", "[node-1]:2222")
    assert hop.ssh_command("-v") == f"ssh -v -F {tmp_path}/config -p 2222 admin@10.0.0.1"


def test_the_config_fills_what_the_inventory_leaves_open(tmp_path):
    config = "Host node-1\n User core\n Port 2200 # a note\n IdentityFile /a\n IdentityFile /b\n IdentitiesOnly yes\n"
    hop = way(tmp_path, config)
    assert (hop.user, hop.port, hop.keys, hop.only_these_keys) == ("core", 2200, (Path("/a"), Path("/b")), True)
    hop = way(tmp_path, config, user="admin", port=2222, key=Path("/k"))
    assert (hop.user, hop.port, hop.keys) == ("admin", 2222, (Path("/k"),))
    hop = way(tmp_path, config, written=frozenset({"user", "port"}))
    assert (hop.user, hop.port) == ("root", 22), "a default that somebody has written is meant"
    hop = way(tmp_path, config, config=None)
    assert (hop.user, hop.port) == ("root", 22) and len(hop.keys) == 3


def test_the_first_block_that_means_the_host_wins(tmp_path):
    """By its address or by its name, and before one that means everybody."""
    everybody = "Host *\n User other\n Port 2200\n"
    hop = way(tmp_path, "Host 10.0.0.*\n User right\n" + everybody)
    assert (hop.user, hop.port) == ("right", 2200)
    hop = way(tmp_path, "Host node-?\n User right\n" + everybody)
    assert (hop.user, hop.port) == ("right", 2200)
    hop = way(tmp_path, "Host 10.0.0.1\n Port 22\nHost node-1\n User right\n" + everybody)
    assert (hop.user, hop.port) == ("right", 22)
    assert way(tmp_path, "Host * !10.0.0.*\n User wrong\n" + everybody).user == "other"


def test_two_blocks_that_contradict_each_other_are_no_choice_of_ours(tmp_path):
    error = refused(tmp_path, "Host 10.0.0.1\n User by-address\nHost node-1\n User by-name\n")
    assert "user by-address for 10.0.0.1" in error.message and "user by-name for node-1" in error.message
    assert f"{tmp_path}/config line 2: user by-address" in error.evidence
    assert way(tmp_path, "Host 10.0.0.1\n User a\nHost node-1\n User b\n", user="admin").user == "admin"
    way_there = refused(tmp_path, "Host 10.0.0.*\n ProxyJump jump\nHost node-1\n HostName 192.0.2.1\n")
    assert "which is the same host" in way_there.message


def test_a_name_that_only_leads_to_the_address_contradicts_nothing(tmp_path):
    hop = way(tmp_path, "Host node-1\n HostName 10.0.0.1\n User core\nHost 10.0.0.*\n ProxyJump jump\n")
    assert (hop.user, hop.address, hop.via and hop.via.address) == ("core", "10.0.0.1", "jump")


def test_keys_for_the_address_and_for_the_name_all_count(tmp_path):
    config = "Host 10.0.0.1\n IdentityFile /a\nHost node-1\n IdentityFile /b\nHost *\n IdentityFile /c\n"
    assert set(way(tmp_path, config).keys) == {Path("/a"), Path("/b"), Path("/c")}


def test_hostname_says_where_the_ssh_server_is(tmp_path):
    hop = way(tmp_path, "Host node-1\n HostName 127.0.0.1\n Port 2222\n")
    assert hop.endpoint == "127.0.0.1:2222"
    assert hop.known_as == ("[127.0.0.1]:2222", "[10.0.0.1]:2222", "[node-1]:2222")


def test_an_address_that_is_not_the_inventorys_has_a_line(tmp_path):
    config = "Host other\n HostName 192.0.2.1\nHost node-1\n HostName 127.0.0.1\n"
    hop = way(tmp_path, config)
    assert hop.address_from == f"127.0.0.1: HostName in {tmp_path}/config line 4, in place of 10.0.0.1"
    hop = way(tmp_path, config, bastion=Bastion("other"))
    assert hop.via.address_from == f"192.0.2.1: HostName in {tmp_path}/config line 2, in place of other"
    assert not way(tmp_path, "Host node-1\n HostName 10.0.0.1\n").address_from
    named = way(tmp_path, "Host node-*\n HostName %h.example.com\n").address_from
    assert named == f"node-1.example.com: HostName in {tmp_path}/config line 2, in place of 10.0.0.1"


def test_a_hostname_made_of_the_name_that_is_asked_for(tmp_path):
    assert way(tmp_path, "Host node-*\n HostName %h.example.com\n").address == "node-1.example.com"
    assert way(tmp_path, "Host *\n HostName x%h\n").address == "x10.0.0.1"


def test_the_name_of_the_inventory_is_none_to_look_up(tmp_path):
    """It need not be known to anybody, and its address is known."""
    config = (
        "CanonicalizeHostname yes\nCanonicalDomains invalid\nCanonicalizeFallbackLocal no\nHost node-1\n User right\n"
    )
    hop = way(tmp_path, config)
    assert (hop.user, hop.address) == ("right", "10.0.0.1")


def test_known_hosts_files(tmp_path):
    config = f'Host *\n UserKnownHostsFile "{tmp_path}/one two" {tmp_path}/three\n GlobalKnownHostsFile /g /h\n'
    hop = way(tmp_path, config, known_hosts=Ssh.known_hosts.expanduser())
    assert hop.known_hosts == (tmp_path / "one two", tmp_path / "three", Path("/g"), Path("/h"))
    assert hop.record_in == tmp_path / "one two"
    assert way(tmp_path, config, known_hosts=tmp_path / "mine").known_hosts[0] == tmp_path / "mine"
    nowhere = way(tmp_path, "Host *\n UserKnownHostsFile /dev/null\n")
    assert nowhere.record_in is None, "neither /dev/null nor the system's file is a place to record keys"
    assert nowhere.forgets and not way(tmp_path, "", known_hosts=None, written=frozenset({"known_hosts"})).forgets
    (tmp_path / "link").symlink_to("/dev/null")
    nowhere = way(tmp_path, f"Host *\n UserKnownHostsFile {tmp_path}/link\n")
    assert nowhere.record_in is None and nowhere.forgets, "a link there is no place either"
    nowhere = way(tmp_path, f"Host *\n UserKnownHostsFile /dev/null {tmp_path}/other\n")
    assert nowhere.record_in is None, "only the first file is written to"
    assert way(tmp_path, "Host *\n UserKnownHostsFile none\n GlobalKnownHostsFile none\n").known_hosts == ()
    hop = way(tmp_path, f"Host *\n UserKnownHostsFile {tmp_path}/%k\n")
    assert hop.known_hosts[0] == tmp_path / "10.0.0.1"


def test_an_alias_is_the_only_name_in_known_hosts(tmp_path):
    assert way(tmp_path, "Host *\n HostKeyAlias Fleet\n Port 2222\n").known_as == ("fleet",)


@pytest.mark.parametrize(
    ("said", "counts"),
    [("yes", "strict"), ("ask", "strict"), ("accept-new", "accept-new"), ("no", "accept-new"), ("off", "accept-new")],
)
def test_how_strict_the_config_is(tmp_path, said, counts):
    config = f"Host *\n StrictHostKeyChecking {said}\n"
    assert way(tmp_path, config).host_keys == counts
    assert way(tmp_path, config, host_keys="accept-new").host_keys == "accept-new"
    assert way(tmp_path, config, written=frozenset({"host_keys"})).host_keys == "strict"


def test_a_bastion_of_the_inventory_wins_over_proxyjump(tmp_path):
    config = "Host node-1\n ProxyJump other\nHost jump\n HostName 192.0.2.1\n User hop\n IdentityFile /j\n"
    via = way(tmp_path, config, bastion=Bastion("jump", port=2022)).via
    assert (via.endpoint, via.user, via.keys, via.via) == ("192.0.2.1:2022", "hop", (Path("/j"),), None)
    assert way(tmp_path, "", bastion=Bastion("jump")).via.user == "root"


def chain(hop) -> list[str]:
    """The hops before it, the first one first."""
    return [*chain(hop.via), f"{hop.via.user}@{hop.via.endpoint}"] if hop.via else []


def test_a_chain_of_jumps(tmp_path):
    hop = way(tmp_path, "Host node-1\n ProxyJump one@a:2201,ssh://b\nHost b\n User two\n")
    assert chain(hop) == ["one@a:2201", "two@b:22"]
    assert hop.ssh_command() == f"ssh -F {tmp_path}/config -o hostname=10.0.0.1 root@node-1", "ssh jumps by itself"
    assert way(tmp_path, "Host node-1\n ProxyJump none\nHost *\n ProxyJump a\n").via is None
    assert way(tmp_path, "Host node-1\n ProxyJump a\n").via.user == ME, "as ssh does: root is for the hosts"


def test_jumps_may_be_made_of_the_hosts_own_name(tmp_path):
    hop = way(tmp_path, "Host 10.*\n ProxyJump %r@a-%h-%p,b-%n:2201\n Port 2200\nHost b-*\n User x\n", user="core")
    assert chain(hop) == ["core@a-10.0.0.1-2200:22", "x@b-10.0.0.1:2201"]


def test_a_jump_with_an_address_of_the_other_kind(tmp_path):
    hop = way(tmp_path, "Host node-1\n ProxyJump root@[2001:db8::1]:2200,x@[2001:db8::2]\n")
    assert chain(hop) == ["root@2001:db8::1:2200", "x@2001:db8::2:22"]
    assert hop.via.via.known_as[0] == "[2001:db8::1]:2200"


def test_the_first_jump_is_reached_as_its_own_configuration_says(tmp_path):
    hop = way(tmp_path, "Host node-1\n ProxyJump b,c\nHost b\n ProxyJump a\nHost c\n ProxyJump x\n")
    assert [jump.partition("@")[2] for jump in chain(hop)] == ["a:22", "b:22", "c:22"]
    hop = way(tmp_path, "Host node-1\n ProxyJump b\nHost b\n ProxyCommand nc %h %p\n")
    assert hop.via.proxy_command == "nc b 22" and not hop.proxy_command


def test_a_proxy_command_gets_the_tokens_that_ssh_gives_it(tmp_path):
    config = "Host *\n ProxyCommand exec $HOME/x %h %p %r %n %% '%h'\n"
    hop = way(tmp_path, config, port=2222, user="admin")
    assert hop.proxy_command == "exec $HOME/x 10.0.0.1 2222 admin 10.0.0.1 % '10.0.0.1'"
    hop = way(tmp_path, "Host node-1\n HostName real\n ProxyCommand nc %h %n\n")
    assert hop.proxy_command == "nc real node-1"
    assert way(tmp_path, "Host node-1\n ProxyCommand none\nHost *\n ProxyCommand x\n").proxy_command == ""
    assert way(tmp_path, config, bastion=Bastion("b", port=1, user="u")).proxy_command == ""


def test_files_have_tokens_too(tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE", "/srv")
    home = pwd.getpwuid(os.getuid()).pw_dir
    monkeypatch.setenv("HOME", "/elsewhere")
    config = "Host *\n IdentityFile ~/k-%h-%r\n IdentityFile ${WHERE}/%u-%i\n CertificateFile %d/%n-%p\n"
    hop = way(tmp_path, config, user="admin")
    assert hop.keys == (Path(f"{home}/k-10.0.0.1-admin"), Path(f"/srv/{ME}-{os.getuid()}"))
    assert hop.certificates == (Path(f"{home}/10.0.0.1-22"),)
    assert way(tmp_path, config=None).keys[0] == Path("/elsewhere/.ssh/id_ed25519")
    assert way(tmp_path, config=None, key=Path("/k%h")).keys == (Path("/k%h"),)
    assert "NOT_SET" in refused(tmp_path, "Host *\n IdentityFile ${NOT_SET}/k\n").message


@pytest.mark.parametrize(
    ("said", "socket"),
    [
        ("", "/env"),
        ("IdentityAgent SSH_AUTH_SOCK", "/env"),
        ("IdentityAgent none", ""),
        ("IdentityAgent /a-%h", "/a-10.0.0.1"),
        ("IdentityAgent $OTHER", "/other"),
        ("IdentityAgent $MISSING", ""),
    ],
)
def test_which_agent(tmp_path, monkeypatch, said, socket):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/env")
    monkeypatch.setenv("OTHER", "/other")
    assert way(tmp_path, f"Host *\n {said}\n").agent == socket
    assert way(tmp_path, f"Host *\n {said}\n", agent=False).agent == ""


def test_conditions_are_those_of_ssh(tmp_path):
    (tmp_path / "inner").write_text("Host other\n User wrong\nHost 10.0.0.1\n User right\n")
    assert way(tmp_path, f'Match exec "false"\n Include {tmp_path}/inner\nHost *\n User no\n').user == "no"
    assert way(tmp_path, f'Match exec "test %h = 10.0.0.1"\n Include {tmp_path}/inner\n').user == "right"
    assert way(tmp_path, "Match user root\n Port 2200\n").port == 2200, "ssh is asked about the user who will log in"
    assert way(tmp_path, f"Match localuser {ME} final\n Port 2200\n").port == 2200
    assert way(tmp_path, f"Include {tmp_path}/inner\nPort 2200\nHost node-1\n User right\n").port == 2200
    assert "no-such-condition" in refused(tmp_path, "Match no-such-condition x\n User wrong\n").message


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("Host node-1\n Port many\n", "config line 2: Bad port 'many'"),
        ("Host 'node\n", "config line 1"),
        ("Host node-1\n ProxyJump @:x\n", "config line 2"),
        ("Host *\n\n Nonsense yes\n", "config: line 3: Bad configuration option: nonsense"),
        ("Include {folder}/config\n", "Too many recursive configuration includes"),
        ("Host *\n ProxyJump a\n", "config line 2: proxyjump leads from one host to the next without end"),
        (
            "Host 10.*\n ProxyJump a\nHost a\n ProxyJump b\nHost b\n ProxyJump a\n",
            "from one host to the next without end",
        ),
        ("Host *\n BindInterface lo\n", "config line 2: bindinterface lo is more than"),
        ("Host *\n RevokedHostKeys /r\n", "config line 2: revokedhostkeys /r is more than"),
        ("Host *\n ProxyCommand x\n ProxyUseFdpass yes\n", "config line 3: proxyusefdpass yes is more than"),
        ("Host *\n PreferredAuthentications password\n", "config line 2: preferredauthentications password is more"),
        (
            "Ciphers chacha20-poly1305@openssh.com\n",
            "config line 1: ciphers chacha20-poly1305@openssh.com is more than",
        ),
        ("MACs umac-64@openssh.com\n", "config line 1: macs umac-64@openssh.com"),
        ("KexAlgorithms sntrup761x25519-sha512@openssh.com\n", "config line 1: kexalgorithms sntrup761x25519"),
        ("HostKeyAlgorithms sk-*\n", "config line 1: hostkeyalgorithms sk-"),
        ("Host *\n KnownHostsCommand /x %Z\n", "%Z is not a token that ssh knows here, in {folder}/config"),
        ("Host *\n IdentityFile /x-%Z\n", "%Z is not a token that ssh knows here, in {folder}/config"),
        ("Host *\n ProxyJump %d\n", "%d is not a token that ssh knows here, in {folder}/config"),
        ("Host *\n PubkeyAuthentication no\n", "config line 2: pubkeyauthentication false is more than"),
    ],
)
def test_what_cannot_be_done_is_named_with_its_line(tmp_path, config, named):
    error = refused(tmp_path, config.replace("{folder}", str(tmp_path)))
    assert named.replace("{folder}", str(tmp_path)) in "\n".join(error.lines())


def test_ssh_is_asked_as_rarely_as_can_be(tmp_path, monkeypatch):
    """Hosts that the files do not mention are all the same to ssh."""
    asked = []
    monkeypatch.setattr(
        asking, "_asked", lambda question, ask=asking._asked: asked.append(question.host) or ask(question)
    )
    config = tmp_path / "config"
    config.write_text("Host special\n User other\nHost *\n User admin\n Port 2200\n IdentityFile /k-%h\n")
    hosts = [Host(f"h-{n}", IPv4Address(f"10.0.0.{n}"), frozenset(), Ssh(config=config)) for n in range(1, 101)]
    hops = [route(host) for host in hosts]
    assert {(hop.user, hop.port) for hop in hops} == {("admin", 2200)}
    assert [hop.keys for hop in hops][:2] == [(Path("/k-10.0.0.1"),), (Path("/k-10.0.0.2"),)]
    assert len(asked) <= 2
    assert route(Host("special", IPv4Address("10.0.1.1"), frozenset(), Ssh(config=config))).user == "other"
    config.write_text("Host *\n User changed\n")
    assert route(hosts[0]).user == "changed"


def test_without_ssh_a_configuration_is_refused_and_none_is_well(tmp_path, monkeypatch):
    monkeypatch.setattr(asking.shutil, "which", lambda name: None)
    assert "no program ssh" in refused(tmp_path, "Host *\n").message
    assert way(tmp_path, "").user == "root"
    assert way(tmp_path, "Host *\n User x\n", config=None).user == "root"


@pytest.mark.parametrize("user", ["ACME\\jdoe", "jdoe@acme.example"])
def test_users_of_other_kinds(tmp_path, user):
    hop = way(tmp_path, "Host 10.*\n ProxyJump jump\n" if "@" not in user else "", user=user)
    assert hop.user == user
    assert shlex.split(hop.ssh_command())[-1] == f"{user}@10.0.0.1"


def typed(**ssh) -> str:
    return route(Host("node-1", IPv4Address("10.0.0.1"), frozenset(), Ssh(**ssh))).ssh_command()


def test_a_hint_names_only_the_files_that_ssh_does_not_read_by_itself(tmp_path):
    assert typed(user="u") == typed(user="u", written=frozenset({"config"})) == "ssh u@10.0.0.1"
    assert typed(user="u", config=Ssh.config.expanduser(), known_hosts=Ssh.known_hosts.expanduser()) == typed(user="u")
    assert typed(config=None) == "ssh -F none root@10.0.0.1"
    config = tmp_path / "my config"
    config.write_text("")
    assert typed(config=config, user="u") == f"ssh -F '{config}' u@10.0.0.1"
    assert typed(user="u", known_hosts=None) == "ssh -o UserKnownHostsFile=none u@10.0.0.1"
    known_hosts = tmp_path / "my 100%"
    assert shlex.split(typed(user="u", known_hosts=known_hosts))[2] == f'UserKnownHostsFile="{known_hosts}%"'


def test_a_hint_says_what_a_block_for_the_name_says_of_host_keys(tmp_path):
    block = f" HostKeyAlias fleet\n UserKnownHostsFile {tmp_path}/a {tmp_path}/b\n"
    by_name = shlex.split(way(tmp_path, f"Host node-1\n{block}").ssh_command())
    assert by_name[3:7] == ["-o", f"UserKnownHostsFile={tmp_path}/a {tmp_path}/b", "-o", "hostkeyalias=fleet"]
    assert way(tmp_path, f"Host 10.*\n{block}").ssh_command() == f"ssh -F {tmp_path}/config root@10.0.0.1"


def test_the_jumps_of_a_hint_go_by_the_same_files(tmp_path):
    config = "Host jump\n HostName 192.0.2.1\n"
    plain = way(tmp_path, config, bastion=Bastion("jump")).ssh_command()
    assert plain == f"ssh -F {tmp_path}/config -J root@jump root@10.0.0.1"
    six = way(tmp_path, config, bastion=Bastion("2001:db8::1", port=2200)).ssh_command()
    assert six == f"ssh -F {tmp_path}/config -J 'root@[2001:db8::1]:2200' root@10.0.0.1"
    leads = way(tmp_path, f"{config} ProxyJump a,b\n", bastion=Bastion("jump")).ssh_command()
    assert leads == plain, "ssh knows by itself how to get to the bastion"
    hop = way(tmp_path, config, known_hosts=tmp_path / "known", bastion=Bastion("jump"))
    command = next(word for word in shlex.split(hop.ssh_command()) if word.startswith("ProxyCommand="))
    assert command == f"ProxyCommand={hop.via.ssh_command()} -W '[%h]:%p'" and f"={tmp_path}/known" in command


@pytest.mark.parametrize("name", ["root_shell.sh", "tty_bridge.sh"])
def test_programs_are_one_quoted_line(name):
    text = program(name)
    assert text[0] == text[-1] == "'" and "'" not in text[1:-1] and "\n" not in text
    assert "#" not in text.replace("$#", ""), "a comment in the middle of a line would swallow the rest of the program"
