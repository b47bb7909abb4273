"""A guide before it is Markdown or HTML: chapters made of a few kinds of parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A section inside of a chapter."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; `code` between backticks."""

    text: str


@dataclass(frozen=True)
class Code:
    """A listing: commands to type (`bash`) or what they print (`text`)."""

    text: str
    language: str = "bash"


@dataclass(frozen=True)
class Table:
    """A head and rows of cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Diagram:
    """The same picture twice: as Mermaid source for Markdown, as SVG for HTML."""

    mermaid: str
    svg: str


Part = Heading | Text | Code | Table | Diagram


@dataclass(frozen=True)
class Chapter:
    """`name` becomes the file's name."""

    name: str
    title: str
    parts: tuple[Part, ...]
