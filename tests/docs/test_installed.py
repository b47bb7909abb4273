"""An installed hardway has everything that the tree has."""

import configparser
import fnmatch
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read(ROOT / "setup.cfg")
    return parser


def test_every_folder_with_code_is_a_package():
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "hardway").rglob("*.py")}
    named = {name for name in lines(settings()["options"]["packages"]) if not name.startswith("hardway.data.")}
    assert named == {".".join(folder.parts) for folder in folders}


def test_every_other_file_belongs_to_a_package():
    parser = settings()
    data = parser["options.package_data"]
    packages = {ROOT.joinpath(*name.split(".")) for name in lines(parser["options"]["packages"])}
    others = [path for path in (ROOT / "hardway").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    modules = {path for pattern in data["hardway"].split(", ") for path in (ROOT / "hardway").glob(pattern)}
    lost = [
        path
        for path in others
        if path not in modules
        and (path.parent not in packages or not any(fnmatch.fnmatch(path.name, p) for p in data["*"].split(", ")))
    ]
    assert {"read.sh", "releases.yaml", "go.sum"} <= {path.name for path in others}
    assert lost == []
