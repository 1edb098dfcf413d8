"""Launch templates where moto falls short: versions that build on another, versions deleted, listings with filters and pages.

An image reference is kept as written, `resolve:ssm:` too, and read when somebody launches or asks with ResolveAlias.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from goldenami.local.aws.ec2 import aliases, errors, filters, paging
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.shell import Original, Shell, TemplateVersion, answer_of

PAGE_DEFAULT = 200  # and the largest page of versions
DELETED_AT_MOST = 200  # per DeleteLaunchTemplateVersions


def create_launch_template(call: Call) -> Original:
    known: Original | None = call.replay()
    return known or _made(call, lambda: call.shell.template(None, call.required("LaunchTemplateName")))


def create_launch_template_version(call: Call) -> Original:
    """With SourceVersion the new version has that one's data, overridden by the call's; snapshots in its mappings are left behind."""
    template = _template(call)
    source = call.text("SourceVersion")
    known: Original | None = call.replay()
    if source is None or known is not None:
        return known or _made(call, lambda: template)
    own = call.params.get("LaunchTemplateData") or {}
    inherited = _without_snapshots(_version(template.id, call.shell.versions(template), source).data)
    assert isinstance(call.params, dict)
    call.params["LaunchTemplateData"] = {**inherited, **own}
    answer = call.shell.original()
    call.params["LaunchTemplateData"] = own
    call.shell.stamp_newest(template, call.lab.clock.utc().replace(tzinfo=None))
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


def _made(call: Call, template: Callable[[], Any]) -> Original:
    answer = call.shell.original()
    call.shell.stamp_newest(template(), call.lab.clock.utc().replace(tzinfo=None))
    call.remember(answer)
    return answer


def modify_launch_template(call: Call) -> Original:
    """Another default version, at once, for whoever launches `$Default`."""
    known: Original | None = call.replay()
    if known is not None:
        return known
    template = _template(call)
    wanted = call.text("DefaultVersion")
    version = _version(template.id, call.shell.versions(template), wanted) if wanted else None
    call.confirm()
    if version is not None:
        template.default_version_number = version.number
    answer = answer_of({"LaunchTemplate": _template_row(call, template)})
    call.remember(answer)
    return answer


def delete_launch_template_versions(call: Call) -> Original:
    """Each version by itself: the default one stays, and so does what is not there, each with its reason."""
    template = _template(call)
    wanted = call.texts("Versions")
    if not wanted:
        raise errors.missing_parameter("LaunchTemplateVersion")
    if len(wanted) > DELETED_AT_MOST:
        raise errors.invalid_value(f"At most {DELETED_AT_MOST} launch template versions can be deleted in a call")
    if bad := [each for each in wanted if not each.isdigit()]:
        raise errors.invalid_value(f"Launch template versions are deleted by number: {', '.join(bad)} was given")
    call.confirm()
    results = [_delete(call, template, int(each)) for each in dict.fromkeys(wanted)]
    return answer_of({
        "SuccessfullyDeletedLaunchTemplateVersions": [each for each in results if "ResponseError" not in each],
        "UnsuccessfullyDeletedLaunchTemplateVersions": [each for each in results if "ResponseError" in each],
    })  # fmt: skip


def _delete(call: Call, template: Any, number: int) -> dict[str, Any]:
    result = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": number}
    version = next((each for each in call.shell.versions(template) if each.number == number), None)
    if version is None:
        message = f"Could not find the specified version {number} for the launch template with ID {template.id}."
        return {**result, "ResponseError": {"Code": "launchTemplateVersionDoesNotExist", "Message": message}}
    if version.default:
        message = f"Version {number} is the default version of the launch template with ID {template.id}, which cannot be deleted."
        return {**result, "ResponseError": {"Code": "unexpectedError", "Message": message}}
    call.shell.delete_version(template, number)
    return result


def named(shell: Shell, specification: Mapping[str, Any]) -> TemplateVersion:
    """The version that a launch names: {LaunchTemplateId or LaunchTemplateName, Version}, of which `$Default` need not be said."""
    template = shell.template(specification.get("LaunchTemplateId"), specification.get("LaunchTemplateName"))
    return _version(template.id, shell.versions(template), str(specification.get("Version") or "$Default"))


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
    if (call.number("MaxResults") or 1) > PAGE_DEFAULT:
        raise errors.invalid_value(f"Value ( {call.number('MaxResults')} ) for parameter maxResults is invalid: at most {PAGE_DEFAULT}.")
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
    lowest, highest = int(call.text("MinVersion") or 0), int(call.text("MaxVersion") or versions[-1].number)
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
        "LaunchTemplateData": _shown_data(call, version),
    }


def _shown_data(call: Call, version: TemplateVersion) -> dict[str, Any]:
    """The data as written; with ResolveAlias, the image that a parameter stands for now in the parameter's place."""
    data = dict(version.data)
    if call.flag("ResolveAlias") and data.get("ImageId"):
        data["ImageId"] = aliases.image_of(call.account, call.region, str(data["ImageId"]))
    return data


TEMPLATE_FIELDS: Mapping[str, Callable[[Any], Iterable[Any]]] = {
    "create-time": lambda template: [template.create_time.strftime("%Y-%m-%dT%H:%M:%S.000Z")],
    "launch-template-name": lambda template: [template.name],
}


def describe_launch_templates(call: Call) -> Original:
    passes = filters.compiled(call.params.get("Filters"), TEMPLATE_FIELDS, lambda template: call.shell.tags_of(template.id))
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
        "LatestVersionNumber": call.shell.versions(template)[-1].number,
        "Tags": [{"Key": key, "Value": value} for key, value in call.shell.tags_of(template.id).items()],
    }
