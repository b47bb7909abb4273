"""rich's console as hardway uses it: of what it draws, only our own colours are commands to the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from ..foreign.visible import visible


@dataclass(frozen=True)
class Seen:
    """Something to draw, with all its text made visible."""

    renderable: Any

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self.renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class _Made(RenderHook):
    def process_renderables(self, renderables: Sequence[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [Seen(renderable) for renderable in renderables]


def console(stream: TextIO, width: int | None = None, **options: Any) -> Console:
    """A console on this stream; `width` counts where it is no terminal, where colours are left out too."""
    fixed = None if stream.isatty() else width
    made = Console(file=stream, highlight=False, markup=False, emoji=False, width=fixed, **options)
    made.push_render_hook(_Made())
    return made
