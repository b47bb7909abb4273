"""Objects of the Kubernetes API that are as they should be: whoever reads one need not ask again."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from .understanding import integer, mapping, mappings, text, understood

# A part is a function that raises ValueError for anything else, the parts of a mapping, or those of each in a list.
Part = Callable[[Any], Any] | Mapping[str, Any] | tuple[Mapping[str, Any]]


def words(value: object) -> dict[str, str]:
    """Labels, annotations, none for what is not there; ValueError for anything else."""
    return {key: text(one) for key, one in mapping(value).items()}


def flag(value: object) -> None:
    """True or false; ValueError for anything else."""
    if not isinstance(value, bool):
        raise ValueError(f"{str(value)[:40]} is neither true nor false")


def moment(value: object) -> None:
    """A moment in a time zone, as the API writes it; ValueError for anything else."""
    if datetime.datetime.fromisoformat(text(value)).tzinfo is None:
        raise ValueError(f"{text(value)[:40]} has no time zone")


def data_of(found: object) -> dict[str, str]:
    """What a ConfigMap or a Secret holds, nothing for one that is not there; NotUnderstood, showing nothing of it."""
    with understood("the API server", None, "kubernetes"):
        return words(mapping(found).get("data"))


# What hardway reads of objects. What is there must be this; where a name ends with "!", it must be there.
PROJECTED: Mapping[str, Part] = {"configMap": {"name": text}, "serviceAccountToken": {"expirationSeconds": integer}}
OBJECT: Mapping[str, Part] = {
    "metadata": {
        **dict.fromkeys(("name", "namespace", "uid", "resourceVersion"), text),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), text),
        **dict.fromkeys(("labels", "annotations"), words),
        **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), integer),
        "ownerReferences": ({"kind!": text, "name!": text},),
        "managedFields": ({"time": moment},),
    },
    "spec": {
        **dict.fromkeys(("nodeName", "podCIDR", "clusterIP", "username"), text),
        "unschedulable": flag,
        "terminationGracePeriodSeconds": integer,
        "taints": ({"key!": text},),
        "volumes": ({"name!": text, "projected": {"sources": (PROJECTED,)}},),
        "template": {"metadata": {"annotations": words}},
    },
    "status": {
        **dict.fromkeys(("phase", "podIP"), text),
        **dict.fromkeys(("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"), integer),
        "observedGeneration": integer,
        "nodeInfo": {"kubeletVersion": text},
        "allocatable": mapping,
        "addresses": ({"type!": text, "address!": text},),
        "conditions": ({"type!": text, "status!": text},),
        "startTime": moment,
        "containerStatuses": ({"state": {"running": {"startedAt": moment}}},),
    },
}


def sound(answer: Any) -> dict[str, Any]:
    """An object of the API, or a list of such, or what it answers to a deletion; ValueError for anything else.

    It always has metadata, and every object of a list a name in it.
    """
    found = mapping(answer)
    if found.get("kind") == "Status":  # its status is a word
        return found
    found.setdefault("metadata", {})
    require(found, OBJECT)
    for one in mappings(found.get("items")):
        require(one, {**OBJECT, "metadata!": {**OBJECT["metadata"], "name!": text}})  # type: ignore[dict-item]
    return found


def require(value: object, part: Part) -> None:
    """ValueError, or KeyError for what is not there, unless a value is what a part must be."""
    if callable(part):
        part(value)
    elif isinstance(part, tuple):
        for one in mappings(value):
            require(one, part[0])
    else:
        found = mapping(value)
        for name, inner in part.items():
            key = name.removesuffix("!")
            if key in found or key != name:
                require(found[key], inner)
