"""The inventory: one YAML file that says everything hardway needs to know about a cluster."""

from hardway.inventory.json_schema import schema
from hardway.inventory.loader import Review, check, load, review
from hardway.inventory.sample import sample

__all__ = ["Review", "check", "load", "review", "sample", "schema"]
