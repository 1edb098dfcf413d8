"""AWS's own models of its services, cut down to what is called of them.

botocore makes a class for every client, with a method for each operation of the service, and EC2 has seven hundred. STS is left whole, as
credential providers call it as they like, and so are services that are not named here.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import PurePath
from typing import Any

from botocore.loaders import JSONFileLoader, Loader

OPERATIONS: Mapping[str, frozenset[str]] = {
    "autoscaling": frozenset({"DescribeAutoScalingGroups", "DescribeLaunchConfigurations"}),
    "ec2": frozenset(
        {
            "CancelImportTask",
            "CopyImage",
            "CreateImage",
            "CreateImageUsageReport",
            "CreateTags",
            "DeleteImageUsageReport",
            "DeleteSnapshot",
            "DeleteTags",
            "DeregisterImage",
            "DescribeImageAttribute",
            "DescribeImageReferences",
            "DescribeImageUsageReportEntries",
            "DescribeImageUsageReports",
            "DescribeImages",
            "DescribeImportImageTasks",
            "DescribeImportSnapshotTasks",
            "DescribeInstances",
            "DescribeLaunchTemplateVersions",
            "DescribeLaunchTemplates",
            "DescribeRegions",
            "DescribeSnapshotAttribute",
            "DescribeSnapshots",
            "DisableImage",
            "DisableImageDeprecation",
            "DisableImageDeregistrationProtection",
            "EnableImage",
            "EnableImageDeprecation",
            "EnableImageDeregistrationProtection",
            "GetEbsDefaultKmsKeyId",
            "GetEbsEncryptionByDefault",
            "GetImageBlockPublicAccessState",
            "ListImagesInRecycleBin",
            "ModifyImageAttribute",
            "ModifySnapshotAttribute",
            "RegisterImage",
        }
    ),
    "imagebuilder": frozenset({"ListContainerRecipes", "ListImageRecipes"}),
    "kms": frozenset({"CreateGrant", "DescribeKey", "ListGrants", "RevokeGrant"}),
    "ssm": frozenset(
        {
            "AddTagsToResource",
            "DeleteParameter",
            "DescribeParameters",
            "GetParameterHistory",
            "GetParameters",
            "ListTagsForResource",
            "PutParameter",
            "RemoveTagsFromResource",
        }
    ),
}
"""Every operation that this package calls, by service. What is missing here is an AttributeError at its first call; a test compares."""

Model = dict[str, Any]


@cache
def loader() -> Loader:
    """For all sessions: without it each parses EC2's model again, 26 MB and 175 ms apiece."""
    return Loader(file_loader=_FileLoader())


class _FileLoader(JSONFileLoader):
    def load_file(self, file_path: str) -> Any:
        """`file_path`: `…/ec2/2016-11-15/service-2`."""
        model = super().load_file(file_path)
        parts = PurePath(file_path).parts
        wanted = OPERATIONS.get(parts[-3]) if parts[-1] == "service-2" and len(parts) > 2 else None
        return model if model is None or wanted is None else only(model, wanted)


def only(model: Model, wanted: Iterable[str]) -> Model:
    """The model with these operations, and the shapes that they need."""
    operations = {name: model["operations"][name] for name in sorted(wanted)}
    shapes: Model = {}
    waiting = list(_named(operations))
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            waiting += _named(shapes[name])
    return {**model, "operations": operations, "shapes": shapes}


def _named(part: Any) -> Iterator[str]:
    """Every shape that a part of a model refers to."""
    if isinstance(part, Mapping):
        if isinstance(name := part.get("shape"), str):
            yield name
        for value in part.values():
            yield from _named(value)
    elif isinstance(part, list):
        for value in part:
            yield from _named(value)
