"""The control plane's certificates: an authority of its own, a serving certificate, and one for each client.

Pure but for randomness: bytes out, no files. A client's identity is in its certificate, as Kubernetes reads it: the common name is the
user, each organization is a group.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 365
CLOCK_SKEW = timedelta(hours=1)  # a container's clock may lag behind the one that made the certificate
COMMON_NAME_MAX = 64  # ub-common-name, RFC 5280 appendix A.1


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs for one control plane."""

    def __init__(self, kept: Pair | None = None) -> None:
        """A new one, or the one that was kept."""
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "goldenami-local-control-plane")])
        if kept is not None:
            key = serialization.load_pem_private_key(kept.key, password=None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._key, self.pair = key, kept
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = _key_usage(signs_certificates=True)
        builder = self._builder(self._name, self._key).add_extension(constraints, critical=True).add_extension(usage, critical=True)
        certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        self.pair = Pair(certificate=certificate, key=_private_pem(self._key))

    def server(self, name: str, *, hosts: Sequence[str], addresses: Sequence[str]) -> Pair:
        """What a TLS server shows that is reached by these names and IP addresses."""
        alternatives = [*(x509.DNSName(host) for host in hosts), *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._sign(subject, ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(alternatives))

    def client(self, user: str, groups: Sequence[str] = ()) -> Pair:
        """The identity of a user in these groups. ValueError when the user's name is too long for a certificate."""
        if not 0 < len(user) <= COMMON_NAME_MAX:
            raise ValueError(f"a certificate holds user names of 1 to {COMMON_NAME_MAX} characters, and {user!r} has {len(user)}")
        groups_first = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*groups_first, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        return self._sign(subject, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _sign(self, subject: x509.Name, usage: x509.ObjectIdentifier, alternatives: x509.SubjectAlternativeName | None) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(subject, key)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return Pair(certificate=signed.public_bytes(serialization.Encoding.PEM), key=_private_pem(key))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        """With the key identifiers that RFC 5280 asks for and Python 3.13 insists on."""
        now = datetime.now(UTC)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + timedelta(days=VALID_DAYS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(authority, critical=False)
        )


@dataclass(frozen=True)
class SigningKeys:
    """Signs service account tokens, and tells whether one is genuine; both PEM."""

    private: bytes
    public: bytes


def signing_keys() -> SigningKeys:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return SigningKeys(private=_private_pem(key), public=public)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # Go reads EC keys of a service account only in this older form (k8s.io/client-go/util/keyutil).
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
