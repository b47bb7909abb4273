"""Amounts of a resource as Kubernetes writes them: 500m of a processor, 1Gi of memory, 110 pods."""

from __future__ import annotations

import re
from decimal import Decimal

from .understanding import beginning

UNITS = {
    **{"": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")},
    **{unit: Decimal(1000**power) for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024**power) for power, unit in enumerate("KMGTPE", 1)},
}
QUANTITY = r"\+?([0-9]{1,15}(\.[0-9]*)?|\.[0-9]+)([num]|[kMGTPE]|[KMGTPE]i|([eE][+-]?[0-9]{1,2}))?"
MEBIBYTE = UNITS["Mi"]


def amount(value: object) -> Decimal:
    """Processors, bytes or a number of things, from "500m", "1Gi" or 110; ValueError for anything else."""
    text = str(value)
    found = re.fullmatch(QUANTITY, text, re.ASCII)
    if not found:
        raise ValueError(f"{beginning(value)[:40]} is no amount")
    return Decimal(text) if found[4] else Decimal(found[1]) * UNITS[found[3] or ""]


def shown(resource: str, found: Decimal) -> str:
    """An amount of processors in thousandths, of memory or disk in MiB."""
    return f"{found * 1000:.0f}m" if resource == "cpu" else f"{found / MEBIBYTE:.0f}Mi"
