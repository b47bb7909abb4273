"""The lease of a cluster: at any time one run may change it, wherever that run's computer is."""

from .holder import Holder
from .lease import Lease, Leased
from .permission import Permission

__all__ = ["Holder", "Lease", "Leased", "Permission"]
