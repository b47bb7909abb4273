"""The command line: one module a command or a group of them; `app.py` is the entry point."""
