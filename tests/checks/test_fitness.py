"""The check of verify that repeats preflight: an error is a failure, a warning is none, and silence is no proof."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from hardway.checks.fitness import hosts_fit
from hardway.facts import Facts
from hardway.inventory import load
from hardway.phase import Inputs
from hardway.pki.credentials import Credentials
from hardway.state.statedir import Overlay, StateDir

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")


@pytest.mark.parametrize(
    ("wrong", "ignored", "told"),
    [
        ({}, (), ""),
        ({"arch": "s390x"}, (), "worker-0: s390x is not supported (Architecture); next: "),
        ({"arch": "s390x"}, ("Architecture=worker-0",), ""),
        ({"arch": "s390x"}, ("Architecture=worker-1",), "s390x"),
        ({"memory_mb": 1}, (), ""),
        ({"known": False}, (), "worker-0: does not answer"),
    ],
)
def test_what_would_stop_the_next_bootstrap_is_a_failure(tmp_path, wrong, ignored, told):
    facts = {
        host.name: Facts(
            hostname=host.name, machine_id=host.name, memory_mb=8192, addresses={str(host.address): "eth0"}
        )
        for host in LAB.hosts
    }
    facts["worker-0"] = replace(facts["worker-0"], **wrong)
    credentials = Credentials(LAB, Overlay(StateDir(tmp_path / "none")))
    outcome = hosts_fit(
        SimpleNamespace(cluster=LAB, inputs=Inputs(LAB, facts, credentials, None, ignored=frozenset(ignored)))
    )
    assert outcome.status == ("failed" if told else "passed") and told in outcome.detail
