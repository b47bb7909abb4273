"""Amounts as Kubernetes writes them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardway.foreign.quantity import UNITS, amount, shown


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("500m", "0.5"),
        ("100n", "1e-7"),
        ("1Gi", str(1 << 30)),
        ("1.5Gi", str(3 << 29)),
        ("1E", "1e18"),
        ("1Ei", str(1 << 60)),
        ("1E3", "1000"),
        ("2e-2", "0.02"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+1k", "1000"),
        ("0", "0"),
        (110, "110"),
    ],
)
def test_an_amount_is_read(text, found):
    assert amount(text) == Decimal(found)


@pytest.mark.parametrize(
    "text", ["", "-1", "1 Gi", "Gi", ".", "1e", "1gi", "1KI", "1_0", "1Gi\n", "1B", "\u0661", None, True]
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="is no amount"):
        amount(text)


@given(st.integers(0, 10**12), st.integers(0, 999), st.sampled_from(sorted(UNITS)))
def test_a_unit_is_a_factor(whole, part, unit):
    assert amount(f"{whole}.{part:03}{unit}") == (whole + Decimal(part) / 1000) * UNITS[unit]


def test_an_amount_is_shown_in_units_of_its_resource():
    assert shown("cpu", amount("1.5")) == "1500m" and shown("memory", amount("1.5Gi")) == "1536Mi"
