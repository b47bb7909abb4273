"""Whatever others wrote, nothing of it is a command to the terminal, and every stream can carry it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from hardway.cli.app import cli
from hardway.cli.endings import conclude
from hardway.foreign.visible import visible
from hardway.progress.console import Seen, console
from hardway.progress.redact import Redactor
from hardway.progress.runlog import RunLog
from hardway.progress.saying import coloured, prepare, say, say_drawn
from hardway.report import Report

# Clears the screen, names the window, hides text, goes back to the line's beginning, turns the direction of writing,
# is C1's form of ESC [, and is nothing to be seen at all.
ATTACKS = [
    "\x1b[2J",
    "\x1b]0;root\x07",
    "\x1b[8m",
    "ok\rbad",
    "\u202egnp",
    "\x9b31m",
    "a\u200bb",
    "\x7f",
    "\x08",
    "\x00",
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_what_a_terminal_would_obey_is_seen(attack: str):
    shown = visible(f"one\ttwo {attack}\n")
    assert shown.startswith("one\ttwo ") and shown.endswith("\n") and "\\u00" in shown + "\\u00" * ("\\u" in shown)
    assert shown.replace("\t", "").replace("\n", "").isprintable()


@given(st.text())
def test_nothing_is_lost_and_nothing_is_obeyed(text: str):
    shown = visible(text)
    assert all(char.isprintable() or char in "\n\t" for char in shown)
    assert (shown == text) == all(char.isprintable() or char in "\n\t" for char in text)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_stays_json_and_means_the_same(value: object):
    assert json.loads(visible(json.dumps(value))) == value
    assert json.loads(visible(json.dumps(value, indent=2))) == value


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_table_is_no_command_either(attack: str, stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    into = stream()
    table = Table("host")
    table.add_row(Text(attack, "red"))
    made = console(into, 40)
    made.print(table)
    made.print(Text(attack), soft_wrap=True)
    made.print(Seen(Text(attack)))
    plain = into.getvalue().replace("\x1b[31m", "").replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\n", "")
    assert plain.isprintable()
    assert ("\x1b[31m" in into.getvalue()) == (stream is Terminal and bool(visible(attack).strip("\x08\x07\r")))


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_note_is_no_command(output: str):
    stream = io.StringIO()
    Report(output, stream=stream).note("host said \x1b[2J\x7f")
    assert stream.getvalue().replace("\n", "").isprintable() and "u001b" in stream.getvalue()
    if output == "json":
        assert json.loads(stream.getvalue())["message"] == "host said \x1b[2J\x7f"


def test_our_own_colours_stay(capsys: pytest.CaptureFixture[str]):
    say_drawn(coloured("a\x1b", "red"))
    say("a\x1b", err=True)
    told = capsys.readouterr()
    assert told.out == "\x1b[31ma\\u001b\x1b[0m\n" and told.err == "a\\u001b\n"


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "utf-8", "cp1252"])
def test_every_encoding_can_say_everything(encoding: str, monkeypatch: pytest.MonkeyPatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, errors="strict"))
    prepare()
    say("→ ä 😀")
    assert raw.getvalue().decode(encoding).startswith("→" if encoding == "utf-8" else "\\u2192")


def test_a_closed_stream_is_an_empty_one(monkeypatch: pytest.MonkeyPatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    prepare()
    say("nobody hears this")
    assert sys.stdin.read() == "" and not sys.stdout.isatty()


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
@pytest.mark.parametrize("words", [["{}"], ["plan", "--{}"], ["upgrade", "INV", "--output", "{}"]])
def test_what_was_typed_is_no_command_either(
    words: list[str], attack: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    typed = [word.format(attack) for word in words]
    with pytest.raises(SystemExit) as ended:
        conclude(lambda given: cli.main(typed, standalone_mode=False, obj=given))
    told = capsys.readouterr().err
    assert ended.value.code == 2 and told and told == visible(told), told
    # Some versions of click show it as Python would write it.
    assert any(form in told for form in (visible(attack), repr(attack)[1:-1])), told


def test_a_name_of_a_file_is_no_command_either(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        conclude(lambda given: (_ for _ in ()).throw(click.FileError("\x1b[2J", "\x9bgone")))
    told = capsys.readouterr().err
    assert told == visible(told) and told.endswith("[2J': \\u009bgone\n")


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_the_log_of_a_run_can_be_shown(attack: str, tmp_path: Path):
    log = RunLog(Redactor())
    log.open(tmp_path, "plan")
    log.write(f"a host said: {attack}\nand more{attack}")
    told = log.path.read_bytes().decode() if log.path else ""
    assert told == visible(told) and told.count(visible(attack)) == 2 and len(told.splitlines()) == 3
