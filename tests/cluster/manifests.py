"""The smallest manifests of each kind that the API server accepts, with changes. Values only."""

from copy import deepcopy
from typing import Any

from goldenami.api.kinds import API_VERSION, AWS_ACCOUNT, GOLDEN_IMAGE, IMAGE_VERSION, RETENTION_POLICY, SHARE_LIST, Kind

Manifest = dict[str, Any]

AMI = "ami-0a1b2c3d4e5f60718"
OTHER_AMI = "ami-0fedcba9876543210"
INSTANCE = {"id": "i-0a1b2c3d4e5f60718", "reboot": False}
SNAPSHOT = {
    "id": "snap-0a1b2c3d4e5f60718",
    "architecture": "x86_64",
    "bootMode": "uefi",
    "rootDeviceName": "/dev/xvda",
    "enaSupport": True,
}
ORGANIZATION = "arn:aws:organizations::111122223333:organization/o-exampleorg"
UNIT = "arn:aws:organizations::111122223333:ou/o-exampleorg/ou-abcd-12345678"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef"

ABSENT: Any = object()
"""As a change: the field is left out."""


def golden_image(*, name: str = "web", **changes: Any) -> Manifest:
    spec = {
        "version": "1.4.2",
        "source": {"image": {"id": AMI}},
        "region": "us-east-1",
        "replicas": [{"region": "us-east-1"}, {"region": "eu-west-1"}],
    }
    return manifest(GOLDEN_IMAGE, name, spec, changes)


def image_version(*, name: str = "web-1.4.2", ec2_name: str = "web-1.4.2", **changes: Any) -> Manifest:
    spec = {
        "goldenImage": "web",
        "version": "1.4.2",
        "source": {"image": {"id": AMI}},
        "region": "us-east-1",
        "name": ec2_name,
        "replicas": [{"region": "us-east-1"}],
    }
    return manifest(IMAGE_VERSION, name, spec, changes)


def share_list(*, name: str = "partners", **changes: Any) -> Manifest:
    return manifest(SHARE_LIST, name, {"accounts": ["111122223333"]}, changes)


def retention_policy(*, name: str = "standard", **changes: Any) -> Manifest:
    return manifest(RETENTION_POLICY, name, {"keepLast": 5}, changes)


def aws_account(*, name: str = "build", **changes: Any) -> Manifest:
    return manifest(AWS_ACCOUNT, name, {"accountId": "111122223333", "namespaces": {}}, changes)


def manifest(kind: Kind, name: str, spec: Manifest, changes: Manifest) -> Manifest:
    merged = {field: value for field, value in (deepcopy(spec) | changes).items() if value is not ABSENT}
    return {"apiVersion": API_VERSION, "kind": kind.kind, "metadata": {"name": name}, "spec": merged}


def with_instance(**changes: Any) -> Manifest:
    return golden_image(source={"instance": _changed(INSTANCE, changes)})


def with_snapshot(**changes: Any) -> Manifest:
    return golden_image(source={"snapshot": _changed(SNAPSHOT, changes)})


def _changed(given: Manifest, changes: Manifest) -> Manifest:
    return {field: value for field, value in (given | changes).items() if value is not ABSENT}


def accounts(count: int) -> list[str]:
    return [f"{100000000000 + number}" for number in range(count)]
