"""What the tests of failures share: `told` holds a finished command to the case that the test injects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from machines import can_lab, make_stage
from ssh.conftest import opened, server, shared_server, start, sudoers, tools, user
from stage import Ran

from .case import Case
from .desk import Desk

__all__ = ["can_lab", "make_stage", "opened", "server", "shared_server", "start", "sudoers", "tools", "user"]


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Callable[..., Ran]:
    """told(ran, host=…) fails unless the command said all that its case promises."""
    [mark] = request.node.iter_markers("failure")
    found: Case = mark.args[0]

    def check(ran: Ran, host: str = "") -> Ran:
        wrong = found.unmet(ran, host)
        assert not wrong, "\n".join([f"{found.name}:", *wrong, str(ran)])
        return ran

    return check


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
