"""The kinds of values an inventory holds: each says what it accepts, in words for people and as JSON Schema for
editors."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from hardway.foreign.quantity import QUANTITY
from hardway.inventory.problem import show
from hardway.inventory.source import WrittenFloat, WrittenInt

LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DOMAIN = rf"{LABEL}(\.{LABEL})*"
QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
ADDRESS = rf"{OCTET}(\.{OCTET}){{3}}"
NETWORK = rf"{ADDRESS}/(3[0-2]|[12]?[0-9])"
# Four numbers that are no address (10.0.0.300) are no name either.
ENDPOINT = rf"(?=.{{1,253}}$)({ADDRESS}|(?![0-9.]+$){DOMAIN})"
ON_ONE_LINE = r"^(?![^\n\t]*[\n\t])"
IPV4 = {"type": "string", "format": "ipv4", "pattern": rf"{ON_ONE_LINE}({ADDRESS})$"}
IPV6 = {"type": "string", "format": "ipv6", "pattern": ":"}


def as_text(value: object) -> str:
    """The text as it was written, numbers and booleans included; ValueError for anything else or several lines."""
    if isinstance(value, (WrittenInt, WrittenFloat)):
        return value.raw
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        raise ValueError(
            f"must be text, not {kind(value)}" + (' (write "" for an empty text)' if value is None else "")
        )
    if "\n" in value or "\t" in value:
        raise ValueError("must be text on one line, without tabs")
    return value


def kind(value: object) -> str:
    """A value's type in the user's words."""
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return show(value.raw if isinstance(value, (WrittenInt, WrittenFloat)) else as_text(value))


def _text(pattern: str, limit: int) -> dict[str, Any]:
    """As JSON Schema; what of numbers and words such as true may stand there, hardway.inventory.json_schema adds."""
    return {"type": "string", "pattern": f"{ON_ONE_LINE}({pattern})$", "maxLength": limit}


def matching(pattern: str, words: str, limit: int = 253) -> Any:
    """Text that matches the whole pattern; `words` completes the sentence "must be ..."."""

    def check(value: object) -> str:
        text = as_text(value)
        if len(text) > limit or not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(f"must be {words}, not {show(text)}")
        return text

    return Annotated[str, BeforeValidator(check), WithJsonSchema(_text(pattern, limit))]


def whole(low: int, high: int, words: str = "") -> Any:
    """A whole number from `low` to `high`; 22.0 is one, as JSON Schema has it."""

    def check(value: object) -> int:
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not is_whole or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}{words}, not {kind(value)}")
        return int(value)

    return Annotated[int, BeforeValidator(check), WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})]


def seconds(low: float, high: float) -> Any:
    """A number of seconds from `low` to `high`, fractions allowed."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}, not {kind(value)}")
        return float(value)

    return Annotated[float, BeforeValidator(check), WithJsonSchema({"type": "number", "minimum": low, "maximum": high})]


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {kind(value)}")
    return value


def is_none(name: str) -> bool:
    """Whether a file is none, in any letters, as ssh reads it."""
    return name.lower() == "none"


def _address(value: object) -> IPv4Address:
    try:
        return IPv4Address(as_text(value))
    except ValueError:
        raise ValueError(f"must be an IPv4 address such as 10.240.0.10, not {kind(value)}") from None


def _network(value: object) -> IPv4Network:
    text = kind(value) if not isinstance(value, str) else as_text(value)
    if re.fullmatch(NETWORK, text, re.ASCII):
        _hint_host_bits(text)
        return IPv4Network(text)
    raise ValueError(f"must be an IPv4 network such as 10.200.0.0/16, not {kind(value)}")


def _hint_host_bits(text: str) -> None:
    network = IPv4Network(text, strict=False)
    if str(network.network_address) != text.partition("/")[0]:
        raise ValueError(f"must be an IPv4 network, but {show(text)} is an address inside one: did you mean {network}?")


def _endpoint(value: object) -> str:
    text = as_text(value)
    if not is_name_or_address(text):
        raise ValueError(f"must be a DNS name or an IPv4 address, not {kind(value)}")
    return text


def is_name_or_address(text: str) -> bool:
    """A DNS name in lower case, or an IPv4 address; four numbers that are no address (10.0.0.300) are neither."""
    return bool(re.fullmatch(ENDPOINT, text, re.ASCII))


def _san(value: object) -> str:
    text = as_text(value)
    if not is_name_or_address(text.removeprefix("*.")) and ":" not in text:
        raise ValueError(f"must be a DNS name (*.example.org is allowed) or an IP address, not {kind(value)}")
    return _ip(text) if ":" in text else text


def _ip(value: object) -> str:
    try:
        text = as_text(value)
        if "%" not in text:  # the name of an interface means nothing on another machine
            return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    raise ValueError(f"must be an IP address, not {kind(value)}")


def _forward(value: object) -> str | tuple[str, ...]:
    if isinstance(value, list) and value:
        return _nameservers(value)
    if value in ("auto", "none"):
        return value
    raise ValueError(f"must be auto, none, or a list of nameserver addresses, not {kind(value)}")


def _nameservers(value: object) -> tuple[str, ...]:
    if isinstance(value, list) and value:
        return tuple(_ip(item) for item in value)
    raise ValueError(f"must be a list of nameserver addresses, not {kind(value)}")


def _typed(python: Any, check: Callable, **schema: object) -> Any:
    return Annotated[python, BeforeValidator(check), WithJsonSchema(schema)]


Flag = _typed(bool, _flag, type="boolean")
Address = _typed(IPv4Address, _address, **IPV4)
Cidr = _typed(IPv4Network, _network, format="ipv4-network", **_text(NETWORK, 18))
Endpoint = _typed(str, _endpoint, **_text(ENDPOINT, 253))
San = _typed(str, _san, anyOf=[_text(rf"(\*\.)?{ENDPOINT}", 255), IPV6])
Forward = _typed(
    str | tuple[str, ...],
    _forward,
    anyOf=[{"enum": ["auto", "none"]}, {"type": "array", "items": {"anyOf": [IPV4, IPV6]}, "minItems": 1}],
)
Nameservers = _typed(tuple[str, ...], _nameservers, type="array", items={"anyOf": [IPV4, IPV6]}, minItems=1)
Text = _typed(str, as_text, type=["string", "number", "boolean"], pattern=ON_ONE_LINE)
Name = matching(
    LABEL, "a DNS label of at most 63 characters: a-z, 0-9 and -, starting and ending with a letter or digit", 63
)
Domain = matching(DOMAIN, "a DNS domain in lower case such as cluster.local")
# Directories know people as DOMAIN\\name or name@domain.
USER = r"[A-Za-z0-9_][A-Za-z0-9_.+$@\\-]*(?<!\\)"
User = matching(USER, r"a login name such as root, ACME\jdoe or jdoe@acme.example (at most 256 characters)", 256)
File = matching(r".*[^ \t\n\r\f\v].*", "the path of a file", 1024)
# As ssh has it with -F, and for UserKnownHostsFile; a file of that name is ./none.
FileOrNone = matching(r".*[^ \t\n\r\f\v].*", "the path of a file, or none", 1024)
Port = whole(1, 65535)
LABEL_KEY = rf"({DOMAIN}/)?{QUALIFIED}"
LabelKey = matching(LABEL_KEY, "a label key such as disktype or example.org/disktype (name at most 63 characters)", 317)
LabelValue = matching(
    rf"({QUALIFIED})?", "a label value: at most 63 letters, digits, - _ . (a letter or digit first and last)", 63
)
TaintText = matching(
    rf"{LABEL_KEY}(=({QUALIFIED})?)?:(NoSchedule|PreferNoSchedule|NoExecute)",
    "key=value:Effect with the effect NoSchedule, PreferNoSchedule or NoExecute",
    400,
)
PART = r"(0|[1-9][0-9]{0,2})"
KubernetesVersion = matching(rf"{PART}\.{PART}\.{PART}", "a full version without v, such as 1.36.4", 20)
ComponentVersion = matching(r"[0-9]+(\.[0-9]+){1,3}([-+~][A-Za-z0-9.+~-]+)?", "a version without v, such as 3.6.14", 60)
# No underscores: Kubernetes reads event_ttl as event-ttl, so a flag could be set twice.
FlagName = matching(
    r"[a-z][A-Za-z0-9.-]*", "a flag's long name without the leading dashes, such as v or event-ttl", 100
)
PortRange = matching(r"[0-9]{1,5}-[0-9]{1,5}", "a range of ports such as 30000-32767", 11)
Memory = matching(r"([0-9]{1,9}[KMGT]?)?", "an amount of memory such as 512M or 2G", 10)
Quantity = matching(QUANTITY, "an amount as Kubernetes writes it, such as 500m or 1Gi", 40)
