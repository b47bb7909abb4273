"""Binaries and images: which a cluster needs, where they come from, and proof that they are what they should be."""

from .asset import Asset, Item, Row
from .store import AssetStore
from .table import image_reference
from .versions import default_versions, supported

__all__ = ["Asset", "AssetStore", "Item", "Row", "default_versions", "image_reference", "supported"]
