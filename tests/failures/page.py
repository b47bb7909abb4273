"""docs/failures.md, written from the catalogue: `python -m tests.failures.page > docs/failures.md`."""

from __future__ import annotations

from .case import Case
from .cases import TOPICS

HEAD = """# Failures that teach

What you may see, why, and what to do. Each of these failures is caused for real by a test, which holds hardway to the
words, the next command and the exit code shown here. `<something>` stands for what is particular to your case.

An error always has the same form: what happened and where, the evidence, and the next command to try.

    error: WHAT HAPPENED  (host HOST, phase PHASE)
      | EVIDENCE
      next: THE NEXT COMMAND

Commands that act end with one line more, `log:` and the file that holds all of the run.
On a cluster that lives `hardway doctor INV` says which of them it is, and what only follows from it.

After the remedy run the same command again. It goes on where it stopped, and what was done is not done twice."""


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
    return f"`{escaped}`"


if __name__ == "__main__":
    print(page(), end="")
