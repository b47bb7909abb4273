"""No input whatever yields a traceback: only a list of problems, each with its line."""

import re
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from inventory_text import SHIPPED

from hardway import inventory
from hardway.inventory.keys import Inventory
from hardway.inventory.shape import places_of

pytestmark = pytest.mark.slow

TEXT = next(path for path in SHIPPED if path.name == "lab.yaml").read_text()
HA = yaml.safe_load(next(path for path in SHIPPED if path.name == "ha.yaml").read_text())
KEYS = sorted(
    {place[-1] for name in Inventory.model_fields for place in places_of(name)}
    | {"hosts", "name", "roles", "ssh", "pod_cidr", "v"}
)
WORDS = st.sampled_from(
    [
        "",
        "worker",
        "etcd",
        "10.0.0.1",
        "10.0.0.0/8",
        "0.0.0.0/0",
        "255.255.255.255",
        "1.36.4",
        "a=b:NoExecute",
        "true",
        "~x/y",
        "\0",
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), WORDS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def judged(content: bytes) -> list[str]:
    """The problems of arbitrary bytes; whatever they are, each is one printable line that names its place."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "i.yaml"
        path.write_bytes(content)
        problems = inventory.check(path)
    for problem in problems:
        place = re.match(r"(.*/i\.yaml):(\d+): \S", problem)
        assert (
            place
            and 1
            <= int(place[2])
            <= content.count(b"\n") + content.count(b"\r") + content.count(b"\xc2\x85") + content.count(b"\xe2\x80") + 1
        )
        assert problem.isprintable()
    return problems


@FUZZ
@given(st.binary(max_size=200))
@example(b"\xff\xfe")
def test_arbitrary_bytes(content):
    assert judged(content)


@FUZZ
@given(st.text(alphabet=st.sampled_from("ab:-[]{}#&*!|>'\"%@`,?~<= \n\t0.\\xU\r\x85\u2028é"), max_size=80))
def test_arbitrary_yaml_marks(content):
    assert judged(content.encode())


@FUZZ
@given(VALUES)
def test_arbitrary_structures(value):
    assert judged(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))


@FUZZ
@given(st.dictionaries(st.sampled_from(sorted(Inventory.model_fields)), VALUES, max_size=6))
def test_sections_with_anything_in_them(sections):
    assert judged(yaml.safe_dump(HA | sections, sort_keys=False).encode("utf-8", "surrogatepass")) is not None


@FUZZ
@given(st.data())
def test_one_value_replaced_anywhere(data):
    copy = yaml.safe_load(yaml.safe_dump(HA))
    place, key = data.draw(st.sampled_from(list(_places(copy))))
    place[key] = data.draw(VALUES)
    assert judged(yaml.safe_dump(copy, sort_keys=False).encode("utf-8", "surrogatepass")) is not None


def _places(value):
    """Every (container, key) of a structure."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


@FUZZ
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(TEXT)),
            st.integers(0, 30),
            st.text(alphabet=st.sampled_from("a:-[]{}#&*!\t \n'\"0\x07é"), max_size=6),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_mutations_of_the_lab(edits):
    content = TEXT
    for at, cut, put in edits:
        content = content[:at] + put + content[at + cut :]
    assert judged(content.encode()) is not None


@FUZZ
@given(st.permutations(TEXT.splitlines()[:60]))
def test_shuffled_lines(lines):
    assert judged("\n".join(lines).encode()) is not None
