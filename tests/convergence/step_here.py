"""`bootstrap --step` with a cluster in memory in place of hosts: python step_here.py INVENTORY FOLDER.

Run by test_stepping.
"""

import dataclasses
import sys
from pathlib import Path

from fakes.world import World

from hardway.cli.bootstrap import _onward
from hardway.commands.bootstrap.stepping import Conversation
from hardway.commands.runbook import explain
from hardway.inventory import load
from hardway.phase import Phase
from hardway.phases import PHASES
from hardway.pki.credentials import Credentials
from hardway.plans import Plan, foresee
from hardway.run.supposed import assumed
from hardway.state.statedir import Overlay

world = World(load(Path(sys.argv[1])), Path(sys.argv[2]))


def foreseen(phase: Phase) -> Plan:
    inputs = dataclasses.replace(world.inputs(), credentials=Credentials(world.cluster, Overlay(world.store)))
    return foresee(inputs, world.readers(), [phase], world.names)


conversation = Conversation(lambda inputs, phase: explain((phase,), world.cluster, assumed(world.cluster)), _onward)
done = conversation.lead(world.inputs(), PHASES, foreseen, lambda phases: world.run(phases))
print(f"\nsteps: {len([step for step in done if step.changes])}")
