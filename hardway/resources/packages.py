"""Packages of the system that bring programs which hosts must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..vocabulary import Answers, Op, Probe
from .base import Change, Situation


@dataclass(frozen=True)
class Packages:
    """Programs that must be there, each with the package that brings it, for this host's package manager.

    A program is there as soon as its package is unpacked, so the package is asked for too: it may have got no further.
    """

    manager: str
    tools: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        return f"packages {' '.join(dict.fromkeys(package for _, package in self.tools))}"

    def probes(self) -> tuple[Probe, ...]:
        tools = (self._probe(tool) for tool, _ in self.tools)
        packages = (
            probe for _, name in self.tools for probe in (Probe("package", (name,)), _ours(name), _interrupted(name))
        )
        return (*tools, *packages)

    @staticmethod
    def _probe(tool: str) -> Probe:
        return Probe("library", (tool,)) if tool.startswith("lib") else Probe("tool", (tool,))

    def compare(self, now: Situation) -> Change | None:
        missing = [(tool, package) for tool, package in self.tools if now.answers[self._probe(tool)] == "absent"]
        begun = self._begun(now.answers)
        why = [f"missing: {', '.join(tool for tool, _ in missing)}"] if missing else []
        why += [f"half installed: {name} ({state})" for name, state in begun.items()]
        wanted = {*begun, *(package for _, package in missing)}
        ended = self._named(now.answers, _interrupted) - wanted
        why += [f"not yet recorded as installed by hardway: {', '.join(sorted(ended))}"] if ended else []
        names = dict.fromkeys(package for _, package in self.tools if package in wanted | ended)
        return Change(self.key, tuple(why), (Op("packages", (self.manager, *names)),)) if why else None

    def _begun(self, answers: Answers) -> dict[str, str]:
        """The packages on which their manager was interrupted, with how far it had come."""
        said = {name: answers[Probe("package", (name,))].partition(" ") for _, name in self.tools}
        return {name: state for name, (whole, _, state) in said.items() if whole == "half"}

    def _named(self, answers: Answers, record: Callable[[str], Probe]) -> set[str]:
        return {name for _, name in self.tools if answers[record(name)] == "yes"}

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        """What we installed, and what a run that died was installing, as far as it came."""
        there = {name for tool, name in self.tools if answers[self._probe(tool)] != "absent"} | {*self._begun(answers)}
        ours = self._named(answers, _ours) | self._named(answers, _interrupted) & there
        names = tuple(dict.fromkeys(name for _, name in self.tools if name in ours))
        return (Op("unpackages", (self.manager, *names)),) if names else ()


def _ours(package: str) -> Probe:
    """Whether we have installed it."""
    return Probe("ours", ("packages", package))


def _interrupted(package: str) -> Probe:
    """Whether a run of ours died between installing it and recording that."""
    return Probe("ours", ("installing", package))
