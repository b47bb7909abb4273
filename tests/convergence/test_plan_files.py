"""A saved plan is what bootstrap does: all of it, nothing else, or it stops and says what moved."""

from __future__ import annotations

import dataclasses
import json

import pytest
from fakes.world import Killed, World

from hardway.errors import PlanMovedError, UsageError
from hardway.phases import PHASES
from hardway.pki.credentials import Credentials
from hardway.plans import Agreement, Plan, Purpose, as_document, as_json, as_text, foresee, load, save
from hardway.plans.agreement import difference
from hardway.plans.plan import Planned
from hardway.run.selection import Selection
from hardway.state.statedir import Overlay

pytestmark = pytest.mark.slow

NEXT = "hardway plan INV --save FILE"


def foreseen(world: World, issues=()) -> Plan:
    """What `hardway plan` finds: with credentials that are made in memory."""
    inputs = dataclasses.replace(world.inputs(), credentials=Credentials(world.cluster, Overlay(world.store)))
    return foresee(inputs, world.readers(), PHASES, world.names, issues)


def saved(world: World, tmp_path) -> Plan:
    """A plan as it comes back from its file."""
    save(as_document(foreseen(world), Purpose.of(world.cluster, Selection())), tmp_path / "plan")
    return load(tmp_path / "plan").plan


def follow(world: World, plan: Plan, begun: bool = False) -> Agreement:
    """A bootstrap that does what the plan says."""
    agreement = Agreement(plan, world.store, begun, NEXT)
    agreement.confirm(foreseen(world, plan.issues))
    world.run(permit=agreement.permit)
    return agreement


def lines(caught) -> list[str]:
    return caught.value.evidence.splitlines()


def test_two_plans_of_bare_hosts_are_equal_though_each_issues_its_own_keys(inventory, bare):
    world = bare(inventory)
    first, second = foreseen(world), foreseen(world)
    assert first == second and len(first.changes) > 100 and "pki/ca.key" in first.issues


def test_a_first_bootstrap_does_all_of_its_saved_plan_and_nothing_else(inventory, bare, tmp_path):
    world = bare(inventory)
    plan = saved(world, tmp_path)
    assert world.log == []
    agreement = follow(world, plan)
    left = {change.key for change in agreement.left()}
    assert agreement.done | left == {change.key for change in plan.changes}
    assert {change.key for change in plan.changes if change.unknown} >= left, (
        "only what could not be known may turn out as wanted already"
    )
    assert foreseen(world).changes == ()


def test_keys_are_told_apart_from_everything_else_about_their_files(bare, tmp_path):
    world = bare("lab")
    plan = saved(world, tmp_path)
    key = next(change for change in plan.changes if change.resource == "file /etc/etcd/pki/server.key")
    assert (key.issued, key.mode, key.owner, key.diff) == (
        True,
        "600",
        "etcd:etcd",
        "sha256 none -> issued by bootstrap",
    )
    unit = next(change for change in plan.changes if change.resource == "file /etc/systemd/system/etcd.service")
    assert not unit.issued and "+ExecStart" in unit.diff
    other = dataclasses.replace(key, does=tuple(line.replace(" 600 ", " 644 ") for line in key.does))
    laxer = dataclasses.replace(plan, changes=tuple(other if change == key else change for change in plan.changes))
    agreement = Agreement(laxer, world.store, False, NEXT)
    with pytest.raises(PlanMovedError) as caught:
        agreement.confirm(foreseen(world, plan.issues))
    assert len(lines(caught)) == 1 and "server.key: planned put" in lines(caught)[0] and " 644 " in lines(caught)[0]


def test_no_byte_of_a_secret_is_in_the_file(inventory, bare, tmp_path):
    world = bare(inventory)
    world.credentials.ensure_all()
    world.hosts[world.cluster.control_plane[0].name].disk.mkdir("/etc/kubernetes/pki")
    world.hosts[world.cluster.control_plane[0].name].disk.write(
        "/etc/kubernetes/pki/sa.key", b"what was a key before", "600"
    )
    saved(world, tmp_path)
    text = (tmp_path / "plan").read_text()
    assert (tmp_path / "plan").stat().st_mode & 0o777 == 0o600 and "what was a key" not in text
    secrets = [data for name, data in world.store._written.items() if name.endswith((".key", ".conf"))]
    # A private key has its public half in itself, which is in the open elsewhere.
    public = b"".join(data for name, data in world.store._written.items() if name.endswith((".crt", ".pub"))).decode()
    lines_ = [
        line
        for data in secrets
        for line in data.decode().splitlines()
        if len(line) > 20 and not line.startswith("-----")
    ]
    forms = [line for line in lines_ if line not in public]
    assert len(forms) > 20 and not [form for form in forms if form in text]


CONFIG = "/var/lib/kubelet/config.yaml"


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (
            lambda host: host.disk.write("/etc/crictl.yaml", b"new\n"),
            "file /etc/crictl.yaml: not in the plan, now content",
        ),
        (lambda host: host.disk.write(CONFIG, b"again\n", "600"), f"file {CONFIG}: planned found as"),
        (
            lambda host: host.systemd.stop("kubelet.service"),
            f"unit kubelet.service: planned restart: {CONFIG} changed; now",
        ),
        (
            lambda host: host.systemd.stop("containerd.service"),
            "unit containerd.service: not in the plan, now not enabled, is inactive",
        ),
    ],
)
def test_what_moved_after_the_plan_was_made_is_named_and_nothing_is_written(built, tmp_path, act, told):
    world = built("lab")
    host = world.hosts["worker-0"]
    host.disk.write(CONFIG, b"by hand\n", "600")
    plan = saved(world, tmp_path)
    act(host)
    with pytest.raises(PlanMovedError) as caught:
        follow(world, plan)
    assert caught.value.exit_code == 7 and "nothing was changed" in caught.value.message and world.log == []
    assert [line for line in lines(caught) if told in line], lines(caught)


def test_what_was_mended_meanwhile_is_named_as_gone(built, tmp_path):
    world = built("single")
    wanted = world.hosts["all-in-one"].disk.read("/etc/crictl.yaml")
    world.hosts["all-in-one"].disk.write("/etc/crictl.yaml", b"x")
    plan = saved(world, tmp_path)
    world.hosts["all-in-one"].disk.write("/etc/crictl.yaml", wanted)
    with pytest.raises(PlanMovedError) as caught:
        follow(world, plan)
    assert lines(caught) == ["containers on all-in-one: file /etc/crictl.yaml: planned content; now nothing to do"]


def test_a_step_that_would_do_something_else_stops_before_its_write(bare, tmp_path):
    """A file that comes up on a host while the run is on its way there."""
    world = bare("lab")
    plan, agreed = saved(world, tmp_path), []
    agreement = Agreement(plan, world.store, False, NEXT)

    def permit(phase, target, changes, again):
        if (phase, target) == ("containers", "worker-1") and not agreed:
            agreed.append(True)
            extra = dataclasses.replace(changes[0], key="file /etc/unforeseen", why=("content",))
            changes = [*changes, extra]
        agreement.permit(phase, target, changes, again)

    agreement.confirm(foreseen(world, plan.issues))
    with pytest.raises(PlanMovedError) as caught:
        world.run(permit=permit)
    assert (caught.value.phase, caught.value.host, caught.value.exit_code) == ("containers", "worker-1", 7)
    assert (
        lines(caught) == ["containers on worker-1: file /etc/unforeseen: not in the plan, now content"]
        and NEXT in caught.value.hint
    )
    assert not any(target == "worker-1" and "/etc/containerd" in op.args for target, op in world.log)


@pytest.mark.parametrize("moment", range(0, 300, 23))
def test_a_run_that_died_goes_on_with_the_same_plan(bare, tmp_path, moment):
    world = bare("single")
    world.credentials.ensure_all()
    plan, count = saved(world, tmp_path), [0]

    def death(name, op) -> bool:
        count[0] += 1
        return count[0] == moment + 1

    world.death = death
    try:
        follow(world, plan)
    except Killed:
        world.revive()
        follow(world, plan, begun=True)
    assert foreseen(world).changes == () and world.outdated() == []


def test_a_folder_that_was_made_but_has_not_its_mode_yet_is_as_planned():
    promised = Planned("kubelet", "w", "directory /a", ("new",), ("mkdir /a 700 root root",))
    half = dataclasses.replace(promised, why=("mode 755 -> 700",), does=("own /a 700 root root",))
    assert difference(promised, half, lenient=True) == ""
    assert difference(promised, half, lenient=False) == "kubelet on w: directory /a: planned new; now mode 755 -> 700"
    assert difference(promised, dataclasses.replace(half, does=("own /a 777 root root",)), lenient=True)


@pytest.mark.parametrize(
    ("promised", "now"),
    [
        (("start x.service wait",), ("load x.service wait",)),
        (("image x sha256:1",), ("dropimage x", "image x sha256:1")),
    ],
)
def test_what_a_dead_run_left_half_done_is_as_planned(promised, now):
    planned = Planned("phase", "w", "thing", ("new",), promised)
    half = dataclasses.replace(planned, why=("half",), does=now)
    assert difference(planned, half, lenient=True) == "" != difference(planned, half, lenient=False)


def test_the_document_says_mode_owner_and_the_whole_of_what_is_new(bare):
    world = bare("lab")
    found = json.loads("".join(as_json(as_document(foreseen(world), Purpose.of(world.cluster, Selection())))))
    changes = {(s["phase"], s["host"], c["resource"]): c for s in found["steps"] for c in s["changes"]}
    file = changes["etcd", "controller-0", "file /etc/etcd/etcd.env"]
    assert (file["why"], file["mode"], file["owner"]) == (
        ["new"],
        "600",
        "root:root",
    ) and "+ETCD_INITIAL_CLUSTER_STATE=new" in file["diff"]
    closing = changes["etcd-quorum", "controller-0", "file /etc/etcd/etcd.env"]
    assert (
        closing["why"] == ["content"]
        and "-ETCD_INITIAL_CLUSTER_STATE=new\n+ETCD_INITIAL_CLUSTER_STATE=existing" in closing["diff"]
    )
    api = changes["dns", "kubernetes", "Deployment kube-system/coredns"]
    assert (
        api["unknown"] and api["why"] == ["unknown until kube-apiserver answers"] and "+kind: Deployment" in api["diff"]
    )


def test_hosts_alike_are_told_together_and_content_with_verbose(bare):
    plan = foreseen(bare("lab"))
    short, whole = as_text(plan), as_text(plan, verbose=True)
    assert "binaries on controller-0, controller-1, controller-2\n" in short
    assert "  + file /etc/kubernetes/pki/ca.key: new, issued by bootstrap, 600 root:root\n" in short
    assert "ETCD_INITIAL_CLUSTER_STATE=existing" in short and "ExecStart=" not in short and "+ExecStart=" in whole
    assert "PRIVATE KEY" not in whole and "client-key-data" not in whole


def test_a_plan_for_something_else_is_refused_by_all_that_differs(bare, tmp_path):
    cluster, file = bare("lab").cluster, tmp_path / "plan"
    made = Purpose.of(cluster, Selection(only=("etcd",)))
    dataclasses.replace(made).require(made, file)
    with pytest.raises(PlanMovedError) as caught:
        Purpose("other", "0" * 64, "0.0", Selection(limit=("lb",))).require(made, file)
    assert [line.split(":")[0] for line in lines(caught)] == ["cluster", "inventory", "hardway", "selection"]
    assert lines(caught)[3] == "selection: --only etcd in the plan, --limit lb now" and caught.value.exit_code == 7


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"kind": "hardway-plan", "schema": 2}', '{"kind": "hardway-plan", "schema": 1}']
)
def test_what_is_no_plan_is_neither_read_nor_overwritten(tmp_path, content):
    (tmp_path / "notes").write_text(content)
    for use in (lambda: load(tmp_path / "notes"), lambda: save({}, tmp_path / "notes")):
        with pytest.raises(UsageError):
            use()
    assert (tmp_path / "notes").read_text() == content
