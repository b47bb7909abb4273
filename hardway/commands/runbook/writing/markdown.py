"""Chapters as Markdown files, numbered in their order, and a page that lists them."""

from __future__ import annotations

from collections.abc import Sequence

from ....cluster import Cluster
from .document import Chapter, Code, Diagram, Heading, Part, Table, Text


def files(chapters: Sequence[Chapter], cluster: Cluster) -> dict[str, str]:
    """Texts by file name."""
    names = [f"{number:02}-{chapter.name}.md" for number, chapter in enumerate(chapters)]
    entries = "\n".join(f"1. [{chapter.title}]({name})" for name, chapter in zip(names, chapters, strict=True))
    links = [f"Next: [{chapter.title}]({name})" for name, chapter in zip(names, chapters, strict=True)]
    links = [*links[1:], "[All chapters](README.md)"]
    texts = {
        name: f"{chapter_text(chapter)}\n{link}\n" for name, chapter, link in zip(names, chapters, links, strict=True)
    }
    return {"README.md": f"# {cluster.name}: Kubernetes the hard way\n\n{entries}\n", **texts}


def chapter_text(chapter: Chapter) -> str:
    return "\n\n".join([f"# {chapter.title}", *(_part(part) for part in chapter.parts)]) + "\n"


def _part(part: Part) -> str:
    match part:
        case Heading(text):
            return f"## {text}"
        case Text(text):
            return text
        case Code(text, language):
            return f"{fence(text)}{language}\n{text}\n{fence(text)}"
        case Table(head, rows):
            lines = [head, tuple("---" for _ in head), *rows]
            return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        case Diagram(mermaid):
            return f"```mermaid\n{mermaid}\n```"


def fence(text: str) -> str:
    """Backticks enough that none in the text ends it early."""
    return "````" if "```" in text else "```"
