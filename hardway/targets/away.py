"""A host that does not answer, or is not to be asked: each question is refused at once, always with the same error."""

from __future__ import annotations

import copy
from typing import Any, NoReturn

from ..errors import ConnectionFailed
from ..transport import Transport
from .readonly import ReadingTransport


class Away:
    """Stands in for the host's transport and for its remote."""

    def __init__(self, transport: Transport | ReadingTransport, error: ConnectionFailed):
        self.host, self.close, self.error = transport.host, transport.close, error

    def _refuse(self, *question: Any, **options: Any) -> NoReturn:
        raise copy.copy(self.error)

    connect = run = dial = forward = probe = listen = _refuse
