"""One sudo password for many hosts: given to one of them first, and never twice where it was refused."""

from __future__ import annotations

import threading

import pytest

from hardway.ssh.programs import program
from hardway.ssh.sudo import NotTried, Refusal, SharedPasswords, readable, refusal


def test_the_second_host_waits_for_the_first():
    shared, held, order = SharedPasswords(), threading.Event(), []

    def second() -> None:
        with shared.trial("admin", "two", lambda: "secret"):
            order.append("two")

    thread = threading.Thread(target=second)
    with shared.trial("admin", "one", lambda: "secret"):
        thread.start()
        held.wait(0.2)
        order.append("one")
        shared.accepted("admin", "secret")
    thread.join(5)
    assert order == ["one", "two"]
    with shared.trial("admin", "three", lambda: "secret"), shared.trial("admin", "four", lambda: "secret"):
        pass  # once it is known to be right, nobody waits


def test_what_was_refused_is_not_tried_again():
    shared = SharedPasswords()
    with shared.trial("admin", "one", lambda: "wrong"):
        assert shared.refused("admin", "wrong", "one")
    with pytest.raises(NotTried) as caught, shared.trial("admin", "two", lambda: "wrong"):
        raise AssertionError("tried again")
    assert (caught.value.host, caught.value.password) == ("one", "wrong") and "wrong" not in str(caught.value)
    with shared.trial("admin", "two", lambda: "right"), shared.trial("other", "two", lambda: "wrong"):
        pass  # another password, or another user's


def test_a_host_of_its_own_mind_spoils_nothing_for_the_others():
    shared = SharedPasswords()
    with shared.trial("admin", "one", lambda: "good"):
        shared.accepted("admin", "good")
    with shared.trial("admin", "two", lambda: "good"):
        assert not shared.refused("admin", "good", "two")
    with shared.trial("admin", "three", lambda: "good"):
        pass
    with pytest.raises(NotTried), shared.trial("admin", "two", lambda: "good"):
        raise AssertionError("tried again")


@pytest.mark.parametrize(
    ("noise", "why"),
    [
        ("sudo: sorry, you must have a tty to run sudo", Refusal.TERMINAL),
        ("sudo: 1 incorrect password attempt", Refusal.PASSWORD),
        ("sudo: maximum 3 incorrect authentication attempts", Refusal.PASSWORD),
        ("env: 'sudo': No such file or directory", Refusal.MISSING),
        ("env: \u2018sudo\u2019: No such file or directory", Refusal.MISSING),
        ("env: can't execute 'sudo': No such file or directory", Refusal.MISSING),
        ("bash: line 1: sudo: command not found", Refusal.MISSING),
        ("jdoe is not in the sudoers file.", Refusal.NOT_A_SUDOER),
        ("Sorry, user jdoe may not run sudo on node-1.", Refusal.NOT_A_SUDOER),
        ("sudo: I'm sorry jdoe. I'm afraid I can't do that", Refusal.NOT_A_SUDOER),
        ("Sorry, user jdoe is not allowed to execute '/bin/sh -c x' as root on node-1.", Refusal.OTHER_COMMANDS),
        ("sudo: unable to initialize policy plugin", Refusal.OTHER),
        ("This account is currently not available.", None),
    ],
)
def test_why_sudo_refuses(noise, why):
    assert refusal(noise) == why


def test_our_program_is_no_evidence():
    whole = program("root_shell.sh")[1:-1]
    said = readable(
        f"Sorry, user x is not allowed to execute '/bin/sh -c {whole} hardway t0ken' as root.\n\nso", "t0ken"
    )
    assert said == "Sorry, user x is not allowed to execute '/bin/sh -c … hardway ***' as root.\nso"
    assert len(readable("x" * 5000)) < 300
