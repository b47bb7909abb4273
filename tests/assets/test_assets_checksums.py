"""Checksum documents as projects really write them."""

from __future__ import annotations

import pytest

from hardway.assets.fetching.checksums import parse

SUM, OTHER = "ab" * 32, "cd" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SUM, SUM),
        (SUM.upper() + "\n", SUM),
        (f"{SUM}  file.tgz\n", SUM),
        (f"{SUM} *file.tgz\n", SUM),
        (f"{OTHER}  other.tgz\n{SUM}  ./release/file.tgz\n", SUM),
        (f"{OTHER}  other.tgz\n", ""),
        (f"{SUM}\n{OTHER}\n", ""),
        ("<html>not found</html>", ""),
        ("deadbeef  file.tgz", ""),
        ("", ""),
    ],
)
def test_the_sum_of_one_file_is_found_or_nothing_is(text, expected):
    assert parse(text, "file.tgz") == expected
