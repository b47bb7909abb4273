"""Lines of a log: what each means, in which order they are shown, and what is refused before a host is asked."""

import json
import queue
from pathlib import Path

import pytest

from hardway.commands.logs import Since, source
from hardway.commands.logs.listening import END, INTERRUPT, _batches
from hardway.errors import UsageError
from hardway.inventory import load
from hardway.targets.journal import Entry, merged, parse

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")


def journal(moment: float, **fields) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": str(int(moment * 1e6)), **fields})


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("plain", "plain"),
        ("two\nlines", "two\nlines"),
        ([98, 195, 40], "b\ufffd("),  # not UTF-8: the journal gives numbers
        (["one", "two"], "one\ntwo"),
        (None, ""),
    ],
)
def test_an_entry_of_the_journal(said, text):
    assert parse("unit", "lb", journal(12.5, MESSAGE=said)) == Entry(12.5, "lb", text)


@pytest.mark.parametrize(
    "line",
    ["", "Failed to parse timestamp", "[1]", '{"MESSAGE": "no time"}', "-- No entries --", "[" * 100_000]
    + [f'{{"__REALTIME_TIMESTAMP": {moment}}}' for moment in (f'"{"9" * 400}"', "1e999", "null", '"-9e3"', "1" * 30)]
    + ['{"__REALTIME_TIMESTAMP": "1", "MESSAGE": [-1]}', '{"__REALTIME_TIMESTAMP": "1", "MESSAGE": [300]}'],
    ids=lambda line: line[:30],
)
def test_what_journalctl_says_of_itself_is_no_entry(line):
    assert parse("unit", "lb", line) is None and parse("pod", "lb", line) is None
    assert parse("pod", "lb", "2023-99-14T22:13:20Z stdout F hello") is None


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("2023-11-14T22:13:20.5Z stdout F hello  there", 1_700_000_000.5),
        ("2023-11-14T23:13:20.123456789+01:00 stderr P hello  there", 1_700_000_000.123456789),
        ("2023-11-14T22:13:20Z stdout F hello  there", 1_700_000_000.0),
    ],
)
def test_a_line_of_a_container(line, moment):
    entry = parse("pod", "worker-0", line)
    assert entry.moment == pytest.approx(moment) and entry.text == "hello  there"
    assert parse("pod", "worker-0", "==> /var/log/pods/x <==") is None


def test_hosts_are_merged_by_time_and_one_moment_keeps_its_order():
    a = [Entry(1, "a", "1"), Entry(3, "a", "2"), Entry(3, "a", "3")]
    b = [Entry(2, "b", "1"), Entry(3, "b", "2")]
    assert [(entry.host, entry.text) for entry in merged([*a, *b])] == [
        ("a", "1"),
        ("b", "1"),
        ("a", "2"),
        ("a", "3"),
        ("b", "2"),
    ]


def test_what_comes_close_together_is_sorted_and_the_end_of_all_readers_is_the_end():
    heard: queue.SimpleQueue = queue.SimpleQueue()
    for item in (Entry(2, "a", ""), END, Entry(1, "b", ""), END):
        heard.put(item)
    assert [[entry.host for entry in batch] for batch in _batches(heard, 2)] == [["b", "a"]]


def test_ctrl_c_shows_what_has_come_and_ends():
    heard: queue.SimpleQueue = queue.SimpleQueue()
    for item in (Entry(1, "a", ""), INTERRUPT, Entry(2, "a", "")):
        heard.put(item)
    batches = _batches(heard, 1)
    assert [entry.moment for entry in next(batches)] == [1]
    with pytest.raises(KeyboardInterrupt):
        next(batches)


@pytest.mark.parametrize(("text", "told"), [("30s", "-30s"), ("2h", "-7200s"), ("1d", "-86400s")])
def test_a_time_ago(text, told):
    assert str(Since.parse(text)) == told


def test_a_moment_of_ours_is_the_same_on_every_host():
    assert str(Since.parse("2023-11-14T22:13:20+00:00")) == "@1700000000"
    assert str(Since()) == ""


@pytest.mark.parametrize("text", ["", "yesterday-ish", "10", "5w", "-1h", "1h; reboot"])
def test_what_is_no_time(text):
    with pytest.raises(ValueError):
        Since.parse(text)


def test_a_component_and_who_carries_it():
    assert [host.name for host in source(LAB, "etcd").hosts] == ["controller-0", "controller-1", "controller-2"]
    assert [host.name for host in source(LAB, "haproxy").hosts] == ["lb"]
    assert [host.name for host in source(LAB, "coredns", ["worker-1"]).hosts] == ["worker-1"]
    assert len(source(LAB, "pod-routes").hosts) == 6


@pytest.mark.parametrize(
    ("component", "host", "hint"),
    [
        ("kublet", "", "did you mean kubelet?"),
        ("keepalived", "", "there are: etcd"),  # not in this cluster
        ("kubelet", "lb", "it runs on: worker-0 worker-1"),
        ("kubelet", "worker-7", "did you mean worker-"),
    ],
)
def test_wrong_names_are_refused_before_a_host_is_asked(component, host, hint):
    with pytest.raises(UsageError) as refused:
        source(LAB, component, [host] if host else [])
    assert hint in refused.value.hint
