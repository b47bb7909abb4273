"""How the cost of a plan grows with the number of hosts. JSON on stdout, a table on stderr.

    benchmarks/scale.py [--hosts N]... [--parallel N]

cpu       processor seconds of `hardway plan` for N bare hosts, as the kernel counts them for the process
wall      seconds; most of it is the server's time, since one machine plays all hosts
peak_mb   the process' memory at its highest, in 2^20 bytes
exponent  the slope of a line through log(cpu) over log(N): 1 is work that grows with the hosts, 2 with their square
load      other work on the machine makes wall worthless, and cpu less exact
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bootstrap import machine, ran, rounded
from scale_stage import Street, street

from hardway.errors import HardwayError

COUNTS = (6, 25, 100, 250, 500)
# What a process costs before it does anything would flatten the line: it leaves smaller clusters out.
FITTED = 25
TARGETS = {"exponent": 1.15, "cpu": 60.0, "peak_mb": 300.0}


def measure(place: Street, count: int, parallel: int) -> dict[str, Any]:
    """One plan of so many bare hosts."""
    load = os.getloadavg()[0]
    words = (str(place.inventory(count)), "--state-dir", str(place.folder / f"state-{count}"), "--output", "json")
    argv = place.inside(sys.executable, "-m", "hardway.cli.app", "plan", *words, "--parallel", str(parallel))
    found = ran(argv, "plan", place.environment)
    changes = json.loads(found.output)["changes"]
    return {
        "hosts": count,
        "changes": changes,
        "cpu": found.cpu,
        "wall": found.seconds,
        "peak_mb": found.peak_mb,
        "load_before": load,
    }


def exponent(runs: Sequence[Mapping[str, Any]]) -> float:
    """The slope of the line of least squares through log(cpu) over log(hosts)."""
    points = [(math.log(run["hosts"]), math.log(run["cpu"])) for run in runs if run["hosts"] >= FITTED]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    over = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return over / sum((x - mean_x) ** 2 for x, _ in points)


def conclusions(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The largest cluster's numbers and the exponent, each with its target."""
    largest = max(runs, key=lambda run: run["hosts"])
    found = {"cpu": largest["cpu"], "peak_mb": largest["peak_mb"]}
    if sum(run["hosts"] >= FITTED for run in runs) > 1:
        found["exponent"] = exponent(runs)
    return {
        name: {"value": value, "target": TARGETS[name], "met": value <= TARGETS[name]} for name, value in found.items()
    }


def table(runs: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> str:
    lines = [f"{'hosts':>6}{'changes':>9}{'cpu':>9}{'wall':>9}{'peak_mb':>9}"]
    lines += [
        f"{run['hosts']:6}{run['changes']:9}{run['cpu']:9.2f}{run['wall']:9.2f}{run['peak_mb']:9.1f}" for run in runs
    ]
    for name, found in summary.items():
        verdict = "met" if found["met"] else "MISSED"
        lines.append(f"{name}: {found['value']:.2f} <= {found['target']:g}: {verdict}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--hosts", type=int, action="append", metavar="N", help=f"so many hosts (repeatable; default {COUNTS})"
    )
    parser.add_argument(
        "--parallel", type=int, default=32, metavar="N", help="hosts at once, as for hardway: a busy machine needs less"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    runs = []
    with tempfile.TemporaryDirectory(prefix="hardway-scale-", dir="/var/tmp") as folder:
        try:
            with street(Path(folder)) as place:
                for count in sorted(options.hosts or COUNTS):
                    runs.append(measure(place, count, options.parallel))
                    print(f"{count} hosts: {runs[-1]['cpu']:.1f} s CPU", file=sys.stderr)
        except HardwayError as error:
            print("\n".join(error.lines()), file=sys.stderr)
            return error.exit_code
    summary = conclusions(runs)
    print(json.dumps(rounded({"machine": machine(), "summary": summary, "runs": runs}), indent=2))
    print(table(runs, summary), file=sys.stderr)
    return 0 if all(found["met"] for found in summary.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
