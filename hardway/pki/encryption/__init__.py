"""What Secrets are encrypted with: the keys, and which of them nothing is under any more."""

from .keys import (
    IDENTITY,
    KEY_BYTES,
    MANY,
    PROVIDERS,
    RESOURCES,
    encryption_config,
    encryption_configs,
    encryption_keys,
    file_of,
    kind_of,
    named,
    new_key,
    number,
    of_hardway,
    ordered,
    writer_of,
)

__all__ = [
    "IDENTITY",
    "KEY_BYTES",
    "MANY",
    "PROVIDERS",
    "RESOURCES",
    "encryption_config",
    "encryption_configs",
    "encryption_keys",
    "file_of",
    "kind_of",
    "named",
    "new_key",
    "number",
    "of_hardway",
    "ordered",
    "writer_of",
]
