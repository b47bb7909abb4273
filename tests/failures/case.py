"""One failure a user can meet, as the catalogue declares it, and how what hardway said is held against it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stage import Ran

# In templates <something> stands for some text within a line, … for any or none.
SOMETHING = re.compile(r"(<[a-z][a-z -]*>|…)")


@dataclass(frozen=True)
class Case:
    """`sees`, `evidence` and `next` are templates of lines that hardway must print; the page of failures shows the same
    words.

    `injected` says how the test brings it about; `why` and `remedy` are for the page alone.
    """

    name: str
    sees: str
    why: str
    injected: str
    exit_code: int
    next: str
    remedy: str
    evidence: tuple[str, ...] = ()

    def unmet(self, ran: Ran, host: str = "") -> list[str]:
        """What is wrong with the output of a command that met this failure on `host`: nothing, when all is told."""
        said = f"{ran.out}\n{ran.err}"
        nexts = "\n".join(re.findall(r"^[ |]*next: (.*)$", said, re.MULTILINE))
        wrong = [] if ran.code == self.exit_code else [f"the exit code is {ran.code}, not {self.exit_code}"]
        wrong += [f"nowhere: {line}" for line in (self.sees, *self.evidence) if not pattern(line).search(said)]
        wrong += [] if pattern(self.next).search(nexts) else [f"no next step like: {self.next}"]
        wrong += [] if re.search(rf"(?<![\w-]){re.escape(host)}(?![\w-])", said) else [f"the host {host} is not named"]
        wrong += [f"the next step is what has just failed: {line}" for line in nexts.splitlines() if _same(line, ran)]
        wrong += [f"shown to a user: {word}" for word in ("Traceback", "a bug in hardway") if word in said]
        return wrong


def _same(line: str, ran: Ran) -> bool:
    """Whether a next step is the command itself, before anything else is named; after Ctrl-C nothing has failed."""
    command = re.search(r"hardway(?:\.cli\.app)? ([a-z-]+(?: [a-z-]+)*)(?= |$)", " ".join(ran.words))
    again = rf"(?:run the same command again|hardway {re.escape(command[1])}(?: [^\s-]\S*)+$)" if command else "$^"
    return ran.code not in (0, 130) and bool(re.match(again, line))


def pattern(template: str) -> re.Pattern[str]:
    """A regular expression for text like the template."""
    parts = (
        ".*" if part == "…" else ".+" if SOMETHING.fullmatch(part) else re.escape(part)
        for part in SOMETHING.split(template)
    )
    return re.compile("".join(parts))
