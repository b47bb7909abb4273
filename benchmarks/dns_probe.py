"""When the cluster's DNS answers on every worker: asked there, over UDP, on the Service address, with a full answer
required."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from hardway.checks.dns_query import question
from hardway.cluster import Cluster, Host
from hardway.errors import NotReadyError
from hardway.parallel import each
from hardway.session import Session

# The question travels as octal escapes, because printf of any sh knows those. `-W 1` ends nc at the first answer.
ASK = "printf '{query}' | timeout 1 nc -u -w 1 -W 1 {server} 53 | od -An -v -tx1 | tr -d ' \\n' | grep -q '{answer}$'"


def asking(cluster: Cluster) -> str:
    """A shell pipeline that succeeds when the name of the API's Service leads to its address."""
    message = question(f"kubernetes.default.svc.{cluster.network.domain}", 0x4857)[2:]
    query = "".join(f"\\{byte:03o}" for byte in message)
    # An A record ends with its length (4) and its address.
    answer = "0004" + cluster.network.service_ip.packed.hex()
    return ASK.format(query=query, server=cluster.network.dns_ip, answer=answer)


class DnsProbe:
    """Asks on every worker from its making on; `wait` tells at which monotonic time the last of them had its answer."""

    def __init__(self, session: Session, deadline: float = 300.0):
        self.session, self.deadline, self.answered = session, deadline, {}
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self) -> None:
        workers: Sequence[Host] = self.session.cluster.workers
        text = f"until {asking(self.session.cluster)}; do sleep 0.1; done"

        def one(host: Host) -> None:
            result = self.session.live.transports[host.name].run(text, timeout=self.deadline)
            if result.code:
                raise NotReadyError(f"the DNS question could not be asked: {result.error_text}", host=host.name)
            self.answered[host.name] = time.monotonic()

        try:
            each(one, workers)
        except BaseException as error:
            self.failure = error

    def wait(self) -> float:
        """The time of the last worker's first answer; NotReadyError when one had none in time."""
        self.thread.join()
        if self.failure:
            raise self.failure
        return max(self.answered.values())
