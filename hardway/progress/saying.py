"""The only way from a command to the terminal: no text is a command to it, and every encoding can say it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

import click

from ..foreign.visible import visible


def prepare() -> None:
    """Let each stream say everything: what its encoding lacks becomes an escape, and one that is closed is empty."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us, as `>&-` does
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a test's own stream
            stream.reconfigure(errors="backslashreplace")


def say(text: object = "", err: bool = False, nl: bool = True) -> None:
    """Print a text of any origin; on stderr with `err`, without a line break at its end without `nl`."""
    _write(sys.stderr if err else sys.stdout, f"{visible(str(text))}{chr(10) * nl}")


def say_drawn(text: str, nl: bool = True) -> None:
    """Print what is made visible already and has styles of ours: what a console has drawn, or `coloured` has."""
    _write(sys.stdout, f"{text}{chr(10) * nl}")


def coloured(text: str, colour: str) -> str:
    """The text, visible, in a colour if there is one."""
    return click.style(visible(text), fg=colour) if colour else visible(text)


def _write(stream: TextIO, text: str) -> None:
    # Whoever reads what is wrong may have gone; the exit code still says it.
    with contextlib.suppress(BrokenPipeError) if stream is sys.stderr else contextlib.nullcontext():
        stream.write(text)
        stream.flush()
