"""How a run of the command line ends: each kind of error as text, with its exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..errors import HardwayError, typable
from ..progress.saying import say
from .os_errors import refusal

# As a shell names the end by SIGINT, and by SIGPIPE.
ABORTED, READER_GONE = 130, 141


class ReaderGone(Exception):
    """Whoever read our output has stopped reading, as `head` does."""


def conclude(run: Callable[[dict[str, Any]], Any]) -> None:
    """Run a command line, which notes in a dictionary what an error should name.

    This is the only place where an error becomes text and an exit code.
    """
    given: dict[str, Any] = {}
    try:
        run(given)
    except click.exceptions.Abort as error:
        say(_aborted(error), err=True)
        sys.exit(ABORTED)
    except click.ClickException as error:
        say(_shown(error), err=True, nl=False)
        sys.exit(error.exit_code)
    except HardwayError as error:
        sys.exit(told(error, given))
    except ReaderGone:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # what is left to be flushed at exit goes nowhere
        sys.exit(READER_GONE)
    except OSError as error:
        refused = refusal(error)
        sys.exit(told(refused, given) if refused else bug(error, given))
    except Exception as error:
        sys.exit(bug(error, given))


def _aborted(error: click.exceptions.Abort) -> str:
    """click turns Ctrl-C into this, and Ctrl-D at a question, where it hides the cause."""
    if error.args:
        return str(error)
    if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
        return "interrupted: no file is half written\n  next: run the same command again; it continues"
    return "aborted: a question was not answered\n  next: run the same command again; it continues"


class _Whole(io.StringIO):
    """A text to which click writes all of what was typed; to what is no terminal it leaves control characters out."""

    def isatty(self) -> bool:
        return True


def _shown(error: click.ClickException) -> str:
    """As click tells it."""
    text = _Whole()
    error.show(text)
    return text.getvalue()


def told(error: HardwayError, given: dict[str, Any]) -> int:
    """Print an error with the inventory's name where it says INV, and the run's log; its exit code."""
    say("\n".join(typable(error.lines(), str(given.get("inventory", "INV")))), err=True)
    say_where_the_log_is(given["log"].path if "log" in given else None)
    return error.exit_code


def say_where_the_log_is(path: Path | None) -> None:
    if path:
        say(f"  log: {path}", err=True)


def bug(error: Exception, given: dict[str, Any]) -> int:
    """Our own fault: keep the traceback in the run's log, or in a file where there is none, and tell where."""
    kept = given["log"].bug(error) if "log" in given else None
    say(f"error: this is a bug in hardway ({type(error).__name__}: {error})", err=True)
    say(f"  next: report it and attach {kept or _apart(error)}", err=True)
    return 1


def _apart(error: Exception) -> str:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="hardway-bug-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write(f"hardway {__version__}\n{''.join(traceback.format_exception(error))}")
    return file.name
