"""Launches in the local EC2: which image starts for whom, with which disks, and how launch templates refer to images."""

from typing import Any

import pytest

from goldenami.local.aws.ec2 import templates
from support.aws import error_of
from support.ec2 import Act, Cloud, assert_refused, refusal, row

DAY_SECONDS = 86400


def run(cloud: Cloud, image_id: str | None, *, account: str | None = None, **arguments: Any) -> Any:
    request: dict[str, Any] = {"MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro", **({"ImageId": image_id} if image_id else {})}
    return cloud.ec2(account=account).run_instances(**{**request, **arguments})["Instances"][0]


def instances_of(cloud: Cloud, image_id: str) -> list[dict[str, Any]]:
    answer = cloud.ec2().describe_instances(Filters=[{"Name": "image-id", "Values": [image_id]}])
    return [instance for reservation in answer["Reservations"] for instance in reservation["Instances"]]


def volumes_of(cloud: Cloud, instance: dict[str, Any]) -> dict[str, dict[str, Any]]:
    ids = {mapping["DeviceName"]: mapping["Ebs"]["VolumeId"] for mapping in instance["BlockDeviceMappings"]}
    volumes = {volume["VolumeId"]: volume for volume in cloud.ec2().describe_volumes(VolumeIds=list(ids.values()))["Volumes"]}
    return {device: volumes[volume_id] for device, volume_id in ids.items()}


def test_an_instance_has_what_its_image_has(cloud: Cloud) -> None:
    """RunInstances."""
    disks = [{"device_name": "/dev/sda1", "size": 30}, {"device_name": "/dev/sdb", "size": 100, "volume_type": "st1"}]
    image_id = cloud.image(architecture="arm64", imds="v2.0", volumes=disks)
    run(
        cloud,
        image_id,
        BlockDeviceMappings=[{"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 200}}, {"DeviceName": "/dev/sdc", "Ebs": {"VolumeSize": 5}}],
    )
    (instance,) = instances_of(cloud, image_id)
    assert (instance["Architecture"], instance["RootDeviceName"], instance["VirtualizationType"]) == ("arm64", "/dev/sda1", "hvm")
    assert (instance["MetadataOptions"]["HttpTokens"], instance["MetadataOptions"]["HttpPutResponseHopLimit"]) == ("required", 2)
    volumes = volumes_of(cloud, instance)
    assert {device: (volume["Size"], volume["VolumeType"]) for device, volume in volumes.items()} == {
        "/dev/sda1": (30, "gp3"),
        "/dev/sdb": (200, "st1"),
        "/dev/sdc": (5, "gp3"),
    }
    assert volumes["/dev/sda1"]["SnapshotId"] == cloud.snapshot_of(image_id)


def test_a_launch_shows_a_day_later(cloud: Cloud) -> None:
    """Research 2 LastLaunchedTime; traps 22 and 23."""
    image_id = cloud.image()
    run(cloud, image_id)
    assert "LastLaunchedTime" not in cloud.shown(image_id)
    cloud.pass_time(DAY_SECONDS)
    assert cloud.shown(image_id)["LastLaunchedTime"].startswith("20")


def test_a_repeated_launch_with_its_token_is_the_same_launch(cloud: Cloud) -> None:
    """Research 1.3."""
    image_id = cloud.image()
    first, second = (run(cloud, image_id, ClientToken="once")["InstanceId"] for _ in range(2))
    assert first == second
    assert error_of(lambda: run(cloud, image_id, ClientToken="once", InstanceType="m5.large"))[0] == "IdempotentParameterMismatch"


def test_a_launch_from_a_template_can_be_repeated_as_well(cloud: Cloud) -> None:
    """Research 1.3."""
    template(cloud, "web-a", cloud.image())
    wanted: dict[str, Any] = {"LaunchTemplate": {"LaunchTemplateName": "web-a"}, "ClientToken": "once"}
    assert run(cloud, None, **wanted)["InstanceId"] == run(cloud, None, **wanted)["InstanceId"]


def test_as_many_start_as_are_wanted(cloud: Cloud) -> None:
    """RunInstances MaxCount."""
    image_id = cloud.image()
    run(cloud, image_id, MinCount=1, MaxCount=3)
    assert len(instances_of(cloud, image_id)) == 3


def test_an_instance_dies_where_its_key_is_out_of_reach(cloud: Cloud) -> None:
    """Research 5 KMS; trap 45."""
    key = cloud.key()
    image_id = cloud.image(kms_key=key)
    run(cloud, image_id)
    cloud.kms().disable_key(KeyId=key.rsplit("/", 1)[-1])
    run(cloud, image_id)
    alive, dead = sorted(instances_of(cloud, image_id), key=lambda instance: instance["State"]["Name"])
    assert (alive["State"]["Name"], dead["State"]["Name"]) == ("running", "terminated")
    assert dead["StateReason"]["Message"] == "Client.InternalError: Client error on launch"
    assert cloud.shown(image_id)["State"] == "available"


def deregistered(cloud: Cloud) -> str:
    image_id = cloud.image()
    cloud.ec2().deregister_image(ImageId=image_id)
    return image_id


def disabled(cloud: Cloud) -> str:
    image_id = cloud.image()
    cloud.ec2().disable_image(ImageId=image_id)
    return image_id


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("no such image", "moto table", "InvalidAMIID.NotFound", lambda w: run(w, "ami-00000000000000000")),
        refusal("a malformed image", "RunInstances", "InvalidAMIID.Malformed", lambda w: run(w, "web")),
        refusal("no image at all", "RunInstances", "MissingParameter", lambda w: run(w, None)),
        refusal("someone's private image", "moto table", "InvalidAMIID.NotFound", lambda w: run(w, w.image(account=w.other))),
        refusal("a pending image", "research 1.1", "InvalidAMIID.Unavailable", lambda w: run(w, w.image(state="pending"))),
        refusal("a failed image", "research 1.1", "InvalidAMIID.Unavailable", lambda w: run(w, w.image(state="failed"))),
        refusal("a disabled image", "DisableImage", "InvalidAMIID.Unavailable", lambda w: run(w, disabled(w))),
        refusal("a deregistered image", "DeregisterImage", "InvalidAMIID.Unavailable", lambda w: run(w, deregistered(w))),
        refusal("an image of another region", "RunInstances", "InvalidAMIID.NotFound", lambda w: run(w, w.image("eu-west-1"))),
        refusal("a dry run", "research 1.5", "DryRunOperation", lambda w: run(w, w.image(), DryRun=True), 412),
    ],
)
def test_a_launch_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_an_image_of_a_stopped_instance_can_be_made(cloud: Cloud) -> None:
    """CreateImage: an instance that is running or stopped."""
    instance = cloud.instance(state="stopped")
    assert cloud.ec2().create_image(InstanceId=instance, Name="from stopped")["ImageId"]


def test_pages_hold_every_instance_once(cloud: Cloud) -> None:
    """DescribeInstances MaxResults."""
    image_id = cloud.image()
    started = [run(cloud, image_id)["InstanceId"] for _ in range(7)]
    pages = cloud.ec2().get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5})
    listed = [[instance["InstanceId"] for each in page["Reservations"] for instance in each["Instances"]] for page in pages]
    assert ([len(page) for page in listed], [each for page in listed for each in page]) == ([5, 2], started)


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("no such instance", "research 1.1", "InvalidInstanceID.NotFound", lambda w: listed(w, InstanceIds=["i-00000000000000000"])),
        refusal("a token of nobody", "research 2", "InvalidNextToken", lambda w: listed(w, NextToken="x")),
        refusal(
            "an unknown filter", "moto table", "InvalidParameterValue", lambda w: listed(w, Filters=[{"Name": "colour", "Values": ["x"]}])
        ),
        refusal(
            "ids and a page size",
            "DescribeInstances MaxResults",
            "InvalidParameterCombination",
            lambda w: listed(w, InstanceIds=[w.instance()], MaxResults=5),
        ),
    ],
)
def test_a_listing_of_instances_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def listed(cloud: Cloud, **arguments: Any) -> Any:
    cloud.instance()
    return cloud.ec2().describe_instances(**arguments)


# Launch templates


def template(cloud: Cloud, name: str, *image_ids: str) -> str:
    """A template with a version per image; the first is the default."""
    first, *others = image_ids
    made = cloud.ec2().create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"ImageId": first, "InstanceType": "t3.micro"})
    for image_id in others:
        cloud.ec2().create_launch_template_version(LaunchTemplateName=name, SourceVersion="1", LaunchTemplateData={"ImageId": image_id})
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def version_of(cloud: Cloud, **arguments: Any) -> Any:
    return cloud.ec2().create_launch_template_version(LaunchTemplateData={"ImageId": "ami-2"}, **arguments)


def versions(cloud: Cloud, **arguments: Any) -> list[tuple[str, int]]:
    rows = cloud.ec2().describe_launch_template_versions(**arguments)["LaunchTemplateVersions"]
    return [(each["LaunchTemplateName"], each["VersionNumber"]) for each in rows]


def test_a_version_builds_on_its_source(cloud: Cloud) -> None:
    """CreateLaunchTemplateVersion SourceVersion; moto table."""
    data = {
        "ImageId": cloud.image(), "InstanceType": "t3.micro",
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": cloud.snapshot(), "VolumeSize": 9}}],
    }  # fmt: skip
    cloud.ec2().create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
    cloud.ec2().create_launch_template_version(LaunchTemplateName="web", SourceVersion="1", LaunchTemplateData={"ImageId": "ami-2"})
    version = cloud.ec2().describe_launch_template_versions(LaunchTemplateName="web", Versions=["2"])["LaunchTemplateVersions"][0]
    assert version["LaunchTemplateData"] == {
        "ImageId": "ami-2", "InstanceType": "t3.micro", "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 9}}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        row("latest of all", "DescribeLaunchTemplateVersions Versions", {"Versions": ["$Latest"]}, [("web-a", 2), ("web-b", 1)]),
        row("default of all", "DescribeLaunchTemplateVersions Versions", {"Versions": ["$Default"]}, [("web-a", 1), ("web-b", 1)]),
        row(
            "both of all",
            "DescribeLaunchTemplateVersions Versions",
            {"Versions": ["$Latest", "$Default"]},
            [("web-a", 1), ("web-a", 2), ("web-b", 1)],
        ),
        row("every version of one", "DescribeLaunchTemplateVersions", {"LaunchTemplateName": "web-a"}, [("web-a", 1), ("web-a", 2)]),
        row(
            "a named version", "DescribeLaunchTemplateVersions Versions", {"LaunchTemplateName": "web-a", "Versions": ["2"]}, [("web-a", 2)]
        ),
        row("a range", "DescribeLaunchTemplateVersions MinVersion", {"LaunchTemplateName": "web-a", "MinVersion": "2"}, [("web-a", 2)]),
        row(
            "who uses an image, in all",
            "filter image-id",
            {"Versions": ["$Latest", "$Default"], "Filters": [{"Name": "image-id", "Values": ["ami-old"]}]},
            [("web-a", 1)],
        ),
        row(
            "who uses an image, in one",
            "filter image-id",
            {"LaunchTemplateName": "web-a", "Filters": [{"Name": "image-id", "Values": ["ami-new"]}]},
            [("web-a", 2)],
        ),
        row(
            "defaults only",
            "filter is-default-version",
            {"LaunchTemplateName": "web-a", "Filters": [{"Name": "is-default-version", "Values": ["true"]}]},
            [("web-a", 1)],
        ),
    ],
)
def test_versions_are_found(cloud: Cloud, arguments: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    template(cloud, "web-a", "ami-old", "ami-new")
    template(cloud, "web-b", "ami-other")
    assert versions(cloud, **arguments) == expected


TEMPLATE: dict[str, Any] = {
    "ImageId": "ami-1", "InstanceType": "t3.micro", "EbsOptimized": True, "KernelId": "aki-1", "RamDiskId": "ari-1",
    "IamInstanceProfile": {"Arn": "arn:aws:iam::111122223333:instance-profile/web"},
    "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required"},
    "Placement": {"HostResourceGroupArn": "arn:aws:resource-groups:us-east-1:111122223333:group/hosts"},
    "LicenseSpecifications": [{"LicenseConfigurationArn": "arn:aws:license-manager:us-east-1:111122223333:license-configuration:lic-1"}],
    "NetworkInterfaces": [{"DeviceIndex": 0, "NetworkCardIndex": 1}],
}  # fmt: skip
HITS = {
    "create-time": "20*T*Z", "ebs-optimized": "true", "http-endpoint": "enabled", "http-protocol-ipv4": "enabled",
    "host-resource-group-arn": "*group/hosts", "http-tokens": "required", "iam-instance-profile": "*/web", "image-id": "ami-1",
    "instance-type": "t3.*", "is-default-version": "true", "kernel-id": "aki-1", "license-configuration-arn": "*lic-1",
    "network-card-index": "1", "ram-disk-id": "ari-1",
}  # fmt: skip


def test_each_filter_finds_a_version_by_what_is_in_it(cloud: Cloud) -> None:
    """DescribeLaunchTemplateVersions Filters."""
    cloud.ec2().create_launch_template(LaunchTemplateName="web-a", LaunchTemplateData=TEMPLATE)

    def found(name: str, value: str) -> list[tuple[str, int]]:
        return versions(cloud, LaunchTemplateName="web-a", Filters=[{"Name": name, "Values": [value]}])

    assert {*HITS} == {*templates.FIELDS}
    assert [name for name, hit in HITS.items() if found(name, hit) != [("web-a", 1)]] == []
    assert [name for name in HITS if found(name, "of nobody")] == []


@pytest.mark.parametrize(
    ("name", "hit"),
    [
        row("create-time", "DescribeLaunchTemplates Filters", "create-time", "20*T*Z"),
        row("launch-template-name", "DescribeLaunchTemplates Filters", "launch-template-name", "web-?"),
        row("a tag", "DescribeLaunchTemplates Filters", "tag:team", "plat*"),
        row("a tag's key", "DescribeLaunchTemplates Filters", "tag-key", "team"),
    ],
)
def test_a_filter_finds_a_template(cloud: Cloud, name: str, hit: str) -> None:
    tags = [{"ResourceType": "launch-template", "Tags": [{"Key": "team", "Value": "platform"}]}]
    cloud.ec2().create_launch_template(LaunchTemplateName="web-a", LaunchTemplateData=TEMPLATE, TagSpecifications=tags)

    def found(value: str) -> list[str]:
        listed = cloud.ec2().describe_launch_templates(Filters=[{"Name": name, "Values": [value]}])["LaunchTemplates"]
        return [each["LaunchTemplateName"] for each in listed]

    assert (found(hit), found("of nobody")) == (["web-a"], [])


def test_pages_hold_every_version_and_every_template_once(cloud: Cloud) -> None:
    """DescribeLaunchTemplates and DescribeLaunchTemplateVersions, MaxResults and NextToken."""
    for number in range(5):
        template(cloud, f"t{number}", "ami-1")
    pager = cloud.ec2().get_paginator("describe_launch_template_versions").paginate(Versions=["$Latest"], PaginationConfig={"PageSize": 2})
    assert [each["LaunchTemplateName"] for page in pager for each in page["LaunchTemplateVersions"]] == [
        f"t{number}" for number in range(5)
    ]
    pager = cloud.ec2().get_paginator("describe_launch_templates").paginate(PaginationConfig={"PageSize": 2})
    assert [each["LaunchTemplateName"] for page in pager for each in page["LaunchTemplates"]] == [f"t{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("no versions of no template", "DescribeLaunchTemplateVersions Versions", "MissingParameter", versions),
        refusal(
            "numbers over all templates",
            "DescribeLaunchTemplateVersions Versions",
            "InvalidParameterValue",
            lambda w: versions(w, Versions=["1"]),
        ),
        refusal(
            "no such template",
            "research 1.1",
            "InvalidLaunchTemplateId.NotFound",
            lambda w: versions(w, LaunchTemplateId="lt-00000000000000000"),
        ),
        refusal(
            "no such version",
            "research 1.1",
            "InvalidLaunchTemplateId.VersionNotFound",
            lambda w: versions(w, LaunchTemplateId=template(w, "web-a", "ami-1"), Versions=["7"]),
        ),
        refusal(
            "an unknown filter",
            "DescribeLaunchTemplateVersions Filters",
            "InvalidParameterValue",
            lambda w: versions(w, Versions=["$Latest"], Filters=[{"Name": "x", "Values": ["y"]}]),
        ),
        refusal("a version of no template", "CreateLaunchTemplateVersion", "MissingParameter", lambda w: version_of(w)),
        refusal(
            "a version of no such source",
            "research 1.1",
            "InvalidLaunchTemplateId.VersionNotFound",
            lambda w: version_of(w, LaunchTemplateId=template(w, "web-a", "ami-1"), SourceVersion="9"),
        ),
        refusal(
            "a template by id and by name",
            "CreateLaunchTemplateVersion",
            "InvalidParameterCombination",
            lambda w: version_of(w, LaunchTemplateId=template(w, "web-a", "ami-1"), LaunchTemplateName="web-a"),
        ),
        refusal(
            "a name in use",
            "research 1.1",
            "InvalidLaunchTemplateName.AlreadyExistsException",
            lambda w: [template(w, "web-a", "ami-1") for _ in range(2)],
        ),
    ],
)
def test_a_template_call_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_a_repeated_version_with_its_token_is_the_same_version(cloud: Cloud) -> None:
    """Research 1.3."""
    template(cloud, "web-a", "ami-1")
    request = {"LaunchTemplateName": "web-a", "LaunchTemplateData": {"ImageId": "ami-2"}, "ClientToken": "once"}
    numbers = [cloud.ec2().create_launch_template_version(**request)["LaunchTemplateVersion"]["VersionNumber"] for _ in range(2)]
    assert numbers == [2, 2]


@pytest.mark.parametrize(
    ("version", "number"),
    [row("default", "RunInstances LaunchTemplate", None, 0), row("latest", "RunInstances LaunchTemplate", "$Latest", 1)],
)
def test_a_template_names_the_image_to_launch(cloud: Cloud, version: str | None, number: int) -> None:
    images = [cloud.image(), cloud.image()]
    template(cloud, "web-a", *images)
    wanted = {"LaunchTemplateName": "web-a", **({"Version": version} if version else {})}
    assert run(cloud, None, LaunchTemplate=wanted)["ImageId"] == images[number]


def parameter(cloud: Cloud, *image_ids: str, account: str | None = None) -> None:
    """/golden/web with a version per image; the first is labelled `stable`."""
    ssm = cloud.aws.client("ssm", account=account or cloud.account)
    for image_id in image_ids:
        ssm.put_parameter(Name="/golden/web", Value=image_id, Type="String", Overwrite=True)
    ssm.label_parameter_version(Name="/golden/web", ParameterVersion=1, Labels=["stable"])


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        row("its newest value", "research 7.2", "resolve:ssm:/golden/web", 1),
        row("a version", "research 7.2", "resolve:ssm:/golden/web:1", 0),
        row("a label", "research 7.2", "resolve:ssm:/golden/web:stable", 0),
        row("its ARN", "research 7.2", "resolve:ssm:arn:aws:ssm:us-east-1:{account}:parameter/golden/web", 1),
        row("another account's", "research 7.2", "resolve:ssm:arn:aws:ssm:us-east-1:{other}:parameter/golden/web:1", 2),
    ],
)
def test_a_parameter_names_the_image_to_launch(cloud: Cloud, reference: str, number: int) -> None:
    images = [cloud.image(), cloud.image(), cloud.image()]
    parameter(cloud, *images[:2])
    parameter(cloud, images[2], account=cloud.other)
    assert run(cloud, reference.format(account=cloud.account, other=cloud.other))["ImageId"] == images[number]


def test_a_template_keeps_its_reference_and_is_read_at_launch(cloud: Cloud) -> None:
    """DescribeLaunchTemplateVersions ResolveAlias; RunInstances."""
    old, new = cloud.image(), cloud.image()
    parameter(cloud, old)
    template(cloud, "web-a", "resolve:ssm:/golden/web")
    (version,) = cloud.ec2().describe_launch_template_versions(LaunchTemplateName="web-a")["LaunchTemplateVersions"]
    assert version["LaunchTemplateData"]["ImageId"] == "resolve:ssm:/golden/web"
    parameter(cloud, new)
    (version,) = cloud.ec2().describe_launch_template_versions(LaunchTemplateName="web-a", ResolveAlias=True)["LaunchTemplateVersions"]
    assert version["LaunchTemplateData"]["ImageId"] == new
    run(cloud, None, LaunchTemplate={"LaunchTemplateName": "web-a"})
    assert len(instances_of(cloud, new)) == 1


def test_an_unknown_parameter_launches_nothing(cloud: Cloud) -> None:
    """RunInstances ImageId, resolve:ssm:."""
    assert error_of(lambda: run(cloud, "resolve:ssm:/none"))[0] == "InvalidParameterValue"
    parameter(cloud, cloud.image())
    assert error_of(lambda: run(cloud, "resolve:ssm:/golden/web:7"))[0] == "InvalidParameterValue"


# Deleting versions


def delete(cloud: Cloud, *numbers: str) -> tuple[list[int], dict[int, str]]:
    """The versions that went, and the reasons of those that stayed."""
    answer = cloud.ec2().delete_launch_template_versions(LaunchTemplateName="web-a", Versions=list(numbers))
    gone = [each["VersionNumber"] for each in answer["SuccessfullyDeletedLaunchTemplateVersions"]]
    return gone, {each["VersionNumber"]: each["ResponseError"]["Code"] for each in answer["UnsuccessfullyDeletedLaunchTemplateVersions"]}


def test_versions_are_deleted_but_never_the_default_one(cloud: Cloud) -> None:
    """DeleteLaunchTemplateVersions."""
    images = [cloud.image() for _ in range(4)]
    template(cloud, "web-a", *images)
    assert delete(cloud, "1", "2", "4", "9") == ([2, 4], {1: "unexpectedError", 9: "launchTemplateVersionDoesNotExist"})
    assert versions(cloud, LaunchTemplateName="web-a") == [("web-a", 1), ("web-a", 3)]
    assert versions(cloud, Versions=["$Latest"]) == [("web-a", 3)]
    assert cloud.ec2().describe_launch_templates()["LaunchTemplates"][0]["LatestVersionNumber"] == 3
    assert run(cloud, None, LaunchTemplate={"LaunchTemplateName": "web-a", "Version": "$Latest"})["ImageId"] == images[2]


def test_a_version_number_is_never_used_again(cloud: Cloud) -> None:
    """Research 7.2."""
    template(cloud, "web-a", "ami-1", "ami-2")
    delete(cloud, "2")
    assert version_of(cloud, LaunchTemplateName="web-a")["LaunchTemplateVersion"]["VersionNumber"] == 3
    assert delete(cloud, "2") == ([], {2: "launchTemplateVersionDoesNotExist"})


def test_another_default_version_counts_at_once(cloud: Cloud) -> None:
    """ModifyLaunchTemplate."""
    images = [cloud.image(), cloud.image()]
    template(cloud, "web-a", *images)
    changed = cloud.ec2().modify_launch_template(LaunchTemplateName="web-a", DefaultVersion="2")["LaunchTemplate"]
    assert (changed["DefaultVersionNumber"], changed["LatestVersionNumber"]) == (2, 2)
    assert run(cloud, None, LaunchTemplate={"LaunchTemplateName": "web-a"})["ImageId"] == images[1]
    assert delete(cloud, "1", "2") == ([1], {2: "unexpectedError"})
    gone = "InvalidLaunchTemplateId.VersionNotFound"
    assert error_of(cloud.ec2().modify_launch_template, LaunchTemplateName="web-a", DefaultVersion="1") == (gone, 400)


def test_all_of_many_versions_are_listed_by_pages_of_two_hundred(cloud: Cloud) -> None:
    """DescribeLaunchTemplateVersions MaxResults: 1 to 200."""
    cloud.ec2().create_launch_template(LaunchTemplateName="web-a", LaunchTemplateData={"ImageId": "ami-1"})
    for _ in range(205):
        version_of(cloud, LaunchTemplateName="web-a")
    pages = list(cloud.ec2().get_paginator("describe_launch_template_versions").paginate(LaunchTemplateName="web-a"))
    assert [len(page["LaunchTemplateVersions"]) for page in pages] == [200, 6]


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal(
            "201 versions", "DeleteLaunchTemplateVersions", "InvalidParameterValue", lambda w: delete(w, *map(str, range(1, 202)))
        ),
        refusal("a version by its word", "DeleteLaunchTemplateVersions", "InvalidParameterValue", lambda w: delete(w, "$Latest")),
        refusal(
            "a page of 201", "DescribeLaunchTemplateVersions", "InvalidParameterValue",
            lambda w: versions(w, LaunchTemplateName="web-a", MaxResults=201),
        ),
    ],
)  # fmt: skip
def test_what_is_too_much_of_a_template_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    template(cloud, "web-a", "ami-1", "ami-2")
    assert_refused(cloud, act, code, status)


# What is left of an instance


def test_a_terminated_instance_is_listed_for_an_hour(cloud: Cloud) -> None:
    """Research 2 DescribeInstances: terminated instances linger."""
    image_id = cloud.image()
    instance_id = run(cloud, image_id)["InstanceId"]
    cloud.ec2().terminate_instances(InstanceIds=[instance_id])
    assert [each["State"]["Name"] for each in instances_of(cloud, image_id)] == ["terminated"]
    cloud.pass_time(3600)
    assert instances_of(cloud, image_id) == []
    assert error_of(cloud.ec2().describe_instances, InstanceIds=[instance_id]) == ("InvalidInstanceID.NotFound", 400)


@pytest.mark.parametrize(
    ("start", "age_seconds"),
    [
        row("by another account", "LastLaunchedTime", lambda w, image_id: run(w, image_id, account=w.other), 0),
        row("from a template", "LastLaunchedTime", lambda w, image_id: from_template(w, image_id), 0),
        row("of an instance that is sown", "seed", lambda w, image_id: w.instance(image_id=image_id, age_seconds=60), 60),
    ],
)
def test_every_launch_shows_a_day_later(cloud: Cloud, start: Any, age_seconds: int) -> None:
    image_id = cloud.image(users=[cloud.other])
    start(cloud, image_id)
    cloud.pass_time(DAY_SECONDS - age_seconds - 1)
    assert "LastLaunchedTime" not in cloud.shown(image_id)
    cloud.pass_time(1)
    assert cloud.shown(image_id)["LastLaunchedTime"].startswith("20")


def from_template(cloud: Cloud, image_id: str) -> None:
    template(cloud, "web-a", image_id)
    run(cloud, None, LaunchTemplate={"LaunchTemplateName": "web-a"})
