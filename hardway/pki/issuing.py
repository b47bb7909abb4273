"""How one key, one authority and one leaf certificate are made and read. No files, no cluster."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

from ..cluster import is_address
from ..errors import PkiError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
USAGES = {"server": Usage.SERVER_AUTH, "client": Usage.CLIENT_AUTH}
# A machine whose clock is a little behind ours must accept what we issue at once.
CLOCK_SKEW = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class Profile:
    """Who a leaf names and what it may do; the order of `sans` does not matter to `difference`."""

    cn: str
    o: tuple[str, ...] = ()
    usages: tuple[str, ...] = ("client",)
    sans: tuple[str, ...] = ()


def new_key(algorithm: str) -> PrivateKey:
    """A fresh key; `algorithm` is one of the inventory's, for example ecdsa-p256 or rsa-3072."""
    kind, size = algorithm.split("-")
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    return ec.generate_private_key({"p256": ec.SECP256R1, "p384": ec.SECP384R1}[size]())


def key_pem(key: PrivateKey) -> bytes:
    """PKCS#8 PEM, unencrypted: what every component reads, whatever the algorithm."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_key(pem: bytes, where: str, hint: str = "restore it from a backup") -> PrivateKey:
    """The key in a PEM file; PkiError naming `where` when it is damaged, encrypted, or of a kind not every component
    takes."""
    try:
        # Proving an RSA key's primes costs up to a second for each; that it belongs to its certificate is checked by
        # the caller.
        key = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        hint = f"decrypt it: umask 077; openssl pkey -in {where} -out {where}.plain && mv {where}.plain {where}"
        raise PkiError(f"the key {where} is encrypted with a passphrase", hint=hint) from None
    except ValueError:
        raise PkiError(f"{where} is not a readable private key", hint=hint) from None
    if not isinstance(key, PrivateKey):
        raise PkiError(f"{where} is neither an RSA nor an ECDSA key", hint="use a CA with an RSA or ECDSA key")
    return key


def load_public(pem: bytes, where: str, hint: str = "restore it from a backup") -> PublicKey:
    """The public key in a PEM file; PkiError naming `where` when it is damaged, or of another kind."""
    with contextlib.suppress(ValueError):
        if isinstance(key := serialization.load_pem_public_key(pem), PublicKey):
            return key
    raise PkiError(f"{where} is not a readable RSA or ECDSA public key", hint=hint)


def load_certificate(pem: bytes, where: str, hint: str = "restore it from a backup") -> x509.Certificate:
    """The first certificate of a PEM file; PkiError naming `where` when it is damaged."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise PkiError(f"{where} is not a readable certificate", hint=hint) from None


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def fingerprint(certificate: x509.Certificate) -> str:
    """`sha256:` and 64 hex digits over the DER form."""
    return f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}"


def matches(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Whether the certificate is for this key."""
    return certificate.public_key() == key.public_key()


def issue_ca(cn: str, key: PrivateKey, days: int) -> x509.Certificate:
    """A self-signed authority that may sign leaves, but no further authorities."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    now = datetime.datetime.now(datetime.UTC)
    builder = _builder(name, name, key, now + datetime.timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
    )
    return builder.sign(key, _digest(key))


def issue_leaf(
    profile: Profile, key: PrivateKey, ca: x509.Certificate, ca_key: PrivateKey, days: int
) -> x509.Certificate:
    """A leaf for `key`, signed by `ca`, which it never outlives; PkiError when a name does not fit into a
    certificate."""
    until = min(datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days), ca.not_valid_after_utc)
    with _fitting(profile):
        builder = _builder(subject(profile), ca.subject, key, until)
        for extension, critical in _extensions(profile, key):
            builder = builder.add_extension(extension, critical)
    return builder.add_extension(_authority_key(ca), critical=False).sign(ca_key, _digest(ca_key))


def request(profile: Profile, key: PrivateKey) -> bytes:
    """A request (PEM) for somebody else to sign such a leaf, with everything that it is to say; errors as above."""
    with _fitting(profile):
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject(profile))
        for extension, critical in _extensions(profile, key):
            builder = builder.add_extension(extension, critical)
    return builder.sign(key, _digest(key)).public_bytes(serialization.Encoding.PEM)


def _extensions(profile: Profile, key: PrivateKey) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """What a leaf says besides who it is, and whether who does not understand that must refuse it."""
    yield x509.BasicConstraints(ca=False, path_length=None), True
    yield _leaf_key_usage(key), True
    yield x509.ExtendedKeyUsage([USAGES[usage] for usage in profile.usages]), False
    if sans := [general_name(san) for san in profile.sans]:
        yield x509.SubjectAlternativeName(sans), False


@contextlib.contextmanager
def _fitting(profile: Profile) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        hint = "shorten the host's name to 52 characters, or correct api.extra_sans, in the inventory"
        raise PkiError(f"the certificate of {profile.cn} cannot be issued: {error}", hint=hint) from None


def subject(profile: Profile) -> x509.Name:
    """Groups, then the user: X.509's O and CN; ValueError when the CN has more than 64 characters."""
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in profile.o]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, profile.cn)])


def _builder(name: x509.Name, issuer: x509.Name, key: PrivateKey, until: datetime.datetime) -> x509.CertificateBuilder:
    """What authorities and leaves have in common."""
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.now(datetime.UTC) - CLOCK_SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(**allowed: bool) -> x509.KeyUsage:
    every = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    every += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in every})


def _leaf_key_usage(key: PrivateKey) -> x509.KeyUsage:
    # Key encipherment is RSA key transport; an elliptic curve key cannot do it and strict verifiers object to the
    # claim.
    return _key_usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPrivateKey))


def _authority_key(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def general_name(san: str) -> x509.GeneralName:
    # An address written as a DNS name is never matched: Go and OpenSSL compare addresses with iPAddress entries alone.
    return x509.IPAddress(ipaddress.ip_address(san)) if is_address(san) else x509.DNSName(san)


def _digest(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    return hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256 else hashes.SHA256()
