"""Errors in the command or the inventory: found before hardway contacts any host."""

from ..case import Case

CASES = (
    Case(
        name="inventory-wrong",
        sees="<file> has <number> problems; no host was contacted",
        evidence=("<file>:<line>: <key>: <what is wrong and what is allowed>",),
        why="The inventory has errors. hardway shows all of them at once, each with its line.",
        injected="an inventory with a misspelt key and an unknown role",
        exit_code=3,
        next="correct them, then: hardway validate <file>",
        remedy="Correct the lines it names. With `hardway schema` your editor shows errors while you type.",
    ),
    Case(
        name="unknown-phase",
        sees="there is no phase <name>",
        why="The command names a phase that does not exist.",
        injected="bootstrap --only with a misspelt phase",
        exit_code=2,
        next="did you mean <phase>? hardway phases  lists them: …preflight…",
        remedy="`hardway phases` lists them in their order.",
    ),
    Case(
        name="unknown-host",
        sees="there is no host <name> in the inventory <file>",
        why="The command names a host that is not in the inventory.",
        injected="bootstrap --limit with a misspelt host",
        exit_code=2,
        next="did you mean <host>? there are: <names>",
        remedy="Use the names under `hosts` in the inventory.",
    ),
)
