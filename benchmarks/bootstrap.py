"""How fast is a bootstrap, against a floor measured in the same run. JSON on stdout, a table on stderr.

    benchmarks/bootstrap.py [--runs N] [--keep]

cold      bare machines -> `hardway bootstrap` -> DNS answers on every worker
floor     the same bytes by parallel OpenSSH + all units started at once -> DNS answers on every worker
noop      the same command again; plan: the same question without acting
command   until the bootstrap process ends, cpu its processor seconds, peak_mb its memory
load      other work on the machine makes all of this worthless: see that load_before is well below the number of
processors
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import floor
from bench_lab import ROOT, Stage, prepare
from dns_probe import DnsProbe

from hardway.errors import HardwayError

TARGETS = {"ratio": 1.5, "noop": 3.0, "plan": 3.0, "peak_mb": 300.0}


@dataclass(frozen=True)
class Ran:
    """A finished command: seconds of the whole process, of them processor time, its peak memory in MB, its events."""

    seconds: float
    cpu: float
    peak_mb: float
    output: str


def command(stage: Stage, *words: str) -> Ran:
    """Run the real command line; HardwayError with its output when it fails."""
    argv = [
        sys.executable,
        "-m",
        "hardway.cli.app",
        *words,
        str(stage.inventory),
        "--state-dir",
        str(stage.state),
        "--output",
        "json",
    ]
    return ran(argv, words[0])


def ran(argv: Sequence[str], name: str, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a command of hardway's from the project's folder; HardwayError with its output when it fails."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise HardwayError(
            f"hardway {name} ended with {process.returncode}", command=" ".join(argv), evidence=text[-4000:]
        )
    return Ran(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def cold(stage: Stage) -> dict[str, Any]:
    """Bare machines to a DNS answer; the machines are left with the cluster."""
    stage.fresh()
    return built(stage)


def built(stage: Stage) -> dict[str, Any]:
    """The same for machines that are bare already."""
    load = os.getloadavg()[0]
    with stage.session() as watcher:
        for host in watcher.cluster.workers:
            watcher.live.transports[host.name].connect()
        begun = time.monotonic()
        probe = DnsProbe(watcher)
        ran = command(stage, "bootstrap")
        dns = probe.wait() - begun
    summary = next(event for event in map(json.loads, reversed(ran.output.splitlines())) if event["event"] == "summary")
    told = {key: summary[key] for key in ("bytes", "changes", "phases")}
    return {"dns": dns, "command": ran.seconds, "cpu": ran.cpu, "peak_mb": ran.peak_mb, "load_before": load, **told}


def again(stage: Stage) -> dict[str, float]:
    """The same cluster once more: whole processes, nothing to do."""
    noop = command(stage, "bootstrap")
    changes = json.loads(noop.output.splitlines()[-1])["changes"]
    if changes:
        raise HardwayError(f"the second bootstrap made {changes} changes", evidence=noop.output[-4000:])
    return {"noop": noop.seconds, "plan": command(stage, "plan", "--exit-code").seconds}


def bottom(stage: Stage) -> dict[str, Any]:
    """The floor: units started on the machines just built, bytes pushed to fresh ones."""
    with stage.session() as session:
        known = session.survey()
        known.gather()
        floor.go_cold(known)
        started = floor.start(known)
    stage.fresh()
    with stage.session() as session:
        pushed, size = floor.push(stage, session.survey())
    return {
        "push": pushed,
        "bytes": size,
        "start": started["dns"],
        "milestones": started,
        "seconds": pushed + started["dns"],
    }


def once(stage: Stage) -> dict[str, Any]:
    """One comparison, all in the same minutes on the same machine."""
    built = cold(stage)
    more = again(stage)
    least = bottom(stage)
    ratios = {"ratio": built["dns"] / least["seconds"], "command_ratio": built["command"] / least["seconds"]}
    return {**ratios, **more, "cold": built, "floor": least}


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def conclusions(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The spread of every number, and whether the median meets its target."""
    numbers = {
        "ratio": [run["ratio"] for run in runs],
        "command_ratio": [run["command_ratio"] for run in runs],
        "cold": [run["cold"]["dns"] for run in runs],
        "command": [run["cold"]["command"] for run in runs],
        "floor": [run["floor"]["seconds"] for run in runs],
        "push": [run["floor"]["push"] for run in runs],
        "start": [run["floor"]["start"] for run in runs],
        "noop": [run["noop"] for run in runs],
        "plan": [run["plan"] for run in runs],
        "cpu": [run["cold"]["cpu"] for run in runs],
        "peak_mb": [run["cold"]["peak_mb"] for run in runs],
        "load_before": [run["cold"]["load_before"] for run in runs],
    }
    found = {name: spread(values) for name, values in numbers.items()}
    for name, target in TARGETS.items():
        found[name] |= {"target": target, "met": found[name]["median"] <= target}
    return found


def rounded(value: Any) -> Any:
    """Numbers a person can read: milliseconds."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, 3) if isinstance(value, float) else value


def table(summary: dict[str, Any]) -> str:
    wide = max(14, *(len(name) + 1 for name in summary))
    rows = [
        f"{'':{wide}}{'median':>9}{'min':>9}{'max':>9}"
        + "   target" * any("target" in found for found in summary.values())
    ]
    for name, found in summary.items():
        verdict = f"   <= {found['target']:g}: {'met' if found['met'] else 'MISSED'}" if "target" in found else ""
        rows.append(f"{name:{wide}}{found['median']:9.2f}{found['min']:9.2f}{found['max']:9.2f}{verdict}")
    return "\n".join(rows)


def measure(stage: Stage, count: int) -> list[dict[str, Any]]:
    runs = []
    for number in range(1, count + 1):
        runs.append(once(stage))
        built, least = runs[-1]["cold"], runs[-1]["floor"]
        parts = f"push {least['push']:.1f} + start {least['start']:.1f}"
        text = f"cold {built['dns']:.1f} s, floor {least['seconds']:.1f} s ({parts}), ratio {runs[-1]['ratio']:.2f}"
        print(f"run {number} of {count}: {text}", file=sys.stderr)
    return runs


def machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return {"cpus": os.cpu_count(), "memory_mb": memory, "kernel": os.uname().release}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="compare so many times (default 3)")
    parser.add_argument("--keep", action="store_true", help="leave the machines of the last run up")
    options = parser.parse_args()
    # /tmp may be memory, which would make the state directory faster than anybody's disk.
    with tempfile.TemporaryDirectory(prefix="hardway-bench-", dir="/var/tmp") as folder:
        stage = prepare(Path(folder))
        try:
            runs = measure(stage, options.runs)
        except HardwayError as error:
            print("\n".join(error.lines()), file=sys.stderr)
            return error.exit_code
        finally:
            if not options.keep:
                stage.machines.wipe()
    summary = conclusions(runs)
    found = {"machine": machine(), "kubernetes": stage.cluster.versions.kubernetes, "summary": summary, "runs": runs}
    print(json.dumps(rounded(found), indent=2))
    print(table(summary), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
