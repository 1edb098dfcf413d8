"""Who may talk to the control plane: its certificates, keys and the administrator's token as files, and a kubeconfig for each identity.

Everything is under one folder that only its owner can read.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from .certificates import Authority, Pair, signing_keys
from .errors import ControlPlaneError

LOOPBACK = "127.0.0.1"
SERVICE_ADDRESS = "10.0.0.1"  # the first of SERVICE_RANGE, where kube-apiserver puts the kubernetes service
SERVICE_RANGE = "10.0.0.0/24"
SERVICE_NAME = "kubernetes.default.svc"
ADMIN, ADMIN_GROUP = "admin", "system:masters"
CONTROLLER_MANAGER = "system:kube-controller-manager"


class Identities:
    """Made once for a control plane and kept over restarts, so that clients need not notice one."""

    def __init__(self, folder: Path, *, url: str) -> None:
        """Those in the folder, or new ones where there are none."""
        self._folder = folder
        self._url = url
        self.authority_certificate, authority_key = folder / "ca.crt", folder / "ca.key"
        self.server_certificate, self.server_key = folder / "apiserver.crt", folder / "apiserver.key"
        self.signing_key, self.signing_public_key = folder / "service-accounts.key", folder / "service-accounts.pub"
        self.tokens = folder / "tokens.csv"
        if authority_key.exists():
            self._authority = Authority(Pair(certificate=self.authority_certificate.read_bytes(), key=authority_key.read_bytes()))
        else:
            self._authority = Authority()
            self._make(authority_key)
        self.admin_token = self.tokens.read_text(encoding="utf-8").partition(",")[0]

    def _make(self, authority_key: Path) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = ["localhost", "kubernetes", "kubernetes.default", SERVICE_NAME]
        server = self._authority.server("kube-apiserver", hosts=names, addresses=[LOOPBACK, SERVICE_ADDRESS])
        _write(self.server_certificate, server.certificate)
        _write(self.server_key, server.key)
        signing = signing_keys()
        _write(self.signing_key, signing.private)
        _write(self.signing_public_key, signing.public)
        # Nearly all requests are the administrator's, and kube-apiserver verifies a client's certificate anew for each one: that was a
        # fifth of what it computed for a GET, and an eighth for a server-side apply. A token it looks up.
        _write(self.tokens, f'{secrets.token_urlsafe(32)},{ADMIN},{ADMIN},"{ADMIN_GROUP}"\n'.encode())
        _write(self.authority_certificate, self._authority.pair.certificate)
        _write(authority_key, self._authority.pair.key)

    def kubeconfig(self, user: str, groups: Sequence[str]) -> Path:
        """A kubeconfig with a certificate of that identity; the same file for the same identity."""
        words = "\0".join([user, *groups])
        readable = re.sub(r"[^a-z0-9.-]+", "-", user.lower())[:80]
        path = self._folder / f"{readable}-{hashlib.sha256(words.encode()).hexdigest()[:8]}.kubeconfig"
        if not path.exists():
            pair = self._client(user, groups)
            credentials = {"client-certificate-data": _base64(pair.certificate), "client-key-data": _base64(pair.key)}
            _write(path, self._kubeconfig_text(user, credentials))
        return path

    def admin_kubeconfig_text(self) -> bytes:
        return self._kubeconfig_text(ADMIN, {"token": self.admin_token})

    def _kubeconfig_text(self, user: str, credentials: dict[str, str]) -> bytes:
        cluster = {"server": self._url, "certificate-authority-data": _base64(self._authority.pair.certificate)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "goldenami",
            "clusters": [{"name": "goldenami", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "goldenami", "context": {"cluster": "goldenami", "user": user}}],
        }
        return yaml.safe_dump(document, sort_keys=False).encode()

    def _client(self, user: str, groups: Sequence[str]) -> Pair:
        try:
            return self._authority.client(user, groups)
        except ValueError as error:
            raise ControlPlaneError(f"no kubeconfig for {user!r}: {error}") from error


def _write(path: Path, content: bytes) -> None:
    """For its owner only, and whole as soon as it is there: other processes may look for it."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent)
    with open(descriptor, "wb") as file:
        file.write(content)
    Path(unfinished).replace(path)


def groups_of(user: str) -> list[str]:
    """The groups Kubernetes itself puts a service account in; none for any other user.

    Source: k8s.io/apiserver/pkg/authentication/serviceaccount, MakeGroupNames.
    """
    match = re.fullmatch(r"system:serviceaccount:([^:]+):[^:]+", user)
    return ["system:serviceaccounts", f"system:serviceaccounts:{match[1]}"] if match else []


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
