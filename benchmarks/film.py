"""Recorded events as what the display showed, moment by moment, and that as an SVG that moves without any script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from rich.console import Console
from rich.text import Text

from hardway.progress.board import Board, fold
from hardway.progress.compose import composed
from hardway.progress.events import Moment
from hardway.progress.lines import closing, lines
from hardway.progress.screen import styled

COLUMNS, ROWS = 96, 33
EVERY = 0.5  # seconds between two frames
STAY = 6.0  # so long the last one is shown before it all begins again
CELL, LINE, EDGE = 7.8, 18, 16  # pixels: a character's width, a row's height, the frame around
COLOURS = {"cyan": "#56d4dd", "yellow": "#e3b341", "green": "#56d364", "red": "#ff7b72"}
LOOK = (
    'text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;'
    "fill:#e6edf3;white-space:pre}\n.bold{font-weight:bold}.dim{fill-opacity:.62}"
)


@dataclass(frozen=True)
class Frame:
    """What stood on the terminal from `at` on."""

    at: float
    rows: tuple[Text, ...]


def frames(moments: Sequence[Moment]) -> list[Frame]:
    """The terminal every half second, and its end; moments at which nothing moved are left out."""
    told = [Text(f"$ hardway bootstrap {moments[0].event.cluster}.yaml", style="bold")]
    board, found, waiting = Board(), [], list(moments)
    end = moments[-1].elapsed
    for number in range(int(end / EVERY) + 1):
        now = number * EVERY
        while waiting and waiting[0].elapsed <= now and len(waiting) > 1:
            moment = waiting.pop(0)
            board.see(moment)
            told += map(styled, lines(moment, verbose=False))
        found.append(Frame(now, fitted([*told, *composed(board, now, COLUMNS, ROWS - 1)])))
    for moment in waiting:
        told += map(styled, lines(moment, verbose=False))
    found.append(Frame(end, fitted([*told, *map(Text, closing(moments[-1]))])))
    assert fold(moments).timing() == moments[-1].event.phases, "the recording is whole"
    return [
        frame for frame, before in zip(found, [None, *found], strict=False) if not before or before.rows != frame.rows
    ]


def fitted(rows: Sequence[Text]) -> tuple[Text, ...]:
    """The rows that are in sight at the bottom of the terminal."""
    return tuple(rows[-ROWS:])


def svg(shots: Sequence[Frame]) -> str:
    """A film strip behind a window: one animation moves it on. Each row that is ever shown is kept once."""
    width, height = round(COLUMNS * CELL + 2 * EDGE), ROWS * LINE + 2 * EDGE
    kept: dict[str, int] = {}
    strip = [f'<use href="#r{kept.setdefault(drawn, len(kept))}" y="{(number * ROWS + at + 1) * LINE}"/>'
             for number, shot in enumerate(shots) for at, drawn in enumerate(map(row, shot.rows)) if drawn]  # fmt: skip
    colours = "".join(f".{name}{{fill:{colour}}}" for name, colour in COLOURS.items())
    last = f"transform:translateY({-(len(shots) - 1) * ROWS * LINE}px)"
    still = f"@media (prefers-reduced-motion:reduce){{.film{{animation:none;{last}}}}}"
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            ' role="img">'
        ),
        "<title>hardway bootstrap on six machines, as its live display shows it</title>",
        f"<style>{LOOK}{colours}{motion(shots)}{still}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117" stroke="#444c56"/>',
        "<defs>",
        *(f'<g id="r{number}">{drawn}</g>' for drawn, number in kept.items()),
        "</defs>",
        f'<svg x="{EDGE}" y="{EDGE - 4}" width="{width - 2 * EDGE}" height="{ROWS * LINE + 4}"><g class="film">',
        *strip,
        "</g></svg>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def motion(shots: Sequence[Frame]) -> str:
    """The moments at which the strip moves on."""
    whole = shots[-1].at + STAY
    stops = "".join(
        f"{shot.at / whole:.3%}{{transform:translateY({-number * ROWS * LINE}px)}}" for number, shot in enumerate(shots)
    )
    return f"@keyframes play{{{stops}}}.film{{animation:play {whole:.2f}s step-end infinite}}"


def row(text: Text) -> str:
    """A row as SVG: its pieces by colour, each stretched to the cells it takes, whatever font there is."""
    return "".join(
        f'<text x="{at * CELL:.1f}"'
        f' textLength="{len(words) * CELL:.1f}"{f" class={chr(34)}{look}{chr(34)}" if look else ""}>'
        f"{escape(words)}</text>"
        for at, words, look in pieces(text)
    )


def pieces(text: Text) -> Iterator[tuple[int, str, str]]:
    """(column, words, classes) of a row, without the space around."""
    console, at = Console(width=COLUMNS), 0
    for segment in text.render(console):
        words, style = segment.text.rstrip("\n"), segment.style
        bare = words.strip()
        if bare:
            colour = style.color.name if style and style.color and style.color.name in COLOURS else ""
            look = [colour, "bold" if style and style.bold else "", "dim" if style and style.dim else ""]
            yield at + words.index(bare), bare, " ".join(filter(None, look))
        at += len(words)
