"""DescribeInstances' filters: what of an instance, or of its reservation, each of them is compared with.

Paths through moto's objects, by attribute or key; a list on the way stands for each of its members.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

Listed = tuple[Any, Any]
"""moto's reservation and one of its instances."""


def _at(path: str) -> Callable[[Listed], Iterable[Any]]:
    return lambda listed: _found(listed[1], path)


def _of_reservation(path: str) -> Callable[[Listed], Iterable[Any]]:
    return lambda listed: _found(listed[0], path)


def _found(holder: Any, path: str) -> list[Any]:
    values = [holder]
    for name in path.split("."):
        values = [each for value in values for each in _member(value, name)]
    return [f"{value:%Y-%m-%dT%H:%M:%S}.000Z" if isinstance(value, datetime) else value for value in values]


def _member(holder: Any, name: str) -> Iterable[Any]:
    value = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
    return value if isinstance(value, list | tuple | set) else [value]


_INTERFACE, _ADDRESS = "network_interfaces", "network_interfaces.instance_private_ip_address_list"

_NOTHING_HAS = (
    "affinity",
    "availability-zone-id",
    "capacity-reservation-id",
    "capacity-reservation-specification.capacity-reservation-preference",
    "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
    "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn",
    "enclave-options.enabled",
    "maintenance-options.auto-recovery",
    "metadata-options.http-protocol-ipv4",
    "network-interface.addresses.association.carrier-ip",
    "network-interface.addresses.association.customer-owned-ip",
    "network-interface.addresses.private-dns-name",
    "network-interface.association.carrier-ip",
    "network-interface.association.customer-owned-ip",
    "network-interface.deny-all-igw-traffic",
    "network-interface.ipv4-prefixes.ipv4-prefix",
    "network-interface.ipv6-addresses.is-primary-ipv6",
    "network-interface.ipv6-native",
    "network-interface.ipv6-prefixes.ipv6-prefix",
    "network-interface.operator.managed",
    "network-interface.operator.principal",
    "network-interface.outpost-arn",
    "network-interface.requester-id",
    "network-performance-options.bandwidth-weighting",
    "operator.managed",
    "operator.principal",
    "outpost-arn",
    "placement-partition-number",
    "private-dns-name-options.enable-resource-name-dns-a-record",
    "private-dns-name-options.enable-resource-name-dns-aaaa-record",
    "private-dns-name-options.hostname-type",
    "requester-id",
    "spot-instance-request-id",
    "usage-operation-update-time",
)
"""Filters that EC2 knows, over what no instance of the lab has: nothing passes them."""

FIELDS: Mapping[str, Callable[[Listed], Iterable[Any]]] = {
    "architecture": _at("architecture"),
    "availability-zone": _at("placement.availability_zone"),
    "block-device-mapping.attach-time": _at("block_device_mappings.Ebs.attach_time"),
    "block-device-mapping.delete-on-termination": _at("block_device_mappings.Ebs.delete_on_termination"),
    "block-device-mapping.device-name": _at("block_device_mappings.DeviceName"),
    "block-device-mapping.status": _at("block_device_mappings.Ebs.status"),
    "block-device-mapping.volume-id": _at("block_device_mappings.Ebs.volume_id"),
    "boot-mode": _at("boot_mode"),
    "client-token": _at("client_token"),
    "current-instance-boot-mode": _at("current_instance_boot_mode"),
    "dns-name": _at("public_dns_name"),
    "ebs-optimized": _at("ebs_optimized"),
    "ena-support": _at("ena_support"),
    "hibernation-options.configured": _at("hibernation_options.Configured"),
    "host-id": _at("placement.host_id"),
    "hypervisor": _at("hypervisor"),
    "iam-instance-profile.arn": _at("iam_instance_profile.Arn"),
    "iam-instance-profile.id": _at("iam_instance_profile.Id"),
    "image-id": _at("image_id"),
    "instance-id": _at("id"),
    "instance-lifecycle": _at("lifecycle"),
    "instance-state-code": _at("state_code"),
    "instance-state-name": _at("state"),
    "instance-type": _at("instance_type"),
    "instance.group-id": _at("security_groups.id"),
    "instance.group-name": _at("security_groups.name"),
    "ip-address": _at("public_ip"),
    "ipv6-address": _at(f"{_INTERFACE}.ipv6_addresses"),
    "kernel-id": _at("kernel_id"),
    "key-name": _at("key_name"),
    "launch-index": _at("ami_launch_index"),
    "launch-time": _at("launch_time"),
    "metadata-options.http-endpoint": _at("metadata_options.http_endpoint"),
    "metadata-options.http-protocol-ipv6": _at("metadata_options.http_protocol_ipv6"),
    "metadata-options.http-put-response-hop-limit": _at("metadata_options.http_put_response_hop_limit"),
    "metadata-options.http-tokens": _at("metadata_options.http_tokens"),
    "metadata-options.instance-metadata-tags": _at("metadata_options.instance_metadata_tags"),
    "metadata-options.state": _at("metadata_options.state"),
    "monitoring-state": _at("monitoring_state"),
    "network-interface.addresses.association.allocation-id": _at(f"{_ADDRESS}.Association.allocationId"),
    "network-interface.addresses.association.association-id": _at(f"{_ADDRESS}.Association.associationId"),
    "network-interface.addresses.association.ip-owner-id": _at(f"{_ADDRESS}.Association.ipOwnerId"),
    "network-interface.addresses.association.public-dns-name": _at(f"{_ADDRESS}.Association.publicDnsName"),
    "network-interface.addresses.association.public-ip": _at(f"{_ADDRESS}.Association.publicIp"),
    "network-interface.addresses.primary": _at(f"{_ADDRESS}.Primary"),
    "network-interface.addresses.private-ip-address": _at(f"{_ADDRESS}.PrivateIpAddress"),
    "network-interface.association.allocation-id": _at(f"{_INTERFACE}.association.allocationId"),
    "network-interface.association.association-id": _at(f"{_INTERFACE}.association.associationId"),
    "network-interface.association.ip-owner-id": _at(f"{_INTERFACE}.association.ipOwnerId"),
    "network-interface.association.public-dns-name": _at(f"{_INTERFACE}.association.publicDnsName"),
    "network-interface.association.public-ip": _at(f"{_INTERFACE}.association.publicIp"),
    "network-interface.attachment.attach-time": _at(f"{_INTERFACE}.attachment.attach_time"),
    "network-interface.attachment.attachment-id": _at(f"{_INTERFACE}.attachment.attachment_id"),
    "network-interface.attachment.delete-on-termination": _at(f"{_INTERFACE}.attachment.delete_on_termination"),
    "network-interface.attachment.device-index": _at(f"{_INTERFACE}.attachment.device_index"),
    "network-interface.attachment.instance-id": _at(f"{_INTERFACE}.attachment.instance_id"),
    "network-interface.attachment.instance-owner-id": _at(f"{_INTERFACE}.attachment.instance_owner_id"),
    "network-interface.attachment.network-card-index": _at(f"{_INTERFACE}.attachment.network_card_index"),
    "network-interface.attachment.status": _at(f"{_INTERFACE}.attachment.status"),
    "network-interface.availability-zone": _at(f"{_INTERFACE}.availability_zone"),
    "network-interface.description": _at(f"{_INTERFACE}.description"),
    "network-interface.group-id": _at(f"{_INTERFACE}.group_set.id"),
    "network-interface.group-name": _at(f"{_INTERFACE}.group_set.name"),
    "network-interface.ipv6-address": _at(f"{_INTERFACE}.ipv6_addresses"),
    "network-interface.ipv6-addresses.ipv6-address": _at(f"{_INTERFACE}.ipv6_addresses"),
    "network-interface.mac-address": _at(f"{_INTERFACE}.mac_address"),
    "network-interface.network-interface-id": _at(f"{_INTERFACE}.id"),
    "network-interface.owner-id": _at(f"{_INTERFACE}.owner_id"),
    "network-interface.private-dns-name": _at(f"{_INTERFACE}.private_dns_name"),
    "network-interface.private-ip-address": _at(f"{_INTERFACE}.private_ip_address"),
    "network-interface.public-dns-name": _at(f"{_INTERFACE}.association.publicDnsName"),
    "network-interface.requester-managed": _at(f"{_INTERFACE}.requester_managed"),
    "network-interface.source-dest-check": _at(f"{_INTERFACE}.source_dest_check"),
    "network-interface.status": _at(f"{_INTERFACE}.status"),
    "network-interface.subnet-id": _at(f"{_INTERFACE}.subnet_id"),
    "network-interface.tag-key": _at(f"{_INTERFACE}.tag_list.key"),
    "network-interface.tag-value": _at(f"{_INTERFACE}.tag_list.value"),
    "network-interface.vpc-id": _at(f"{_INTERFACE}.vpc_id"),
    "owner-id": _of_reservation("owner_id"),
    "placement-group-name": _at("placement.group_name"),
    "platform": _at("platform"),
    "platform-details": _at("platform_details"),
    "private-dns-name": _at("private_dns_name"),
    "private-ip-address": _at("private_ip_address"),
    "product-code": _at("product_codes.ProductCodeId"),
    "product-code.type": _at("product_codes.ProductCodeType"),
    "ramdisk-id": _at("ramdisk_id"),
    "reason": _at("state_transition_reason"),
    "reservation-id": _of_reservation("id"),
    "root-device-name": _at("root_device_name"),
    "root-device-type": _at("root_device_type"),
    "source-dest-check": _at("source_dest_check"),
    "state-reason-code": _at("state_reason.code"),
    "state-reason-message": _at("state_reason.message"),
    "subnet-id": _at("subnet_id"),
    "tenancy": _at("placement.tenancy"),
    "tpm-support": _at("tpm_support"),
    "usage-operation": _at("usage_operation"),
    "virtualization-type": _at("virtualization_type"),
    "vpc-id": _at("vpc_id"),
    **dict.fromkeys(_NOTHING_HAS, lambda _: ()),
}
