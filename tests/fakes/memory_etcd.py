"""etcd's membership as it follows from the members that run on the memory hosts."""

from __future__ import annotations

from hardway.etcd.interface import Health, Member

from .fake_live import FakeLive


class MemoryEtcd:
    """What EtcdRemote asks of an EtcdClient; `announced` holds (name, peer URL) of members that were added and may not have started."""

    def __init__(self, live: FakeLive, announced: set[tuple[str, str]]):
        self.live, self.announced = live, announced

    def __enter__(self) -> MemoryEtcd:
        return self

    def __exit__(self, *exc) -> None:
        pass

    def members(self) -> tuple[Member, ...]:
        founded = {host.name: f"https://{host.address}:2380" for host in self.live.cluster.etcd_members if self._has_data(host.name)}
        names = {url: name for name, url in founded.items()} | {url: "" for name, url in self.announced if name not in founded}
        return tuple(Member(i, name, (url,), ()) for i, (url, name) in enumerate(sorted(names.items())))

    def health(self) -> tuple[Health, ...]:
        found = ((host.name, self.live.etcd_health(host)) for host in self.live.cluster.etcd_members)
        return tuple(Health(name, not problem, problem) for name, problem in found)

    def add_member(self, name: str, peer_urls: tuple[str, ...]) -> None:
        self.announced.add((name, peer_urls[0]))

    def _has_data(self, name: str) -> bool:
        return "/var/lib/etcd/member" in self.live.hosts[name].disk.dirs
