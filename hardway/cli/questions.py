"""Questions that only a person answers, before anything is changed."""

from __future__ import annotations

import sys

import click

from ..errors import UsageError
from ..progress.saying import say

UNCHANGED = "aborted: nothing was changed"


def require_person(yes: bool, question: str = "this command asks before it changes anything") -> None:
    """UsageError when a question is to come, unless `yes` is its answer, and there is no terminal to ask it on: what
    stands in a pipe is no person's answer."""
    if not yes and not sys.stdin.isatty():
        raise UsageError(f"there is no terminal to ask on: {question}", hint="add --yes to say yes beforehand")


def confirm(question: str, yes: bool) -> None:
    """Return when the answer is yes; click.Abort that says what happened, UsageError without a terminal."""
    require_person(yes, question)
    try:
        agreed = yes or click.confirm(question, err=True)
    except click.Abort:
        say(err=True)  # Ctrl-C and Ctrl-D leave the line of the question open
        raise click.Abort(UNCHANGED) from None
    if not agreed:
        raise click.Abort(UNCHANGED)
