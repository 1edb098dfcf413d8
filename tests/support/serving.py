"""Our kinds, in a control plane."""

from pathlib import Path

from goldenami.local.kubernetes import ControlPlane

CRDS = Path(__file__).resolve().parents[2] / "crds"


def serve_kinds(plane: ControlPlane) -> None:
    """Returns once objects of `crds/` can be made."""
    plane.run_kubectl("apply", "--server-side", "-f", CRDS)
    plane.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", CRDS)
    plane.restart_controller_manager()  # else our kinds' children are collected only after up to 30 s
