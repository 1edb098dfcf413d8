"""What people get wrong, and what the API server must say to each: the field, and what is allowed there."""

from dataclasses import dataclass

from cluster.manifests import (
    ABSENT,
    AMI,
    INSTANCE,
    KEY,
    ORGANIZATION,
    SNAPSHOT,
    UNIT,
    Manifest,
    accounts,
    aws_account,
    golden_image,
    image_version,
    retention_policy,
    share_list,
    with_instance,
    with_snapshot,
)


@dataclass(frozen=True)
class Bad:
    """`mistake` completes "a manifest in which ..."; `says` are parts of the answer, all of them there."""

    mistake: str
    manifest: Manifest
    says: tuple[str, ...]


def bad(mistake: str, given: Manifest, *says: str) -> Bad:
    return Bad(mistake, given, says)


def _replicas(*replicas: Manifest) -> Manifest:
    return golden_image(replicas=list(replicas))


def _sharing(**sharing: object) -> Manifest:
    return golden_image(sharing=sharing)


def _volume(**volume: object) -> Manifest:
    return with_instance(volumes=[{"deviceName": "/dev/sdf"} | volume])


def channel(name: str = "stable", **changes: object) -> Manifest:
    return {"name": name, "version": "1.4.2"} | changes


def _channels(*changes: Manifest) -> Manifest:
    return golden_image(channels=[channel() | change for change in changes])


SEMVER = "a version follows SemVer 2.0, without a leading v: 1.4.2"
REGION = "a region is written as us-east-1 or eu-west-3"
ACCOUNT = 'an AWS account id is 12 digits, in quotes: "111122223333"'
IMAGE_ID = "an image id is ami- and 8 or 17 hexadecimal digits: ami-0a1b2c3d4e5f60718"
KMS = "a KMS key is named by its id, by alias/<name>, or by the ARN of either"
ONE_SOURCE = "a source is exactly one of image, instance or snapshot"
ORGANIZATION_SAYS = "an organization is named by its full ARN, arn:aws:organizations::"
UNIT_SAYS = "an organizational unit is named by its full ARN, arn:aws:organizations::"
TEMPLATE = "a name template holds letters, digits, spaces"
ONCE = "a name template contains each placeholder once at most: {namespace}/{image}-{version}"
PARAMETER = "a parameter is a path of 1 to 15 parts, as /golden/{image}/{channel}"
CHANNEL = "a channel's name holds at most 63 lower case letters, digits and dashes"
INTERVAL = "an interval is between 10s and 24h"
PARTITION = "images are copied within one partition only"
LATER_REPLICA = 'unknown field "spec.replicas[0].accounts"'
SELECTOR = "In and NotIn need at least one value, Exists and DoesNotExist take none"

VERSIONS = (
    bad("there is no version", golden_image(version=ABSENT), "spec.version: Required value"),
    bad("the version has a leading v", golden_image(version="v1.4.2"), "spec.version", SEMVER),
    bad("the version has two parts", golden_image(version="1.4"), "spec.version", SEMVER),
    bad("a part of the version has a leading zero", golden_image(version="1.04.2"), "spec.version", SEMVER),
    bad("the pre-release is empty", golden_image(version="1.4.2-"), "spec.version", SEMVER),
    bad("the version is a number", golden_image(version=1.4), "spec.version", "must be of type string"),
    bad("the version is a word", golden_image(version="latest"), "spec.version", SEMVER),
    bad("the version has 70 characters", golden_image(version="1.4.2-" + "a" * 64), "spec.version: Too long", "64"),
)

SOURCES = (
    bad("there is no source", golden_image(source=ABSENT), "spec.source: Required value"),
    bad("the source is empty", golden_image(source={}), "spec.source", ONE_SOURCE),
    bad("the source is two things", golden_image(source={"image": {"id": AMI}, "instance": INSTANCE}), "spec.source", ONE_SOURCE),
    bad("the source is three things", golden_image(source={"image": {"id": AMI}, "instance": INSTANCE, "snapshot": SNAPSHOT}), ONE_SOURCE),
    bad("the source is of a later release", golden_image(source={"disk": {"url": "s3://b/k"}}), 'unknown field "spec.source.disk"'),
    bad("the image has no id", golden_image(source={"image": {}}), "spec.source.image.id: Required value"),
    bad("the image id has capitals", golden_image(source={"image": {"id": AMI.upper()}}), "spec.source.image.id", IMAGE_ID),
    bad("the image id is too short", golden_image(source={"image": {"id": "ami-123"}}), "spec.source.image.id", IMAGE_ID),
    bad("the image is named by a parameter", golden_image(source={"image": {"id": "/aws/service/ami"}}), "spec.source.image.id", IMAGE_ID),
    bad("adopt is a word", golden_image(source={"image": {"id": AMI, "adopt": "yes"}}), "adopt", "must be of type boolean"),
    bad(
        "an adopted image's region is not a replica",
        golden_image(source={"image": {"id": AMI, "adopt": True}}, replicas=[{"region": "eu-west-1"}]),
        "source.image.adopt takes the source as the home region's replica: list spec.region among the replicas",
    ),
    bad(
        "an adopted image shall have a key",
        golden_image(source={"image": {"id": AMI, "adopt": True}}, replicas=[{"region": "us-east-1", "kmsKeyId": "alias/golden"}]),
        "source.image.adopt takes the source as it is: the home region's replica takes no kmsKeyId",
    ),
    bad("the instance's reboot is not said", with_instance(reboot=ABSENT), "spec.source.instance.reboot: Required value"),
    bad("the instance has an image's id", with_instance(id=AMI), "spec.source.instance.id", "an instance id is i- and 8 or 17"),
    bad("a volume has neither size nor snapshot", _volume(), "volumes[0]", "a volume needs sizeGiB, snapshotId, or both"),
    bad("a volume has no size at all", _volume(sizeGiB=0), "sizeGiB", "should be greater than or equal to 1"),
    bad("a volume is larger than EBS has", _volume(sizeGiB=70000), "sizeGiB", "should be less than or equal to 65536"),
    bad("a volume has an unknown type", _volume(sizeGiB=8, volumeType="ssd"), "Unsupported value", '"gp3", "gp2"'),
    bad("a cold volume is too small", _volume(sizeGiB=8, volumeType="sc1"), "sizeGiB", "volumes of type st1 and sc1 have at least 125 GiB"),
    bad("a volume has no device", with_instance(volumes=[{"sizeGiB": 8}]), "deviceName: Required value"),
    bad("a device is a path of a partition", _volume(sizeGiB=8, deviceName="/dev/nvme0n1p1"), "a device name is written as /dev/xvda"),
    bad(
        "two volumes share a device",
        with_instance(volumes=[{"deviceName": "/dev/sdf", "sizeGiB": 8}, {"deviceName": "/dev/sdf", "sizeGiB": 9}]),
        "spec.source.instance.volumes[1]: Duplicate value",
    ),
    bad("the snapshot's architecture is not said", with_snapshot(architecture=ABSENT), "architecture: Required value"),
    bad("the snapshot's architecture is unknown", with_snapshot(architecture="amd64"), "Unsupported value", '"x86_64", "arm64"'),
    bad("the snapshot's boot mode is not said", with_snapshot(bootMode=ABSENT), "bootMode: Required value"),
    bad("the snapshot's boot mode is unknown", with_snapshot(bootMode="bios"), "Unsupported value", '"legacy-bios", "uefi"'),
    bad("the snapshot's ENA support is not said", with_snapshot(enaSupport=ABSENT), "enaSupport: Required value"),
    bad("the snapshot's root device is not said", with_snapshot(rootDeviceName=ABSENT), "rootDeviceName: Required value"),
    bad("a TPM shall boot from BIOS", with_snapshot(tpmSupport="v2.0", bootMode="legacy-bios"), "tpmSupport needs bootMode uefi"),
    bad("arm64 shall boot from BIOS", with_snapshot(architecture="arm64", bootMode="legacy-bios"), "arm64 boots with bootMode uefi only"),
    bad("the TPM has an unknown version", with_snapshot(tpmSupport="v1.2"), "tpmSupport", '"v2.0"'),
    bad("the snapshot has a volume's id", with_snapshot(id="vol-0a1b2c3d4e5f60718"), "a snapshot id is snap- and 8 or 17"),
)

REGIONS = (
    bad("there is no home region", golden_image(region=ABSENT), "spec.region: Required value"),
    bad("the home region is an availability zone", golden_image(region="us-east-1a"), "spec.region", REGION),
    bad("the home region is a city", golden_image(region="Frankfurt"), "spec.region", REGION),
    bad("there are no replicas", golden_image(replicas=ABSENT), "spec.replicas: Required value"),
    bad("the list of replicas is empty", golden_image(replicas=[]), "spec.replicas", "should have at least 1 items"),
    bad("a replica is a bare region", golden_image(replicas=["us-east-1"]), "spec.replicas[0]", "must be of type object"),
    bad("a replica has no region", _replicas({"kmsKeyId": "alias/golden"}), "spec.replicas[0].region: Required value"),
    bad("a replica's region is misspelt", _replicas({"region": "us_east_1"}), "spec.replicas[0].region", REGION),
    bad("a region is listed twice", _replicas({"region": "eu-west-1"}, {"region": "eu-west-1"}), "spec.replicas[1]: Duplicate value"),
    bad(
        "there are more replicas than regions on earth",
        _replicas(*({"region": f"eu-west-{number}"} for number in range(1, 66))),
        "spec.replicas: Too many",
        "64",
    ),
    bad("a replica is in China", _replicas({"region": "us-east-1"}, {"region": "cn-north-1"}), PARTITION),
    bad("a replica is with the government", _replicas({"region": "us-gov-west-1"}), PARTITION),
    bad(
        "a replica's accounts are of a later release", _replicas({"region": "us-east-1", "accounts": []}), 'unknown field "spec.replicas[0]'
    ),
)

KEYS = (
    bad("a key is only a name", _replicas({"region": "eu-west-1", "kmsKeyId": "golden"}), "spec.replicas[0].kmsKeyId", KMS),
    bad("a key is a role", _replicas({"region": "eu-west-1", "kmsKeyId": "arn:aws:iam::111122223333:role/a"}), "kmsKeyId", KMS),
    bad(
        "a key is of another region",
        _replicas({"region": "eu-west-3", "kmsKeyId": KEY}),
        "a key encrypts in its own region only: name a key of the replica's region",
    ),
    bad(
        "an encrypted image shall be public",
        golden_image(replicas=[{"region": "eu-west-1", "kmsKeyId": KEY}], sharing={"public": True}),
        "an encrypted image cannot be public: drop sharing.public or every kmsKeyId",
    ),
    bad(
        "the AWS-managed key shall be shared with an account",
        golden_image(replicas=[{"region": "eu-west-1", "kmsKeyId": "alias/aws/ebs"}], sharing={"accounts": ["111122223333"]}),
        "what an AWS-managed key (alias/aws/...) encrypts cannot be shared: name a customer-managed key",
    ),
    bad(
        "the AWS-managed key shall be shared by a list",
        golden_image(replicas=[{"region": "eu-west-1", "kmsKeyId": "alias/aws/ebs"}], sharing={"shareListRefs": [{"name": "partners"}]}),
        "what an AWS-managed key (alias/aws/...) encrypts cannot be shared: name a customer-managed key",
    ),
)

SHARING = (
    bad("an account id has 11 digits", _sharing(accounts=["11112222333"]), "spec.sharing.accounts[0]", ACCOUNT),
    bad("an account id has dashes", _sharing(accounts=["1111-2222-3333"]), "spec.sharing.accounts[0]", ACCOUNT),
    bad("an account id lacks its quotes", _sharing(accounts=[111122223333]), "spec.sharing.accounts[0]", "must be of type string"),
    bad("an account is listed twice", _sharing(accounts=["111122223333"] * 2), "spec.sharing.accounts[1]: Duplicate value"),
    bad("there are too many accounts", _sharing(accounts=accounts(1001)), "spec.sharing.accounts: Too many", "1000"),
    bad(
        "there are too many principals together",
        _sharing(accounts=accounts(1000), organizationArns=[ORGANIZATION]),
        "EC2 shares an image with at most 1000 accounts, organizations and units together",
    ),
    bad("an organization is a bare id", _sharing(organizationArns=["o-exampleorg"]), "organizationArns[0]", ORGANIZATION_SAYS),
    bad("an organization is a unit", _sharing(organizationArns=[UNIT]), "organizationArns[0]", ORGANIZATION_SAYS),
    bad("a unit is a bare id", _sharing(organizationalUnitArns=["ou-abcd-12345678"]), "organizationalUnitArns[0]", UNIT_SAYS),
    bad("a unit is an organization", _sharing(organizationalUnitArns=[ORGANIZATION]), "organizationalUnitArns[0]", UNIT_SAYS),
    bad("foreign grants have another policy", _sharing(foreignGrants="Ignore"), "foreignGrants", '"Remove", "Keep"'),
    bad("a share list is a bare name", _sharing(shareListRefs=["partners"]), "shareListRefs[0]", "must be of type object"),
    bad("a share list has no name", _sharing(shareListRefs=[{}]), "shareListRefs[0].name: Required value"),
    bad("a share list is named twice", _sharing(shareListRefs=[{"name": "a"}] * 2), "shareListRefs[1]: Duplicate value"),
    bad("a share list of another namespace is named", _sharing(shareListRefs=[{"name": "other/partners"}]), "an object's name holds"),
    bad("the user ids are misspelt", _sharing(userIds=["111122223333"]), 'unknown field "spec.sharing.userIds"'),
    bad("public is a word", _sharing(public="all"), "spec.sharing.public", "must be of type boolean"),
)

NAMES_AND_TAGS = (
    bad("the object's name is too long", golden_image(name="w" * 64), "the name of a GoldenImage has at most 63 characters"),
    bad("the name template has no version", golden_image(nameTemplate="{image}"), "a name template contains {version}"),
    bad("the name template names the image twice", golden_image(nameTemplate="{image}/{image}-{version}"), "nameTemplate", ONCE),
    bad("the name template names the version twice", golden_image(nameTemplate="{version}-{version}"), "nameTemplate", ONCE),
    bad("the name template names the namespace twice", golden_image(nameTemplate="{namespace}{namespace}{version}"), "nameTemplate", ONCE),
    bad("the name template has an unknown placeholder", golden_image(nameTemplate="{image}-{version}-{date}"), "nameTemplate", TEMPLATE),
    bad("the name template has a forbidden character", golden_image(nameTemplate="{image}:{version}"), "nameTemplate", TEMPLATE),
    bad(
        "the name template makes a name that is too long",
        golden_image(nameTemplate="x" * 115 + "-{image}{version}"),
        "spec.nameTemplate",
        "128",
    ),
    bad("the description is too long", golden_image(description="d" * 256), "spec.description: Too long", "255"),
    bad("a tag belongs to AWS", golden_image(tags={"AWS:team": "a"}), "spec.tags", "tag keys that begin with aws: belong to AWS"),
    bad("a tag belongs to the operator", golden_image(tags={"goldenami.dev/owner": "me"}), "spec.tags", "belong to this operator"),
    bad("a tag's key is too long", golden_image(tags={"k" * 128: "v"}), "spec.tags", "a tag's key has 1 to 127 characters"),
    bad("a tag's key is empty", golden_image(tags={"": "v"}), "spec.tags", "a tag's key has 1 to 127 characters"),
    bad("a tag's value is too long", golden_image(tags={"k": "v" * 257}), "spec.tags.k: Too long", "256"),
    bad("a tag's value is a number", golden_image(tags={"cost": 7}), "spec.tags.cost", "must be of type string"),
    bad("there are too many tags", golden_image(tags={f"k{number}": "v" for number in range(41)}), "spec.tags: Too many", "40"),
    bad("tags are a list", golden_image(tags=["team=platform"]), "spec.tags", "must be of type object"),
)

ALIASES = (
    bad("a parameter has no leading slash", golden_image(aliases=[{"parameter": "golden/web"}]), "aliases[0].parameter", PARAMETER),
    bad("a parameter ends with a slash", golden_image(aliases=[{"parameter": "/golden/"}]), "aliases[0].parameter", PARAMETER),
    bad("a parameter has an empty part", golden_image(aliases=[{"parameter": "/golden//web"}]), "aliases[0].parameter", PARAMETER),
    bad("a parameter has 16 parts", golden_image(aliases=[{"parameter": "/a" * 16}]), "aliases[0].parameter", PARAMETER),
    bad("a parameter has a space", golden_image(aliases=[{"parameter": "/golden web"}]), "aliases[0].parameter", PARAMETER),
    bad("a parameter has an unknown placeholder", golden_image(aliases=[{"parameter": "/{name}"}]), "aliases[0].parameter", PARAMETER),
    bad("a parameter belongs to AWS", golden_image(aliases=[{"parameter": "/aws/service/web"}]), "begin with /aws or /ssm belong to AWS"),
    bad("a parameter is listed twice", golden_image(aliases=[{"parameter": "/a"}] * 2), "spec.aliases[1]: Duplicate value"),
    bad(
        "two parameters become one",
        golden_image(aliases=[{"parameter": "/a/{channel}"}, {"parameter": "/a/current"}]),
        "spec.aliases",
        "two aliases make the same parameter, because {channel} is `current`: drop one",
    ),
    bad("an alias names a channel", golden_image(aliases=[{"parameter": "/a", "channel": "stable"}]), 'unknown field "spec.aliases[0]'),
)

CHANNELS = (
    bad("a channel has no version", golden_image(channels=[{"name": "stable"}]), "spec.channels[0].version: Required value"),
    bad("a channel has no name", golden_image(channels=[{"version": "1.0.0"}]), "spec.channels[0].name: Required value"),
    bad("a channel's version is a range", _channels({"version": "1.x"}), "spec.channels[0].version", SEMVER),
    bad("a channel's name has a dot", _channels({"name": "stable.eu"}), "spec.channels[0].name", CHANNEL),
    bad("a channel's name has capitals", _channels({"name": "Stable"}), "spec.channels[0].name", CHANNEL),
    bad("a channel's name is too long", _channels({"name": "s" * 64}), "spec.channels[0].name", CHANNEL),
    bad("a channel is listed twice", _channels({}, {}), "spec.channels[1]: Duplicate value"),
    bad("a channel's rollout is unknown", _channels({"rollout": "Canary"}), "rollout", '"AllRegions", "PerRegion"'),
    bad("deprecation on rollback is a word", _channels({"deprecateOnRollback": "yes"}), "deprecateOnRollback", "must be of type boolean"),
    bad("there are too many channels", _channels(*({"name": f"c{number}"} for number in range(17))), "spec.channels: Too many", "16"),
    bad(
        "an alias does not say which of several channels",
        golden_image(channels=[channel("stable"), channel("candidate")], aliases=[{"parameter": "/a/{channel}"}, {"parameter": "/a/web"}]),
        "spec.aliases",
        "with several channels every alias contains {channel}: one parameter cannot name two versions",
    ),
    bad(
        "aliases, channels and regions make too many parameters",
        golden_image(
            channels=[channel(f"c{number}") for number in range(16)],
            aliases=[{"parameter": f"/{number}/{{channel}}"} for number in range(5)],
            replicas=[{"region": f"eu-west-{number}"} for number in range(1, 14)],
        ),
        "spec.aliases",
        "aliases, channels and regions make more than 1024 parameters together: declare fewer",
    ),
    bad("the ConfigMap is a bare name", golden_image(publish={"configMap": "images"}), "spec.publish.configMap", "must be of type object"),
    bad("the ConfigMap has no name", golden_image(publish={"configMap": {}}), "spec.publish.configMap.name: Required value"),
    bad("the ConfigMap is another namespace's", golden_image(publish={"configMap": {"name": "a/b"}}), "an object's name holds"),
    bad("a Secret shall be published", golden_image(publish={"secret": {"name": "a"}}), 'unknown field "spec.publish.secret"'),
)

POLICIES = (
    bad("the deletion policy is in lower case", golden_image(deletionPolicy="delete"), "deletionPolicy", '"Retain", "Delete"'),
    bad("the management policy is a list", golden_image(managementPolicy=["Observe"]), "managementPolicy", "must be of type string"),
    bad("the management policy is unknown", golden_image(managementPolicy="DryRun"), "managementPolicy", '"Enforce", "Observe"'),
    bad("the interval is a number", golden_image(interval=600), "spec.interval", "must be of type string"),
    bad("the interval has no unit", golden_image(interval="600"), "spec.interval", "an interval is a duration: 30s, 10m or 1h30m"),
    bad("the interval counts in days", golden_image(interval="1d"), "spec.interval", "an interval is a duration: 30s, 10m or 1h30m"),
    bad("the interval is too short", golden_image(interval="5s"), "spec.interval", INTERVAL),
    bad("the interval is too long", golden_image(interval="48h"), "spec.interval", INTERVAL),
    bad("suspend is a word", golden_image(suspend="true"), "spec.suspend", "must be of type boolean"),
    bad("the rollout is of a later release", golden_image(rollout={"name": "std"}), 'unknown field "spec.rollout"'),
    bad("the account is a bare name", golden_image(accountRef="build"), "spec.accountRef", "must be of type object"),
    bad("the account has no name", golden_image(accountRef={}), "spec.accountRef.name: Required value"),
)

PERIOD = "a time is a number and a unit: 90d, 2w, 36h or 1d12h"
FIVE_DIGITS = "a time has numbers of at most five digits, and at most five of them: 90d, 2w, 36h or 1d12h"
MOMENT = "a moment is written as 2027-01-31T00:00:00Z"
THERE_IS = "a moment is on a day, and at a time, that there is: 2027-02-28T23:59:59Z"


def _expiring(at: str) -> Manifest:
    return golden_image(versions=[{"version": "1.0.0", "expiresAt": at}])


PER_RUN = "maxPerRun is a number of versions of at least 1, or a share of the family between 1% and 100%"

RETENTION = (
    bad("nothing is kept", retention_policy(keepLast=0), "spec.keepLast", "should be greater than or equal to 1"),
    bad("a time has no unit", retention_policy(keepFor="90"), "spec.keepFor", PERIOD),
    bad("a time is a number", retention_policy(keepFor=90), "spec.keepFor", "must be of type string"),
    bad("a time counts in years", retention_policy(deprecateAfter="1y"), "spec.deprecateAfter", PERIOD),
    bad("a time is negative", retention_policy(keepIfLaunchedWithin="-1d"), "spec.keepIfLaunchedWithin", PERIOD),
    bad("none goes in a pass", retention_policy(maxPerRun=0), "spec.maxPerRun", PER_RUN),
    bad("more than all go in a pass", retention_policy(maxPerRun="101%"), "spec.maxPerRun", PER_RUN),
    bad("half a version goes in a pass", retention_policy(maxPerRun="0.5%"), "spec.maxPerRun", PER_RUN),
    bad("a time is beside its place", retention_policy(disableFor="7d"), 'unknown field "spec.disableFor"'),
    bad("the wait is a word", retention_policy(retire={"disableFor": "a week"}), "spec.retire.disableFor", PERIOD),
    bad("the protection is true", retention_policy(deregistrationProtection=True), "deregistrationProtection", "must be of type string"),
    bad("the protection is EC2's word", retention_policy(deregistrationProtection="on"), '"Enabled", "EnabledWithCooldown", "Disabled"'),
    bad("no template version counts", retention_policy(evidence={"launchTemplateVersions": 0}), "should be greater than or equal to 1"),
    bad("evidence is switched off", retention_policy(evidence={"instances": False}), 'unknown field "spec.evidence.instances"'),
    bad("usage reports are optional", retention_policy(evidence={"usageReports": "Optional"}), '"Required", "NotRequired"'),
    bad("the wait is longer than history", retention_policy(retire={"disableFor": "9999999w"}), "spec.retire.disableFor", FIVE_DIGITS),
    bad("orphans stay longer than history", retention_policy(orphans={"removeAfter": "100000d"}), "spec.orphans.removeAfter", FIVE_DIGITS),
    bad("the age is a sum of six", golden_image(retention={"keepFor": "1w1d1h1m1s1s"}), "spec.retention.keepFor", FIVE_DIGITS),
    bad("orphans go in a week", retention_policy(orphans={"removeAfter": "1 week"}), "spec.orphans.removeAfter", PERIOD),
    bad("the policy is a bare name", golden_image(retentionPolicyRef="std"), "spec.retentionPolicyRef", "must be of type object"),
    bad(
        "a policy is named and written",
        golden_image(retentionPolicyRef={"name": "std"}, retention={"keepLast": 3}),
        "a retention policy is either written here or named: drop retention or retentionPolicyRef",
    ),
    bad("a limit within is wrong", golden_image(retention={"keepFor": "soon"}), "spec.retention.keepFor", PERIOD),
    bad("a version expires some day", golden_image(versions=[{"version": "1.0.0", "expiresAt": "2027-01-31"}]), MOMENT),
    bad("a version expires on a day that there is not", _expiring("2027-02-30T00:00:00Z"), "spec.versions[0].expiresAt", THERE_IS),
    bad("a version expires in a thirteenth month", _expiring("2027-13-01T00:00:00Z"), "spec.versions[0].expiresAt", THERE_IS),
    bad("a version expires in the 25th hour", _expiring("2027-01-31T24:00:01Z"), "spec.versions[0].expiresAt", THERE_IS),
    bad("it is said twice of a version", golden_image(versions=[{"version": "1.0.0"}] * 2), "spec.versions[1]: Duplicate value"),
    bad(
        "a version is kept and expires",
        golden_image(versions=[{"version": "1.0.0", "keep": True, "expiresAt": "2027-01-31T00:00:00Z"}]),
        "a version is either kept for good or expires: drop keep or expiresAt",
    ),
)

IMAGE_VERSIONS = (
    bad("an ImageVersion has no GoldenImage", image_version(goldenImage=ABSENT), "spec.goldenImage: Required value"),
    bad("an ImageVersion has no version", image_version(version=ABSENT), "spec.version: Required value"),
    bad("an ImageVersion's name has a plus", image_version(ec2_name="web-1.4.2+b"), "spec.name", "an EC2 image name has 3 to 128 letters"),
)

SHARE_LISTS = (
    bad("a ShareList has no spec", {field: value for field, value in share_list().items() if field != "spec"}, "spec: Required value"),
    bad("a ShareList's account is a name", share_list(accounts=["production"]), "spec.accounts[0]", ACCOUNT),
    bad("a ShareList's account is there twice", share_list(accounts=["111122223333"] * 2), "spec.accounts[1]: Duplicate value"),
    bad(
        "a ShareList is larger than EC2 admits",
        share_list(accounts=accounts(1000), organizationalUnitArns=[UNIT]),
        "EC2 shares an image with at most 1000",
    ),
    bad("a ShareList shall be public", share_list(public=True), 'unknown field "spec.public"'),
)

AWS_ACCOUNTS = (
    bad("an AWSAccount has no id", aws_account(accountId=ABSENT), "spec.accountId: Required value"),
    bad("an AWSAccount's id is a number", aws_account(accountId=111122223333), "spec.accountId", "must be of type string"),
    bad("an AWSAccount's namespaces are not said", aws_account(namespaces=ABSENT), "spec.namespaces: Required value"),
    bad("an AWSAccount's role is a name", aws_account(roleArn="goldenami"), "spec.roleArn", "a role is named by its full ARN"),
    bad(
        "an AWSAccount's role is a user",
        aws_account(roleArn="arn:aws:iam::111122223333:user/goldenami"),
        "spec.roleArn",
        "a role is named by its full ARN",
    ),
    bad(
        "an AWSAccount's role is of another account",
        aws_account(roleArn="arn:aws:iam::444455556666:role/goldenami"),
        "spec.roleArn",
        "the role belongs to another account than accountId says",
    ),
    bad(
        "an AWSAccount's role is of another partition",
        aws_account(roleArn="arn:aws-cn:iam::111122223333:role/goldenami"),
        "the role's ARN begins with another partition than spec.partition says",
    ),
    bad(
        "an AWSAccount's external id has a space",
        aws_account(roleArn="arn:aws:iam::111122223333:role/goldenami", externalId="golden images"),
        "spec.externalId",
        "an external id has 2 to 1224 letters, digits or _ + = , . @ : / -",
    ),
    bad(
        "a selector's label has no key",
        aws_account(namespaces={"matchLabels": {"": "a"}}),
        "spec.namespaces.matchLabels",
        "a label key has 1 to 317 characters",
    ),
    bad("an AWSAccount's external id is for no role", aws_account(externalId="golden"), "an externalId is sent when a role is assumed"),
    bad("an AWSAccount's partition is unknown", aws_account(partition="aws-moon"), "spec.partition", '"aws", "aws-cn"'),
    bad("an AWSAccount's endpoint has a password", aws_account(endpointUrl="https://me:pw@localhost"), "without credentials"),
    bad("an AWSAccount's endpoint has no scheme", aws_account(endpointUrl="localhost:4566"), "an endpoint is an http or https address"),
    bad(
        "a selector compares with nothing",
        aws_account(namespaces={"matchExpressions": [{"key": "team", "operator": "In"}]}),
        "matchExpressions[0]",
        SELECTOR,
    ),
    bad(
        "a selector compares where there is nothing to compare",
        aws_account(namespaces={"matchExpressions": [{"key": "team", "operator": "Exists", "values": ["a"]}]}),
        "matchExpressions[0]",
        SELECTOR,
    ),
    bad(
        "a selector's operator is a sign",
        aws_account(namespaces={"matchExpressions": [{"key": "team", "operator": "=", "values": ["a"]}]}),
        "Unsupported value",
        '"In", "NotIn"',
    ),
)

PATTERN = "a pattern contains the group (?P<version>...), which finds the version in the name: web-(?P<version>.+)"
RE2 = "a pattern is a regular expression as RE2 has them: no look-around, no back references"


def _by_name(pattern: str = "web-(?P<version>.+)", **more: object) -> Manifest:
    return golden_image(adopt={"byName": {"pattern": pattern} | more})


def _adopted(*images: Manifest, version: str = "1.0.0") -> Manifest:
    return golden_image(adopt={"versions": [{"version": version, "images": list(images)}]})


ADOPTION = (
    bad("it is not said what to adopt", golden_image(adopt={}), "spec.adopt", "adopt takes either byName or versions"),
    bad(
        "what to adopt is found and listed",
        golden_image(adopt={"byName": {"pattern": "(?P<version>.+)"}, "versions": []}),
        "spec.adopt",
        "adopt takes either byName or versions",
    ),
    bad("the pattern is missing", golden_image(adopt={"byName": {}}), "spec.adopt.byName.pattern: Required value"),
    bad("the pattern finds no version", _by_name("web-.*"), "spec.adopt.byName.pattern", PATTERN),
    bad("the pattern's group has another name", _by_name("web-(?P<v>.*)"), "spec.adopt.byName.pattern", PATTERN),
    bad("the pattern does not end its group", _by_name("web-(?P<version>.*"), "spec.adopt.byName.pattern", RE2),
    bad("the pattern looks around", _by_name("web-(?P<version>.*)(?<!x)"), "spec.adopt.byName.pattern", RE2),
    bad("the pattern is longer than any name", _by_name("(?P<version>.*)" + "a" * 300), "spec.adopt.byName.pattern: Too long", "256"),
    bad("a tag to adopt by is AWS's", _by_name(tags={"aws:backup:source": "x"}), "tag keys that begin with aws: belong to AWS"),
    bad("a version to adopt is none", _adopted({"region": "us-east-1", "id": AMI}, version="v1"), "spec.adopt.versions[0].version", SEMVER),
    bad("a version to adopt has no image", _adopted(), "spec.adopt.versions[0].images", "should have at least 1 items"),
    bad("an image to adopt has no region", _adopted({"id": AMI}), "spec.adopt.versions[0].images[0].region: Required value"),
    bad("an image to adopt has no id", _adopted({"region": "us-east-1"}), "spec.adopt.versions[0].images[0].id: Required value"),
    bad("an image to adopt is named", _adopted({"region": "us-east-1", "id": "web-1.0.0"}), "images[0].id", IMAGE_ID),
    bad(
        "two images of a region are one version",
        _adopted({"region": "us-east-1", "id": AMI}, {"region": "us-east-1", "id": "ami-0fedcba9876543210"}),
        "spec.adopt.versions[0].images[1]: Duplicate value",
    ),
)

BAD = (
    *ADOPTION,
    *VERSIONS,
    *SOURCES,
    *REGIONS,
    *KEYS,
    *SHARING,
    *NAMES_AND_TAGS,
    *ALIASES,
    *CHANNELS,
    *POLICIES,
    *RETENTION,
    *IMAGE_VERSIONS,
    *SHARE_LISTS,
    *AWS_ACCOUNTS,
)
