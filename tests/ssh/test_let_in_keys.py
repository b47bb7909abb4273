"""Keys and certificates of users, tried with ssh and with hardway."""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import socket
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from hardway.cluster import Host
from hardway.errors import AuthenticationError
from hardway.settings import Ssh

from .security_key import private_half, security_key
from .server import keygen
from .world import Case, Cases, World, a_world, both

pytestmark = [pytest.mark.sshd, pytest.mark.slow]
CASES = Cases()


@CASES.case()
def a_key_file(world: World) -> None:
    world.say(f"IdentityFile {world.key()}")


@CASES.case()
def a_key_file_in_the_format_of_other_programs(world: World) -> None:
    key = world.key(kind="ecdsa")
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "", "-m", "PKCS8", "-f", key], check=True, capture_output=True)
    world.say(f"IdentityFile {key}")


@CASES.case(let_in=False)
def a_key_file_that_others_can_read(world: World) -> None:
    key = world.key()
    key.chmod(0o644)
    world.say(f"IdentityFile {key}")


@CASES.case(let_in=False)
def an_encrypted_key_and_nobody_to_ask(world: World) -> None:
    key = keygen(world.folder / "key", passphrase="open sesame")
    world.server.authorize(key)
    world.say(f"IdentityFile {key}")


@CASES.case()
def an_encrypted_key_without_its_public_half_that_the_agent_holds(world: World) -> None:
    key = world.key()
    world.agent(key)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "open sesame", "-f", key], check=True, capture_output=True)
    Path(f"{key}.pub").unlink()
    world.say(f"IdentityFile {key}", "IdentitiesOnly yes")


@CASES.case()
def the_public_half_of_a_key_that_the_agent_holds(world: World) -> None:
    key = world.key()
    world.agent(world.key("other", known=False), key)
    key.unlink()
    world.say(f"IdentityFile {key}.pub", "IdentitiesOnly yes")


@CASES.case()
def only_the_public_half_is_here(world: World) -> None:
    key = world.key()
    world.agent(world.key("other", known=False), key)
    key.unlink()
    world.say(f"IdentityFile {key}", "IdentitiesOnly yes")


@CASES.case(let_in=False)
def only_the_public_half_and_nobody_holds_the_other(world: World) -> None:
    key = world.key()
    key.unlink()
    world.say(f"IdentityFile {key}.pub")


@CASES.case(let_in=False)
def a_key_of_the_agent_that_is_not_meant(world: World) -> None:
    world.agent(world.key())
    world.say(f"IdentityFile {world.key('other', known=False)}", "IdentitiesOnly yes")


@CASES.case()
def a_key_of_the_agent_alone(world: World) -> None:
    key = world.key(kind="rsa")
    world.agent(key)
    key.unlink()


@CASES.case()
def an_agent_that_only_the_configuration_names(world: World) -> None:
    key = world.key()
    world.say(f"IdentityAgent {world.agent(key, variable='')}")


@CASES.case()
def an_agent_that_a_variable_names(world: World) -> None:
    world.agent(world.key(), variable="OTHER_AGENT")
    world.say("IdentityAgent $OTHER_AGENT")


@CASES.case(let_in=False)
def an_agent_that_is_not_to_be_asked(world: World) -> None:
    world.agent(world.key())
    world.say("IdentityAgent none")


@CASES.case()
def a_certificate_beside_the_key(world: World) -> None:
    key = world.key(known=False)
    world.certified(key)
    world.say(f"IdentityFile {key}")


@CASES.case()
def a_certificate_of_an_rsa_key(world: World) -> None:
    key = world.key(known=False, kind="rsa")
    world.certified(key)
    world.say(f"IdentityFile {key}")


@CASES.case()
def a_certificate_of_another_key_beside_a_good_key(world: World) -> None:
    key = world.key()
    other = world.certified(world.key("other", known=False))
    other.rename(f"{key}-cert.pub")
    world.say(f"IdentityFile {key}")


@CASES.case()
def a_certificate_that_is_named(world: World) -> None:
    key = world.key(known=False)
    world.certified(key).rename(world.folder / "elsewhere.pub")
    world.say(f"IdentityFile {key}", f"CertificateFile {world.folder}/elsewhere.pub")


@CASES.case(let_in=False)
def a_certificate_beside_the_key_while_another_is_named(world: World) -> None:
    key = world.key(known=False)
    world.certified(key)
    world.say(f"IdentityFile {key}", f"CertificateFile {world.folder}/absent.pub")


@CASES.case()
def a_certificate_beside_a_key_that_only_the_agent_holds(world: World) -> None:
    key = world.key(known=False)
    world.agent(key)
    world.certified(key)
    key.unlink()
    world.say(f"IdentityFile {key}", "IdentitiesOnly yes")


@CASES.case()
def a_named_certificate_of_a_key_that_only_the_agent_holds(world: World) -> None:
    key = world.key(known=False)
    world.agent(key)
    certificate = world.certified(key)
    key.unlink()
    world.say(f"CertificateFile {certificate}")


@CASES.case(let_in=False)
def a_certificate_whose_key_is_not_meant(world: World) -> None:
    key = world.key(known=False)
    world.agent(key)
    certificate = world.certified(key)
    key.unlink()
    Path(f"{key}.pub").unlink()
    world.say(f"CertificateFile {certificate}", "IdentitiesOnly yes")


def held(world: World, kind: str, plain: bool = True) -> None:
    """An agent holds a certificate, and its key alone if `plain`; nothing of it lies in a file."""
    key = world.key(known=False, kind=kind)
    certificate = world.certified(key)
    world.agent(key)
    certificate.unlink()
    if not plain:
        subprocess.run(["ssh-add", "-q", "-d", key], check=True, capture_output=True)
    for path in (key, Path(f"{key}.pub")):
        path.unlink()


@CASES.case()
def a_certificate_that_the_agent_holds(world: World) -> None:
    held(world, "ed25519")


@CASES.case()
def an_rsa_certificate_that_the_agent_holds(world: World) -> None:
    held(world, "rsa")


@CASES.case()
def an_rsa_certificate_that_the_agent_holds_without_its_plain_key(world: World) -> None:
    held(world, "rsa", plain=False)


@CASES.case()
def a_certificate_that_the_agent_holds_and_that_is_meant(world: World) -> None:
    key = world.key(known=False)
    certificate = world.certified(key)
    kept = certificate.read_text()
    world.agent(key, world.key("other", known=False))
    certificate.unlink()
    subprocess.run(["ssh-add", "-q", "-d", key], check=True, capture_output=True)
    certificate.write_text(kept)
    key.unlink()
    Path(f"{key}.pub").unlink()
    world.say(f"IdentityFile {key}", "IdentitiesOnly yes")


@CASES.case(let_in=False)
def a_certificate_that_has_expired(world: World) -> None:
    key = world.key(known=False)
    world.certified(key, validity="-2d:-1d")
    world.say(f"IdentityFile {key}")


@CASES.case(let_in=False)
def no_keys_are_to_be_tried(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "PreferredAuthentications password,gssapi-with-mic")


@CASES.case()
def keys_are_to_be_tried_last(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "PreferredAuthentications gssapi-with-mic,password,publickey")


@CASES.case(let_in=False)
def a_key_of_a_kind_that_is_not_allowed(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "PubkeyAcceptedAlgorithms rsa-sha2-*,ecdsa-*")


@CASES.case()
def the_second_key_is_of_a_kind_that_is_allowed(world: World) -> None:
    world.say(
        *(f"IdentityFile {world.key('plain')}", f"IdentityFile {world.key('other', 'rsa')}"),
        "PubkeyAcceptedAlgorithms rsa-sha2-256",
    )


@CASES.case(let_in=False)
def a_key_whose_certificate_alone_is_allowed(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "PubkeyAcceptedAlgorithms *-cert-*")


@CASES.case()
def a_certificate_where_keys_alone_are_not_allowed(world: World) -> None:
    key = world.key(known=False, kind="rsa")
    world.certified(key)
    world.say(f"IdentityFile {key}", "PubkeyAcceptedAlgorithms rsa-sha2-256-cert-v01@openssh.com")


@CASES.case(let_in=False)
def a_key_of_the_agent_of_a_kind_that_is_not_allowed(world: World) -> None:
    world.agent(world.key(kind="rsa"))
    world.say("PubkeyAcceptedAlgorithms -rsa-*")


@CASES.case()
def a_key_of_rsa_that_is_long_enough(world: World) -> None:
    world.say(f"IdentityFile {world.key(kind='rsa')}", "RequiredRSASize 3072")


@CASES.case(let_in=False)
def a_key_of_rsa_that_is_too_short(world: World) -> None:
    world.say(f"IdentityFile {world.key(kind='rsa')}", "RequiredRSASize 4096")


@CASES.case(let_in=False)
def a_key_of_rsa_in_the_agent_that_is_too_short(world: World) -> None:
    world.agent(world.key(kind="rsa"))
    world.say("RequiredRSASize 4096")


@CASES.case(let_in=False)
def a_certificate_of_a_key_of_rsa_that_is_too_short(world: World) -> None:
    key = world.key(kind="rsa", known=False)
    world.certified(key)
    world.say(f"IdentityFile {key}", "RequiredRSASize 4096")


@CASES.case()
def a_key_in_a_file_with_tokens_in_its_name(world: World) -> None:
    port, me, here = world.server.port, pwd.getpwuid(os.getuid()), socket.gethostname()
    whole = hashlib.sha1(f"{here}127.0.0.1{port}root".encode()).hexdigest()
    path = world.key(f"k {me.pw_name} {me.pw_uid} 127.0.0.1 {port} root {whole} %")
    world.say(f'IdentityFile "{path.parent}/k %u %i %n %p %r %C %%"')


@CASES.case()
def a_key_in_a_folder_that_a_variable_names(world: World) -> None:
    world.monkeypatch.setenv("WHERE_KEYS_ARE", str(world.key().parent))
    world.say('IdentityFile "${WHERE_KEYS_ARE}/key"', "AddKeysToAgent yes")


@CASES.case()
def a_key_beside_a_token_with_others(world: World) -> None:
    world.say(f"IdentityFile {world.key()}", "PKCS11Provider /absent/opensc-pkcs11.so")


@CASES.case(let_in=False)
def a_token_with_keys_that_is_not_there(world: World) -> None:
    world.key()
    world.say("PKCS11Provider /absent/opensc-pkcs11.so")


@CASES.case()
def a_security_key_that_an_agent_signs_with(world: World) -> None:
    public = world.stack.enter_context(security_key(world.folder / "sk.sock", world.folder / "key_sk.pub"))
    (world.server.folder / "authorized_keys").write_text(public)
    world.say(f"IdentityAgent {world.folder}/sk.sock", f"IdentityFile {world.folder}/key_sk", "IdentitiesOnly yes")


@pytest.fixture
def world(tools, tmp_path, monkeypatch) -> Iterator[World]:
    with a_world(tmp_path, monkeypatch) as world:
        yield world


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_who_is_let_in(world: World, connect, case: Case):
    both(world, connect, case)


def test_what_hardway_takes_no_keys_from_is_named_with_its_line(world: World, connect):
    world.say("PKCS11Provider /absent/opensc-pkcs11.so", "HostbasedAuthentication yes")
    config = world.config()
    transport = connect(Host("node-1", IPv4Address("127.0.0.1"), frozenset(), Ssh(config=config)))
    with pytest.raises(AuthenticationError) as caught:
        transport.run("true")
    assert f"{config} line 2: pkcs11provider: hardway takes no keys from it" in caught.value.evidence
    assert f"{config} line 3: hostbasedauthentication" in caught.value.evidence
    assert caught.value.exit_code == 4


def test_a_security_key_without_an_agent_is_named(world: World, connect):
    path = world.folder / "key_sk"
    path.write_text(private_half(secrets.token_bytes(32)))
    path.chmod(0o600)
    world.say(f"IdentityFile {path}")
    transport = connect(Host("node-1", IPv4Address("127.0.0.1"), frozenset(), Ssh(config=world.config())))
    with pytest.raises(AuthenticationError, match="accepts none of your keys") as caught:
        transport.run("true")
    assert f"key {path}: of a kind that only an agent can use (ssh-add {path})" in caught.value.evidence
