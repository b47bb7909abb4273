"""A host that answers every probe and carries out every op of the vocabulary, in memory.

Each `q_` and `w_` method is the counterpart of the shell function of that name in hardway/targets/host/;
a test holds the two lists equal. `point` is called before every single write: raising there is
how a test kills a run.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from hardway.cluster import Host
from hardway.errors import RemoteCommandError
from hardway.vocabulary import Answers, Op, Probe

from .disk import STATE, Disk, Refused
from .memory_probes import CONFIG, SWAP_UNIT, MemoryProbes, providers
from .packages import CONFIGURATION, PACKAGES, PREINSTALLED, unit_of
from .systemd import Systemd

ETCD = "/var/lib/etcd"


class MemoryHost(MemoryProbes):
    """One machine with a fresh Debian: nothing of ours, swap on, its own /etc/hosts."""

    def __init__(self, host: Host, point: Callable[[str, Op], None] = lambda name, op: None):
        self.host, self.point = host, point
        self.disk = Disk()
        self.systemd = Systemd(self.disk, self._started)
        self.users, self.groups = {"root": "/root"}, {"root"}
        self.modules = {"overlay"}
        self.sysctls = {"net.ipv4.ip_forward": "0"}
        self.swap, self.masked = {"/dev/sda2"}, set()
        self.images: set[str] = set()
        self.pinned: set[str] = set()
        self.unpacked: set[str] = set()
        self.configured: set[str] = set()
        self.routes: set[str] = set()
        self.left = dict.fromkeys(("pods", "mounts", "cni", "iptables", "runtime", "haproxy"), 0)
        self.unreachable: set[str] = set()
        # The sha256 of the encryption configuration that the API server was started with, and what it can read.
        self.loaded, self.providers = "", list[str]()
        self.survey: dict[str, str] = {}
        # etcd as a whole hears of a member that is restored (with these members, token and snapshot) or defragmented.
        self.restored: Callable[[str, str, str], None] = lambda members, token, sha256: None
        self.defragmented: Callable[[str], None] = lambda name: None
        self.sizes: Callable[[str], tuple[int, int]] = lambda name: (20480, 20480)
        self.neighbours: dict[str, MemoryHost] = {}
        self.registered = 0  # which start of the kubelet has registered the node
        self.ops: list[Op] = []
        self.round_trips = 0
        self.disk.write("/etc/hosts", b"127.0.0.1 localhost\n")
        self.disk.write("/etc/fstab", b"/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n")
        for name in PREINSTALLED:
            self._install(name)

    def __deepcopy__(self, memo: dict[int, Any]) -> MemoryHost:
        """Of its parts all but those that never change."""
        other = memo[id(self)] = copy.copy(self)
        parts = {name: part for name, part in vars(self).items() if name not in ("host", "ops")}
        vars(other).update(copy.deepcopy(parts, memo), ops=list(self.ops))
        return other

    # The two ways in.

    def probe(self, probes: Sequence[Probe]) -> Answers:
        self.round_trips += 1
        return {probe: getattr(self, f"q_{probe.verb}")(*probe.args).strip() for probe in probes}

    def change(self, ops: Sequence[Op]) -> None:
        for op in ops:
            self.ops.append(op)
            try:
                self.point(self.host.name, op)
                getattr(self, f"w_{op.verb}")(*op.args, **({"blob": op.blob} if op.blob else {}))
            except Refused as error:
                what = f"`{op}` failed with exit code 1"
                raise RemoteCommandError(what, host=self.host.name, command=str(op), evidence=str(error)) from error

    def again(self, what: str) -> None:
        """Between two writes of one op."""
        op = self.ops[-1] if self.ops else Op("by hand")
        self.point(self.host.name, Op(f"{op.verb}/{what}", op.args))

    def digest(self) -> dict[str, object]:
        """Everything that makes this host what it is; equal digests are equal hosts."""
        files = {p: (e.sha256, e.meta) for p, e in self.disk.files.items() if not p.startswith(f"{STATE}/digests/")}
        units = {
            n: (u.active, u.enabled, u.started)
            for n, u in self.systemd.units.items()
            if u.active != "inactive" or u.enabled
        }
        known = (self.users, self.groups, self.images, self.unpacked, self.pinned, self.configured)
        plain = (*known, self.modules, self.sysctls, self.swap, self.masked, self.routes)
        return {
            "files": files,
            "dirs": dict(self.disk.dirs),
            "units": units,
            "rest": repr([sorted(part) for part in plain]),
        }

    # Ops on files.

    def keep_aside(self, path: str) -> None:
        if f"{STATE}/ours{path}" in self.disk.files:
            return
        if path in self.disk.files:
            self.disk.files[f"{STATE}/before{path}"] = self.disk.files[path]
            self.again("kept")
        self.disk.mark(f"ours{path}")
        self.again("marked")

    def w_mkdir(self, path: str, mode: str, owner: str, group: str) -> None:
        if path not in self.disk.dirs and path not in self.disk.files:
            self.disk.mark(f"dirs{path}/.made")
            self.again("marked")
        self.disk.mkdir(path)
        self.again("made")
        self.w_own(path, mode, owner, group)

    def w_put(self, path: str, mode: str, owner: str, group: str, blob) -> None:
        self._known(owner, group)
        self.keep_aside(path)
        self.disk.write(path, blob.path.read_bytes() if blob.path else blob.data, mode, owner, group)

    def w_binary(self, path: str, mode: str, owner: str, group: str, sha256: str, blob) -> None:
        self.w_put(path, mode, owner, group, blob)
        self.again("put")
        self.disk.mark(f"digests{path}", f"{sha256} {self.disk.files[path].born}".encode())

    def w_swap(self, path: str, mode: str, owner: str, group: str, sha256: str, keep: str = "") -> None:
        beside = "{}/.{}.next".format(*path.rsplit("/", 1))
        if self.disk.files[beside].sha256 != sha256:
            raise Refused(f"{beside} is not what was brought here")
        self.keep_aside(path)
        if keep:
            former = "{}/.{}.before".format(*path.rsplit("/", 1))
            self.disk.mark(f"ours{former}")
            self.again("noted")
            self.disk.files[former] = self.disk.files[path]
            self.again("kept")
        self.disk.write(path, self.disk.files.pop(beside).content, mode, owner, group)
        self.again("moved")
        self.disk.mark(f"digests{path}", f"{sha256} {self.disk.files[path].born}".encode())
        self.disk.forget(f"ours{beside}")
        self.disk.forget(f"digests{beside}")

    def w_own(self, path: str, mode: str, owner: str, group: str) -> None:
        self._known(owner, group)
        self.disk.chown(path, mode, owner, group)

    def w_discard(self, path: str) -> None:
        self.disk.files.pop(path, None)

    def w_drop(self, path: str) -> None:
        if f"{STATE}/ours{path}" not in self.disk.files:
            return
        before = self.disk.files.get(f"{STATE}/before{path}")
        self.disk.files.pop(path, None)
        if before:
            self.disk.files[path] = before
        self.again("restored")
        self.disk.forget(f"ours{path}")
        self.disk.forget(f"digests{path}")
        self.again("forgotten")
        self.disk.forget(f"before{path}")

    def w_rmdir(self, path: str) -> None:
        self.disk.remove_empty(path)
        if path not in self.disk.dirs:
            self.disk.forget(f"dirs{path}/.made")

    def w_rmtree(self, path: str) -> None:
        if self.left["mounts"] and path in ("/var/lib/kubelet", "/var/lib/containerd"):
            raise Refused(f"rm: cannot remove '{path}': Device or resource busy")
        self.disk.remove_tree(path)
        if path == "/var/lib/containerd":
            self.images.clear()
            self.unpacked.clear()
            self.pinned.clear()
        self.disk.forget(f"dirs{path}/.made")

    def w_block(self, path: str, mark: str, blob) -> None:
        self.w_dropblock(path, mark)
        self.again("without")
        entry = self.disk.files[path]
        block = b"# BEGIN %b\n%b# END %b\n" % (mark.encode(), blob.data, mark.encode())
        self.disk.write(path, entry.content + block, entry.mode, entry.owner, entry.group)

    def w_dropblock(self, path: str, mark: str) -> None:
        rest = re.sub(
            rf"^# BEGIN {mark}\n.*?^# END {mark}\n", "", self.disk.read(path).decode(), flags=re.MULTILINE | re.DOTALL
        )
        self.disk.write(path, rest.encode())

    # Ops on the system.

    def w_packages(self, manager: str, *names: str) -> None:
        for name in names:
            self.disk.mark(f"installing/{name}")
            self.again("marked")
        for name in names:
            self._unpack(name)
            self.again("unpacked")
            self._configure(name)
            self.again("installed")
        for name in names:
            self.disk.mark(f"packages/{name}")
            self.again("recorded")
            self.disk.forget(f"installing/{name}")

    def w_unpackages(self, manager: str, *names: str) -> None:
        for name in names:
            if unit_of(name):
                self.systemd.stop(unit_of(name))
            for path in PACKAGES[name]:
                self.disk.remove_tree(path)
            self.configured.discard(name)
            self.disk.forget(f"packages/{name}")
            self.disk.forget(f"installing/{name}")

    def w_user(self, name: str, home: str) -> None:
        self.disk.mark(f"users/{name}")
        self.again("marked")
        self.users[name] = home
        self.again("in passwd")
        self.groups.add(name)

    def w_dropuser(self, name: str) -> None:
        self.users.pop(name, None)
        self.again("out of passwd")
        self.groups.discard(name)
        self.disk.forget(f"users/{name}")

    def w_swapoff(self) -> None:
        self.disk.mark("swap/.made")
        self.swap.clear()
        self.again("off")
        self._edit_fstab(lambda line: f"#hardway-swap# {line}" if " swap " in line and line[0] != "#" else line)
        self.masked.add(SWAP_UNIT)

    def w_swapback(self) -> None:
        self._edit_fstab(lambda line: line.removeprefix("#hardway-swap# "))
        self.masked.clear()
        self.swap.add("/dev/sda2")
        self.disk.forget("swap")

    def w_modprobe(self, name: str) -> None:
        self.modules.add(name)
        if name == "br_netfilter":
            self.sysctls |= dict.fromkeys(
                ("net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"), "0"
            )

    def w_sysctl(self, path: str) -> None:
        for key, value in re.findall(r"^([a-z][\w.-]*) *= *(.*)$", self.disk.read(path).decode(), re.MULTILINE):
            if key not in self.sysctls:
                raise Refused(f"sysctl: cannot stat /proc/sys/{key}")
            if not self.disk.marked(f"sysctl/{key}"):
                self.disk.mark(f"sysctl/{key}", self.sysctls[key].encode())
            self.sysctls[key] = value

    def w_unsysctl(self) -> None:
        for path in self.disk.below(f"{STATE}/sysctl"):
            self.sysctls[path.rpartition("/")[2]] = self.disk.read(path).decode()
        self.disk.forget("sysctl")

    def w_reload(self) -> None:
        self.systemd.reload()

    def w_enable(self, *names: str) -> None:
        for name in names:
            self.systemd.enable(name)

    def w_start(self, name: str, how: str) -> None:
        self.systemd.start(name)
        self._heard(name, how)

    def w_restart(self, name: str, how: str) -> None:
        self.systemd.restart(name)
        self._heard(name, how)

    def w_load(self, name: str, how: str) -> None:
        self.systemd.reread(name)
        self._heard(name, how)

    def w_check(self, program: str, blob) -> None:
        if self.q_tool(program) != "absent" and b"\nfrontend " not in blob.data:
            raise Refused(f"{program}: no frontend in the configuration")

    def w_pause(self, name: str) -> None:
        unit = self.systemd.unit(name)
        unit.active = "inactive"

    def w_stop(self, name: str) -> None:
        self.systemd.stop(name)

    def w_drill(self, name: str, *units: str) -> None:
        self.disk.mark("drill", " ".join((name, "1700000000", *units)).encode())
        for unit in units:
            self.again("marked")
            self.systemd.unit(unit).active = "inactive"

    def w_undrill(self) -> None:
        for unit in self.disk.read(f"{STATE}/drill").decode().split()[2:]:
            self.systemd.start(unit)
            self.again("started")
        self.disk.forget("drill")

    def w_poweroff(self) -> None:
        raise Refused("a host in memory has no power to lose")

    def w_stamp(self, name: str, digest: str) -> None:
        self.disk.mark(f"stamps/{name}", digest.encode())

    def w_unstamp(self, name: str) -> None:
        self.disk.forget(f"stamps/{name}")

    def w_note(self, name: str, text: str) -> None:
        self.disk.mark(f"notes/{name}", text.encode())

    def w_dropnote(self, name: str) -> None:
        self.disk.forget(f"notes/{name}")

    def w_aside(self, restore: str) -> None:
        self._etcd_ended()
        kept, number = f"{ETCD}/before-{restore}", 1
        while f"{kept}/member" in self.disk.dirs:
            number += 1
            kept = f"{ETCD}/before-{restore}.{number}"
        self.disk.mkdir(kept)
        self.again("made")
        self.disk.move(f"{ETCD}/member", f"{kept}/member")

    def w_restore(
        self, restore: str, sha256: str, name: str, url: str, members: str, token: str, bump: str, blob
    ) -> None:
        self._etcd_ended()
        if f"{ETCD}/member" in self.disk.dirs:
            raise Refused(f"{ETCD}/member is there already")
        if "/usr/local/bin/etcdutl" not in self.disk.files or "etcd" not in self.users:
            raise Refused("/usr/local/bin/etcdutl: not found")
        self.disk.remove_tree(f"{ETCD}/.restoring")
        self.disk.mkdir(f"{ETCD}/.restoring/member")
        self.again("restored beside its place")
        content = f"{name} {url} {members} {token} {bump} {blob.sha256}".encode()
        self.disk.write(f"{ETCD}/.restoring/member/db", content)
        self.disk.write(f"{ETCD}/.restoring/member/restored", f"{restore} {sha256}\n".encode())
        self.again("marked")
        self.disk.move(f"{ETCD}/.restoring/member", f"{ETCD}/member")
        self.disk.dirs[f"{ETCD}/member"] = "700 etcd etcd"
        self.disk.remove_tree(f"{ETCD}/.restoring")
        self.restored(members, token, sha256)

    def _etcd_ended(self) -> None:
        if self._active("etcd.service"):
            raise Refused("etcd runs on this host: its data was left alone")

    def w_defrag(self) -> None:
        if not self._active("etcd.service"):
            raise Refused("context deadline exceeded")
        self.defragmented(self.host.name)

    def w_image(self, reference: str, blob) -> None:
        if not self._active("containerd.service"):
            raise Refused("ctr: cannot connect to containerd")
        self.images.add(reference)
        self.again("named")
        self.unpacked.add(reference)
        self.pinned.add(reference)

    def w_pinimage(self, reference: str) -> None:
        self.pinned.add(reference)

    def w_dropimage(self, reference: str) -> None:
        self.images.discard(reference)
        self.unpacked.discard(reference)

    def w_cluster(self, name: str, authority: str, former: str = "") -> None:
        if self.disk.read(f"{STATE}/cluster").decode().split() not in ([], [name, authority], [name, former]):
            raise Refused("this host belongs to another cluster")
        self.disk.mark("cluster", f"{name} {authority}\n".encode())

    def w_cleanup(self, kind: str) -> None:
        if kind == "runtime" and self._active("containerd.service"):
            raise Refused("rm: cannot remove '/run/containerd': Device or resource busy")
        if kind == "pods" and self._active("kubelet.service"):
            raise Refused("pods come back while their kubelet runs")
        if kind == "pods":
            self.systemd.unit("containerd.service").active = "inactive"
        if kind == "routes":
            self.routes = set()
        else:
            self.left[kind] = 0

    def w_forget(self) -> None:
        self.disk.remove_tree(STATE)

    # How the parts move each other.

    def _heard(self, name: str, how: str) -> None:
        if how == "wait" and not self._active(name):
            raise Refused(f"Job for {name} failed")

    def _started(self, name: str, active: bool) -> None:
        if name == "kube-apiserver.service" and active:
            self.loaded = self.systemd.unit(name).started.get(CONFIG, "")
            self.providers = providers(self.disk.read(CONFIG)) if self.loaded else ["identity"]
        if name == "etcd.service" and active:
            self.disk.dirs["/var/lib/etcd/member"] = "700 etcd etcd"
        if name == "containerd.service" and active:
            self.left["runtime"] = 1
        if name == "kubelet.service" and active:
            self.left |= {"pods": 2, "mounts": 4, "cni": 1}
        if name == "kube-proxy.service" and active:
            self.left["iptables"] = 3
        if name == "pod-routes.service" and active:
            wanted = {f"{cidr} {hop}" for cidr, hop in self.scripted_routes()}
            self.routes = {route for route in wanted if route.split()[1] not in self.unreachable}
            self.systemd.unit(name).active = "active" if self.routes == wanted else "activating"

    def _install(self, name: str) -> None:
        self._unpack(name)
        self._configure(name)

    def _unpack(self, name: str) -> None:
        for path, content in PACKAGES[name].items():
            self.disk.mkdir(path.rpartition("/")[0])
            if not (path.startswith(CONFIGURATION) and path in self.disk.files):
                self.disk.write(path, content)

    def _configure(self, name: str) -> None:
        self.configured.add(name)
        if unit_of(name):
            self.systemd.enable(unit_of(name))
            self.systemd.start(unit_of(name))

    def _known(self, owner: str, group: str) -> None:
        for kind, name, there in (("user", owner, self.users), ("group", group, self.groups)):
            if name not in there:
                raise Refused(f"chown: invalid {kind}: '{name}'")

    def _edit_fstab(self, edit: Callable[[str], str]) -> None:
        self.disk.write("/etc/fstab", "".join(f"{edit(line)}\n" for line in self._fstab()).encode())


def seal(host: MemoryHost) -> str:
    """A short digest of the whole host."""
    return hashlib.sha256(repr(host.digest()).encode()).hexdigest()[:16]
