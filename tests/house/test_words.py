"""Plain English: no text that a user can read has a word that the glossary in CONTRIBUTING.md gives another word for.

The glossary is the one source: the words in backticks in its second column are searched for, the first column says
what to write instead.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = "## Words"
# (files, text that may stay, why): the text is taken out of a line before its words are looked at.
EXCEPTIONS: tuple[tuple[str, str, str], ...] = (
    ("*", "signed by unknown authority", "what Go's TLS prints"),
    ("*", "founded.json", "the name of a file in the state directory"),
    ("hardway/assets/building/golang.py", "Go on PATH", "the language Go"),
    ("hardway/commands/doctor/units.py", "sick units", "the name of a kept answer, which nobody sees"),
    ("hardway/commands/runbook/handover.py", "AUTHORITY", "a variable of the guide's shell"),
    ("hardway/commands/runbook/handover.py", '"ours$', "a folder of a host's /var/lib/hardway"),
)
# What a form of a word may end with, besides the word itself.
ENDINGS = r"(?:s|es|ed|ing)?"
Line = tuple[int, str]


@dataclass(frozen=True)
class Word:
    """A word not to write, and what to write instead."""

    text: str
    instead: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """In all forms of its first word, and not as a part of a longer name such as certificate-authority."""
        first, *rest = self.text.split(" ")
        if not first.isalpha():
            return re.compile(re.escape(self.text), re.IGNORECASE)
        stem = rf"{first.removesuffix('e')}(?:e|es|ed|ing)" if first.endswith("e") else f"{first}{ENDINGS}"
        # A pronoun has no other forms: "us" is not "used", "we" is not "wed".
        forms = first if not rest and len(first) < 3 else stem
        return re.compile(r"(?<![\w'-])" + r"\s+".join([forms, *rest]) + r"(?![\w-])", re.IGNORECASE)


def glossary() -> list[Word]:
    """The words in backticks of the table's second column."""
    table = (ROOT / "CONTRIBUTING.md").read_text().split(GLOSSARY)[1].split("|---|---|\n")[1].split("\n\n")[0]
    rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return [Word(word, write) for write, avoid in rows for word in re.findall(r"`([^`]+)`", avoid)]


WORDS = glossary()


def strings(file: Path) -> Iterator[Line]:
    """Every string of a module that looks like a sentence: it has a blank. Docstrings are not shown, so they are
    out."""
    tree = ast.parse(file.read_text())
    unseen = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unseen:
            if " " in node.value.strip():
                yield from numbered(node.value.split("\n"), node.lineno)


def is_command(node: ast.AST) -> bool:
    """Whether a function is a click command or group, whose docstring is its help."""
    called = [one.func for one in getattr(node, "decorator_list", ()) if isinstance(one, ast.Call)]
    return any(isinstance(one, ast.Attribute) and one.attr in ("command", "group") for one in called)


def helps(file: Path) -> Iterator[Line]:
    """The docstrings of click commands."""
    for node in ast.walk(ast.parse(file.read_text())):
        if is_command(node) and (text := ast.get_docstring(node, clean=False)):
            yield from numbered(text.split("\n"), node.body[0].lineno)


def explained(file: Path) -> Iterator[Line]:
    """The docstring of a phase's module: `hardway explain` prints it."""
    yield from numbered((ast.get_docstring(ast.parse(file.read_text()), clean=False) or "").split("\n"), 1)


def prose(file: Path) -> Iterator[Line]:
    """A page, without the glossary itself."""
    text = file.read_text()
    yield from numbered((text.split(GLOSSARY)[0] if file.name == "CONTRIBUTING.md" else text).split("\n"), 1)


def comments(file: Path) -> Iterator[Line]:
    """Lines of a configuration without the key or the # at their start, when more than one word is left."""
    lines = (re.sub(r"^\s*(- )?([\w.-]+[:=]|#)", "", line).strip() for line in file.read_text().split("\n"))
    yield from numbered([line if " " in line else "" for line in lines], 1)


def numbered(lines: Sequence[str], first: int) -> Iterator[Line]:
    """Each line with the one after it: a phrase may be broken where a line ends."""
    for number in range(len(lines)):
        yield first + number, "\n".join(lines[number : number + 2])


def files(reading: Callable[[Path], Iterator[Line]], *patterns: str) -> dict[str, tuple[Path, Callable]]:
    found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern)) if path.is_file()]
    return {f"{path.relative_to(ROOT)}:{reading.__name__}": (path, reading) for path in found}


SEEN = {
    **files(strings, "hardway/**/*.py"),
    **files(helps, "hardway/cli/*.py"),
    **files(explained, "hardway/phases/*.py"),
    **files(prose, "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**/*.md"),
    **files(comments, "systemd-units/**/*", "inventory/*.yaml", "pki/*.yaml", "hardway/commands/runbook/*.yaml"),
}


def allowed(file: str, text: str) -> str:
    """The text without what may stay in it."""
    for files, words, _ in EXCEPTIONS:
        text = text.replace(words, "") if fnmatch(file, files) else text
    return text


def wrong(file: str, lines: Iterator[Line]) -> list[str]:
    """FILE:LINE, the word, what to write instead: once for each place."""
    found = {}
    for number, text in lines:
        kept = allowed(file, text)
        first = kept.partition("\n")[0]
        for word in WORDS:
            match = word.pattern.search(kept)
            # What begins in the next line is reported there.
            if match and match.start() < len(first):
                said = " ".join(match[0].split())
                found[f'{file}:{number}: "{said}", write "{word.instead}"\n    {first.strip()[:150]}'] = None
    return list(found)


def test_the_glossary_is_read():
    assert len(WORDS) > 40 and {"mend", "authority", "anew"} <= {word.text for word in WORDS}
    assert all(word.instead for word in WORDS)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("hardway mends it and it was mended", 1),
        ("the host is\naway", 1),
        ("go on", 1),
        ("it goes on", 1),
        ("Going on would lose the quorum", 1),
        ("3 finding(s)", 1),
        ("Our authority", 2),
        ("whatever is shown, we'll see", 1),
        ("certificate-authority-data, trust, used, we-1, recommended, tell apart, I'll, founds", 0),
        ("repairs, unreachable, continues", 0),
    ],
)
def test_forms_are_found_and_longer_names_are_not(text: str, count: int):
    assert len(wrong("x", numbered(text.split("\n"), 1))) == count


def test_every_kind_of_text_is_read(tmp_path: Path):
    module = tmp_path / "module.py"
    module.write_text(
        '"""Mended."""\n\n\ndef f(host):\n    """Anew."""\n    raise ValueError(f"{host} is sick again")\n'
    )
    assert [line for line, _ in strings(module)] == [6]
    module.write_text(
        '@click.command(cls=Command)\n@INVENTORY\ndef f():\n    """Anew."""\n\n\ndef g():\n    """Sick."""\n'
    )
    assert [text for _, text in helps(module)] == ["Anew."]
    unit = tmp_path / "x.j2"
    unit.write_text("authorities:\n  # signed anew\nkey: value\nwhy: two words\n")
    assert [number for number, text in comments(unit) if text.partition("\n")[0]] == [2, 4]


@pytest.mark.parametrize("name", SEEN)
def test_plain_words(name: str):
    path, reading = SEEN[name]
    found = wrong(str(path.relative_to(ROOT)), reading(path))
    if found:
        pytest.fail("the glossary in CONTRIBUTING.md has other words:\n" + "\n".join(found), pytrace=False)
