"""The table of contents: every EC2 operation the image core answers, and those of moto that would answer from its empty image model."""

from collections.abc import Callable, Mapping
from typing import Any

from goldenami.local.aws.ec2 import (
    attributes,
    copies,
    describing,
    instances,
    launches,
    lifecycle,
    making,
    permissions,
    recycle_bin,
    references,
    settings,
    snapshot_permissions,
    snapshots,
    tags,
    templates,
    usage_reports,
)
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.render import Xml
from goldenami.local.aws.ec2.shell import Original

Answer = Mapping[str, Any] | Xml | Original

OPERATIONS: Mapping[str, Callable[[Call], Answer]] = {
    "DescribeImages": describing.describe_images,
    "CreateImage": making.create_image,
    "RegisterImage": making.register_image,
    "CopyImage": copies.copy_image,
    "ModifyImageAttribute": attributes.modify_image_attribute,
    "DescribeImageAttribute": attributes.describe_image_attribute,
    "ResetImageAttribute": permissions.reset_image_attribute,
    "CancelImageLaunchPermission": permissions.cancel_image_launch_permission,
    "EnableImageDeprecation": lifecycle.enable_image_deprecation,
    "DisableImageDeprecation": lifecycle.disable_image_deprecation,
    "DisableImage": lifecycle.disable_image,
    "EnableImage": lifecycle.enable_image,
    "EnableImageDeregistrationProtection": lifecycle.enable_image_deregistration_protection,
    "DisableImageDeregistrationProtection": lifecycle.disable_image_deregistration_protection,
    "DeregisterImage": lifecycle.deregister_image,
    "DescribeSnapshots": snapshots.describe_snapshots,
    "CreateSnapshot": snapshots.create_snapshot,
    "CreateSnapshots": snapshots.create_snapshots,
    "CopySnapshot": copies.copy_snapshot,
    "DeleteSnapshot": snapshots.delete_snapshot,
    "ModifySnapshotAttribute": snapshot_permissions.modify_snapshot_attribute,
    "DescribeSnapshotAttribute": snapshot_permissions.describe_snapshot_attribute,
    "ResetSnapshotAttribute": snapshot_permissions.reset_snapshot_attribute,
    "DescribeImageReferences": references.describe_image_references,
    "CreateImageUsageReport": usage_reports.create_image_usage_report,
    "DescribeImageUsageReports": usage_reports.describe_image_usage_reports,
    "DescribeImageUsageReportEntries": usage_reports.describe_image_usage_report_entries,
    "DeleteImageUsageReport": usage_reports.delete_image_usage_report,
    "ListImagesInRecycleBin": recycle_bin.list_images,
    "RestoreImageFromRecycleBin": recycle_bin.restore_image,
    "ListSnapshotsInRecycleBin": recycle_bin.list_snapshots,
    "RestoreSnapshotFromRecycleBin": recycle_bin.restore_snapshot,
    "EnableImageBlockPublicAccess": settings.enable_image_block_public_access,
    "DisableImageBlockPublicAccess": settings.disable_image_block_public_access,
    "GetImageBlockPublicAccessState": settings.get_image_block_public_access_state,
    "EnableSnapshotBlockPublicAccess": settings.enable_snapshot_block_public_access,
    "DisableSnapshotBlockPublicAccess": settings.disable_snapshot_block_public_access,
    "GetSnapshotBlockPublicAccessState": settings.get_snapshot_block_public_access_state,
    "EnableEbsEncryptionByDefault": settings.enable_ebs_encryption_by_default,
    "DisableEbsEncryptionByDefault": settings.disable_ebs_encryption_by_default,
    "GetEbsEncryptionByDefault": settings.get_ebs_encryption_by_default,
    "GetEbsDefaultKmsKeyId": settings.get_ebs_default_kms_key_id,
    "ModifyEbsDefaultKmsKeyId": settings.modify_ebs_default_kms_key_id,
    "ResetEbsDefaultKmsKeyId": settings.reset_ebs_default_kms_key_id,
    "CreateTags": tags.create_tags,
    "DeleteTags": tags.delete_tags,
    "DescribeTags": tags.describe_tags,
    "RunInstances": launches.run_instances,
    "TerminateInstances": launches.terminate_instances,
    "DescribeInstances": instances.describe_instances,
    "CreateVolume": launches.create_volume,
    "CreateLaunchTemplate": templates.create_launch_template,
    "CreateLaunchTemplateVersion": templates.create_launch_template_version,
    "DeleteLaunchTemplateVersions": templates.delete_launch_template_versions,
    "ModifyLaunchTemplate": templates.modify_launch_template,
    "DescribeLaunchTemplateVersions": templates.describe_launch_template_versions,
    "DescribeLaunchTemplates": templates.describe_launch_templates,
}

# moto would answer these about snapshots that it has never seen.
UNANSWERED = frozenset({"ModifySnapshotTier", "RestoreSnapshotTier", "DescribeSnapshotTierStatus"})
