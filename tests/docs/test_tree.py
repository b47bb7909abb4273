"""Nothing in the tree is about one particular computer."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Folders of one machine, addresses with a port as local package mirrors have, and proxies with a login.
PRIVATE = re.compile(
    r"(?<![\w$}~.])/(?:work|workspace|mnt/[a-z]+|home/(?!vagrant)[a-z]+|Users/[a-z]+)/|https?://[^/\s\"']+:[^/\s\"'@]+@"
)
ALLOWED = {"LICENSE", "tests/docs/test_tree.py"}


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in names if name and name not in ALLOWED and (ROOT / name).is_file()]


def test_no_paths_of_one_machine():
    found = [
        f"{path.relative_to(ROOT)}: {match}"
        for path in tracked()
        for match in PRIVATE.findall(path.read_text(errors="replace"))
    ]
    assert len(tracked()) > 100
    assert found == []


def test_no_private_keys():
    key = re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=]{60}")
    assert [path for path in tracked() if key.search(path.read_text(errors="replace"))] == []
