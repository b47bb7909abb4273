"""Bringing a plan about: compare, apply, wait, turn by turn."""
