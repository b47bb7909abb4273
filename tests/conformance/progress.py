"""Hears from the suite of every test as it ends: what remains when a process of it dies, and ginkgo cannot report."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .report import Result

EVERY = 25
UNTOLD = "what it said is lost: a process of the suite died before the report was written"


class Heard:
    """What has been heard so far; a line is said of every failure, and of how many are done now and then."""

    def __init__(self, say: Callable[[str], None]):
        self.say = say
        self.results: dict[str, Result] = {}
        self._lock = threading.Lock()

    def take(self, message: str) -> None:
        """One message of the suite: "PASSED name", "FAILED name", or about the suite itself."""
        word, _, name = message.partition(" ")
        if word not in ("PASSED", "FAILED"):
            return
        with self._lock:
            self.results[name] = Result("passed") if word == "PASSED" else Result("failed", message=UNTOLD)
            if word == "FAILED":
                self.say(f"did not pass: {name}")
            if len(self.results) % EVERY == 0:
                failed = sum(not result.passed for result in self.results.values())
                self.say(f"{len(self.results)} tests have ended, {failed} did not pass")


@contextmanager
def listening(say: Callable[[str], None]) -> Iterator[tuple[str, Heard]]:
    """The URL for e2e.test's --progress-report-url, and what is heard there."""
    heard = Heard(say)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_) -> None: ...

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.take(message.get("msg", ""))
            self.send_response(204)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
