"""What must hold between keys: each rule is a function from a draft to the problems it finds, and knows nothing of the
others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hardway.inventory.draft import Draft
from hardway.inventory.problem import Problem
from hardway.inventory.rules import api, assets, dns, hosts, network, nodes, ssh, workers

Rule = Callable[[Draft], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    *hosts.RULES,
    *network.RULES,
    *workers.RULES,
    *nodes.RULES,
    *api.RULES,
    *ssh.RULES,
    *assets.RULES,
    *dns.RULES,
)
WARNINGS: tuple[Rule, ...] = (*network.WARNINGS, *hosts.WARNINGS)


def broken_rules(draft: Draft, rules: tuple[Rule, ...] = RULES) -> list[Problem]:
    """Everything the rules find."""
    return [problem for rule in rules for problem in rule(draft)]
