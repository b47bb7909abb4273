"""Text that is no usable YAML: a line and a sentence for each, never a traceback."""

import pytest
from inventory_text import RIGHT, found, text_of

from hardway import inventory
from hardway.inventory.source import MAX_BYTES, parse

LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"

BROKEN = [
    ("empty", "", "1: the file is empty"),
    ("only comments", "# nothing\n", "1: the file is empty"),
    ("a list", "\n- a\n- b\n", "2: must be a mapping of keys"),
    ("a word", "hello", '1: must be a mapping of keys (`cluster: ...`, `hosts: ...`), not "hello"'),
    ("two documents", "cluster: a\n---\ncluster: b\n", "2: a second document starts here"),
    (
        "duplicate key",
        "cluster: a\nhosts: []\ncluster: b\n",
        '3: duplicate key \\"cluster\\", first on line 1'.replace("\\", ""),
    ),
    ("duplicate below", "hosts:\n- name: a\n  name: b\n", '3: hosts[0]: duplicate key "name", first on line 2'),
    (
        "tab",
        "cluster: a\nnetwork:\n\tdomain: b\n\tnode_prefix: 24\n",
        "4: indented with a tab: YAML allows only spaces",
    ),
    ("unclosed", "cluster: [a\nhosts: b\n", "2: not valid YAML"),
    ("bad indentation", "cluster: a\n  hosts: []\n", "2: not valid YAML: mapping values are not allowed here"),
    ("anchor", LAUGHS, '1: anchors and aliases are not supported: write "a" out'),
    ("alias", LAUGHS, '3: anchors and aliases are not supported: write "b" out'),
    ("merge", "cluster: a\n<<: {hosts: []}\n", "2: merge keys (<<) are not supported"),
    ("tag", "cluster: !!python/object:os.system a\n", "1: cluster: tags such as"),
    ("local tag", "hosts: !vault x\n", '1: hosts: tags such as "!vault" are not supported'),
    ("key is a list", "? [a]\n: b\n", "1: a key must be plain text"),
    ("not UTF-8", b"cluster: a\n# caf\xe9\n", "2: byte 0xe9 is not UTF-8 text"),
    ("UTF-16", "cluster: a".encode("utf-16"), "1: byte 0xff is not UTF-8"),
    ("NUL", b"cluster: a\nb: \x00\n", "2: character U+0000 is not allowed"),
    ("escape beyond Unicode", 'cluster: a\nb: "\\UFFFFFFFF"\n', "2: an escape or a number that YAML cannot read"),
    ("escaped bell", 'cluster: "a\\a"\n', '1: cluster: "a\\u0007" contains characters that are not printable'),
    ("escaped surrogate", 'cluster: "\\ud800"\n', "1: cluster: "),
    ("odd key", '"\\e[31m": 1\n', "1: the key "),
    ("too deep", "a: " + "[" * 2000, "1: nested more than 24 levels deep"),
    ("too deep in blocks", "\n".join(" " * n + "a:" for n in range(300)), "24: nested more than 24 levels"),
    ("too large", "#" * MAX_BYTES + "\ncluster: a", "1: larger than 512 KiB"),
]


@pytest.mark.parametrize(("content", "says"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_unusable_text(tmp_path, content, says):
    problems = found(tmp_path, content)
    assert any(problem.startswith(says) for problem in problems), problems


def test_tabs_do_not_hide_what_else_is_wrong(tmp_path):
    problems = found(tmp_path, "cluster: A\nnetwork:\n\tnode_prefix: 99\n\tdomain: x\n")
    assert [problem.split(":")[0] for problem in problems if "tab" in problem] == ["3", "4"]
    assert any(problem.startswith("1: cluster: must be") for problem in problems)
    assert any(problem.startswith("3: network.node_prefix: must be") for problem in problems)


def test_tabs_within_a_line(tmp_path):
    assert found(tmp_path, text_of(RIGHT).replace("cluster: lab", "cluster: lab\t# tab")) == [
        "1: a tab: YAML allows only spaces here"
    ]
    assert found(tmp_path, text_of(RIGHT).replace("cluster: lab", "cluster: lab # a\ttab")) == []


def test_a_byte_order_mark_is_no_problem(tmp_path):
    assert found(tmp_path, b"\xef\xbb\xbf" + text_of(RIGHT).encode()) == []


@pytest.mark.parametrize("name", ["missing.yaml", ".", "nul\0byte", "x" * 300])
def test_a_file_that_cannot_be_read(tmp_path, name):
    (problem,) = inventory.check(tmp_path / name)
    assert ":1: cannot be read: " in problem


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("022", "022"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("5", 5),
        ("-7", -7),
        ("1e3", "1e3"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_words_mean_what_they_look_like(written, value):
    (read,) = parse(f"a: {written}".encode()).data.values()
    assert read == value and isinstance(read, type(value))


def test_a_number_remembers_how_it_was_written():
    assert parse(b"a: 1.40").data["a"].raw == "1.40"


def test_the_line_of_every_key_is_known():
    lines = parse(b"cluster: a\nhosts:\n  - name: b\n    roles: [x,\n      y]\n").lines
    assert lines[("cluster",)] == 1 and lines[("hosts", 0, "name")] == 3
    assert lines[("hosts", 0, "roles")] == 4 and lines[("hosts", 0, "roles", 1)] == 5
