"""End-to-end tests: the real command line on real machines."""

from __future__ import annotations

from machines import can_lab, make_stage

__all__ = ["can_lab", "make_stage"]
