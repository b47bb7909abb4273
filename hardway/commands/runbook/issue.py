"""Keys and certificates by openssl: the rows of pki/certificates.yaml as commands."""

from __future__ import annotations

from collections.abc import Iterator

from ...cluster import Cluster, Host, is_address
from ...pki.certificates import Authority, Definition, authorities, definitions

USAGES = {"server": "serverAuth", "client": "clientAuth"}
PKI = "$STATE/pki"


def issue_pki(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """(heading, commands) for every CA, the signing key of service accounts and every certificate."""
    for authority in authorities():
        yield f"The CA `{authority.cn}`", _authority(authority, cluster)
    yield "The key pair that signs service account tokens", _service_account(cluster)
    for row in definitions():
        if not row.per_host:
            yield f"The certificate `{row.name}`", leaf_commands(row, cluster, None)
        elif row.hosts(cluster):
            hosts = row.hosts(cluster)
            body = leaf_commands(row, cluster, hosts[0])
            yield (
                f"The certificates `{row.name}`, one for each host",
                f"for host in {' '.join(h.name for h in hosts)}; do\n{body}\ndone",
            )
    if cluster.api.vip:
        yield "The password that the load balancers share", _password()


def issue_encryption(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """The same for the key that encrypts Secrets."""
    file = f"$STATE/encryption/{cluster.encryption.provider}-key1.key"
    make = (
        f'install -d -m 700 "$STATE/encryption"\n[ -e "{file}" ] || (umask 077; head -c 32 /dev/urandom | base64 >'
        f' "{file}")'
    )
    yield "The key", make


def _key(path: str, algorithm: str) -> str:
    kind, size = algorithm.split("-")
    how = f"RSA -pkeyopt rsa_keygen_bits:{size}" if kind == "rsa" else f"EC -pkeyopt ec_paramgen_curve:P-{size[1:]}"
    # An existing key is kept: a new one would invalidate everything signed by or for the old one.
    return f'[ -e "{path}" ] || (umask 077; openssl genpkey -algorithm {how} -out "{path}")'


def _authority(authority: Authority, cluster: Cluster) -> str:
    where = f"{PKI}/{authority.name}"
    days = cluster.pki.ca_validity_days
    request = f'openssl req -new -key "{where}.key" -subj /CN={authority.cn}'
    sign = (
        f'openssl x509 -req -signkey "{where}.key" -{_digest(cluster)} -days {days} -set_serial "0x$(openssl rand -hex'
        ' 16)"'
    )
    extensions = ["basicConstraints = critical, CA:TRUE, pathlen:0", "keyUsage = critical, keyCertSign, cRLSign",
                  "subjectKeyIdentifier = hash"]  # fmt: skip
    signed = f'[ -e "{where}.crt" ] || {sign} \\\n  -in <({request}) -out "{where}.crt" -extfile /dev/stdin <<EOF'
    return "\n".join([_key(f"{where}.key", cluster.pki.algorithm), signed, *extensions, "EOF"])


def leaf_commands(row: Definition, cluster: Cluster, host: Host | None) -> str:
    """The commands that issue a certificate; of those that each host has, for `$host`."""
    where = f"{PKI}/hosts/$host/{row.name}" if host else f"{PKI}/{row.name}"
    folder = [f'install -d -m 700 "{PKI}/hosts/$host"'] if host else []
    request = f'openssl req -new -key "{where}.key" -subj "{_subject(row)}"'
    ca = f'-CA "{PKI}/{row.ca}.crt" -CAkey "{PKI}/{row.ca}.key"'
    sign = (
        f'openssl x509 -req {ca} -{_digest(cluster)} -days {cluster.pki.validity_days} -set_serial "0x$(openssl rand'
        ' -hex 16)"'
    )
    sign += f' \\\n  -in <({request}) -out "{where}.crt" -extfile /dev/stdin <<EOF'
    return "\n".join(
        [*folder, _key(f"{where}.key", cluster.pki.algorithm), sign, *_extensions(row, cluster, host), "EOF"]
    )


def _extensions(row: Definition, cluster: Cluster, host: Host | None) -> list[str]:
    sans = row.profile(cluster, host).sans
    own = {host.name: "DNS:$host", str(host.address): "IP:${ADDRESS[$host]}"} if host else {}
    names = [own.get(san) or f"{'IP' if is_address(san) else 'DNS'}:{san}" for san in sans]
    usage = "digitalSignature" + (", keyEncipherment" if cluster.pki.algorithm.startswith("rsa") else "")
    return [
        "basicConstraints = critical, CA:FALSE",
        f"keyUsage = critical, {usage}",
        f"extendedKeyUsage = {', '.join(USAGES[usage] for usage in row.usages)}",
        "subjectKeyIdentifier = hash",
        "authorityKeyIdentifier = keyid",
        *([f"subjectAltName = {', '.join(names)}"] if names else []),
    ]


def _subject(row: Definition) -> str:
    return "".join([*(f"/O={group}" for group in row.o), f"/CN={row.cn.format(host='$host')}"])


def _service_account(cluster: Cluster) -> str:
    make = _key(f"{PKI}/sa.key", cluster.pki.algorithm)
    return f'{make}\nopenssl pkey -in "{PKI}/sa.key" -pubout -out "{PKI}/sa.pub"'


def _password() -> str:
    file = "$STATE/passwords/keepalived.key"
    return (
        f'install -d -m 700 "$STATE/passwords"\n[ -e "{file}" ] || (umask 077; openssl rand -hex 4 | tr -d "\\n" >'
        f' "{file}")'
    )


def _digest(cluster: Cluster) -> str:
    return "sha384" if cluster.pki.algorithm == "ecdsa-p384" else "sha256"
