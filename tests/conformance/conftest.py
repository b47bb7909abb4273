"""The suite runs on machines of the lab, as the end-to-end tests do."""

from __future__ import annotations

from machines import can_lab, make_stage

__all__ = ["can_lab", "make_stage"]
