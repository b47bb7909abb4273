"""The picture of a bootstrap in the README: a real run on lab machines, recorded as events and drawn by the real
display.

    benchmarks/recording.py            records docs/bootstrap.jsonl, then draws docs/bootstrap.svg from it
    benchmarks/recording.py --draw     draws it again from the events that are there

Record on an idle machine: what else it does makes the run look slower than it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import film
from bench_lab import ROOT, prepare

from hardway.errors import HardwayError
from hardway.progress.events import Moment

EVENTS, PICTURE = ROOT / "docs/bootstrap.jsonl", ROOT / "docs/bootstrap.svg"


def record(target: Path, name: str = "demo") -> None:
    """Bootstrap six bare machines, made for this and wiped afterwards; HardwayError when that fails."""
    # /tmp may be memory, which would make the state directory faster than anybody's disk.
    with tempfile.TemporaryDirectory(prefix="hardway-recording-", dir="/var/tmp") as folder:
        stage = prepare(Path(folder), name)
        try:
            stage.fresh()
            words = ("bootstrap", str(stage.inventory), "--state-dir", str(stage.state), "--output", "json")
            done = subprocess.run(
                [sys.executable, "-m", "hardway.cli.app", *words], cwd=ROOT, capture_output=True, text=True
            )
        finally:
            stage.machines.wipe()
    if done.returncode:
        raise HardwayError(f"the bootstrap ended with {done.returncode}", evidence=done.stderr)
    target.write_text(done.stdout)


def draw(source: Path, target: Path) -> None:
    """One animated SVG from recorded events."""
    target.write_text(film.svg(film.frames([Moment.parse(line) for line in source.read_text().splitlines()])))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true", help="draw only")
    try:
        if not parser.parse_args().draw:
            record(EVENTS)
        draw(EVENTS, PICTURE)
    except HardwayError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return error.exit_code
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
