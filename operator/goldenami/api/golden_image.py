"""GoldenImage: an image family as declared: which version, made from what, in which regions, shared with whom, published where."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from goldenami.api.adoption import MAX_REFUSED, Adopt, RefusedImage
from goldenami.api.conditions import Condition
from goldenami.api.fields import (
    ATOMIC,
    EC2_NAME_CHARACTERS,
    MAX_PLAN_LINES,
    MAX_REGIONS,
    Cel,
    DeletionPolicy,
    Description,
    ForeignGrantsPolicy,
    HandledRequest,
    ImageId,
    Interval,
    ManagementPolicy,
    Message,
    Notes,
    ObjectName,
    PlanLine,
    Region,
    Regions,
    SemVer,
    Shaped,
    Stage,
    Tags,
    Timestamp,
    list_map,
    rules,
    text,
)
from goldenami.api.meta import AccountRef, Model, Resource, RetentionPolicyRef, ShareListRef
from goldenami.api.orphans import MAX_ORPHANS, OrphanStatus
from goldenami.api.retention_policy import RetentionPolicySpec
from goldenami.api.sharing import (
    DECLARED_RULES,
    WITHIN_QUOTA,
    Accounts,
    DeclaredReplicas,
    OrganizationalUnitArns,
    OrganizationArns,
)
from goldenami.api.source import Source
from goldenami.api.storage import StorageStatus

DEFAULT_CHANNEL = "current"
"""The one channel there is while none is declared: it follows spec.version, region by region."""

MAX_CHANNELS = 16
MAX_PARAMETERS = 1024
"""In all regions together."""
MAX_ALIAS_ROWS = 2 * MAX_PARAMETERS
"""Those that are no longer declared keep their row until they are out of use."""

ChannelName = Annotated[
    str,
    Shaped(
        r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        "a channel's name holds at most 63 lower case letters, digits and dashes, and begins and ends with a letter or digit",
        128,
    ),
]
Rollout = Literal["AllRegions", "PerRegion"]

NameTemplate = Annotated[
    str,
    Shaped(
        rf"^({EC2_NAME_CHARACTERS}|\{{(image|version|namespace)\}})+$",
        "a name template holds letters, digits, spaces, ( ) [ ] . / - ' @ _ and the placeholders {image}, {version} and {namespace}",
        128,
        min_length=3,
    ),
    Cel("self.contains('{version}')", "a name template contains {version}: without it every version would have the same name in EC2"),
    # The rule on the length of the name, which is below, counts each of them once.
    Cel(
        " && ".join(f"self.indexOf('{{{name}}}') == self.lastIndexOf('{{{name}}}')" for name in ("image", "version", "namespace")),
        "a name template contains each placeholder once at most: {namespace}/{image}-{version}",
    ),
]

# PutParameter, Name: up to 15 levels, of a-zA-Z0-9_.-, not beginning with aws or ssm in any case.
ParameterTemplate = Annotated[
    str,
    Shaped(
        r"^(/([a-zA-Z0-9_.-]|\{(image|channel|namespace)\})+){1,15}$",
        "a parameter is a path of 1 to 15 parts, as /golden/{image}/{channel}, of letters, digits, _ . - "
        "and the placeholders {image}, {channel} and {namespace}",
        512,
        min_length=2,
    ),
    Cel(
        "!self.matches('^/([aA][wW][sS]|[sS][sS][mM])')",
        "parameter names that begin with /aws or /ssm belong to AWS: choose another, as /golden/{image}/{channel}",
    ),
]
ParameterName = Annotated[str, text(1011)]


class Sharing(Model):
    """Whom the image is shared with. Absent as a whole: grants are left as they are. Empty: shared with nobody."""

    model_config = ConfigDict(json_schema_extra=rules(WITHIN_QUOTA))

    accounts: Accounts = ()
    """AWS accounts, 12 digits each, in quotes."""
    organization_arns: OrganizationArns = ()
    """Full ARNs of AWS organizations."""
    organizational_unit_arns: OrganizationalUnitArns = ()
    """Full ARNs of organizational units."""
    public: bool = False
    """Share with everybody. Refused with any kmsKeyId, and by regions that block public access."""
    share_list_refs: Annotated[tuple[ShareListRef, ...], Field(max_length=32), list_map("name")] = ()
    """ShareLists of this namespace whose principals are added to the ones here."""
    snapshots: bool = True
    """Whether accounts may also create volumes from the snapshots, which copying the image needs and launching does not."""
    foreign_grants: ForeignGrantsPolicy = "Remove"
    """What happens to grants nobody declared: Remove takes them away, Keep leaves them. Both are reported."""


class Alias(Model):
    """A name for the image outside this cluster: an SSM parameter of type aws:ec2:image in every replica's region."""

    parameter: ParameterTemplate
    """Name of the parameter; placeholders are {image}, {channel} (which is `current` where no channels are declared) and {namespace}.
    With several channels every parameter contains {channel}."""


Aliases = Annotated[
    tuple[Alias, ...],
    Field(max_length=16),
    list_map("parameter"),
]


class Channel(Model):
    """A name that moves between versions: what consumers follow."""

    name: ChannelName
    """Name of the channel, as stable; it takes the place of {channel} in aliases."""
    version: SemVer
    """The version it names: the declared one, or one that was declared before. Naming an older one again is the rollback."""
    rollout: Rollout | None = None
    """AllRegions, which is what absent means, moves the channel once its version is available and shared in every region;
    PerRegion moves it in each region as soon as it is so there."""
    deprecate_on_rollback: bool | None = None
    """true: a version that this channel leaves for a lower, or an older, one is deprecated in EC2, so that those who select the newest
    image follow; a version that it names is not deprecated. Absent: deprecation is left as it is."""


Channels = Annotated[tuple[Channel, ...], Field(max_length=MAX_CHANNELS), list_map("name")]


class PublishedConfigMap(Model):
    """A ConfigMap that the operator keeps."""

    name: ObjectName
    """Its name, in this namespace. One that exists and is not this GoldenImage's is never overwritten."""


class Publish(Model):
    """Where else the images are told, besides the aliases."""

    config_map: PublishedConfigMap | None = None
    """A ConfigMap of the image of each channel in each region: its keys are <channel>.<region>, its values AMI ids."""


_SAME_VERSION = "self.version != oldSelf.version"


class VersionSettings(Model):
    """What is said of one version beyond the policy."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Cel(
                "!(has(self.keep) && self.keep && has(self.expiresAt))",
                "a version is either kept for good or expires: drop keep or expiresAt",
            )
        )
    )

    version: SemVer
    """The version, declared now or before."""
    keep: bool | None = None
    """true: it is never retired by a policy."""
    expires_at: Timestamp | None = None
    """From then on, as 2027-01-31T00:00:00Z, it goes, whatever the policy keeps, unless it is in use, declared, or named by a channel."""


VersionsSettings = Annotated[tuple[VersionSettings, ...], Field(max_length=256), list_map("version")]


class GoldenImageSpec(Model):
    """What AWS shall hold."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Cel(
                f"{_SAME_VERSION} || self.source == oldSelf.source",
                "the source is fixed for a version: declare a new version together with the new source",
                ".source",
            ),
            Cel(
                f"{_SAME_VERSION} || self.region == oldSelf.region",
                "the home region is fixed for a version: declare a new version together with the new region",
                ".region",
            ),
            Cel(
                f"{_SAME_VERSION} || (has(self.accountRef) ? self.accountRef.name : '') == "
                "(has(oldSelf.accountRef) ? oldSelf.accountRef.name : '')",
                "the account is fixed for a version: declare a new version together with the new accountRef",
            ),
            Cel(
                "!has(self.channels) || self.channels.size() < 2 || !has(self.aliases) || "
                "self.aliases.all(alias, alias.parameter.contains('{channel}'))",
                "with several channels every alias contains {channel}: one parameter cannot name two versions",
                ".aliases",
            ),
            Cel(
                "(has(self.channels) && self.channels.size() > 0) || !has(self.aliases) || self.aliases.all(alias, "
                "!self.aliases.exists(other, other.parameter != alias.parameter && "
                f"other.parameter == alias.parameter.replace('{{channel}}', '{DEFAULT_CHANNEL}')))",
                f"two aliases make the same parameter, because {{channel}} is `{DEFAULT_CHANNEL}`: drop one",
                ".aliases",
            ),
            Cel(
                "(has(self.aliases) ? self.aliases.size() : 0) * self.replicas.size() * "
                f"(has(self.channels) && self.channels.size() > 0 ? self.channels.size() : 1) <= {MAX_PARAMETERS}",
                f"aliases, channels and regions make more than {MAX_PARAMETERS} parameters together: declare fewer",
                ".aliases",
            ),
            Cel(
                "!(has(self.retention) && has(self.retentionPolicyRef))",
                "a retention policy is either written here or named: drop retention or retentionPolicyRef",
                ".retention",
            ),
            *DECLARED_RULES,
        )
    )

    version: SemVer
    """The version this manifest declares, by SemVer 2.0. A new version is a new set of AMIs; the older ones stay, or go by the
    retention policy."""
    source: Source
    """What the version is made from. Fixed while version stays the same."""
    region: Region
    """Home region: where the source is."""
    account_ref: AccountRef | None = None
    """AWSAccount that holds source and replicas; absent: the account of the operator's own identity."""
    name_template: NameTemplate = "{image}-{version}"
    """Name of the AMIs in EC2, from {image} (this object's name), {version} and {namespace}, each at most once. For versions declared
    from then on: EC2 cannot rename an AMI. A + in a version becomes _, which EC2 names may hold."""
    description: Description | None = None
    """Description of every AMI, at most 255 characters; absent: one that the operator writes, with the notes of each version."""
    notes: Notes | None = None
    """What is new in the declared version, in a line: changed together with version. It becomes the tag goldenami.dev/notes and, where
    there is no description, part of it. Older versions keep theirs."""
    tags: Tags = Field(default_factory=dict)
    """Tags of every AMI and snapshot, kept in step. Tags that others set are left alone."""
    replicas: DeclaredReplicas
    """Every region that shall have the image. A region removed is released or, under deletionPolicy Delete, cleaned up."""
    sharing: Sharing | None = None
    """Whom every version is shared with. Absent: grants are left as they are; {}: shared with nobody."""
    aliases: Aliases = ()
    """SSM parameters that name the image in each region, written once the replica there is available and shared."""
    channels: Channels = ()
    """Names that move between versions. None: there is one, `current`, that follows spec.version region by region."""
    publish: Publish | None = None
    """Where else, besides the aliases, the images are told."""
    retention_policy_ref: RetentionPolicyRef | None = None
    """RetentionPolicy of this namespace that says which versions are kept. Absent: retention, and without that all are kept."""
    retention: RetentionPolicySpec | None = None
    """A rule of this image's own for which versions are kept, in place of a RetentionPolicy that is named."""
    versions: VersionsSettings = ()
    """What is said of single versions: kept for good, or until when."""
    adopt: Adopt | None = None
    """Images that exist already and become versions of this family, without a copy. What is adopted stays when this is taken out."""
    deletion_policy: DeletionPolicy = "Retain"
    """What happens to AMIs that are no longer declared. Retain leaves them in AWS, no longer owned; Delete disables and deregisters
    them with their snapshots, unless they are in use."""
    management_policy: ManagementPolicy = "Enforce"
    """Enforce makes AWS match. Observe changes nothing: status.plan says what would be done."""
    suspend: bool = False
    """true stops all work on this object until it is false again."""
    interval: Interval | None = None
    """How often AWS is compared with this spec when nothing happens, a duration between 10s and 24h. Absent: the operator's --interval,
    which is 10m unless set."""


class ChannelImage(Model):
    """The image of a channel in one region."""

    region: Region
    """The region."""
    image_id: ImageId
    """The AMI."""
    version: SemVer | None = None
    """The version it is a replica of, where that is not the channel's: a region that the channel has not moved in yet."""


class ChannelStatus(Model):
    """Where a channel points."""

    name: Annotated[str, text(63)]
    """Name of the channel; `current` follows spec.version."""
    version: SemVer
    """The version it names now, which is the declared one as soon as its rollout allows."""
    since: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})] | None = None
    """Since when it names it; absent while it names none yet."""
    previous_version: SemVer | None = None
    """The version it named before."""
    images: Annotated[tuple[ChannelImage, ...], Field(max_length=MAX_REGIONS), Regions] = ()
    """The image it names in each region."""


class AliasStatus(Model):
    """A parameter in one region, as last read back from SSM."""

    parameter: ParameterName
    """Name of the parameter."""
    region: Region
    """The region."""
    image_id: ImageId
    """The AMI it names."""
    version: SemVer
    """The version that AMI is a replica of."""


class RetiringStatus(Model):
    """A version on its way out, or kept though the policy lets it go."""

    version: SemVer
    """The version."""
    stage: Stage
    """How far it is: Deprecated, Disabled or Retired, which means that it is being deregistered."""
    since: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})] | None = None
    """Since when its images are disabled."""
    deregistered_after: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})] | None = None
    """When its images are deregistered at the earliest, after one more look at who uses them."""
    tried_at: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})] | None = None
    """When it was found last that it has to stay for now, and left its turn to others; absent while it is its turn."""
    turn_since: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})] | None = None
    """Since when it is its turn to be disabled; absent when it is, and while others have their turn."""
    reason: Annotated[str, text(64)] | None = None
    """Why it has to: StillInUse, TooYoung, TooManyTags, or what has blocked it for two days, as EvidenceIncomplete."""
    message: Message | None = None
    """Why it goes, or what keeps it."""


class GoldenImageStatus(Model):
    """Where it stands. Everything here can be rebuilt from the spec and AWS."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    """The metadata.generation that this status is about; -1 before the operator has seen the object."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16), list_map("type")] = ()
    """Ready is the summary; Reconciling and Stalled are present only while true; the others are one per concern."""
    last_handled_reconcile: HandledRequest | None = None
    """The last value of the annotation goldenami.dev/reconcile-requested that was acted on."""
    version: SemVer | None = None
    """The declared version."""
    regions_ready: Annotated[str, text(16, 0)] | None = None
    """Regions whose replica of the declared version is ready, of those declared: 7/8."""
    versions: Annotated[int | None, Field(ge=0)] = None
    """How many ImageVersions there are."""
    made_at: Timestamp | None = None
    """When the first image of the family that is there was made."""
    storage: StorageStatus | None = None
    """What all versions together hold, and EC2 bills; snapshots that several images share are counted once."""
    orphans: Annotated[tuple[OrphanStatus, ...], Field(max_length=MAX_ORPHANS), list_map("id")] = ()
    """What carries the owner tag and belongs to no image any more, the oldest first."""
    orphans_found: Annotated[int | None, Field(ge=0)] = None
    """How many there are, of which at most 64 are listed."""
    orphans_message: Message | None = None
    """What cannot be looked for, and what to do about it; absent where everything can."""
    channels: Annotated[tuple[ChannelStatus, ...], Field(max_length=MAX_CHANNELS), list_map("name")] = ()
    """The channels, and the image each names in each region."""
    aliases: Annotated[tuple[AliasStatus, ...], Field(max_length=MAX_ALIAS_ROWS), list_map("parameter", "region")] = ()
    """The parameters, by name and region."""
    config_map: Annotated[str, text(253)] | None = None
    """The ConfigMap that is kept for spec.publish."""
    retiring: Annotated[tuple[RetiringStatus, ...], Field(max_length=256), list_map("version")] = ()
    """Versions that are not kept, oldest first."""
    refused_images: Annotated[tuple[RefusedImage, ...], Field(max_length=MAX_REFUSED), list_map("region", "imageId")] = ()
    """Images that spec.adopt means and that are not adopted, with the reason; at most 64 are listed."""
    plan: Annotated[tuple[PlanLine, ...], Field(max_length=MAX_PLAN_LINES), ATOMIC] = ()
    """What would be done, one sentence each; only under managementPolicy Observe."""


class GoldenImage(Resource):
    """A golden AMI: one image family, copied to every region it is declared for, shared, published and kept so."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Cel("self.metadata.name.size() <= 63", "the name of a GoldenImage has at most 63 characters: it becomes part of names in EC2"),
            Cel(
                # Arithmetic, because the API server's cost estimate forbids replacing in strings; {namespace} cannot be known here.
                "self.spec.nameTemplate.contains('{namespace}') || self.spec.nameTemplate.size() + self.spec.version.size() - 9"
                " + (self.spec.nameTemplate.contains('{image}') ? self.metadata.name.size() - 7 : 0) <= 128",
                "spec.nameTemplate makes a name of more than the 128 characters that EC2 admits: shorten it",
            ),
        )
    )

    spec: GoldenImageSpec
    status: GoldenImageStatus = GoldenImageStatus()
