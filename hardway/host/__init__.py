"""The shell vocabulary of a host: `read.sh` (probes) and `write.sh` (ops)."""

from importlib.resources import files

READ = (files(__package__) / "read.sh").read_text()
WRITE = (files(__package__) / "write.sh").read_text()
