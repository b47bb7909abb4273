"""A bootstrap of a cluster in memory, told on stdout as the command line tells it: python watch_here.py FOLDER [json|ask|hang].

With `ask` a host wants a password in the middle of it, with `hang` one never answers. Run by test_terminal.
"""

import sys
import threading
from pathlib import Path

from fakes.world import World

from hardway.cli_options import ask
from hardway.inventory import load
from hardway.report import Report
from hardway.session import Session

LAB = Path(__file__).parents[2] / "inventory" / "lab.yaml"
folder, how = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
world = World(load(LAB), folder)
session = Session(world.cluster, folder / "state", Report("json" if how == "json" else "text"), prompt=ask)


def first(act) -> None:
    """Have something happen before the first answer of a host."""
    host = world.hosts["worker-1"]
    answer = host.probe

    def probe(probes):
        host.probe = answer
        act()
        return answer(probes)

    host.probe = probe


if how == "ask":
    first(lambda: session.report.note(f"{len(session._asked('Password for worker-1?'))} letters"))
if how == "hang":
    first(threading.Event().wait)
session.report.run_started("bootstrap", world.cluster, world.phases)
with session.report.watched():
    world.runner(report=session.report).run()
session.report.summary()
