"""The images that the suite asks for, by its names for them: read from its source, so that they are its version's."""

from __future__ import annotations

import re
from pathlib import Path

PLACE = "test/utils/image/manifest.go"
REGISTRY = re.compile(r'^\t\t(\w+Registry):\s+"([^"]+)",$', re.M)
IMAGE = re.compile(r'^\tconfigs\[(\w+)\] = Config\{list\.(\w+), "([^"]+)", "([^"]+)"\}$', re.M)


def read(source: Path) -> dict[str, str]:
    """The images of a source tree: {"Agnhost": "registry.k8s.io/e2e-test-images/agnhost:2.66.1", ...}."""
    return references((source / PLACE).read_text())


def references(text: str) -> dict[str, str]:
    """The same of the text of manifest.go."""
    registries = dict(REGISTRY.findall(text))
    return {name: f"{registries[registry]}/{image}:{tag}" for name, registry, image, tag in IMAGE.findall(text)}
