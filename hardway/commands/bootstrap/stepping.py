"""A bootstrap in steps: before each phase what will happen, and a question; for classes and for the careful."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from ...phase import Inputs, Phase
from ...plans.plan import Plan
from ...plans.text import steps
from ...progress.saying import say
from ...run.step import Done

CHOICES = {"c": "continue", "e": "explain", "s": "skip", "q": "quit"}
QUESTION = ", ".join(f"{word} [{letter}]" for letter, word in CHOICES.items())


@dataclass
class Conversation:
    """`explain` gives a phase in words; `onward` the command that goes on from a phase."""

    explain: Callable[[Inputs, Phase], str]
    onward: Callable[[Phase], str]
    verbose: bool = False

    def lead(
        self,
        inputs: Inputs,
        phases: Sequence[Phase],
        foreseen: Callable[[Phase], Plan],
        work: Callable[[Sequence[Phase]], list[Done]],
    ) -> list[Done]:
        """One phase after the other, each shown first; what was done until the end or until somebody quits."""
        done: list[Done] = []
        for number, phase in enumerate(phases, 1):
            plan = foreseen(phase)
            answer = self._asked(inputs, phase, plan, f"{number} of {len(phases)}") if plan.changes else "continue"
            if answer == "quit":
                say(f"stopped before {phase.name}; to continue: {self.onward(phase)}")
                break
            if answer == "skip":
                self._skip(phase, phases[number:], inputs)
            else:
                done += work([phase])
        return done

    def _asked(self, inputs: Inputs, phase: Phase, plan: Plan, place: str) -> str:
        say(f"\n{phase.name} ({place}): {phase.title}")
        say("\n".join(f"  {line}" for line in steps(plan.changes, self.verbose)))
        while True:
            answer = self._answer()
            if answer != "explain":
                return answer
            say(f"\n{self.explain(inputs, phase)}\n")

    @staticmethod
    def _answer() -> str:
        """A word of CHOICES; the end of the input is a way to quit."""
        while True:
            try:
                said = click.prompt(f"{QUESTION}?", default="c", show_default=False, prompt_suffix=" ").strip().lower()
            except click.Abort:
                say()
                return "quit"
            for letter, word in CHOICES.items():
                if said in (letter, word):
                    return word
            say(f"answer with one letter of: {' '.join(CHOICES)}")

    def _skip(self, phase: Phase, later: Sequence[Phase], inputs: Inputs) -> None:
        needing = dependents(phase, later, inputs)
        say(
            f"{phase.name} is skipped"
            + (f"; these phases need it and may fail or time out: {', '.join(needing)}" if needing else "")
        )


def dependents(phase: Phase, later: Sequence[Phase], inputs: Inputs) -> list[str]:
    """The names of later phases that need it, themselves or by way of others."""
    lost = {phase.name}
    for other in later:
        if lost & set(other.needs(inputs)):
            lost.add(other.name)
    return [other.name for other in later if other.name in lost]
