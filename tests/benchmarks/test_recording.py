"""The README's picture: the recorded events, drawn as they are, whole and small enough to be looked at."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hardway.progress.events import Moment

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs/bootstrap.svg"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def film():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import film
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    yield film
    sys.modules.pop("film")


@pytest.fixture(scope="module")
def shots(film):
    return film.frames([Moment.parse(line) for line in (ROOT / "docs/bootstrap.jsonl").read_text().splitlines()])


def test_the_picture_is_drawn_from_the_events_beside_it(film, shots):
    assert PICTURE.read_text() == film.svg(shots), "benchmarks/recording.py --draw"


def test_it_is_small_and_needs_nothing_from_elsewhere():
    text = PICTURE.read_text()
    assert len(text) < 400_000
    assert not re.search(r"(?<!xmlns=\")https?://(?!\d)|<script|url\(", text)
    assert "docs/bootstrap.svg" in (ROOT / "README.md").read_text().split("## Two commands")[0]


def test_frames_follow_the_run_to_its_end(shots):
    seen = ["\n".join(row.plain for row in shot.rows) for shot in shots]
    assert seen[0].startswith("$ hardway bootstrap ") and len(seen) > 20
    assert any("MB/s" in text for text in seen) and any("waiting for" in text for text in seen)
    assert "s  done: " in seen[-1] and "longest step" in seen[-1] and "✓" not in seen[-1]
    assert all(first.at < second.at for first, second in zip(shots, shots[1:], strict=False))


def test_every_row_is_drawn_once_and_within_the_window(film, shots):
    root = ElementTree.fromstring(PICTURE.read_text())
    kept = {group.get("id"): group for group in root.iter(f"{SVG}g") if group.get("id")}
    used = [use.get("href")[1:] for use in root.iter(f"{SVG}use")]
    assert set(used) == kept.keys() and len(used) > 3 * len(kept)
    width = float(root.get("width")) - 2 * film.EDGE
    for group in kept.values():
        assert all(float(text.get("x")) + float(text.get("textLength")) <= width + 1 for text in group)
    assert len({ElementTree.tostring(group).split(b">", 1)[1] for group in kept.values()}) == len(kept)


def test_the_strip_moves_at_the_moments_of_the_run(film, shots):
    style = ElementTree.fromstring(PICTURE.read_text()).find(f"{SVG}style").text
    stops = re.findall(r"([\d.]+)%\{transform:translateY\((-?\d+)px\)\}", style)
    whole = shots[-1].at + film.STAY
    assert [round(float(share) * whole / 100, 1) for share, _ in stops] == [round(shot.at, 1) for shot in shots]
    assert [int(down) for _, down in stops] == [-number * film.ROWS * film.LINE for number in range(len(shots))]
