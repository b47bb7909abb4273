"""The chapters that are about no phase: what is done to a cluster that lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...phase import Inputs
from ...pki.stand_ins import StandIns
from .later.certificates import certificates
from .later.encryption import rotation
from .later.etcd_restore import etcd_restore
from .later.nodes import nodes
from .later.upgrade import upgrade
from .later.whole import whole
from .writing.document import Chapter, Part


@dataclass(frozen=True)
class Topic:
    """`name` is that of the guide's chapter, and what `hardway explain` takes; `parts` are the chapter's."""

    name: str
    title: str
    parts: Callable[[Inputs, StandIns], Iterator[Part]]

    def chapter(self, inputs: Inputs, secrets: StandIns) -> Chapter:
        return Chapter(self.name, self.title, tuple(self.parts(inputs, secrets)))


TOPICS: tuple[Topic, ...] = (
    Topic("certificates", "Renew certificates, replace a CA", certificates),
    Topic("nodes", "Drain a node, remove a host", lambda inputs, _: nodes(inputs.cluster)),
    Topic("upgrade", "Upgrade to other versions", lambda inputs, _: upgrade(inputs.cluster)),
    Topic("encryption-rotate", "Rotate the encryption key", lambda inputs, _: rotation(inputs.cluster)),
    Topic("etcd-restore", "Back up and restore etcd", lambda inputs, _: etcd_restore(inputs)),
    Topic("restore", "Back up and restore the whole cluster", lambda inputs, _: whole(inputs.cluster)),
)
