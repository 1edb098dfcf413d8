"""The kinds this operator serves, by the names Kubernetes knows them under."""

from dataclasses import dataclass

GROUP = "goldenami.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

RECONCILE_REQUESTED = f"{GROUP}/reconcile-requested"
"""Annotation: any new value asks for one look at once; `status.lastHandledReconcile` repeats it when that look is done."""

FINALIZER = f"{GROUP}/cleanup"
"""Set before the first AWS write, removed last."""

FIELD_MANAGER = "goldenami"
"""Field manager of every server-side apply."""


@dataclass(frozen=True)
class Kind:
    """One served kind. `kind` is the CamelCase name, `plural` the path segment."""

    kind: str
    plural: str
    singular: str
    short_name: str
    namespaced: bool


GOLDEN_IMAGE = Kind("GoldenImage", "goldenimages", "goldenimage", "gi", namespaced=True)
IMAGE_VERSION = Kind("ImageVersion", "imageversions", "imageversion", "iv", namespaced=True)
SHARE_LIST = Kind("ShareList", "sharelists", "sharelist", "sl", namespaced=True)
RETENTION_POLICY = Kind("RetentionPolicy", "retentionpolicies", "retentionpolicy", "rp", namespaced=True)
AWS_ACCOUNT = Kind("AWSAccount", "awsaccounts", "awsaccount", "awsa", namespaced=False)

KINDS = (GOLDEN_IMAGE, IMAGE_VERSION, SHARE_LIST, RETENTION_POLICY, AWS_ACCOUNT)


@dataclass(frozen=True, order=True)
class Key:
    """One object. `namespace` is empty for cluster-scoped kinds; `kind` is the CamelCase name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"
