"""Launch templates where moto falls short: versions that build on another, and listings with filters and pages over all templates."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from goldenami.local.aws.ec2 import errors, filters, paging
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.shell import Original, TemplateVersion, answer_of

PAGE_DEFAULT = 200


def create_launch_template(call: Call) -> Original:
    return _once(call)


def create_launch_template_version(call: Call) -> Original:
    """With SourceVersion the new version has that one's data, overridden by the call's; snapshots in its mappings are left behind."""
    template = _template(call)
    source = call.text("SourceVersion")
    known: Original | None = call.replay()
    if source is None or known is not None:
        return known or _once(call)
    own = call.params.get("LaunchTemplateData") or {}
    inherited = _without_snapshots(_version(template.id, call.shell.versions(template), source).data)
    assert isinstance(call.params, dict)
    call.params["LaunchTemplateData"] = {**inherited, **own}
    answer = call.shell.original()
    call.params["LaunchTemplateData"] = own
    call.remember(answer)
    return answer


def _template(call: Call) -> Any:
    """The template that the call names, by id or by name, one of both."""
    template_id, name = call.text("LaunchTemplateId"), call.text("LaunchTemplateName")
    if template_id and name:
        raise errors.invalid_combination("Either LaunchTemplateId or LaunchTemplateName can be given, not both")
    if not (template_id or name):
        raise errors.missing_parameter("LaunchTemplateId or LaunchTemplateName")
    return call.shell.template(template_id, name)


def _once(call: Call) -> Original:
    known: Original | None = call.replay()
    if known is not None:
        return known
    answer = call.shell.original()
    call.remember(answer)
    return answer


def _without_snapshots(data: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in data.items() if value is not None}
    if kept.get("BlockDeviceMappings"):
        kept["BlockDeviceMappings"] = [_without_snapshot(each) for each in kept["BlockDeviceMappings"]]
    return kept


def _without_snapshot(mapping: Mapping[str, Any]) -> dict[str, Any]:
    ebs = {key: value for key, value in (mapping.get("Ebs") or {}).items() if key != "SnapshotId"}
    return {**mapping, "Ebs": ebs} if "Ebs" in mapping else dict(mapping)


def _data(*path: str) -> Callable[[TemplateVersion], Iterable[Any]]:
    def get(version: TemplateVersion) -> Iterable[Any]:
        value: Any = version.data
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return [value]

    return get


FIELDS: Mapping[str, Callable[[TemplateVersion], Iterable[Any]]] = {
    "create-time": lambda version: [version.create_time.strftime("%Y-%m-%dT%H:%M:%S.000Z")],
    "ebs-optimized": _data("EbsOptimized"),
    "http-endpoint": _data("MetadataOptions", "HttpEndpoint"),
    "http-protocol-ipv4": _data("MetadataOptions", "HttpEndpoint"),
    "host-resource-group-arn": _data("Placement", "HostResourceGroupArn"),
    "http-tokens": _data("MetadataOptions", "HttpTokens"),
    "iam-instance-profile": _data("IamInstanceProfile", "Arn"),
    "image-id": _data("ImageId"),
    "instance-type": _data("InstanceType"),
    "is-default-version": lambda version: [version.default],
    "kernel-id": _data("KernelId"),
    "license-configuration-arn": lambda version: [
        each.get("LicenseConfigurationArn") for each in version.data.get("LicenseSpecifications") or ()
    ],
    "network-card-index": lambda version: [each.get("NetworkCardIndex") for each in version.data.get("NetworkInterfaces") or ()],
    "ram-disk-id": _data("RamDiskId"),
}

_WHICH_VERSIONS = (
    "To describe the launch template data for all your launch templates, for Versions specify $Latest, $Default, or both, "
    "and omit LaunchTemplateId, LaunchTemplateName and version numbers."
)


def describe_launch_template_versions(call: Call) -> Original:
    """Of one template: all versions, the named ones or a range. Of all templates: the latest or default version of each, nothing else."""
    passes = filters.compiled(call.params.get("Filters"), FIELDS, lambda _: {})
    one = call.text("LaunchTemplateId") or call.text("LaunchTemplateName")
    found = _of_one(call) if one else _of_all(call)
    call.confirm()
    shown, token = paging.page(
        call, enumerate(found, start=1), sequence=lambda each: each[0], passes=lambda each: passes(each[1]), default=PAGE_DEFAULT
    )
    return answer_of({"LaunchTemplateVersions": [_row(call, version) for _, version in shown], "NextToken": token})


def _of_all(call: Call) -> list[TemplateVersion]:
    wanted = call.texts("Versions")
    if not wanted:
        raise errors.Refused("MissingParameter", _WHICH_VERSIONS)
    if set(wanted) - {"$Latest", "$Default"} or call.text("MinVersion") or call.text("MaxVersion"):
        raise errors.invalid_value(_WHICH_VERSIONS)
    return [
        version
        for template in call.shell.templates()
        for version in call.shell.versions(template)
        if ("$Latest" in wanted and version.latest) or ("$Default" in wanted and version.default)
    ]


def _of_one(call: Call) -> list[TemplateVersion]:
    template = _template(call)
    versions = call.shell.versions(template)
    wanted = call.texts("Versions")
    if wanted:
        return [_version(template.id, versions, each) for each in wanted]
    lowest, highest = int(call.text("MinVersion") or 0), int(call.text("MaxVersion") or len(versions))
    return [version for version in versions if lowest <= version.number <= highest]


def _version(template_id: str, versions: list[TemplateVersion], wanted: str) -> TemplateVersion:
    found = [
        each
        for each in versions
        if wanted == str(each.number) or (wanted == "$Latest" and each.latest) or (wanted == "$Default" and each.default)
    ]
    if not found:
        raise errors.Refused(
            "InvalidLaunchTemplateId.VersionNotFound",
            f"Could not find the specified version {wanted} for the launch template with ID {template_id}.",
        )
    return found[0]


def _row(call: Call, version: TemplateVersion) -> dict[str, Any]:
    return {
        "LaunchTemplateId": version.template_id,
        "LaunchTemplateName": version.template_name,
        "VersionNumber": version.number,
        "VersionDescription": version.description,
        "CreateTime": version.create_time,
        "CreatedBy": f"arn:aws:iam::{call.account}:root",
        "DefaultVersion": version.default,
        "LaunchTemplateData": dict(version.data),
    }


_TEMPLATE_FIELDS: Mapping[str, Callable[[Any], Iterable[Any]]] = {
    "create-time": lambda template: [template.create_time.strftime("%Y-%m-%dT%H:%M:%S.000Z")],
    "launch-template-name": lambda template: [template.name],
}


def describe_launch_templates(call: Call) -> Original:
    passes = filters.compiled(call.params.get("Filters"), _TEMPLATE_FIELDS, lambda template: call.shell.tags_of(template.id))
    by_name, by_id = call.texts("LaunchTemplateNames"), call.texts("LaunchTemplateIds")
    found = [call.shell.template(None, name) for name in by_name] + [call.shell.template(template_id, None) for template_id in by_id]
    call.confirm()
    looked_through = enumerate(found if by_name or by_id else call.shell.templates(), start=1)
    shown, token = paging.page(
        call, looked_through, sequence=lambda each: each[0], passes=lambda each: passes(each[1]), default=PAGE_DEFAULT
    )
    return answer_of({"LaunchTemplates": [_template_row(call, template) for _, template in shown], "NextToken": token})


def _template_row(call: Call, template: Any) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "CreateTime": template.create_time,
        "CreatedBy": f"arn:aws:iam::{call.account}:root",
        "DefaultVersionNumber": template.default_version_number,
        "LatestVersionNumber": template.latest_version_number,
        "Tags": [{"Key": key, "Value": value} for key, value in call.shell.tags_of(template.id).items()],
    }
