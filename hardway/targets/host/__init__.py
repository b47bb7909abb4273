"""The shell vocabulary of a host: `read.sh` (probes), `write.sh` (ops), `both.sh` (what these two share), and
`lease.sh` (who may write)."""

import re
from importlib.resources import files

BOTH = (files(__package__) / "both.sh").read_text(encoding="utf-8")
READ = BOTH + (files(__package__) / "read.sh").read_text(encoding="utf-8")
WRITE = BOTH + (files(__package__) / "write.sh").read_text(encoding="utf-8")
LEASE = (files(__package__) / "lease.sh").read_text(encoding="utf-8")
QUESTIONS = frozenset(re.findall(r"^q_(\w+)\(\)", READ, re.MULTILINE))
# What is found out for all questions of a verb in a batch at once.
TOGETHER = tuple(re.findall(r"^all_(\w+)\(\)", READ, re.MULTILINE))
