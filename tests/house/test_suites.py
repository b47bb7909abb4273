"""The tests' own house: pytest gives a file outside a package its bare name, and takes one name once."""

from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_two_files_are_imported_by_one_name():
    files = defaultdict(list)
    for file in TESTS.rglob("*.py"):
        if file.name not in ("conftest.py", "__init__.py") and not (file.parent / "__init__.py").exists():
            files[file.name].append(str(file.relative_to(TESTS)))
    assert [names for names in files.values() if len(names) > 1] == []
