"""End-to-end tests: the real command line on real machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from machines import can_lab, make_stage

__all__ = ["can_lab", "make_stage"]


def pytest_collection_modifyitems(items):
    """All of it needs the lab, and takes minutes rather than the seconds other tests may."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)
