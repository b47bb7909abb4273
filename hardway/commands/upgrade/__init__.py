"""`hardway upgrade`: to other versions, in the order that Kubernetes and etcd support, without a failed call."""

from .aim import Aim, aimed
from .conduct import Options, upgrade
from .foresight import foresee
from .text import as_json, as_text

__all__ = ["Aim", "Options", "aimed", "as_json", "as_text", "foresee", "upgrade"]
