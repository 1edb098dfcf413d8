"""DescribeInstances of the local EC2: what is shown of an instance's image, and that each filter finds by what is shown."""

from datetime import UTC, datetime
from typing import Any

from support.ec2 import Cloud

SHOWN = {
    "architecture": "Architecture",
    "availability-zone": "Placement.AvailabilityZone",
    "block-device-mapping.attach-time": "BlockDeviceMappings.Ebs.AttachTime",
    "block-device-mapping.delete-on-termination": "BlockDeviceMappings.Ebs.DeleteOnTermination",
    "block-device-mapping.device-name": "BlockDeviceMappings.DeviceName",
    "block-device-mapping.status": "BlockDeviceMappings.Ebs.Status",
    "block-device-mapping.volume-id": "BlockDeviceMappings.Ebs.VolumeId",
    "boot-mode": "BootMode",
    "client-token": "ClientToken",
    "current-instance-boot-mode": "CurrentInstanceBootMode",
    "dns-name": "PublicDnsName",
    "ebs-optimized": "EbsOptimized",
    "ena-support": "EnaSupport",
    "hibernation-options.configured": "HibernationOptions.Configured",
    "hypervisor": "Hypervisor",
    "iam-instance-profile.arn": "IamInstanceProfile.Arn",
    "iam-instance-profile.id": "IamInstanceProfile.Id",
    "image-id": "ImageId",
    "instance-id": "InstanceId",
    "instance-state-code": "State.Code",
    "instance-state-name": "State.Name",
    "instance-type": "InstanceType",
    "instance.group-id": "SecurityGroups.GroupId",
    "instance.group-name": "SecurityGroups.GroupName",
    "ip-address": "PublicIpAddress",
    "kernel-id": "KernelId",
    "key-name": "KeyName",
    "launch-index": "AmiLaunchIndex",
    "launch-time": "LaunchTime",
    "metadata-options.http-endpoint": "MetadataOptions.HttpEndpoint",
    "metadata-options.http-protocol-ipv6": "MetadataOptions.HttpProtocolIpv6",
    "metadata-options.http-put-response-hop-limit": "MetadataOptions.HttpPutResponseHopLimit",
    "metadata-options.http-tokens": "MetadataOptions.HttpTokens",
    "metadata-options.instance-metadata-tags": "MetadataOptions.InstanceMetadataTags",
    "metadata-options.state": "MetadataOptions.State",
    "monitoring-state": "Monitoring.State",
    "network-interface.addresses.association.ip-owner-id": "NetworkInterfaces.PrivateIpAddresses.Association.IpOwnerId",
    "network-interface.addresses.association.public-dns-name": "NetworkInterfaces.PrivateIpAddresses.Association.PublicDnsName",
    "network-interface.addresses.association.public-ip": "NetworkInterfaces.PrivateIpAddresses.Association.PublicIp",
    "network-interface.addresses.primary": "NetworkInterfaces.PrivateIpAddresses.Primary",
    "network-interface.addresses.private-ip-address": "NetworkInterfaces.PrivateIpAddresses.PrivateIpAddress",
    "network-interface.association.ip-owner-id": "NetworkInterfaces.Association.IpOwnerId",
    "network-interface.association.public-dns-name": "NetworkInterfaces.Association.PublicDnsName",
    "network-interface.association.public-ip": "NetworkInterfaces.Association.PublicIp",
    "network-interface.attachment.attach-time": "NetworkInterfaces.Attachment.AttachTime",
    "network-interface.attachment.attachment-id": "NetworkInterfaces.Attachment.AttachmentId",
    "network-interface.attachment.delete-on-termination": "NetworkInterfaces.Attachment.DeleteOnTermination",
    "network-interface.attachment.device-index": "NetworkInterfaces.Attachment.DeviceIndex",
    "network-interface.attachment.instance-id": "InstanceId",
    "network-interface.attachment.instance-owner-id": "NetworkInterfaces.OwnerId",
    "network-interface.attachment.network-card-index": "NetworkInterfaces.Attachment.NetworkCardIndex",
    "network-interface.attachment.status": "NetworkInterfaces.Attachment.Status",
    "network-interface.availability-zone": "Placement.AvailabilityZone",
    "network-interface.description": "NetworkInterfaces.Description",
    "network-interface.group-id": "NetworkInterfaces.Groups.GroupId",
    "network-interface.group-name": "NetworkInterfaces.Groups.GroupName",
    "network-interface.mac-address": "NetworkInterfaces.MacAddress",
    "network-interface.network-interface-id": "NetworkInterfaces.NetworkInterfaceId",
    "network-interface.owner-id": "NetworkInterfaces.OwnerId",
    "network-interface.private-dns-name": "NetworkInterfaces.PrivateDnsName",
    "network-interface.private-ip-address": "NetworkInterfaces.PrivateIpAddress",
    "network-interface.public-dns-name": "NetworkInterfaces.Association.PublicDnsName",
    "network-interface.source-dest-check": "NetworkInterfaces.SourceDestCheck",
    "network-interface.status": "NetworkInterfaces.Status",
    "network-interface.subnet-id": "NetworkInterfaces.SubnetId",
    "network-interface.vpc-id": "NetworkInterfaces.VpcId",
    "owner-id": "OwnerId",
    "placement-group-name": "Placement.GroupName",
    "platform": "Platform",
    "platform-details": "PlatformDetails",
    "private-dns-name": "PrivateDnsName",
    "private-ip-address": "PrivateIpAddress",
    "product-code": "ProductCodes.ProductCodeId",
    "product-code.type": "ProductCodes.ProductCodeType",
    "ramdisk-id": "RamdiskId",
    "reservation-id": "ReservationId",
    "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType",
    "source-dest-check": "SourceDestCheck",
    "subnet-id": "SubnetId",
    "tag-key": "Tags.Key",
    "tenancy": "Placement.Tenancy",
    "tpm-support": "TpmSupport",
    "usage-operation": "UsageOperation",
    "virtualization-type": "VirtualizationType",
    "vpc-id": "VpcId",
}
"""Of each filter, the field of the answer that its documentation describes."""

IMAGE: dict[str, Any] = {
    "boot_mode": "uefi",
    "tpm": "v2.0",
    "platform": "windows",
    "platform_details": "Windows",
    "usage_operation": "RunInstances:0002",
    "product_codes": ["abc123"],
    "kernel": "aki-0a1b2c3d",
    "ramdisk": "ari-0a1b2c3d",
}


def started(cloud: Cloud) -> dict[str, Any]:
    """A reservation of one instance that has everything that an instance can have here."""
    ec2, image_id = cloud.ec2(), cloud.image(**IMAGE)
    cloud.aws.client("iam", account=cloud.account).create_instance_profile(InstanceProfileName="web")
    ec2.create_key_pair(KeyName="web")
    ec2.run_instances(
        ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro", ClientToken="once", KeyName="web", EbsOptimized=True,
        SecurityGroupIds=[ec2.create_security_group(GroupName="web", Description="web")["GroupId"]],
        Monitoring={"Enabled": True}, IamInstanceProfile={"Name": "web"}, HibernationOptions={"Configured": True},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "platform"}]}],
    )  # fmt: skip
    (reservation,) = ec2.describe_instances()["Reservations"]
    return dict(reservation)


def at(reservation: dict[str, Any], path: str) -> list[str]:
    """What stands there, in the words of a filter."""
    values: list[Any] = [{**reservation, **reservation["Instances"][0], "OwnerId": reservation["OwnerId"]}]
    for name in path.split("."):
        found = [value[name] for value in values if name in value]
        values = [each for value in found for each in (value if isinstance(value, list) else [value])]
    return [words_of(value) for value in values]


def words_of(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return str(value).lower() if isinstance(value, bool) else str(value)


def found(cloud: Cloud, name: str, value: str) -> list[str]:
    answer = cloud.ec2().describe_instances(Filters=[{"Name": name, "Values": [value]}])
    return [instance["InstanceId"] for each in answer["Reservations"] for instance in each["Instances"]]


def test_each_filter_finds_an_instance_by_what_is_shown_of_it(cloud: Cloud) -> None:
    """DescribeInstances Filters."""
    reservation = started(cloud)
    here = [reservation["Instances"][0]["InstanceId"]]
    assert {name: at(reservation, path) for name, path in SHOWN.items() if not at(reservation, path)} == {}
    assert [name for name, path in SHOWN.items() if any(found(cloud, name, value) != here for value in at(reservation, path))] == []
    assert [name for name in SHOWN if found(cloud, name, "of nobody")] == []
    assert found(cloud, "tag:team", "plat*") == here
    assert found(cloud, "instance-type", "t3.*") == here
    assert found(cloud, "spot-instance-request-id", "*") == []


def test_an_instance_shows_what_its_image_brings(cloud: Cloud) -> None:
    """DescribeInstances, response elements."""
    shown = started(cloud)["Instances"][0]
    assert {name: shown[name] for name in ("BootMode", "CurrentInstanceBootMode", "TpmSupport", "EnaSupport", "KernelId", "RamdiskId")} == {
        "BootMode": "uefi", "CurrentInstanceBootMode": "uefi", "TpmSupport": "v2.0", "EnaSupport": True,
        "KernelId": "aki-0a1b2c3d", "RamdiskId": "ari-0a1b2c3d",
    }  # fmt: skip
    assert (shown["Platform"], shown["PlatformDetails"], shown["UsageOperation"]) == ("windows", "Windows", "RunInstances:0002")
    cloud.ec2().run_instances(ImageId=cloud.image(name="plain"), MinCount=1, MaxCount=1, InstanceType="t3.micro", ClientToken="plain")
    (plain,) = [
        each for row in cloud.ec2().describe_instances()["Reservations"] for each in row["Instances"] if each["ClientToken"] == "plain"
    ]
    assert not {"KernelId", "RamdiskId", "Platform", "TpmSupport", "BootMode"} & set(plain)
    assert plain["CurrentInstanceBootMode"] == "legacy-bios"


def test_of_a_reservation_only_the_instances_that_pass_are_shown(cloud: Cloud) -> None:
    """DescribeInstances Filters."""
    ec2, image_id = cloud.ec2(), cloud.image()
    ids = [each["InstanceId"] for each in ec2.run_instances(ImageId=image_id, MinCount=3, MaxCount=3, InstanceType="t3.micro")["Instances"]]
    ec2.terminate_instances(InstanceIds=ids[:1])
    assert found(cloud, "instance-state-name", "running") == ids[1:]
    assert len([each for row in ec2.describe_instances()["Reservations"] for each in row["Instances"]]) == 3


def test_what_ends_between_two_pages_hides_nothing(cloud: Cloud) -> None:
    """Local: a token names the last reservation that was given."""
    ec2, image_id = cloud.ec2(), cloud.image()
    ids = [
        ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"] for _ in range(7)
    ]
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    first = ec2.describe_instances(Filters=running, MaxResults=5)
    ec2.terminate_instances(InstanceIds=ids[:2])
    second = ec2.describe_instances(Filters=running, MaxResults=5, NextToken=first["NextToken"])
    assert [each["InstanceId"] for row in second["Reservations"] for each in row["Instances"]] == ids[5:]


def test_filters_are_joined(cloud: Cloud) -> None:
    """DescribeInstances Filters: AND between them, OR within one."""
    instance, other = cloud.instance(), cloud.instance()
    both = [{"Name": "instance-id", "Values": [instance, other]}, {"Name": "instance-id", "Values": [other, "i-0"]}]
    answer = cloud.ec2().describe_instances(Filters=both)
    assert [each["InstanceId"] for row in answer["Reservations"] for each in row["Instances"]] == [other]
