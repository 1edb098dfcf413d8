"""Where the API server is, and as whom we speak to it: in a pod by its service account's folder, elsewhere by KUBECONFIG."""

import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from kubernetes.config import incluster_config

from goldenami.kube import connection
from goldenami.kube.connection import load_configuration, own_namespace
from goldenami.kube.errors import KubeForbidden
from goldenami.kube.kopf_settings import login

ROTATED_SECONDS = 90
"""Longer than the library keeps a token that it has read."""


@pytest.fixture
def service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a kubelet mounts, and the variables that it sets."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    for name, text in (("token", "first"), ("ca.crt", "certificates"), ("namespace", "goldenami-system\n")):
        (folder / name).write_text(text)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(folder / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(folder / "ca.crt"))
    monkeypatch.setattr(connection, "SERVICE_ACCOUNT_NAMESPACE", folder / "namespace")
    for name in ("KUBECONFIG", "POD_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return folder


def kubeconfig(folder: Path) -> Path:
    path = folder / "kubeconfig"
    clusters = [{"name": "it", "cluster": {"server": "https://api.example.com:6443"}}]
    contexts = [{"name": "it", "context": {"cluster": "it", "user": "me"}}]
    users = [{"name": "me", "user": {"token": "mine"}}]
    path.write_text(yaml.safe_dump({"current-context": "it", "clusters": clusters, "contexts": contexts, "users": users}))
    return path


@pytest.mark.parametrize(
    ("host", "server"),
    [
        pytest.param("10.0.0.1", "https://10.0.0.1:443", id="an address"),
        pytest.param("fd00::1", "https://[fd00::1]:443", id="an address of IPv6"),
    ],
)
def test_in_a_pod_client_and_intake_are_its_service_account(
    service_account: Path, monkeypatch: pytest.MonkeyPatch, host: str, server: str
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    authority = str(service_account / "ca.crt")
    configuration = load_configuration()
    assert (configuration.host, configuration.ssl_ca_cert, configuration.verify_ssl) == (server, authority, True)
    assert configuration.get_api_key_with_prefix("BearerToken") == "bearer first"
    seen = login()
    assert (seen.server, seen.ca_path, seen.insecure, seen.scheme, seen.token) == (server, authority, False, "bearer", "first")


def test_a_token_that_the_kubelet_rotated_is_read_again(service_account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = load_configuration()
    (service_account / "token").write_text("second")
    later = datetime.datetime.now() + datetime.timedelta(seconds=ROTATED_SECONDS)  # noqa: DTZ005 - as the library reads its clock
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda: later), timedelta=datetime.timedelta)
    monkeypatch.setattr(incluster_config, "datetime", clock)
    assert configuration.get_api_key_with_prefix("BearerToken") == "bearer second"
    assert login().token == "second"


def test_in_a_pod_that_is_given_a_kubeconfig_that_counts(service_account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path)))
    configuration = load_configuration()
    assert configuration.host == "https://api.example.com:6443"
    assert login().token == "mine"


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_a_pod_without_the_folder_is_told_what_to_do(service_account: Path, missing: str) -> None:
    (service_account / missing).unlink()
    with pytest.raises(KubeForbidden) as refused:
        load_configuration()
    assert refused.value.reason == "NoCredentials"
    assert "set KUBECONFIG to a kubeconfig file, or run inside a cluster with a service account" in refused.value.message


def test_the_own_namespace_is_what_the_pod_is_told_else_its_service_accounts_else_the_default(
    service_account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_namespace() == "goldenami-system"
    monkeypatch.setenv("POD_NAMESPACE", "images")
    assert own_namespace() == "images"
    monkeypatch.delenv("POD_NAMESPACE")
    (service_account / "namespace").unlink()
    assert own_namespace() == "default"
