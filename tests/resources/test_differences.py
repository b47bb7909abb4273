"""What a plan shows of content that differs."""

from __future__ import annotations

import difflib

import pytest

from hardway.resources.base import unified

TEXTS = ["", "\n", "one", "one\n", "one\ntwo\n", "one\n\nthree\n", "".join(f"{n} line\n" for n in range(40))]


@pytest.mark.parametrize("new", TEXTS)
@pytest.mark.parametrize("old", TEXTS)
def test_it_is_what_diff_says_also_where_everything_is_new(old, new):
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "/etc/x (host)", "/etc/x (wanted)", lineterm="", n=2
    )
    assert unified(old, new, "/etc/x", "host") == "\n".join(lines)
