"""The gate before each step: the cluster is healthy, as `verify` sees it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ...checks import healthy, refused
from ...errors import DriftError
from ...progress.closing import plural
from ...upgrading.standing import kubelets
from .view import View


@dataclass(frozen=True)
class Health:
    """What the checks found: `bad` stops an upgrade, `told` is about hosts that do not count now; one line each, which
    begins with the name of the check."""

    checks: int
    bad: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def require(self, before: str) -> None:
        """DriftError when anything is bad."""
        if self.bad:
            raise DriftError(
                f"the cluster is not healthy, so {before} was not begun: {plural(len(self.bad), 'finding')}",
                evidence="\n".join(self.bad),
                hint="hardway doctor INV   names the cause; then run the same command again",
            )


def health(view: View, apart: Collection[str] = ()) -> Health:
    """All checks of `verify` that look without pods of their own. A finding about one of the hosts `apart` is told."""
    allowed = kubelets(view.cluster, view.standing).values()
    outcomes = healthy(view.session.live, view.known.inputs, allowed)
    lines = [
        (line.partition(":")[0], f"{check.name}: {line}")
        for check, outcome in refused(outcomes)
        for line in outcome.detail.splitlines()
    ]
    told = tuple(line for host, line in lines if host in apart)
    return Health(len(outcomes), tuple(line for host, line in lines if host not in apart), told)
