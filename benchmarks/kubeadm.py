"""hardway and kubeadm on the same machines with the same programs, in turn. JSON on stdout, a table on stderr.

    benchmarks/kubeadm.py [--runs N] [--only WHICH]... [--keep]

Each run builds three clusters on six bare lab machines, one of them the load balancer: hardway's, kubeadm's with all
joins at once ("together"), kubeadm's with one join after the other ("in turn").

dns           seconds until DNS answers on every worker, from hardway's start or kubeadm's first byte pushed
complete      until all is ready: hardway has ended; kubeadm's nodes and pods are Ready, and etcd has its members
cpu           processor seconds of all that ran on the machines until then, by the accounts of their control groups
cpu_here      and of what drove them from here: hardway, or tar and ssh
sent_mb       programs and images copied to the machines, in 10^6 bytes
plane_mb      memory (PSS) of all processes of a control-plane host then, the mean of the three
all_mb        the same of all machines together
reset         seconds of taking it down: `hardway reset`, which leaves nothing; `kubeadm reset` on all nodes at once,
              the pod network and packet rules by hand, which leaves programs, packages, containerd and images
busy_before   processors at work in the second before: other work makes all of this worthless
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench_lab import Stage, prepare
from bootstrap import built, command, machine, rounded, spread, table
from kubeadm_cluster import KubeadmCluster
from kubeadm_kit import Kit, collect
from usage import busy, memory_mb, processor_seconds

from hardway.errors import HardwayError

VARIANTS = ("hardway", "together", "in turn")
MEASURED = ("dns", "complete", "cpu", "cpu_here", "sent_mb", "plane_mb", "all_mb", "reset", "busy_before")
RATIOS = ("dns", "complete", "cpu", "plane_mb")
"""Of these a run's own ratios are formed: kubeadm's number by that of hardway's cluster before it."""


def by_hardway(stage: Stage) -> dict[str, Any]:
    """hardway's cluster on bare machines, built and taken down again."""
    others = fresh(stage)
    before = processor_seconds(stage.machines)
    found = built(stage)
    end = {"complete": max(found["dns"], found["command"]), **at_end(stage, before), "cpu_here": found["cpu"]}
    # Without its keys, so that the next cluster's are made anew.
    reset = command(stage, "reset", "--yes", "--remove-pki").seconds
    return {**found, **end, "sent_mb": found["bytes"] / 1e6, "reset": reset, "busy_before": others}


def by_kubeadm(stage: Stage, kit: Kit, together: bool) -> dict[str, Any]:
    """kubeadm's."""
    others = fresh(stage)
    with stage.session() as session:
        for transport in session.live.transports.values():
            transport.connect()
        cluster = KubeadmCluster(stage, session, kit)
        before, here = processor_seconds(stage.machines), children_seconds()
        found = cluster.build(together)
        end = {**at_end(stage, before), "cpu_here": children_seconds() - here}
        return {**found, **end, "sent_mb": found["bytes"] / 1e6, "reset": cluster.reset(), "busy_before": others}


def fresh(stage: Stage) -> float:
    """Bare machines, and nothing left to write of those before them; how many processors are at work even so."""
    stage.fresh()
    os.sync()
    return busy()


def at_end(stage: Stage, before: float) -> dict[str, Any]:
    """What a finished cluster has used, and uses."""
    cpu, memory = processor_seconds(stage.machines) - before, memory_mb(stage.machines)
    plane = [memory[host.name] for host in stage.cluster.control_plane]
    return {"cpu": cpu, "plane_mb": sum(plane) / len(plane), "all_mb": sum(memory.values()), "memory_mb": dict(memory)}


def children_seconds() -> float:
    """Processor time of the programs we started that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(stage: Stage, kit: Kit, count: int, wanted: Sequence[str]) -> list[dict[str, Any]]:
    how: Mapping[str, Callable[[], dict[str, Any]]] = {
        "hardway": lambda: by_hardway(stage),
        "together": lambda: by_kubeadm(stage, kit, together=True),
        "in turn": lambda: by_kubeadm(stage, kit, together=False),
    }
    runs = []
    for number in range(1, count + 1):
        runs.append({})
        for name in wanted:
            found = runs[-1][name] = how[name]()
            text = f"DNS {found['dns']:.1f} s, complete {found['complete']:.1f} s, reset {found['reset']:.1f} s"
            print(f"run {number} of {count}, {name}: {text}", file=sys.stderr)
    return runs


def conclusions(runs: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The spread of every number, and of every pair's ratio."""
    names = [name for name in VARIANTS if name in runs[0]]
    found = {f"{what}: {name}": spread([run[name][what] for run in runs]) for what in MEASURED for name in names}
    pairs = [name for name in names if name != "hardway"] if "hardway" in names else []
    for what in RATIOS:
        for name in pairs:
            found[f"{what}: {name} / hardway"] = spread([run[name][what] / run["hardway"][what] for run in runs])
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="compare so many times (default 3)")
    parser.add_argument("--only", action="append", choices=VARIANTS, help="measure this alone (may be given again)")
    parser.add_argument("--keep", action="store_true", help="leave the machines up, and the folder with their keys")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    wanted = [name for name in VARIANTS if not options.only or name in options.only]
    # What ends us must not leave machines behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # /tmp may be memory, which would make the state directory faster than anybody's disk.
    folder = Path(tempfile.mkdtemp(prefix="hardway-kubeadm-", dir="/var/tmp"))
    stage = prepare(folder, "kubeadm")
    try:
        kit = collect(stage.cluster, folder, lambda line: print(line, file=sys.stderr))
        runs = measure(stage, kit, options.runs, wanted)
    except HardwayError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return error.exit_code
    finally:
        # Twice asked to end, we still clean up only once, and to the end.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if options.keep:
            wipe = f"hardway lab wipe {stage.inventory} --state-dir {stage.state}"
            print(f"{wipe}  takes the machines away", file=sys.stderr)
        else:
            stage.machines.wipe()
            shutil.rmtree(folder)
    summary = conclusions(runs)
    found = {"machine": machine(), "kubernetes": stage.cluster.versions.kubernetes, "summary": summary, "runs": runs}
    print(json.dumps(rounded(found), indent=2))
    print(table(summary), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
