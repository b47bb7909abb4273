"""The tests' own house: what two files must not share."""

import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]
# The first three bytes of the machines' network, alone or with the gateway's fourth; pods and services have others.
NODES = re.compile(r'"(10\.2[3-5]\d\.\d+)(?:\.1)?"')


def test_no_two_files_are_imported_by_one_name():
    """pytest gives a file outside a package its bare name, and takes one name once."""
    files = defaultdict(list)
    for file in TESTS.rglob("*.py"):
        if file.name not in ("conftest.py", "__init__.py") and not (file.parent / "__init__.py").exists():
            files[file.name].append(str(file.relative_to(TESTS)))
    assert [names for names in files.values() if len(names) > 1] == []


def test_no_two_files_make_labs_in_one_network():
    """They run at the same time."""
    users = defaultdict(set)
    for folder in ("e2e", "failures", "vagrant"):
        for file in (TESTS / folder).glob("test_*.py"):
            for network in NODES.findall(file.read_text()):
                users[network].add(file.name)
    assert len(users) > 20
    assert {network: files for network, files in users.items() if len(files) > 1} == {}
