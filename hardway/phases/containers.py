"""Start containerd on the workers, with runc, the CNI plugins and the images every node needs.

The CNI configuration gives each worker its own block of pod addresses on a bridge, with hairpin
so that a pod can reach itself through its own Service. For sites without a registry, the inventory
can have the images copied as archives.

By hand: `crictl --runtime-endpoint unix:///run/containerd/containerd.sock images` on a worker.

Goes wrong: the pause image's name differs between containerd and the archive, so every pod waits for a pull;
the cgroup driver differs from the kubelet's.
"""

from ..assets import image_reference
from ..assets.images import manifest_digest
from ..cluster import Host
from ..phase import Inputs, Phase
from ..render import render
from ..resources import Directory, File, Image, Leftover, Unit, text
from ..vocabulary import Blob
from .binaries import cni_plugins, program

NODE_IMAGES = ("pause", "coredns", "busybox")


def desired(inputs: Inputs, host: Host) -> list:
    pause = image_reference(inputs.cluster, "pause")
    config = File(
        "/etc/containerd/config.toml",
        text(render("containerd-config.toml", inputs.cluster, host, pause_image=pause)),
        "600",
    )
    unit = File(
        "/etc/systemd/system/containerd.service", text(render("containerd.service", inputs.cluster, host)), "600"
    )
    network = File("/etc/cni/net.d/10-bridge.conflist", text(render("10-bridge.conflist", inputs.cluster, host)), "600")
    programs = [
        *(program(inputs, host, name) for name in ("containerd", "containerd-shim-runc-v2", "runc")),
        *cni_plugins(inputs, host),
    ]
    return [
        Directory("/etc/containerd"),
        Directory("/etc/cni"),
        Directory("/etc/cni/net.d"),
        Directory("/var/lib/containerd", "700", data=True),
        config,
        network,
        File("/etc/crictl.yaml", text(render("crictl.yaml", inputs.cluster, host))),
        unit,
        *programs,
        Leftover("runtime"),
        Unit("containerd.service", (unit, config, *programs), block=True),
        *(_image(inputs, host, name) for name in (NODE_IMAGES if inputs.cluster.assets.images == "push" else ())),
        *(Leftover(kind) for kind in ("iptables", "cni")),
    ]


def _image(inputs: Inputs, host: Host, name: str) -> Image:
    asset = inputs.assets.image(name, inputs.facts[host.name].arch)
    blob = Blob(path=asset.path, known_sha256=asset.sha256)
    return Image(image_reference(inputs.cluster, name), blob, manifest_digest(asset.path, asset.sha256))


PHASE = Phase(
    name="containers",
    title="Start the container runtime",
    targets=lambda cluster: cluster.workers,
    desired=desired,
    rolling=True,
    side_by_side=True,
)
