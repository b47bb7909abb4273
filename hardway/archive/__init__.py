"""A cluster in one encrypted file: what only its operator has, and the snapshot that needs it."""

from .contents import Backup, Manifest, opened, write
from .sealing import Key, Lock, lock_of, requires_passphrase

__all__ = ["Backup", "Key", "Lock", "Manifest", "lock_of", "opened", "requires_passphrase", "write"]
