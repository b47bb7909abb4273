"""Watching a run: the events it is told in, and everything that is made of them: lines, a live display, tables, a
log."""
