"""The Go module from which the suite is compiled: the pinned one, and whatever Kubernetes' own go.mod requires besides.

The pinned go.sum holds the sum of k8s.io/kubernetes, and with it of the go.mod and go.sum that lie in it: so what the
suite is compiled of is pinned already, and the module of hardway's programs stays as it is. The one exception are
modules of Kubernetes' own tree that are published apart and that no program of a cluster needs: more.sum beside this
has their sums.
"""

from __future__ import annotations

import re
from pathlib import Path

MORE = Path(__file__).with_name("more.sum")
REPLACED = re.compile(r"^replace (\S+) => \1 (v\d\S*)$", re.M)
REQUIRED = re.compile(r"^\s*(?:require )?([a-z][\w.~/-]*\.[\w.~/-]+) (v\d\S*)(?: // indirect)?$", re.M)


def write(directory: Path, pinned: Path, kubernetes: Path) -> None:
    """Write go.mod and go.sum into `directory`, of those in the two folders."""
    directory.mkdir()
    (directory / "go.mod").write_text(go_mod((pinned / "go.mod").read_text(), (kubernetes / "go.mod").read_text()))
    sums = (path.read_text() for path in (pinned / "go.sum", kubernetes / "go.sum", MORE))
    (directory / "go.sum").write_text(go_sum(*sums))


def go_mod(pinned: str, kubernetes: str) -> str:
    """The pinned go.mod with the requirements of Kubernetes' own that it has not."""
    known, staged = dict(REQUIRED.findall(pinned)), dict(REPLACED.findall(pinned))
    # What is v0.0.0 in Kubernetes' own tree has the version under which it is published to everybody else.
    missing = {name: staged.get(name, version) for name, version in REQUIRED.findall(kubernetes) if name not in known}
    lines = "".join(f"\t{name} {version} // indirect\n" for name, version in missing.items())
    return f"{pinned.rstrip()}\n\nrequire (\n{lines})\n"


def go_sum(*texts: str) -> str:
    """Every line of them once."""
    return "".join(f"{line}\n" for line in sorted({line for text in texts for line in text.splitlines() if line}))
