"""docs/failures.md, written from the catalogue: `python -m tests.failures.page > docs/failures.md`."""

from __future__ import annotations

from .case import Case
from .cases import TOPICS

HEAD = """# Failures and what to do

What you see, why, and what to do. A test causes each of these failures for real and checks the words, the next command
and the exit code shown here. `<something>` stands for a value of your case, `…` for any text or none.

Every error has the same form: what happened and where, the evidence, and the next command to try.

    error: WHAT HAPPENED  (host HOST, phase PHASE)
      | EVIDENCE
      next: THE NEXT COMMAND

Commands that change hosts print one more line, `log:` and the file with the log of the whole run.
On a running cluster `hardway doctor INV` finds which failure it is, and which other problems it causes.

After the remedy run the same command again. It continues where it stopped, and does nothing twice."""


def page() -> str:
    """The whole page."""
    return "\n\n".join([HEAD, *(topic(title, cases) for title, cases in TOPICS.items())]) + "\n"


def topic(title: str, cases: tuple[Case, ...]) -> str:
    head = [f"## {title}", "", "| what you see | why | what to do | exit code |", "|---|---|---|---|"]
    return "\n".join([*head, *(row(case) for case in cases)])


def row(case: Case) -> str:
    seen = "<br>".join(code(line) for line in (case.sees, *case.evidence))
    cells = (seen, case.why, f"{case.remedy} Next: {code(case.next)}", str(case.exit_code))
    return f"| {' | '.join(cells)} |"


def code(line: str) -> str:
    escaped = line.replace("|", "\\|")
    return f"`` {escaped} ``" if "`" in line else f"`{escaped}`"


if __name__ == "__main__":
    print(page(), end="")
