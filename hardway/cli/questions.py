"""Questions that only a person answers, before anything is changed."""

from __future__ import annotations

import click

from ..errors import UsageError
from ..progress.saying import say

UNCHANGED = "aborted: nothing was changed"


def confirm(question: str, yes: bool) -> None:
    """Return when the answer is yes, which `yes` gives beforehand.

    click.Abort that says what happened; UsageError when the input ends before an answer, as it does without a terminal.
    """
    try:
        agreed = yes or click.confirm(question, err=True)
    except click.Abort as abort:
        say(err=True)  # the line of the question is still open
        if isinstance(abort.__context__, EOFError) and not click.get_text_stream("stdin").isatty():
            raise UsageError(f"nobody answered: {question}", hint="add --yes to say yes beforehand") from None
        raise click.Abort(UNCHANGED) from None
    if not agreed:
        raise click.Abort(UNCHANGED)
