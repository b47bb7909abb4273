"""An inventory without some of its hosts: which lines those are, and what would be wrong with the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardway.inventory.excerpt import lines_of, without

LAB = Path(__file__).parents[2] / "inventory/lab.yaml"


def test_the_lines_of_a_host_are_those_of_its_entry():
    text = LAB.read_text().splitlines()
    for name, (first, last) in lines_of(LAB, {"controller-0", "worker-0", "nobody"}).items():
        assert text[first - 1] == f"  - name: {name}"
        assert text[last].strip() == "" or text[last].startswith(("  - name: ", "  #"))
    assert set(lines_of(LAB, {"controller-0", "worker-0", "nobody"})) == {"controller-0", "worker-0"}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("hosts: [{name: a}, {name: b}]\n", {"a": (1, 1), "b": (1, 1)}),
        ("hosts:\n  - {name: a, roles: [x]}\n  - name: b\n    labels:\n      x: y\n", {"a": (2, 2), "b": (3, 5)}),
        ("hosts:\n- roles: [x]\n  name: a\n", {"a": (2, 3)}),
        ("hosts: nonsense\n", {}),
        ("hosts:\n  - nonsense\n", {}),
        ("other: 1\n", {}),
    ],
)
def test_however_it_is_written(tmp_path, text, lines):
    (tmp_path / "x.yaml").write_text(text)
    assert lines_of(tmp_path / "x.yaml", {"a", "b"}) == lines


def test_an_inventory_that_stays_right_has_no_problem():
    assert without(LAB, {"worker-1"}) == () and without(LAB, {"controller-1", "controller-2"}) == ()


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ({"worker-0", "worker-1"}, "no host has the role worker: at least one must"),
        ({"controller-0"}, "2 etcd members (controller-1, controller-2) survive no more failures than 1"),
        ({"lb"}, "api.load_balancer: 3 control-plane hosts need a load balancer"),
    ],
)
def test_what_would_be_wrong_is_said_without_places_that_would_have_moved(names, problem):
    assert any(said.startswith(problem) for said in without(LAB, names))
