"""When an object differs, what a node's patch says, and how the API target behaves when the API does not answer."""

import http.client
import json

import pytest
from fakes.memory_kube import MemoryKube, Objects

from hardway.cluster import Host, Role
from hardway.errors import ApiUnavailable, ConnectionFailed, RemoteCommandError
from hardway.resources import ApiObject, NodeMarks
from hardway.resources.base import Situation
from hardway.resources.kubernetes import OWNED, missing_fields, node_patch
from hardway.settings import Taint
from hardway.targets.kube import ApiRemote, refusal, taken
from hardway.vocabulary import Blob, Op, Probe

CONTAINER = {"name": "a", "image": "a:1"}


@pytest.mark.parametrize(
    ("wanted", "actual", "paths"),
    [
        ({"a": 1}, {"a": 1, "defaulted": 2}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": {"b": 1}}, {}, ["a"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, ["a.c"]),
        ({"a": {}}, {}, []),
        ({"a": []}, {"a": None}, []),
        ({"a": 0}, {"a": 1}, ["a"]),
        ({"a": [1, 2]}, {"a": [1, 2]}, []),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, ["a"]),
        ({"subjects": [{"name": "us"}]}, {"subjects": [{"name": "us"}, {"name": "them"}]}, ["subjects"]),
        ({"containers": [CONTAINER]}, {"containers": [{**CONTAINER, "tty": False}]}, []),
        ({"containers": [CONTAINER]}, {"containers": [{"name": "b"}, CONTAINER]}, []),
        ({"containers": [CONTAINER]}, {"containers": [{**CONTAINER, "image": "a:2"}]}, ["containers[a].image"]),
        ({"containers": [CONTAINER]}, {"containers": []}, ["containers[a]"]),
        ({"ports": [{"port": 53}]}, {"ports": [{"port": 54, "protocol": "TCP"}]}, ["ports[0].port"]),
        ({"a": "1"}, {"a": 1}, ["a"]),
    ],
)
def test_fields_that_differ(wanted, actual, paths):
    assert missing_fields(wanted, actual) == paths


def node(labels: dict | None = None, taints: list | None = None, owned: dict | None = None) -> dict:
    annotations = {OWNED: json.dumps(owned)} if owned else {}
    return {
        "metadata": {"labels": labels or {}, "annotations": annotations, "resourceVersion": "7"},
        "spec": {"taints": taints or []},
    }


THEIRS, OURS = {"key": "theirs", "effect": "NoSchedule"}, {"key": "ours", "effect": "NoExecute", "value": "x"}


@pytest.mark.parametrize(
    ("before", "wanted", "labels", "taints"),
    [
        (node(), {"labels": {}, "taints": []}, None, None),
        (node(), {"labels": {"a": "1"}, "taints": []}, {"a": "1"}, None),
        (node({"a": "1"}), {"labels": {"a": "1"}, "taints": []}, None, None),
        (node({"a": "0"}), {"labels": {"a": "1"}, "taints": []}, {"a": "1"}, None),
        (
            node({"a": "1", "b": "2"}, owned={"labels": ["a"], "taints": []}),
            {"labels": {}, "taints": []},
            {"a": None},
            None,
        ),
        (node(taints=[THEIRS]), {"labels": {}, "taints": [OURS]}, None, [THEIRS, OURS]),
        (node(taints=[THEIRS, OURS]), {"labels": {}, "taints": [OURS]}, None, None),
        (
            node(taints=[OURS, THEIRS], owned={"labels": [], "taints": ["ours"]}),
            {"labels": {}, "taints": []},
            None,
            [THEIRS],
        ),
        (node(taints=[{**OURS, "value": "y"}]), {"labels": {}, "taints": [OURS]}, None, [OURS]),
    ],
)
def test_the_patch_of_a_node(before, wanted, labels, taints):
    patch = node_patch(before, wanted)
    assert patch["metadata"].get("labels") == labels and patch.get("spec", {}).get("taints") == taints
    assert json.loads(patch["metadata"]["annotations"][OWNED])["labels"] == sorted(wanted["labels"])
    assert patch["metadata"]["resourceVersion"] == "7"


def marks(labels: dict, *taints: Taint) -> NodeMarks:
    return NodeMarks(Host("w", "192.0.2.1", frozenset({Role.WORKER}), labels=labels, taints=taints))


def test_marks_are_brought_about_and_then_left_alone():
    objects = Objects()
    objects.by_path["/api/v1/nodes/w"] = {"kind": "Node", **node({"theirs": "1"}, [THEIRS])}
    remote = ApiRemote(lambda: MemoryKube(objects, lambda: ""), may_be_absent=False)
    wanted = marks({"ours": "1"}, Taint("ours", "NoExecute", "x"))
    change = wanted.compare(Situation(remote.probe(wanted.probes())))
    assert change.why == ("label ours: 1", "taints")
    remote.change(change.ops)
    assert wanted.compare(Situation(remote.probe(wanted.probes()))) is None
    gone = marks({})
    remote.change(gone.compare(Situation(remote.probe(gone.probes()))).ops)
    after = objects.by_path["/api/v1/nodes/w"]
    assert after["metadata"]["labels"] == {"theirs": "1"} and after["spec"]["taints"] == [THEIRS]


def test_a_node_that_changes_between_reading_and_writing_is_read_again():
    """The kubelet reports its status every second; a conflict with that is nobody's failure."""
    objects = Objects()
    objects.by_path["/api/v1/nodes/w"] = {"kind": "Node", **node()}
    kubelet = iter(["report", "report"])
    objects.point = lambda what: (
        next(kubelet, None) and objects.save("/api/v1/nodes/w", objects.by_path["/api/v1/nodes/w"])
    )
    remote = ApiRemote(lambda: MemoryKube(objects, lambda: ""), may_be_absent=False)
    remote.change([Op("mark", ("/api/v1/nodes/w",), Blob(data=b'{"labels": {"a": "1"}, "taints": []}'))])
    assert objects.by_path["/api/v1/nodes/w"]["metadata"]["labels"] == {"a": "1"}


def refusing(error: Exception) -> ApiRemote:
    def api():
        raise error

    return lambda may_be_absent: ApiRemote(api, may_be_absent)


@pytest.mark.parametrize("error", [ConnectionRefusedError("no"), ConnectionFailed("nothing listens")])
def test_an_api_that_does_not_answer_is_unknown_to_a_plan_and_an_error_to_a_run(error):
    probe = Probe("object", ("/api/v1/nodes/w",))
    assert refusing(error)(True).probe([probe]) == {probe: "unknown"}
    with pytest.raises(RemoteCommandError, match="cannot be reached"):
        refusing(error)(False).probe([probe])
    with pytest.raises(RemoteCommandError, match="connection to the API broke"):
        refusing(error)(False).change([Op("delete", ("/api/v1/nodes/w",))])


@pytest.mark.parametrize(
    ("manifest", "path"),
    [
        (
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "b"}},
            "/api/v1/namespaces/b/services/a",
        ),
        ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}, "/api/v1/namespaces/a"),
        (
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": "a", "namespace": "b"},
            },
            "/apis/networking.k8s.io/v1/namespaces/b/networkpolicies/a",
        ),
        (
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "system:a"}},
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a",
        ),
    ],
)
def test_paths_of_objects(manifest, path):
    assert ApiObject(manifest).path == path


@pytest.mark.parametrize(
    ("holder", "where", "look"),
    [
        (
            {"group": "", "resource": "services", "namespace": "a", "name": "b"},
            "services a/b",
            "kubectl -n a get services b ",
        ),
        ({"group": "x.io", "resource": "gateways", "name": "b"}, "gateways.x.io b", "kubectl get gateways.x.io b "),
    ],
)
def test_whoever_holds_an_address_is_named_with_a_command_to_look_at_it(holder, where, look):
    error = taken("10.32.0.10", holder, "/api/v1/namespaces/kube-system/services/kube-dns")
    assert error.message.endswith(f"belongs to {where}") and look in error.hint and error.exit_code == 5


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (TimeoutError("The read operation timed out"), True),
        (ConnectionResetError("reset"), True),
        (http.client.RemoteDisconnected("closed"), True),
        (ConnectionRefusedError("no"), False),
        (ConnectionFailed("the host does not answer"), False),
    ],
)
def test_only_an_api_that_listens_is_asked_again(error, again):
    with pytest.raises(RemoteCommandError) as read:
        refusing(error)(False).probe([Probe("object", ("/api/v1/nodes/w",))])
    with pytest.raises(RemoteCommandError) as written:
        refusing(error)(False).change([Op("delete", ("/api/v1/nodes/w",))])
    assert isinstance(read.value, ApiUnavailable) is isinstance(written.value, ApiUnavailable) is again


@pytest.mark.parametrize(
    ("status", "again"), [(400, False), (403, False), (409, False), (422, False), (429, True), (500, True), (504, True)]
)
def test_what_the_api_cannot_answer_for_now_may_be_asked_again(status, again):
    assert issubclass(refusal(status, b"storage is (re)initializing"), ApiUnavailable) is again
