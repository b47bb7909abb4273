"""How often each function of hardway is called, and what it calls: a cost that no busy computer changes.

What the fakes ask of hardway to play their part is no cost of hardway's, and it depends on who comes first.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import hardway

PACKAGE = str(Path(hardway.__file__).parent)
FAKES = str(Path(__file__).parent)


class Tally:
    """Calls in one thread, by function; a generator counts each time it goes on."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[CodeType, object]] = Counter()

    def hook(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            if ours(frame.f_code):
                self.counts[frame.f_code, arg.__qualname__] += 1
        elif event == "call":
            caller = frame.f_back.f_code if frame.f_back else frame.f_code
            if ours(frame.f_code):
                self.counts[frame.f_code, None] += not caller.co_filename.startswith(FAKES)
            elif ours(caller):
                self.counts[caller, frame.f_code.co_qualname] += 1


def ours(code: CodeType) -> bool:
    return code.co_filename.startswith(PACKAGE)


def counted(work: Callable[[], object]) -> dict[str, int]:
    """Calls while the work is done, in this thread and in those that it starts, as "module:function" or
    "module:function > what it calls"."""
    tallies = [Tally()]

    def begin(frame: FrameType, event: str, arg: Any) -> None:
        tallies.append(Tally())
        sys.setprofile(tallies[-1].hook)
        tallies[-1].hook(frame, event, arg)

    threading.setprofile(begin)
    sys.setprofile(tallies[0].hook)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    found: Counter[str] = Counter()
    for tally in tallies:
        for (code, callee), count in list(tally.counts.items()):
            found[name(code) + (f" > {callee}" if callee else "")] += count
    return dict(found)


def name(code: CodeType) -> str:
    module = Path(code.co_filename).relative_to(PACKAGE).with_suffix("")
    return f"{'.'.join(module.parts)}:{code.co_qualname.replace('.<locals>', '')}"
