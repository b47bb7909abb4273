"""The images of the suite, made here: its own programs on a small Debian, where its authors have Alpine.

They are stand-ins. What a test wants of an image is that it answers, calls and says certain things; the recipes below
say how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hardway.assets import images as archives
from hardway.assets.building import tools
from hardway.assets.building.homemade import DIRECTORIES
from hardway.assets.images import Entry

from .layout import Layout
from .programs import Programs
from .root import Root

# For whoever reads a result: what was not the original.
STAND_INS = (
    "The test images are stand-ins made here: the suite's own programs (agnhost, nonewprivs, sample-apiserver) "
    "compiled from the same version, on Debian instead of Alpine, with Debian's nginx and busybox, bash as the shell "
    "of busybox, and the cluster's own etcd and pause. So the musl half of the DNS tests ran on glibc, "
    "sample-apiserver is newer than the one that the suite names, and the image volume's test read a file that says it "
    "stands in for Alpine's."
)
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
AGNHOST = {
    "Entrypoint": ["/agnhost"],
    "Env": [PATH],
    "ExposedPorts": {f"{port}/tcp": {} for port in (80, 5000, 8080, 8081, 9376)},
}
# The image volume's test looks for two words in this file, to see that it reads the image it asked for.
OS_RELEASE = b'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux, standing in for Alpine Linux"\nID=debian\n'
ACCOUNTS = {
    "passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
    "group": b"root:x:0:\nnobody:x:65534:\n",
}
NGINX = b"""\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr;
events { worker_connections 256; }
http {
    include /etc/nginx/mime.types;
    access_log off;
    server {
        listen 80 default_server;
        root /usr/share/nginx/html;
        index index.html;
    }
}
"""

Made = tuple[Sequence[Mapping], Mapping]


@dataclass(frozen=True)
class Parts:
    """What images are made of: the suite's programs, the Debian, a cluster's etcd, the archive of its pause image."""

    programs: Programs
    root: Root
    etcd: Path
    pause: Path


class Kitchen:
    """Makes images of `parts` in a layout; one method each, which gives layers and settings."""

    def __init__(self, layout: Layout, parts: Parts):
        self.layout, self.parts = layout, parts
        self.debian = layout.put(parts.root.layer)
        self.agnhost_layer = self._layer(
            _program("agnhost", parts.programs.path("agnhost")),
            Entry("agnhost-2", link="agnhost"),
            Entry("uploads"),
            *(self._file(name, f"agnhost/porter/{name}") for name in ("localhost.crt", "localhost.key")),
        )

    def agnhost(self) -> Made:
        return [self.debian, self.agnhost_layer], {**AGNHOST, "Cmd": ["pause"]}

    def glibc(self) -> Made:
        return [self.debian], {"Env": [PATH], "Cmd": ["bash"]}

    def nginx(self) -> Made:
        config = {
            "Env": [PATH],
            "Cmd": ["nginx", "-g", "daemon off;"],
            "ExposedPorts": {"80/tcp": {}},
            "StopSignal": "SIGQUIT",
        }
        return [self.debian, self._layer(Entry("etc/nginx/nginx.conf", NGINX, mode=0o644))], config

    def kitten(self) -> Made:
        return self._pet("kitten")

    def nautilus(self) -> Made:
        return self._pet("nautilus")

    def nonewprivs(self) -> Made:
        # Set-user-ID root: the test is whether that has an effect.
        program = _program("usr/local/bin/nnp", self.parts.programs.path("nonewprivs"), mode=0o6755)
        return [self._layer(program)], {"Env": [PATH], "Cmd": ["nnp"]}

    def sample_apiserver(self) -> Made:
        program = _program("sample-apiserver", self.parts.programs.path("sample-apiserver"))
        return [self._layer(Entry("tmp", mode=0o1777), program)], {"Entrypoint": ["/sample-apiserver"]}

    def etcd(self) -> Made:
        layer = self._layer(Entry("tmp", mode=0o1777), _program("usr/local/bin/etcd", self.parts.etcd))
        return [layer], {"Env": [PATH]}

    def busybox(self) -> Made:
        """Debian's, with bash as its shell: its own hides variables with a dash in their names from what it calls."""
        root = self.parts.root
        applets = tools.run([root.busybox, "--list"], root.directory, "busybox must run here").split()
        entries = [Entry(name, mode=0o1777 if name == "tmp" else 0o755) for name in (*DIRECTORIES, "home")]
        entries += [
            _program("bin/busybox", root.busybox),
            _program("bin/bash", root.bash),
            Entry("bin/sh", link="bash"),
        ]
        entries += [Entry(f"bin/{name}", link="busybox") for name in sorted({*applets} - {"busybox", "sh", "bash"})]
        entries += [Entry(f"etc/{name}", text, mode=0o644) for name, text in ACCOUNTS.items()]
        return [self._layer(*entries)], {"Env": [PATH], "Cmd": ["sh"]}

    def _pet(self, name: str) -> Made:
        pages = [self._file(page, f"{name}/html/{page}") for page in (f"{name}.jpg", "data.json")]
        layer = self._layer(*pages, Entry("etc/os-release", OS_RELEASE, mode=0o644))
        return [self.debian, self.agnhost_layer, layer], {**AGNHOST, "Cmd": ["test-webserver"]}

    def _layer(self, *entries: Entry) -> dict:
        return self.layout.put(archives.layer(entries))

    def _file(self, place: str, source: str) -> Entry:
        return Entry(place, (self.parts.programs.source / "test/images" / source).read_bytes(), mode=0o644)


# The images that the conformance tests use, by the suite's names for them.
RECIPES: dict[str, Callable[[Kitchen], Made]] = {
    "Agnhost": Kitchen.agnhost,
    "AgnhostPrev": Kitchen.agnhost,
    "APIServer": Kitchen.sample_apiserver,
    "BusyBox": Kitchen.busybox,
    "Etcd": Kitchen.etcd,
    "GlibcDnsTesting": Kitchen.glibc,
    "Kitten": Kitchen.kitten,
    "Nautilus": Kitchen.nautilus,
    "Nginx": Kitchen.nginx,
    "NginxNew": Kitchen.nginx,
    "Nonewprivs": Kitchen.nonewprivs,
}


def make(layout: Layout, references: Mapping[str, str], arch: str, parts: Parts) -> None:
    """Every image that conformance tests use, under the name that the suite has for it."""
    kitchen = Kitchen(layout, parts)
    for name, recipe in RECIPES.items():
        layout.image(references[name], arch, *recipe(kitchen))
    layout.adopt(parts.pause, references["Pause"])


def _program(place: str, path: Path, mode: int = 0o755) -> Entry:
    return Entry(place, path.read_bytes(), mode=mode)
