"""Acting on all machines of a lab at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..errors import HardwayError, HostErrors
from .spec import MachineSpec


def on_each(specs: Sequence[MachineSpec], act: Callable[[MachineSpec], None]) -> None:
    """Act on all machines at once; every failure is told, not only the first."""
    if not specs:
        return
    with ThreadPoolExecutor(max_workers=len(specs)) as pool:
        futures = [pool.submit(act, spec) for spec in specs]
    errors = [error for future in futures if (error := future.exception())]
    for error in errors:
        if not isinstance(error, HardwayError):
            raise error
    if len(errors) > 1:
        raise HostErrors(f"{len(errors)} machines failed", errors=tuple(errors), exit_code=errors[0].exit_code)
    if errors:
        raise errors[0]
