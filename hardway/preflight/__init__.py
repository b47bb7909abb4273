"""Whether hosts are fit for the cluster: one named check for each thing that can be wrong, all reported together."""

from __future__ import annotations

import re
from dataclasses import replace

from ..cluster import Host
from ..errors import PreflightError
from ..facts import Facts
from ..phase import Inputs
from ..progress.closing import plural
from . import (
    authorities,
    belonging,
    encryption,
    flags,
    identity,
    lasting,
    leftovers,
    machine,
    membership,
    nodes,
    other_run,
    reach,
    reserved,
    restoring,
    roads,
    servers,
    surroundings,
    upgrades,
    versions,
)
from .finding import Finding

__all__ = ["Finding", "findings", "judge"]

# A host's own, in the order in which they are told.
CHECKS = (
    *machine.FIRST,
    *identity.CHECKS,
    *belonging.CHECKS,
    *authorities.CHECKS,
    *flags.CHECKS,
    *encryption.CHECKS,
    *machine.ROOM,
    *reserved.CHECKS,
    *versions.CHECKS,
    *upgrades.CHECKS,
)
AROUND = (*leftovers.CHECKS, *surroundings.CHECKS, *machine.LAST)
# Whether a machine is fit matters to a run that is about it, whose it is and what it runs to every run.
OF_OTHERS = (
    *belonging.CHECKS,
    *authorities.CHECKS,
    *flags.CHECKS,
    *encryption.CHECKS,
    *versions.CHECKS,
    *upgrades.CHECKS,
)
TOGETHER = (
    *restoring.TOGETHER,
    *belonging.TOGETHER,
    *lasting.TOGETHER,
    *upgrades.TOGETHER,
    *membership.TOGETHER,
    *servers.TOGETHER,
    *encryption.TOGETHER,
    *nodes.CHECKS,
    *roads.TOGETHER,
    *reach.TOGETHER,
    *authorities.TOGETHER,
    *other_run.TOGETHER,
)

NAMED = 4  # findings that are named with their hosts where they are to be ignored; of more the checks alone
# A host's own, the rest taken together, and one for each port, in the order in which they are told.
EVERY = (*CHECKS, *AROUND, *identity.TOGETHER, *TOGETHER)
# Whether a machine is fit is for its owner to say; the others keep a cluster that lives from harm.
IGNORABLE = (
    *machine.FIRST,
    *machine.ROOM,
    *reserved.CHECKS,
    *identity.CHECKS,
    *identity.TOGETHER,
    *versions.CHECKS,
    *AROUND,
    *reach.TOGETHER,
)


def ignorable() -> list[str]:
    """The names of the checks that a run may be told to ignore; there is one Port-NUMBER for each port in use."""
    return list(dict.fromkeys(check.name for check in IGNORABLE))


def refuses(name: str) -> bool:
    """Whether no run may ignore what this check finds, or there is no such check."""
    return name not in ignorable() and not re.fullmatch(r"Port-\d+", name)


def findings(inputs: Inputs) -> list[Finding]:
    """Everything preflight has to say about the surveyed hosts, what is to be ignored as a warning; pure."""
    ignored = inputs.ignored
    return [replace(one, warning=True) if {one.name, one.key} & ignored else one for one in _found(inputs)]


def _found(inputs: Inputs) -> list[Finding]:
    hosts = [host for host in inputs.cluster.hosts if host.name in inputs.facts and inputs.facts[host.name].known]
    about, facts = inputs.among(hosts), inputs.facts
    names = {host.name for host in about}
    others = [host for host in hosts if host.name not in names]
    found = [one for host in about for one in _host(inputs, host, facts[host.name])]
    found += [one for host in others for check in OF_OTHERS for one in check.findings(inputs, host, facts[host.name])]
    found += [one for check in identity.TOGETHER for one in check.findings(inputs, hosts) if one.host in names]
    return [*found, *(one for check in TOGETHER for one in check.findings(inputs, hosts))]


def _host(inputs: Inputs, host: Host, facts: Facts) -> list[Finding]:
    before, after = (
        [found for check in checks for found in check.findings(inputs, host, facts)] for checks in (CHECKS, AROUND)
    )
    return [*before, *surroundings.taken_ports(inputs, host, facts), *after]


def judge(inputs: Inputs) -> list[Finding]:
    """The warnings; PreflightError when there is anything worse."""
    found = findings(inputs)
    bad = [finding for finding in found if not finding.warning]
    if bad:
        raise PreflightError(
            f"preflight failed: {plural(len(bad), 'error')}",
            phase="preflight",
            evidence="\n".join(line for finding in bad for line in finding.lines()),
            hint="fix these and run the same command again; nothing has been changed" + _or_ignore(bad),
        )
    return found


def _or_ignore(bad: list[Finding]) -> str:
    if any(refuses(finding.name) for finding in bad):
        return ""
    keys = dict.fromkeys(finding.key for finding in bad)
    words = keys if len(keys) <= NAMED else dict.fromkeys(finding.name for finding in bad)
    return f" (or add: {' '.join(f'--ignore {word}' for word in words)})"
