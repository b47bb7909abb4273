"""What versions no longer accept: flags, feature gates, admission plugins and API versions that are gone, by minor."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources

import yaml

from hardway.settings import Versions

Version = tuple[int, ...]
Args = Mapping[str, Mapping[str, str]]
GATES = "feature-gates"
PLUGINS = ("enable-admission-plugins", "disable-admission-plugins")


@dataclass(frozen=True)
class Removals:
    """One minor of one component; removed.yaml says what each field is."""

    component: str
    minor: Version
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gates: tuple[str, ...] = ()
    locked: Mapping[str, bool] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    apis: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As people call it: Kubernetes 1.37, etcd 3.7."""
        return f"{'Kubernetes' if self.component == 'kubernetes' else self.component} {'.'.join(map(str, self.minor))}"


@functools.cache
def table() -> tuple[Removals, ...]:
    """All of them, the oldest minor of each component first."""
    text = resources.files(__package__).joinpath("removed.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    return tuple(_row(component, minor, row) for component, rows in found.items() for minor, row in rows.items())


def _row(component: str, minor: str, row: Mapping) -> Removals:
    lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
    flags = {program: tuple(names) for program, names in row.get("flags", {}).items()}
    return Removals(component, numbers(minor), flags, locked=row.get("locked", {}), **lists)


def numbers(version: str) -> Version:
    """The minor of a version: "1.37.2" is (1, 37)."""
    return tuple(int(part) for part in version.split("-")[0].split(".")[:2])


def since(versions: Versions) -> Iterator[Removals]:
    """What holds for these versions."""
    return (row for row in table() if row.minor <= numbers(getattr(versions, row.component)))


def refused(args: Args, versions: Versions) -> Iterator[tuple[str, str, str]]:
    """(program, flag, why) of each argument with which a program of these versions does not start."""
    for row in since(versions):
        for program, given in args.items():
            yield from ((program, flag, why) for flag, why in _refused(row, program, given))


def _refused(row: Removals, program: str, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for flag in row.flags.get(program, ()):
        if flag in given:
            yield flag, f"{program} of {row.name} has no such flag: remove it"
    if row.component == "kubernetes" and program.startswith("kube"):
        yield from ((GATES, why) for why in _gates(row, given.get(GATES, "")))
        for flag in PLUGINS:
            for plugin in set(_words(given.get(flag, ""))) & set(row.plugins):
                yield flag, f"{row.name} has no admission plugin {plugin}: remove it"


def _gates(row: Removals, text: str) -> Iterator[str]:
    """Why feature gates given as `A=true,B=false` are refused."""
    for name, value in (word.rpartition(":")[2].partition("=")[::2] for word in _words(text)):
        if name in row.gates:
            yield f"{row.name} has no feature gate {name}: remove it"
        elif name in row.locked and value.lower() != str(row.locked[name]).lower():
            kept = "true" if row.locked[name] else "false"
            yield f"the feature gate {name} can only be {kept} since {row.name}: remove it"


def _words(text: str) -> list[str]:
    return [word.strip() for word in str(text).split(",") if word.strip()]
