"""ImageVersion: one immutable version with all its replicas, rendered by a GoldenImage and complete in itself."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from goldenami.api.adoption import AdoptedImages
from goldenami.api.conditions import Condition
from goldenami.api.fields import (
    ATOMIC,
    MAX_PLAN_LINES,
    MAX_REGIONS,
    MAX_SNAPSHOTS,
    MAX_TAG_KEYS,
    SET,
    AccountId,
    Arn,
    Cel,
    DeletionPolicy,
    Description,
    Ec2Name,
    ForeignGrantsPolicy,
    HandledRequest,
    ImageId,
    Interval,
    ManagementPolicy,
    Message,
    Notes,
    ObjectName,
    Period,
    PlanLine,
    Region,
    Regions,
    SemVer,
    SnapshotId,
    Stage,
    Tags,
    Timestamp,
    list_map,
    rules,
    text,
)
from goldenami.api.meta import AccountRef, Model, Resource
from goldenami.api.retention_policy import DeregistrationProtection, EvidenceRules
from goldenami.api.sharing import (
    WITHIN_QUOTA,
    Accounts,
    OrganizationalUnitArns,
    OrganizationArns,
    Replicas,
)
from goldenami.api.source import Source
from goldenami.api.storage import StorageStatus

IMMUTABLE = Cel("self == oldSelf", "an ImageVersion's identity is fixed: declare another version in its GoldenImage")


class Grants(Model):
    """Whom the version is shared with, ShareLists resolved."""

    model_config = ConfigDict(json_schema_extra=rules(WITHIN_QUOTA))

    accounts: Accounts = ()
    """AWS accounts."""
    organization_arns: OrganizationArns = ()
    """Full ARNs of AWS organizations."""
    organizational_unit_arns: OrganizationalUnitArns = ()
    """Full ARNs of organizational units."""
    public: bool = False
    """Share with everybody."""
    snapshots: bool = True
    """Whether accounts may also create volumes from the snapshots."""
    foreign_grants: ForeignGrantsPolicy = "Remove"
    """What happens to grants nobody declared."""


class Retirement(Model):
    """How a version goes."""

    disable_for: Period | None = None
    """How long its images stay disabled before they are deregistered. Absent: 7d."""
    deregistration_protection: DeregistrationProtection | None = None
    """EC2's protection of its images while they are kept. Absent: left as it is."""
    evidence: EvidenceRules | None = None
    """What has to be known before an image is disabled or deregistered."""
    keep_if_launched_within: Period | None = None
    """An image that was launched within this time stays."""


class ImageVersionSpec(Model):
    """What AWS shall hold of this version. The GoldenImage writes it; what makes up the version's identity never changes."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Cel(
                "(has(self.accountRef) ? self.accountRef.name : '') == (has(oldSelf.accountRef) ? oldSelf.accountRef.name : '')",
                "an ImageVersion's account is fixed: declare another version in its GoldenImage",
            ),
        )
    )

    golden_image: Annotated[ObjectName, IMMUTABLE]
    """Name of the GoldenImage this is a version of."""
    version: Annotated[SemVer, IMMUTABLE]
    """The version."""
    source: Annotated[Source, IMMUTABLE]
    """What the version is made from."""
    region: Annotated[Region, IMMUTABLE]
    """Home region: where the source is."""
    account_ref: AccountRef | None = None
    """AWSAccount that holds source and replicas; absent: the account of the operator's own identity."""
    name: Annotated[Ec2Name, IMMUTABLE]
    """Name of every replica in EC2."""
    description: Description | None = None
    """Description of every replica."""
    notes: Notes | None = None
    """What is new in this version: part of the description of every replica where none is declared, and its tag goldenami.dev/notes."""
    tags: Tags = Field(default_factory=dict)
    """Tags of every replica and its snapshots."""
    replicas: Replicas
    """Every region that shall have this version; none, once the declaration has left all of them."""
    adopt: AdoptedImages = ()
    """The images that existed before and are this version in their regions: nothing is copied there."""
    sharing: Grants | None = None
    """Whom this version is shared with. Absent: not decided, so grants are left as they are."""
    deletion_policy: DeletionPolicy = "Retain"
    """What happens to AMIs that are no longer declared: Retain or Delete."""
    management_policy: ManagementPolicy = "Enforce"
    """Enforce makes AWS match; Observe changes nothing."""
    channels: Annotated[tuple[Annotated[str, text(63)], ...], Field(max_length=32), SET] = ()
    """The declared channels that name this version. While there are any, deleting this object only
    releases the images, and it comes back."""
    stage: Stage | None = None
    """Active: not deprecated. Deprecated: EC2 shows the images as deprecated. Disabled: deprecated, and nobody can launch them.
    Retired: disabled for retirement.disableFor, then deregistered. Each of the last two only where nothing uses an image.
    Absent: their deprecation is left as it is."""
    deprecated_by: Literal["Rollback", "Retention"] | None = None
    """Why it is deprecated. Rollback: a channel left it, which stays so until a channel names the version again. Retention: its policy says
    so, for as long as it does."""
    retirement: Retirement | None = None
    """How the version goes, as its GoldenImage's policy says."""
    keep: bool | None = None
    """true: it is never retired by a policy."""
    expires_at: Timestamp | None = None
    """From then on it goes, unless it is in use or a channel names it."""
    suspend: bool = False
    """true stops all work on this object."""
    interval: Interval | None = None
    """How often AWS is compared with this spec when nothing happens. Absent: the operator's --interval, 10m."""


Snapshots = Annotated[tuple[SnapshotId, ...], Field(max_length=MAX_SNAPSHOTS), ATOMIC]


class SourceStatus(Model):
    """The image that replicas are copied from, once it exists."""

    image_id: ImageId | None = None
    """The AMI copied from: the source itself, or the one made from the instance or snapshot."""
    region: Region | None = None
    """Where that AMI is."""
    snapshot_ids: Snapshots = ()
    """Its snapshots."""
    state: Annotated[str, text(32, 0)] | None = None
    """EC2's word for its state."""
    attempt: Annotated[int | None, Field(ge=0)] = None
    """Which try of making it this is, counted from 1."""
    message: Message | None = None
    """What is being waited for, or what is wrong."""


class ReplicaStatus(Model):
    """One region's image as last seen."""

    region: Region
    """The region."""
    account_id: AccountId | None = None
    """The account that owns it."""
    image_id: ImageId | None = None
    """The AMI; absent before it exists."""
    snapshot_ids: Snapshots = ()
    """Its snapshots; empty while a copy is pending, because EC2 does not tell them yet."""
    state: Annotated[str, text(32, 0)] | None = None
    """EC2's word for its state: pending, available, failed, disabled; or missing."""
    deprecation_time: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})] | None = None
    """When EC2 deprecates, or deprecated, it."""
    deregistration_protection: Annotated[str, text(64, 0)] | None = None
    """EC2's word for its protection from deregistration: enabled-without-cooldown, enabled-with-cooldown, or `disabled after` the time at
    which a cooldown ends; absent where it is off."""
    disabled_since: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})] | None = None
    """Since when it is disabled, where the operator did that."""
    progress: Annotated[int | None, Field(ge=0, le=100)] = None
    """How much is copied, in percent."""
    encrypted: bool | None = None
    """Whether its snapshots are encrypted."""
    kms_key_arn: Arn | None = None
    """The key that encrypts them."""
    shared: bool | None = None
    """Whether the grants were as declared when last read."""
    shared_digest: Annotated[str, text(128, 0)] | None = None
    """Fingerprint of the grants that were last confirmed, so that nothing is read again while nothing changes."""
    attempt: Annotated[int | None, Field(ge=0)] = None
    """Which try of the copy this is, counted from 1."""
    reason: Annotated[str, text(64, 0)] | None = None
    """One word from the operator's list of reasons."""
    message: Message | None = None
    """What is being waited for, or what is wrong."""


class FindingStatus(Model):
    """What one source said of an image's users."""

    source: Annotated[str, text(32)]
    """Who was asked: Instances, LaunchTemplates, AutoScalingGroups, LaunchConfigurations, Parameters, ImageRecipes, References (EC2's own
    answer), LastLaunched, UsageReports (other accounts), GoldenImages, Channels."""
    verdict: Literal["Unused", "InUse", "Unknown", "Pending", "NotAsked"]
    """Unused: it knows no user. InUse: it does. Unknown: it could not be asked, or is not believed. Pending: it cannot tell yet.
    NotAsked: nobody requires it. The image goes only when none says InUse, Unknown or Pending."""
    message: Message | None = None
    """The users, why the source could not be asked, or why it did not have to be."""


class EvidenceStatus(Model):
    """What was found out about the users of one image that shall go."""

    image_id: ImageId
    """The AMI."""
    region: Region
    """Where it is."""
    state: Annotated[str, text(32, 0)] | None = None
    """EC2's word for its state when it was asked about: available before it is disabled, disabled before it is deregistered."""
    gathered_at: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
    """When this was found out. It is asked anew right before each step; a time at which the same was found again is not written."""
    findings: Annotated[tuple[FindingStatus, ...], Field(max_length=16), list_map("source")] = ()
    """One for each source."""


class ForeignGrants(Model):
    """Grants in one region that nobody declared."""

    region: Region
    """The region."""
    principals: Annotated[tuple[Annotated[str, text(512)], ...], Field(max_length=64), ATOMIC] = ()
    """Account ids, ARNs, or `all` for everybody; at most 64 are listed."""


class Granted(Model):
    """Principals that were granted something by this operator: what of them is no longer declared is its own to revoke, and not foreign."""

    accounts: Accounts = ()
    """AWS accounts."""
    organization_arns: OrganizationArns = ()
    """Full ARNs of AWS organizations."""
    organizational_unit_arns: OrganizationalUnitArns = ()
    """Full ARNs of organizational units."""
    public: bool = False
    """Everybody."""


class ImageVersionStatus(Model):
    """Where it stands. Everything here can be rebuilt from the spec and AWS."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    """The metadata.generation that this status is about; -1 before the operator has seen the object."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16), list_map("type")] = ()
    """Ready is the summary; Reconciling and Stalled are present only while true; the others are one per concern."""
    last_handled_reconcile: HandledRequest | None = None
    """The last value of the annotation goldenami.dev/reconcile-requested that was acted on."""
    source: SourceStatus | None = None
    """The image that replicas are copied from."""
    replicas: Annotated[tuple[ReplicaStatus, ...], Field(max_length=2 * MAX_REGIONS), Regions] = ()
    """One entry per declared region, and per region that is being cleaned up."""
    evidence: Annotated[tuple[EvidenceStatus, ...], Field(max_length=2 * MAX_REGIONS), list_map("imageId")] = ()
    """Who uses the images that shall go, as far as every source could tell."""
    tag_keys: Annotated[tuple[Annotated[str, text(127)], ...], Field(max_length=MAX_TAG_KEYS), SET] = ()
    """Keys of the declared tags that were set, so that one that is no longer declared can be removed."""
    granted: Granted | None = None
    """Whom this version was shared with by the operator."""
    regions_ready: Annotated[str, text(16, 0)] | None = None
    """Regions whose replica is ready, of those declared: 7/8."""
    foreign_grants: Annotated[tuple[ForeignGrants, ...], Field(max_length=MAX_REGIONS), Regions] = ()
    """Grants nobody declared, by region."""
    made_at: Timestamp | None = None
    """When the first of its images that are there was made."""
    storage: StorageStatus | None = None
    """What its images hold, and EC2 bills."""
    plan: Annotated[tuple[PlanLine, ...], Field(max_length=MAX_PLAN_LINES), ATOMIC] = ()
    """What would be done, one sentence each; only under managementPolicy Observe."""


class ImageVersion(Resource):
    """One immutable version of a GoldenImage and its replicas in every region."""

    spec: ImageVersionSpec
    status: ImageVersionStatus = ImageVersionStatus()
