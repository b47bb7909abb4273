"""Which tests the suite has, which must have the cluster to themselves, and how ginkgo is told to run some of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

PLACE = "test/conformance/testdata/conformance.yaml"
# For ginkgo, which looks for them in the name of a test.
ALL, ALONE = r"\[Conformance\]", r"\[Serial\]|\[Disruptive\]"


@dataclass(frozen=True)
class Names:
    """The names of tests that run beside others, and of those that run alone."""

    together: tuple[str, ...]
    alone: tuple[str, ...]

    @property
    def every(self) -> tuple[str, ...]:
        return (*self.together, *self.alone)

    def only(self, pattern: str) -> Names:
        """Those whose names match; all of them by the empty pattern."""
        return divided(name for name in self.every if re.search(pattern, name))


def read(source: Path) -> Names:
    """The conformance tests, as Kubernetes' own list in a source tree has them."""
    return divided(entry["codename"] for entry in yaml.safe_load((source / PLACE).read_text()))


def divided(names: Iterable[str]) -> Names:
    """These tests, by whether they must be alone."""
    listed = tuple(names)
    alone = tuple(name for name in listed if re.search(ALONE, name))
    return Names(tuple(name for name in listed if name not in alone), alone)


def exactly(names: Iterable[str]) -> str:
    """What ginkgo is to look for to run these tests and no others. Go and Python agree on what is escaped."""
    return f"(?:^| )(?:{'|'.join(map(re.escape, names))})$"
