"""What an upgrade waits for on a worker before pods may come to it again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from upgrading.test_passes import SETS, wanting

from hardway.commands.upgrade import workers
from hardway.errors import NotReadyError

TYPED = "hardway upgrade INV"


def says(version: str, ready: str = "True") -> dict[str, Any]:
    return {"status": {"nodeInfo": {"kubeletVersion": version}, "conditions": [{"type": "Ready", "status": ready}]}}


def awaited(monkeypatch, *answers: dict[str, Any], seconds: float = 0.3) -> None:
    """Its Node says these in turn, the last of them for ever."""
    monkeypatch.setattr(workers, "READY_SECONDS", seconds)
    cluster, left = wanting(SETS[3]), list(answers)
    live = SimpleNamespace(node=lambda host: left.pop(0) if len(left) > 1 else left[0])
    view = SimpleNamespace(cluster=cluster, session=SimpleNamespace(live=live))
    workers.await_new(view, cluster.host("worker-1"), TYPED)


def test_a_kubelet_that_is_new_and_ready(monkeypatch):
    new = f"v{SETS[3].kubernetes}"
    awaited(monkeypatch, {}, says(f"v{SETS[2].kubernetes}"), says(new, "False"), says(new), seconds=60.0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [({}, "no version"), (says("v1.36.3"), "v1.36.3"), (says(f"v{SETS[3].kubernetes}", "False"), SETS[3].kubernetes)],
    ids=["unknown", "old", "not-ready"],
)
def test_one_that_is_not_is_named_with_what_shows_the_cause(monkeypatch, answer, said):
    with pytest.raises(NotReadyError) as caught:
        awaited(monkeypatch, answer)
    assert caught.value.host == "worker-1" and said in caught.value.message
    assert caught.value.hint == f"hardway doctor INV   shows the cause; then: {TYPED}"
