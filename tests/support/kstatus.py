"""What kstatus makes of an object: the judgement that `flux` with `wait: true`, and others who wait for objects, rely on.

The order of its checks, for kinds it does not know by name (sigs.k8s.io/cli-utils, pkg/kstatus/status).
"""

from __future__ import annotations

from typing import Any, Literal

Judgement = Literal["Terminating", "InProgress", "Failed", "Current"]


def kstatus(obj: dict[str, Any]) -> Judgement:
    """The judgement on one object as stored."""
    metadata, status = obj["metadata"], obj.get("status", {})
    if "deletionTimestamp" in metadata:
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    said = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    if said.get("Reconciling") == "True":
        return "InProgress"
    if said.get("Stalled") == "True":
        return "Failed"
    return "Current" if said.get("Ready", "True") == "True" else "InProgress"
