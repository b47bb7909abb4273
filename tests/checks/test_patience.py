"""How long a check waits for cluster DNS: only while its news may still be on the way."""

from types import SimpleNamespace

import pytest

from hardway.checks.name_service import _patience
from hardway.checks.scene import HEARD_WITHIN
from hardway.errors import ConnectionFailed

SETTLED = HEARD_WITHIN * 10


def scene(cluster, ages):
    """Hosts that answer how long a unit's program has run; one that is not in `ages` does not answer."""

    def ask(host, probes):
        if host.name not in ages:
            raise ConnectionFailed("no answer", host=host.name)
        return {probe: "" if ages[host.name] is None else f"{ages[host.name]:.0f} " for probe in probes}

    return SimpleNamespace(cluster=cluster, ask=ask)


@pytest.mark.parametrize(
    ("worker", "server", "seconds"),
    [
        (SETTLED, SETTLED, 0.0),
        (5.0, SETTLED, HEARD_WITHIN - 5),
        (SETTLED, 15.0, HEARD_WITHIN - 15),
        (None, 5.0, 0.0),
    ],
    ids=["settled", "kube-proxy started", "API server started", "kube-proxy does not run"],
)
def test_only_what_was_started_lately_is_waited_for(cluster, worker, server, seconds):
    ages = {host.name: server for host in cluster.control_plane} | {host.name: worker for host in cluster.workers}
    assert _patience(scene(cluster, ages), cluster.workers[0]) == seconds


def test_nobody_waits_for_a_host_that_does_not_answer(cluster):
    assert _patience(scene(cluster, {host.name: 5.0 for host in cluster.control_plane}), cluster.workers[0]) == 0.0


def test_an_api_server_that_does_not_answer_says_nothing_about_the_wait(cluster):
    assert _patience(scene(cluster, {cluster.workers[0].name: SETTLED}), cluster.workers[0]) == 0.0
