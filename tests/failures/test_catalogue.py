"""The catalogue, the tests that inject its cases, and the page that tells them are one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import Ran

from .case import pattern
from .cases import CASES, TOPICS
from .page import page

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/failures.md"


def bound() -> Iterator[str]:
    """The names in every `case("…")` of this folder's tests, on a function or a parameter; `case` itself refuses names
    it does not know."""
    for file in HERE.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "case":
                yield ast.literal_eval(node.args[0])


def test_every_case_is_injected_and_every_test_has_its_case():
    assert set(bound()) == set(CASES)


def test_no_name_is_taken_twice():
    assert len(CASES) == sum(map(len, TOPICS.values()))


def test_the_page_is_current():
    assert PAGE.read_text() == page(), "python -m tests.failures.page > docs/failures.md"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_case_is_told_whole(case):
    assert case.name == "-".join(re.findall(r"[a-z0-9]+", case.name))
    assert all((case.sees, case.why, case.injected, case.next, case.remedy)) and case.exit_code in (*range(2, 11), 130)
    assert case.why.endswith(".") and case.remedy.endswith(".")
    # What a template demands must be more than "anything".
    assert all(re.search(r"\w{3}", re.sub(r"<.*?>", "", line)) for line in (case.sees, case.next))


def test_a_template_is_any_text_like_it():
    assert pattern("port <number> is taken (by <who>)").search("x: port 2379 is taken (by nc)")
    assert not pattern("port <number> is taken").search("port  is taken")
    assert not pattern("port <number> is taken").search("port 1\n is taken")


GOOD = (
    "error: nothing listens on 10.0.0.9:22: connection refused  (host node-1)\n  next: on the machine: systemctl status"
    " ssh sshd\n"
)


@pytest.mark.parametrize(
    ("words", "next_", "same"),
    [
        (("hardway", "bootstrap", "x.yaml"), "hardway bootstrap x.yaml", True),
        (("python", "-m", "hardway.cli.app", "plan", "x.yaml"), "run the same command again", True),
        (("hardway", "doctor", "x.yaml"), "hardway bootstrap x.yaml", False),
        (("hardway", "bootstrap", "x.yaml"), "hardway bootstrap x.yaml --found-anew x", False),
        (
            ("hardway", "bootstrap", "x.yaml"),
            "hardway doctor x.yaml   shows the cause; then: hardway bootstrap x",
            False,
        ),
    ],
)
def test_a_next_step_that_is_what_has_just_failed_is_seen(words, next_, same):
    text = f"error: it failed\n  next: {next_}\n"
    wrong = CASES["port-closed"].unmet(Ran(words, 5, "", text, 0.0))
    assert any("what has just failed" in one for one in wrong) is same


@pytest.mark.parametrize(
    ("code", "text", "host", "wrong"),
    [
        (4, GOOD, "node-1", 0),
        (5, GOOD, "node-1", 1),
        (4, GOOD, "node-2", 1),
        (4, GOOD, "node", 1),
        (4, GOOD.replace("next", "then"), "node-1", 1),
        (4, GOOD.replace("refused", "lost"), "node-1", 1),
        (4, GOOD + "Traceback (most recent call last):", "node-1", 1),
    ],
)
def test_what_is_missing_is_seen(code, text, host, wrong):
    assert len(CASES["port-closed"].unmet(Ran(("hardway",), code, "", text, 0.0), host)) == wrong
