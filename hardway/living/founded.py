"""What a cluster was founded with, bound in the state directory: what can never change while it lives."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from ..cluster import Cluster
from ..errors import PkiError
from ..state.store import FOUNDED, Store
from .lives import Lives


@dataclass(frozen=True)
class Founded:
    """`on` is the day (UTC), `etcd` and `uid` are those of hardway.living.Lives; the rest is the inventory's of that
    day."""

    on: str
    etcd: str
    uid: str
    pod_cidr: str
    node_prefix: int
    service_cidr: str
    domain: str
    issuer: str

    @classmethod
    def of(cls, cluster: Cluster, lives: Lives, on: str) -> Founded:
        """What is founded by a bootstrap that has succeeded; `lives` was asked afterwards."""
        network = cluster.network
        return cls(
            on,
            lives.etcd,
            lives.uid,
            str(network.pod_cidr),
            network.node_prefix,
            str(network.service_cidr),
            network.domain,
            cluster.service_account_issuer,
        )

    @classmethod
    def read(cls, store: Store) -> Founded | None:
        """What is bound, or None; PkiError when the file cannot be understood."""
        content = store.read(FOUNDED)
        if content is None:
            return None
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError) as error:
            raise PkiError(
                f"{store.where(FOUNDED)} is damaged: it is not what hardway wrote",
                evidence=str(error),
                hint=f"restore it from a backup, or {moved(store)}",
            ) from error

    def bind(self, store: Store) -> None:
        """Write it once; PkiError when something is bound already."""
        store.create(FOUNDED, self.content)

    def follow(self, store: Store) -> None:
        """Write who the cluster is after a restore: etcd's id is another one, and so is all of it where the snapshot
        was another cluster's. The day and what never changes stay as they were bound."""
        before = self.read(store)
        if before is None:
            if self.etcd and self.uid:
                self.bind(store)
            return
        now = dataclasses.replace(before, etcd=self.etcd or before.etcd, uid=self.uid or before.uid)
        if now != before:
            store.replace(FOUNDED, now.content)

    @property
    def content(self) -> bytes:
        return f"{json.dumps(dataclasses.asdict(self), indent=2)}\n".encode()


def moved(store: Store) -> str:
    """How to have what is bound no longer count."""
    return f"move it: mv {store.where(FOUNDED)} {store.where(FOUNDED)}.old"
