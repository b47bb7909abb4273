"""The README and the pages below docs/ agree with the code: commands, phases, exit codes, inventory sections, and what
lands on the hosts."""

import re
from pathlib import Path

import pytest

from hardway import errors
from hardway.assets.placeholders import Placeholders
from hardway.cli.endings import ABORTED, READER_GONE
from hardway.facts import Facts
from hardway.inventory import load, schema
from hardway.inventory.reference import page
from hardway.living import page as changes
from hardway.living.changes import flags, restarting, rows
from hardway.phase import Inputs
from hardway.phases import PHASES
from hardway.pki.credentials import Credentials
from hardway.preflight import page as checks
from hardway.resources import Binary, Directory, File
from hardway.state.statedir import Overlay, StateDir

from .test_help import ALL

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
COMMANDS = (DOCS / "commands.md").read_text()
PAGES = [
    path
    for path in ROOT.glob("**/*.md")
    if not {".venv", ".hardway", "node_modules", ".pytest_cache"} & set(path.parts)
]


@pytest.mark.parametrize("path", [path for path, _ in ALL if path], ids="/".join)
def test_every_command_is_told(path):
    table = COMMANDS.split("<!-- table: commands -->")[1].split("\n\n")[0]
    row = re.search(rf"`(hardway {path[0]} )?{path[-1]}[ `]|`hardway {' '.join(path)}[ `]", table)
    assert row, "add a row in docs/commands.md"


def test_every_phase_is_told_in_its_order():
    table = (DOCS / "how-it-works.md").read_text().split("| phase | what it does |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == [phase.name for phase in PHASES]
    assert f"{len(PHASES)} **phases**" in README


def test_every_exit_code_is_told():
    table = COMMANDS.split("| exit code | meaning |")[1].split("\n\n")[0]
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.HardwayError)]
    assert set(map(int, re.findall(r"^\| (\d+) \|", table, re.MULTILINE))) == {
        0,
        *(ABORTED, READER_GONE),
        *(kind("").exit_code for kind in kinds),
    }


def test_every_section_of_the_inventory_is_told():
    table = (DOCS / "first-inventory.md").read_text().split("<!-- table: sections -->")[1].split("\n\n")[0]
    named = {name for line in table.splitlines() for name in re.findall(r"`([a-z_]+)`", line.strip("|").split("|")[0])}
    assert named == set(schema()["properties"]), "a row in docs/first-inventory.md for each key at the top level"


def test_the_page_of_keys_is_current():
    assert (DOCS / "inventory.md").read_text() == page(), "python -m hardway.inventory.reference > docs/inventory.md"


def test_the_page_of_changes_is_current():
    assert (DOCS / "changes.md").read_text() == changes.page(), "python -m hardway.living.page > docs/changes.md"


def test_the_page_of_preflights_checks_is_the_checks():
    assert (DOCS / "preflight.md").read_text() == checks.page(), "python -m hardway.preflight.page > docs/preflight.md"


def test_the_page_of_changes_has_every_row_and_names_what_refuses():
    text = changes.page()
    for row in rows():
        assert all(f"`{key}`" in text for key in row.keys) and row.what.replace("|", "&#124;") in text
        assert row.command in text and (row.refused.endswith("Error") or f"`{row.refused}`" in text or not row.refused)
    assert text.count("\n| `") == len(rows()) + len(restarting()) + sum(map(len, flags().values()))


def test_the_page_of_keys_explains_each():
    for line in page().splitlines():
        if line.startswith("| `"):
            assert line.split("|")[4].strip(), line


def braces(pattern: str) -> set[str]:
    """The paths a pattern with at most one group of alternatives stands for."""
    match = re.fullmatch(r"(.*)\{(.*)\}(.*)", pattern)
    return {f"{match[1]}{word}{match[3]}" for word in match[2].split(",")} if match else {pattern}


def told() -> set[tuple[str, str, str]]:
    found = set()
    for line in (DOCS / "files.md").read_text().split("<!-- table: landing -->")[1].split("\n\n")[0].splitlines()[3:]:
        path, mode, *_ = (cell.strip() for cell in line.strip("|").split("|"))
        found |= {(name.rstrip("/"), mode.split()[0], (mode.split() + ["root"])[1]) for name in braces(path.strip("`"))}
    return found


def landing(name: str, folder: Path) -> set[tuple[str, str, str]]:
    """(path, mode, owner) of all that the phases put on the hosts of a shipped inventory."""
    cluster = load(ROOT / "inventory" / f"{name}.yaml")
    facts = {host.name: Facts(hostname=host.name, addresses={str(host.address): "eth0"}) for host in cluster.hosts}
    inputs = Inputs(cluster, facts, Credentials(cluster, Overlay(StateDir(folder / name))), Placeholders())
    resources = [one for phase in PHASES for host in phase.targets(cluster) for one in phase.desired(inputs, host)]
    kinds = [one for one in resources if isinstance(one, (File, Directory, Binary))]
    found = {(one.path, one.mode, getattr(one, "owner", "root")) for one in kinds}
    # A folder that is open to all and root's is there for what lies in it: not worth a line.
    return found - {(one.path, "755", "root") for one in kinds if isinstance(one, Directory)}


def test_what_lands_on_the_hosts_is_told_and_nothing_else(tmp_path):
    actual = landing("lab", tmp_path) | landing("ha", tmp_path)
    assert told() - actual == set(), "remove it from docs/files.md"
    assert actual - told() == set(), "add it to docs/files.md"


def prose(page_: Path) -> str:
    """A page without what stands in fences."""
    return re.sub(r"```.*?```", "", page_.read_text(), flags=re.DOTALL)


def anchors(page_: Path) -> set[str]:
    """The names by which the headings of a page can be linked to."""
    headings = re.findall(r"^#+ (.*)", prose(page_), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in headings}


@pytest.mark.parametrize("page_", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page_):
    for target in re.findall(r"\]\(([^)]+)\)", prose(page_)):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            file = page_.parent / path if path else page_
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_the_index_leads_to_every_page():
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", (DOCS / "README.md").read_text())}
    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} <= linked
    assert "docs/README.md" in README
