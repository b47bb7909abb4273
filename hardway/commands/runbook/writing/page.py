"""The whole guide as one HTML page that needs nothing else and prints well."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from ....cluster import Cluster
from .document import Chapter, Code, Diagram, Heading, Part, Table, Text

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 3rem; border-bottom: 1px solid #d0d7de; }
pre { background: #f6f8fa; border: 1px solid #d0d7de; padding: .7rem; overflow-x: auto; }
pre { font-size: 13px; line-height: 1.4; }
pre.text { background: #fff; border-style: dashed; }
code { font-family: ui-monospace, monospace; font-size: 90%; }
table { border-collapse: collapse; } th, td { border: 1px solid #d0d7de; padding: .2rem .6rem; text-align: left; }
svg { max-width: 100%; height: auto; } svg rect { fill: #eef4fb; stroke: #3b6ea5; }
svg path { stroke: #8a98a8; fill: none; }
svg text { font: 13px system-ui, sans-serif; } svg .small { font-size: 10px; fill: #57606a; }
svg .believed rect { fill: #fff; stroke-dasharray: 4 3; } svg .believed text { font-size: 11px; }
@media print {
  body { max-width: none; font-size: 11px; } pre { white-space: pre-wrap; font-size: 9px; }
  h2 { break-before: page; } h3, .before { break-after: avoid; } svg, tr { break-inside: avoid; }
}
"""


def page(chapters: Sequence[Chapter], cluster: Cluster) -> str:
    """One HTML document."""
    title = escape(f"{cluster.name}: Kubernetes the hard way")
    contents = "".join(f'<li><a href="#{chapter.name}">{escape(chapter.title)}</a></li>' for chapter in chapters)
    body = "\n".join(_chapter(chapter) for chapter in chapters)
    head = (
        '<meta charset="utf-8"><meta name="viewport"'
        f' content="width=device-width"><title>{title}</title><style>{STYLE}</style>'
    )
    top = f'<h1>{title}</h1><ol start="0">{contents}</ol>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{top}\n{body}\n</body></html>\n'


def _chapter(chapter: Chapter) -> str:
    following = [*chapter.parts[1:], None]
    parts = "\n".join(
        _part(part, isinstance(after, Code)) for part, after in zip(chapter.parts, following, strict=True)
    )
    return f'<section><h2 id="{chapter.name}">{escape(chapter.title)}</h2>\n{parts}</section>'


def _part(part: Part, before_code: bool) -> str:
    match part:
        case Heading(text):
            return f"<h3>{_inline(text)}</h3>"
        case Text(text):
            mark = ' class="before"' if before_code else ""
            return f"<p{mark}>{_inline(text)}</p>"
        case Code(text, language):
            return f'<pre class="{language}"><code>{escape(text)}</code></pre>'
        case Table(head, rows):
            body = "".join(f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in cells)}</tr>" for cells in rows)
            return f"<table><tr>{''.join(f'<th>{_inline(cell)}</th>' for cell in head)}</tr>{body}</table>"
        case Diagram(_, svg):
            return f"<figure>{svg}</figure>"


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
