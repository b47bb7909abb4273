"""CONTRIBUTING.md names only what exists, and the layers that a test holds the package to."""

import re
from pathlib import Path

import pytest
from house.test_layers import LAYERS, LINES, LISTS, MODULES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
PATHS = sorted(set(re.findall(r"`((?:hardway|tests|docs|pki|systemd-units|benchmarks|inventory)/[\w./-]*)`", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path: str):
    """NAME stands for the new thing's own."""
    assert (ROOT / path).exists() or Path(path).stem == "NAME" and (ROOT / path).parent.is_dir()


def test_every_module_that_is_run_exists():
    modules = re.findall(r"python -m ([\w.]+) ", TEXT)
    assert len(modules) > 2
    assert all((ROOT / f"{name.replace('.', '/')}.py").exists() for name in modules)


def test_the_layers_are_the_tested_ones():
    table = TEXT.split("| layer | modules of `hardway/` |")[1].split("\n\n")[0]
    rows = [line.strip("|").split("|")[1] for line in table.splitlines()[2:]]
    assert [re.findall(r"`(\w+)`", row) for row in rows] == [names.split() for names in LAYERS.values()]
    assert f"at most {LINES} lines, a folder at most {MODULES} modules" in TEXT
    assert all(f"`{name}`" in TEXT for name in LISTS)


def test_every_make_target_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text()
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {
        name for page in pages for name in re.findall(r"(?:^    |`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert {"demo", "test", "soak", "bench"} <= named
    assert not {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)}
