"""All chapters of one cluster's guide, and the folder they are written to."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from os.path import commonpath
from pathlib import Path

from ...assets import AssetStore
from ...cluster import Cluster
from ...errors import UsageError
from ...facts import Facts
from ...phase import Inputs, Phase
from ...phases import PHASES
from ...pki.stand_ins import StandIns
from ...resources.base import Change
from . import bare
from .checks import checks
from .etcd_data import TITLE, etcd_data
from .handover import handover
from .issue import issue_encryption, issue_pki
from .later import whole
from .later.upgrade import upgrade
from .nodes import nodes
from .reasons import flags
from .setup import setup
from .steps import Writer
from .writing import diagrams, markdown, page
from .writing.document import Chapter, Code, Heading, Part, Table, Text

# A CA, the file with its certificate, the hosts that have it.
Believers = tuple[str, str, list[str]]


def guide(
    cluster: Cluster, facts: Mapping[str, Facts], assets: AssetStore, state: Path, assumptions: str
) -> list[Chapter]:
    """The guide of one cluster for these hosts; AssetError when a program that it needs is not in the cache."""
    secrets = StandIns(cluster)
    inputs = Inputs(cluster, facts, secrets.credentials, assets)
    found = bare.changes(inputs)
    kubectl = assets.binary("kubectl", facts[cluster.control_plane[0].name].arch).path
    cache = Path(commonpath([kubectl, *_paths(found)]))
    writer = Writer(cluster, secrets, cache)
    start = (*_overview(cluster, _believers(found, secrets)), *setup(cluster, state, cache, kubectl, assumptions))
    chapters = [Chapter("start", "Before you begin", start)]
    for phase in PHASES:
        chapters.append(Chapter(phase.name, phase.title, tuple(_chapter(phase, inputs, found, writer))))
    chapters.append(Chapter("nodes", "Drain a node, remove a host", tuple(nodes(cluster))))
    chapters.append(Chapter("upgrade", "Upgrade to other versions", tuple(upgrade(cluster))))
    end = Chapter("handover", "Hand the cluster over to hardway", tuple(handover(inputs)))
    back = Chapter(whole.NAME, whole.TITLE, tuple(whole.chapter(cluster)))
    return [*chapters, back, end, Chapter("etcd-data", TITLE, tuple(etcd_data(inputs)))]


def write_guide(chapters: Sequence[Chapter], cluster: Cluster, folder: Path, form: str) -> list[Path]:
    """The files written: one for each chapter and an index as `md`, one page as `html`; UsageError when the folder
    cannot be written."""
    texts = {"index.html": page.page(chapters, cluster)} if form == "html" else markdown.files(chapters, cluster)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror}", hint="choose another folder with -o"
        ) from error
    return [folder / name for name in texts]


def docstring(phase: Phase, cluster: Cluster) -> list[str]:
    """The paragraphs that stand beside the phase's code, with this cluster's names; the first not, when it only repeats
    the title."""
    text = inspect.cleandoc(_own_module(phase) or sys.modules[phase.desired.__module__].__doc__ or "")
    known = {"<cluster>": cluster.name, "<api address>:6443": f"{cluster.api.address}:{cluster.api.port}"}
    if cluster.workers:
        known["<worker>"] = str(cluster.workers[0].address)
    for word, name in known.items():
        text = text.replace(word, name)
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return paragraphs[1:] if paragraphs[0].rstrip(".") == phase.title else paragraphs


def _own_module(phase: Phase) -> str:
    # `desired` may be shared between phases; the module that holds the PHASE is named like it.
    module = sys.modules.get(f"hardway.phases.{phase.name.replace('-', '_')}")
    return (module.__doc__ or "") if module else ""


def _overview(cluster: Cluster, believers: Sequence[Believers]) -> list[Part]:
    return [
        Text(
            f"This guide builds the cluster `{cluster.name}`, Kubernetes {cluster.versions.kubernetes}, by hand: every "
            "command, with your names, addresses and files."
        ),
        diagrams.topology(cluster),
        Heading("Who trusts whom"),
        Text(
            "There are three CAs. The picture shows what each one signs, and (dashed) the files that make it trusted."
        ),
        diagrams.trust(
            {
                authority: [(path, hosts) for name, path, hosts in believers if name == authority]
                for authority, *_ in believers
            }
        ),
        Table(
            ("CA", "file", "hosts"),
            tuple((f"`{name}`", f"`{path}`", ", ".join(hosts)) for name, path, hosts in believers),
        ),
        Heading("Variables and connections"),
    ]


def _believers(found: Mapping[tuple[str, str], Sequence[Change]], secrets: StandIns) -> list[Believers]:
    """Which authority's certificate lands where."""
    places: dict[tuple[str, str], list[str]] = {}
    for (_, target), changes in found.items():
        for op in (op for change in changes for op in change.ops if op.verb == "put"):
            name = secrets.file(op.blob.data)
            if name.endswith("ca.crt"):
                places.setdefault((name.removeprefix("pki/").removesuffix(".crt"), op.args[0]), []).append(target)
    return [(authority, path, sorted(hosts)) for (authority, path), hosts in sorted(places.items())]


def _chapter(
    phase: Phase, inputs: Inputs, found: Mapping[tuple[str, str], Sequence[Change]], writer: Writer
) -> list[Part]:
    parts: list[Part] = [Text(text) for text in docstring(phase, inputs.cluster)]
    changes = {target.name: found.get((phase.name, target.name), ()) for target in phase.targets(inputs.cluster)}
    steps = _issued(changes, inputs.cluster) or _steps(phase, inputs.cluster, changes, writer)
    parts += steps or [Text("In a new cluster of this shape there is nothing to do here.")]
    for number, check in enumerate(checks(phase.name, inputs) if phase.targets(inputs.cluster) else ()):
        parts += [Heading("Check")] if number == 0 else []
        parts += [Code(check.commands), Text("It prints:"), Code(check.expected, "text")]
    return parts


def _issued(changes: Mapping[str, Sequence[Change]], cluster: Cluster) -> list[Part]:
    kinds = [op.args[0] for found in changes.values() for change in found for op in change.ops if op.verb == "issue"]
    issued = [section for kind in kinds for section in (issue_pki if kind == "pki" else issue_encryption)(cluster)]
    return [part for title, commands in issued for part in (Heading(title), Code(commands))]


def _steps(phase: Phase, cluster: Cluster, changes: Mapping[str, Sequence[Change]], writer: Writer) -> list[Part]:
    targets, parts = phase.targets(cluster), []
    for step in writer.steps(targets, changes):
        parts.append(Heading(step.title))
        for hosts, commands in step.blocks:
            if len(targets) > 1 and len(hosts) < len(targets):
                parts.append(Text(f"On {', '.join(f'`{host}`' for host in hosts)}:"))
            parts.append(Code(commands))
        table = tuple((f"`{flag}`", why) for key in step.keys for flag, why in flags(key, cluster))
        parts += [Table(("flag", "why"), table)] if table else []
    return parts


def _paths(found: Mapping[tuple[str, str], Sequence[Change]]) -> list[Path]:
    ops = [op for changes in found.values() for change in changes for op in change.ops]
    return [op.blob.path for op in ops if op.blob and op.blob.path]
