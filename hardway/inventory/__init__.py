"""The inventory: one YAML file that says everything hardway needs to know about a cluster."""

from hardway.inventory.loader import Review, check, load, review, schema

__all__ = ["Review", "check", "load", "review", "schema"]
