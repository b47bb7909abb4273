"""How certificates and CAs are replaced by hand while the cluster runs: what `hardway certs` does."""

from __future__ import annotations

from collections.abc import Iterator

from ....cluster import Cluster, Host
from ....phase import Inputs
from ....phases import wanted_on
from ....phases.control_plane import PKI as ON_HOST
from ....pki.certificates import Definition, authorities, definition, definitions
from ....pki.stand_ins import StandIns
from ....resources import File, Unit
from ..checks import until
from ..issue import PKI, leaf_commands
from ..shell import Way
from ..writing.document import Code, Heading, Part, Table, Text

SOON = 30 * 24 * 3600  # seconds
STAGES = (
    ("trust", "Make the new CA. Append it to every copy of the old one: `ca.crt` on the hosts, "
     "`certificate-authority-data` in kubeconfigs. `ca-signing.crt` stays as it is.",
     "Each namespace's ConfigMap kube-root-ca.crt lists both, and pods that read it only once were replaced."),
    ("sign", "Replace `ca-signing.crt` and `ca.key`, then every certificate and kubeconfig. Remove "
     "`kubelet-client-current.pem` before you restart a kubelet, so that it requests another certificate.",
     "No port and no kubelet shows a certificate of the old CA."),
    ("drop", "Remove the old CA from all copies. Remove it from the ConfigMap extension-apiserver-authentication in "
     "kube-system too: API servers only add to it.",
     "A certificate that the old CA signs is refused: 401 at every API server and kubelet."),
)  # fmt: skip


def certificates(inputs: Inputs, secrets: StandIns) -> Iterator[Part]:
    """The guide's chapter."""
    cluster = inputs.cluster
    yield Text(
        "Certificates expire, and a key may become known to others. `hardway certs renew` and "
        "`hardway certs rotate-ca` do what this chapter does by hand."
    )
    yield Heading("How long they last")
    names = [*(one.name for one in authorities()), *(row.name for row in definitions() if not row.per_host)]
    look = f'openssl x509 -checkend {SOON} -noout -in "{PKI}/$name.crt"'
    yield Code(f'for name in {" ".join(names)}; do\n  echo "$name: $({look})"\ndone')
    yield Text("It prints:")
    yield Code("\n".join(f"{name}: Certificate will not expire" for name in names), "text")
    yield from _renewal(cluster)
    yield Heading("The other certificates")
    yield Text(
        "The same steps renew each of them: remove the two files here, type its block in the chapter `pki` again, "
        "bring the files to the hosts. Programs that read them only once are restarted, one host at a time, each "
        "healthy before the next."
    )
    yield Table(("certificate", "files", "then"), tuple(_rows(inputs, secrets)))
    yield Heading("Another CA")
    yield Text("A CA is replaced in three stages. Each is finished on all hosts before the next one starts.")
    yield Table(("stage", "what to do", "before the next stage"), STAGES)


def _renewal(cluster: Cluster) -> Iterator[Part]:
    """The one that every client sees, and no program is restarted for."""
    row, (host, *_) = definition("apiserver"), cluster.control_plane
    yield Heading("Renew the API servers' certificate")
    yield Text("With a new key. The old pair stays in use until the files are on a host; no program is restarted.")
    yield Code(f'rm "{PKI}/apiserver.crt" "{PKI}/apiserver.key"\n{leaf_commands(row, cluster, None)}')
    way = Way("$host", host.ssh.user != "root")
    puts = [
        way.feed(f"install -m {mode} /dev/stdin {ON_HOST}/apiserver.{ending}", f'< "{PKI}/apiserver.{ending}"')
        for ending, mode in (("crt", "644"), ("key", "600"))
    ]
    names = " ".join(one.name for one in cluster.control_plane)
    yield Code(f"for host in {names}; do\n  {puts[0]}\n  {puts[1]}\ndone")
    yield Text("An API server notices within a minute. The serial number at the address of all clients is the new one:")
    address = f"{cluster.api.address}:{cluster.api.port}"
    shown = f"openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    same = f'[ "$({shown})" = "$(openssl x509 -noout -serial -in "{PKI}/apiserver.crt")" ]'
    yield Code(f"{until(90, same)}\n{same} && echo shown")
    yield Text("It prints:")
    yield Code("shown", "text")


def _rows(inputs: Inputs, secrets: StandIns) -> Iterator[tuple[str, str, str]]:
    """Of each certificate on a host: its files there, and what must be done after they changed."""
    for row in definitions():
        hosts = row.hosts(inputs.cluster)
        if hosts and row.name != "apiserver":
            yield f"`{row.name}`", *_where(row, hosts[0], inputs, secrets)


def _where(row: Definition, host: Host, inputs: Inputs, secrets: StandIns) -> tuple[str, str]:
    name = f"pki/hosts/{host.name}/{row.name}.crt" if row.per_host else f"pki/{row.name}.crt"
    resources = wanted_on(inputs, host)
    files = [one for one in resources if isinstance(one, File) and _holds(one, name, secrets)]
    paths = list(dict.fromkeys(one.path for one in files))
    units = [one for one in resources if isinstance(one, Unit)]
    restarted = [one.name for one in units if any(used.path in paths for used in one.uses)]
    then = f"restart {', '.join(f'`{unit}`' for unit in dict.fromkeys(restarted))}" if restarted else "nothing"
    return ", ".join(f"`{path}`" for path in paths), then


def _holds(file: File, name: str, secrets: StandIns) -> bool:
    """Whether a certificate of the state directory is in a file."""
    data = file.blob.data or b""
    if secrets.file(data) == name:
        return True
    return b"client-certificate-data" in data and any(
        f"/{name}" in expression for expression in secrets.expressions(data.decode())[1].values()
    )
