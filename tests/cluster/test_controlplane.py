"""The local control plane, with real processes: what it offers, and that nothing of it stays behind."""

from __future__ import annotations

from goldenami.local.kubernetes import ControlPlane


def test_kubectl_works_with_the_kubeconfig(control_plane: ControlPlane, namespace: str) -> None:
    assert namespace in control_plane.run_kubectl("get", "namespaces", "-o", "name")
