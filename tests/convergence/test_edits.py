"""The table of changes says what every edit means: here each is made on a cluster that lives, in memory, and the plan,
the run and what is left are compared with its row."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from edits import EDITS, FILE, Edit, put
from fakes.world import World, changes

from hardway import errors, preflight
from hardway.inventory import load, schema
from hardway.living.changes import How, Row, flags, restarting, rows
from hardway.phases import PHASES
from hardway.pki.credentials import Credentials
from hardway.plans import as_text, foresee
from hardway.plans.text import LEGEND
from hardway.preflight.finding import ClusterCheck
from hardway.render import unit_flags
from hardway.run.step import Done
from hardway.state.statedir import Overlay
from hardway.targets.host import READ

INVENTORIES = Path(__file__).parents[2] / "inventory"
ROWS = {(key, row.edit): row for row in rows() for key in row.places}
# What runs on all hosts at once even while it is restarted.
TOGETHER = {"pod-routes"}
# Whose restarts come before whose, on all hosts.
ORDER = (("etcd", "kube-apiserver"), ("kube-apiserver", "kubelet"), ("kube-apiserver", "kube-proxy"))
CANARIES = ("/api/v1/namespaces/default/configmaps/canary", "/api/v1/namespaces/default/secrets/canary")


def error_checks() -> set[str]:
    """The names under which preflight refuses something."""
    every = (*preflight.CHECKS, *preflight.AROUND, *preflight.TOGETHER)
    return {check.name for check in every if isinstance(check, ClusterCheck) or not check.warning}


def leaves(node: dict, types: dict, at: str = "") -> Iterator[str]:
    """Every key of the inventory that holds no keys itself, by its path."""
    for key, value in node["properties"].items():
        path = f"{at}.{key}".lstrip(".")
        inner = [one["$ref"] for one in (value, value.get("items", {}), *value.get("anyOf", ())) if "$ref" in one]
        if not inner:
            yield path
            continue
        yield from leaves(types[inner[0].rpartition("/")[2]], types, path + "[]" * (value.get("type") == "array"))


class TestTheTable:
    def test_every_key_has_a_row_and_every_row_a_key(self):
        found = set(leaves(schema(), schema()["$defs"]))
        named = {key for key, _ in ROWS}
        assert len(found) > 70 and found - named == set(), "keys without a row in hardway/living/changes.yaml"
        assert named - found == {"hosts"}, "rows without a key"

    def test_every_row_has_an_edit_and_every_edit_a_row(self):
        assert set(EDITS) == set(ROWS) and all(EDITS.values())
        assert len(ROWS) == sum(len(row.places) for row in rows()), "two rows are for the same change"

    def test_several_rows_for_a_key_say_which_change_each_is_for(self):
        counts = {key: [edit for other, edit in ROWS if other == key] for key, _ in ROWS}
        assert all(len(edits) == 1 or all(edits) for edits in counts.values())

    @pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.keys[0]} {row.edit}")
    def test_a_row_agrees_with_itself(self, row: Row):
        assert row.what.endswith(".")
        assert set(row.restarts) <= set(restarting())
        assert bool(row.passes) == (row.how is How.STAGED)
        assert not row.command or row.how in (How.BY_COMMAND, How.AT_ONCE)
        assert row.command or row.how is not How.BY_COMMAND
        assert not row.refused or row.how in (How.BY_COMMAND, How.NEVER)
        assert row.refused or row.how is not How.NEVER
        rolling = set(row.restarts) - TOGETHER
        assert bool(rolling) == (row.how in (How.IN_TURNS, How.STAGED))
        assert not (row.nothing and (row.restarts or row.objects))

    def test_what_refuses_is_known(self):
        named = {row.refused for row in rows() if row.refused and not hasattr(errors, row.refused)}
        assert len(named) > 8 and named - error_checks() == set()

    def test_every_unit_that_a_row_restarts_is_explained_and_no_other(self):
        assert {unit for row in rows() for unit in row.restarts} == set(restarting())

    def test_no_unit_sets_a_flag_that_stays_by_itself(self):
        """Preflight counts on it."""
        lab = load(INVENTORIES / "lab.yaml")
        assert [c for c, found in flags().items() if set(found) & unit_flags(c, lab)] == []

    def test_a_survey_tells_of_every_flag_that_stays(self):
        named = READ.partition("s_flags()")[2].partition("\n}\n")[0]
        for component, found in flags().items():
            assert f" {component} " in named.replace(";", " ")
            assert set(found) <= set(named.partition("--(")[2].partition(")")[0].split("|"))


@pytest.fixture(scope="module")
def founded(tmp_path_factory) -> Callable[[Edit], tuple[World, dict]]:
    """founded(EDIT): a cluster that lives as it was before the edit, and the edited inventory; each is built once."""
    folder, known = tmp_path_factory.mktemp("edits"), {}

    def found(edit: Edit) -> tuple[World, dict]:
        shipped = shipped_as(edit.base)
        before, after = edit.inventories(shipped)
        if repr(before) not in known:
            known[repr(before)] = living(World(load(written(folder, before)), folder))
        return known[repr(before)].copy(), after

    return found


@functools.cache
def shipped_as(base: str) -> dict[str, Any]:
    return yaml.safe_load((INVENTORIES / f"{base}.yaml").read_text())


def written(folder: Path, inventory: dict) -> Path:
    (folder / FILE).write_text("rules: []\n")
    path = folder / "inventory.yaml"
    path.write_text(yaml.safe_dump(inventory, sort_keys=False))
    return path


def living(world: World) -> World:
    world.run()
    world.bound()
    for path in CANARIES:
        kind = "Secret" if "secrets" in path else "ConfigMap"
        world.objects.save(path, {"kind": kind, "metadata": {"name": "canary"}, "data": {"sings": "eQ=="}})
    return world


def edited(world: World, edit: Edit, folder: Path, inventory: dict) -> World:
    """The same machines under the edited inventory, each with the address it has there by now."""
    edit.machines(world)
    cluster = load(written(folder, inventory))
    for host in cluster.hosts:
        if host.name in world.hosts:
            world.hosts[host.name].host = host
    world.use(cluster)
    world.log.clear()
    return world


def refusals(world: World) -> set[str]:
    """Why a bootstrap would not begin: names of preflight's errors, or the kind of error with which planning ends."""
    found = {one.name for one in preflight.findings(world.inputs()) if not one.warning}
    if found:
        return found
    try:
        world.plan()
    except errors.HardwayError as error:
        return {type(error).__name__}
    return set()


def restarts(done: Sequence[Done]) -> set[str]:
    """Units that run and are restarted."""
    ops = (op for step in done for change in step.changes for op in change.ops)
    return {op.args[0].removesuffix(".service") for op in ops if op.verb == "restart"}


def objects(done: Sequence[Done]) -> set[str]:
    return {change.key.split()[0] for step in done if step.target == "kubernetes" for change in step.changes}


class Turns:
    """How many hosts restart the same unit at the same time."""

    def __init__(self, world: World):
        self.guard, self.running = threading.Lock(), {}
        self.most: dict[str, int] = {}
        for host in world.hosts.values():
            host.change = self._watched(host.host.name, host.change)

    def _watched(self, name: str, change: Callable) -> Callable:
        def watched(ops: Sequence[Any]) -> None:
            units = {op.args[0].removesuffix(".service") for op in ops if op.verb == "restart"}
            with self.guard:
                for unit in units:
                    self.running.setdefault(unit, set()).add(name)
                    self.most[unit] = max(self.most.get(unit, 0), len(self.running[unit]))
            try:
                change(ops)
            finally:
                with self.guard:
                    for unit in units:
                        self.running[unit].discard(name)

        return watched


def out_of_order(world: World) -> list[tuple[str, str]]:
    """Pairs of ORDER of which some host's second was restarted before another's first."""
    log = [op.args[0].removesuffix(".service") for _, op in world.log if op.verb == "restart"]
    both = [(one, other) for one, other in ORDER if one in log and other in log]
    return [(one, other) for one, other in both if log.index(other) < len(log) - 1 - log[::-1].index(one)]


def nodes(world: World) -> dict[str, Any]:
    return {path: body["metadata"]["uid"] for path, body in world.objects.by_path.items() if body["kind"] == "Node"}


def cases() -> Iterator[Any]:
    for (key, change), edits in EDITS.items():
        for number, edit in enumerate(edits):
            yield pytest.param(ROWS[key, change], edit, id=f"{key} {change} {number or ''}".strip())


@pytest.mark.slow
@pytest.mark.parametrize(("row", "edit"), list(cases()))
def test_an_edit_does_what_its_row_says(row: Row, edit: Edit, founded, tmp_path):
    world, inventory = founded(edit)
    world = edited(world, edit, tmp_path, inventory)
    if row.refused:
        refused(row, world)
    else:
        carried_out(row, world)


def refused(row: Row, world: World) -> None:
    assert row.refused in refusals(world) and world.log == []


def carried_out(row: Row, world: World) -> None:
    assert refusals(world) == set()
    before, kept = nodes(world), {path: world.objects.by_path[path] for path in CANARIES}
    planned, turns, done = world.plan(), Turns(world), []
    assert world.log == []
    for _ in itertools.takewhile(lambda n: n < 5 and changes(world.plan()), itertools.count()):
        done += world.run()
    assert changes(world.plan()) == {} and world.outdated() == [], "it does not come to rest"
    assert nodes(world).items() >= before.items()
    assert {path: world.objects.by_path.get(path) for path in CANARIES} == kept
    if row.how is not How.BY_COMMAND:
        assert restarts(done) == set(row.restarts) and objects(planned) == set(row.objects)
        assert bool(changes(planned)) != row.nothing
    if row.how is not How.STAGED:
        assert restarts(planned) == restarts(done)
        assert out_of_order(world) == []
    assert {unit: most for unit, most in turns.most.items() if most > 1 and unit not in TOGETHER} == {}


def test_a_plan_says_what_each_restart_means(founded, tmp_path):
    [edit] = EDITS["versions.pause", ""]
    world, inventory = founded(edit)
    world = edited(world, edit, tmp_path, inventory)
    inputs = dataclasses.replace(world.inputs(), credentials=Credentials(world.cluster, Overlay(world.store)))
    *_, restart, legend = as_text(foresee(inputs, world.readers(), PHASES, world.names)).splitlines()
    assert restart == f"  restart of containerd: {restarting()['containerd']}" and legend == f"  {LEGEND}"


@pytest.mark.slow
class TestFlagsThatStay:
    """Whatever preflight's FixedFlag knows, for every flag of the table."""

    FIXED = [(component, flag) for component, found in flags().items() for flag in found]

    def findings(self, founded, folder: Path, edit: Edit) -> list[preflight.Finding]:
        world, inventory = founded(edit)
        found = preflight.findings(edited(world, edit, folder, inventory).inputs())
        return [one for one in found if one.name == "FixedFlag"]

    @pytest.mark.parametrize(("component", "flag"), FIXED)
    def test_it_cannot_come_change_or_go(self, component, flag, founded, tmp_path):
        key = f"extra_args.{component}"
        one, other = put(key, {flag: "/one"}), put(key, {flag: "/other"})
        gone = lambda data: data.pop("extra_args")  # noqa: E731
        for edit in (Edit(one), Edit(other, founded=one), Edit(gone, founded=one)):
            found = self.findings(founded, tmp_path, edit)
            assert found and all(f"--{flag}" in one.what and flags()[component][flag] in one.what for one in found)
            assert all(f"{key}" in one.remedy for one in found)

    @pytest.mark.parametrize(("component", "flag"), FIXED)
    def test_what_a_cluster_was_founded_with_is_no_change(self, component, flag, founded, tmp_path):
        one = put(f"extra_args.{component}", {flag: "/one two"})
        assert self.findings(founded, tmp_path, Edit(put("drills", True), founded=one)) == []

    def test_hosts_that_are_new_or_not_yet_a_cluster_may_have_any(self, tmp_path):
        inventory = yaml.safe_load((INVENTORIES / "lab.yaml").read_text())
        put("extra_args.etcd", {"wal-dir": "/one"})(inventory)
        world = World(load(written(tmp_path, inventory)), tmp_path)
        assert {one.name for one in preflight.findings(world.inputs())} == set()
