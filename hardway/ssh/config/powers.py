"""What hardway cannot do of what an OpenSSH configuration may say: refused where it would change who is trusted or the
way, and named where it only leads to fewer keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from .said import Said

OFF = ("", "no", "false")
# Values that ask for nothing more than hardway does.
REFUSED: Mapping[str, Callable[[str], bool]] = {
    "bindinterface": lambda value: False,
    "revokedhostkeys": lambda value: False,
    "proxyusefdpass": lambda value: value in OFF,
    "pubkeyauthentication": lambda value: value not in OFF,
    "preferredauthentications": lambda value: "publickey" in value.split(","),
}
# What ssh may log in with, or know hosts by, and hardway does not: it is said when one is missing.
NO_KEYS_FROM = {
    "pkcs11provider": "hardway takes no keys from it (add them to an agent: ssh-add -s)",
    "hostbasedauthentication": "hardway logs in with keys of users only",
}
NO_HOST_KEYS_FROM = {
    option: "hardway takes no host keys from it" for option in ("verifyhostkeydns", "nohostauthenticationforlocalhost")
}
KEYS_OF_USERS = "pubkeyacceptedalgorithms"
SIGNATURES_OF_CAS = "casignaturealgorithms"


@cache
def ours() -> Mapping[str, tuple[str, ...]]:
    """The algorithms that hardway has for a connection, by the options that allow them."""
    import paramiko  # slow, and not needed by all who ask for the way to a host

    known = paramiko.transport.SecurityOptions(paramiko.Transport)
    ciphers = tuple(name for name in known.ciphers if "3des" not in name)  # its blocks of 8 bytes want new keys soon
    return {"ciphers": ciphers, "macs": known.digests, "kexalgorithms": known.kex, "hostkeyalgorithms": known.key_types}


def too_much(said: Said) -> tuple[str, str] | None:
    """An option that hardway cannot follow, and what it says; None when there is none."""
    for option, harmless in REFUSED.items():
        value = said.first(option)
        without_effect = option == "proxyusefdpass" and not said.first("proxycommand")
        if value and not harmless(value) and not without_effect:
            return option, value
    for option, names in ours().items() if said.values else ():
        if (value := said.first(option)) and not set(names) & set(value.split(",")):
            return option, value
    return None


def algorithms(said: Said) -> tuple[tuple[str, frozenset[str]], ...]:
    """What the configuration allows, by its options; nothing where it says nothing."""
    options = (*ours(), KEYS_OF_USERS, SIGNATURES_OF_CAS) if said.values else ()
    found = ((option, said.first(option)) for option in options)
    return tuple((option, frozenset(value.split(","))) for option, value in found if value)


def unheeded(said: Said, options: Mapping[str, str]) -> tuple[str, ...]:
    """The lines of the configuration with one of these options, and why they are of no effect."""
    return tuple(
        f"{said.place(option)}: {option}: {why}" for option, why in options.items() if said.first(option) not in OFF
    )
