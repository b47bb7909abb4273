"""Chapters about a cluster that lives."""
