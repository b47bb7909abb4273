"""Component versions of a draft: the table's for that Kubernetes, with what the inventory says instead."""

from __future__ import annotations

import dataclasses

from hardway import settings
from hardway.inventory import keys
from hardway.inventory.problem import Path


def resolve(model: keys.Inventory) -> settings.Versions:
    """All versions: those written down, and the ones that go with that Kubernetes."""
    from hardway import assets  # imported on use: the JSON Schema is wanted without the whole asset machinery

    chosen = {key: value for key in keys.Versions.model_fields if (value := getattr(model.versions, key))}
    return dataclasses.replace(assets.default_versions(model.kubernetes), **chosen)


def unsupported(model: keys.Inventory) -> list[tuple[Path, str]]:
    """Each version that does not go with the others, at its key, and what is allowed; empty when all do."""
    from hardway import assets

    found = [problem.partition(": ") for problem in assets.supported(resolve(model))]
    return [
        (("versions", name) if name in keys.Versions.model_fields else ("kubernetes",), text) for name, _, text in found
    ]
