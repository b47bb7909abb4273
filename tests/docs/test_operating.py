"""docs/operating.md names everything that the JSON of status has, and nothing else."""

import dataclasses
import re
import typing
from pathlib import Path

import pytest

from hardway.commands.drills import DRILLS
from hardway.commands.encryption.status import EncryptionStatus
from hardway.commands.etcd.status import EtcdStatus
from hardway.commands.status import Status

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


def fields(kind: object) -> set[str]:
    """The fields of a dataclass, or of the items of a tuple of them; none of a plain value."""
    inner = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind
    return {field.name for field in dataclasses.fields(inner)} if dataclasses.is_dataclass(inner) else set()


@pytest.mark.parametrize(("number", "kind"), [(1, Status), (2, EtcdStatus)], ids=["status", "etcd-status"])
def test_the_status_as_json_is_told_field_by_field(number: int, kind: type):
    table = PAGE.split("| key | fields | meaning |")[number].split("\n\n")[0]
    told: dict[str, set[str]] = {}
    for line in table.splitlines()[2:]:
        keys, inner, _ = line.strip("|").split("|", 2)
        told |= {key: set(re.findall(r"`(\w+)`", inner)) for key in re.findall(r"`(\w+)(?:\[\])?`", keys)}
    kinds = typing.get_type_hints(kind)
    assert told == {name: fields(kind) for name, kind in kinds.items()}


def test_the_status_of_encryption_as_json_is_told_field_by_field():
    table = PAGE.split("| key of the JSON | fields | meaning |")[1].split("\n\n")[0]
    rows = [line.strip("|").split("|", 2) for line in table.splitlines()[2:]]
    told = {key: set(re.findall(r"`(\w+)`", inner)) for keys, inner, _ in rows for key in re.findall(r"`(\w+)`", keys)}
    kinds = typing.get_type_hints(EncryptionStatus)
    assert told == {name: fields(kind) for name, kind in kinds.items()}


def test_every_drill_is_told_in_its_order():
    table = PAGE.split("| drill | what breaks |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == [drill.name for drill in DRILLS]
