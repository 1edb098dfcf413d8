"""A Kubernetes control plane on this machine, for the demo, the tests, the benchmarks, and trying things out.

`ControlPlane.start()` is the way in; `serve()` keeps one running for a person. Where the programs come from: `lookup.py`, and
`hack/controlplane/README.md`. Knows nothing of AWS, of our kinds, or of the operator.
"""

from .audit import AuditEntry, is_write
from .errors import ControlPlaneError, KubectlError
from .lookup import Lookup, find_programs
from .plane import ControlPlane
from .programs import Programs
from .serve import serve

__all__ = ["AuditEntry", "ControlPlane", "ControlPlaneError", "KubectlError", "Lookup", "Programs", "find_programs", "is_write", "serve"]
