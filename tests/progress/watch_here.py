"""A bootstrap of a cluster in memory, told on stdout as the command line tells it: python watch_here.py FOLDER
[json|ask|hang|fail].

With `ask` a host wants a password in the middle of it, with `hang` one never answers, with `fail` one
refuses. Run by test_terminal.
"""

import sys
import threading
from pathlib import Path

from fakes.disk import Refused
from fakes.world import World

from hardway.cli.options import ask
from hardway.errors import HardwayError
from hardway.inventory import load
from hardway.report import Report
from hardway.session import Session, asking

LAB = Path(__file__).parents[2] / "inventory" / "lab.yaml"
folder, how = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
world = World(load(LAB), folder)
session = Session.open(world.cluster, folder / "state", Report("json" if how == "json" else "text"))


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
    first(lambda: session.report.note(f"{len(asking(session.report, ask)('Password for worker-1?'))} letters"))
if how == "hang":
    first(threading.Event().wait)
if how == "fail":
    world.hosts["lb"].w_packages = lambda *names: (_ for _ in ()).throw(Refused("no such package"))
session.report.run_started("bootstrap", world.cluster, world.phases)
try:
    with session.report.watched():
        world.runner(report=session.report).run()
except HardwayError as error:
    print("\n".join(error.lines()))
    sys.exit(error.exit_code)
session.report.summary()
