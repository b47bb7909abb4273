"""What a plan shows of content that differs."""

from __future__ import annotations

import difflib
import json

import pytest

from hardway.resources.base import Situation, unified
from hardway.resources.kubernetes import ApiObject

TEXTS = ["", "\n", "one", "one\n", "one\ntwo\n", "one\n\nthree\n", "".join(f"{n} line\n" for n in range(40))]


@pytest.mark.parametrize("new", TEXTS)
@pytest.mark.parametrize("old", TEXTS)
def test_it_is_what_diff_says_also_where_everything_is_new(old, new):
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "/etc/x (host)", "/etc/x (wanted)", lineterm="", n=2
    )
    assert unified(old, new, "/etc/x", "host") == "\n".join(lines)


def test_of_a_text_in_an_object_the_lines_that_differ_are_shown():
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
    texts = [".:53 {\n    errors\n    " + f"ttl {seconds}" + "\n    loop\n    reload\n}\n" for seconds in (5, 30)]
    declared = ApiObject({**wanted, "data": {"Corefile": texts[1]}})
    answers = {declared.probes()[0]: json.dumps({**wanted, "data": {"Corefile": texts[0]}})}
    shown = declared.compare(Situation(answers)).diff.splitlines()
    assert [line for line in shown[2:] if line[0] in "+-"] == ["-        ttl 5", "+        ttl 30"]
