"""How an examination ends, and how it is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hardway.commands.doctor import Examination, Finding, to_json, to_text
from hardway.commands.doctor.causes import Cause

FOLLOWS = tuple(Finding("w-0", f"thing {number}", "look", name="nodes-ready") for number in range(10))
CAUSE = Cause(
    Finding("lb", "haproxy.service is stopped", "hardway bootstrap INV", ("a line",), name="unit-haproxy"), FOLLOWS
)
HEALTHY = Examination("shop", ("lb", "w-0"), (), (), (), (), 47, 2.5)
ILL = replace(
    HEALTHY,
    causes=(CAUSE,),
    unseen=(("leaders", "no API server is ready"), ("coredns-ready", "no API server is ready")),
)


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (HEALTHY, 0),
        (replace(HEALTHY, warnings=(CAUSE.finding,)), 0),
        (ILL, 7),
        (replace(ILL, away=("lb",)), 7),
        (replace(ILL, away=("lb", "w-0")), 4),
    ],
)
def test_exit_codes(seen, code):
    assert seen.exit_code == code


def test_text_of_a_healthy_cluster():
    assert to_text(HEALTHY).splitlines()[0] == "shop: 2 of 2 hosts answer, no problem found by 47 diagnoses in 2.5 s"


def test_text():
    text = to_text(ILL)
    assert text.startswith(
        "1. [unit-haproxy] lb: haproxy.service is stopped\n   | a line\n   next: hardway bootstrap INV\n"
    )
    assert "leads to: [nodes-ready] w-0: thing 0" in text and "thing 7" in text and "thing 8" not in text
    assert "and 2 more (-v shows them)" in text
    assert "   no API server is ready: leaders, coredns-ready\n" in text
    assert "1 cause found, 10 consequences" in text
    assert "thing 9" in to_text(ILL, verbose=True)


def test_json_holds_everything():
    document = json.loads(to_json(ILL))
    assert document["healthy"] is False and document["schema"] == 1
    [cause] = document["causes"]
    assert cause["diagnosis"] == "unit-haproxy" and cause["evidence"] == ["a line"] and len(cause["consequences"]) == 10
    assert document["unseen"][0] == {"diagnosis": "leaders", "reason": "no API server is ready"}
