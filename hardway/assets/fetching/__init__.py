"""Bringing released files from where their projects publish them, or from a mirror of them."""
