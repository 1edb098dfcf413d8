"""CopyImage and CopySnapshot of the local EC2: tokens, entitlement, encryption, failure, quotas."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from goldenami.aws.share_effects import KEY_OPERATIONS
from goldenami.local.aws import ec2, organizations
from support.aws import error_of
from support.ec2 import AWAY, HOME, Act, Cloud, assert_refused, refusal, row, tags_of

# EC2 user guide, "Share an encrypted AMI": kms:DescribeKey, CreateGrant, ReEncrypt* and Decrypt; for the key that a copy
# gets, EBS user guide, "Permissions for IAM users": GenerateDataKeyWithoutPlaintext as well.
GRANT_OPERATIONS = ["Decrypt", "CreateGrant", "DescribeKey", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKeyWithoutPlaintext"]
ACCOUNT = "arn:aws:iam::{account}:root"


def done(cloud: Cloud, image_id: str, region: str = AWAY, *, account: str | None = None) -> dict[str, Any]:
    cloud.pass_time()
    return cloud.shown(image_id, region, account=account)


def test_a_copy_is_pending_without_snapshot_ids_then_available_with_them(cloud: Cloud) -> None:
    """CopyImage; research 4; trap 8."""
    source = cloud.image(name="web", architecture="arm64", imds="v2.0", description="from home", tags={"own": "1"}, public=True)
    copied = cloud.copy(source, Name="web-eu", Description="in Europe")
    pending = cloud.shown(copied, AWAY)
    assert (pending["State"], "SnapshotId" in pending["BlockDeviceMappings"][0]["Ebs"]) == ("pending", False)
    image = done(cloud, copied)
    wanted = {
        "State": "available", "Name": "web-eu", "Architecture": "arm64", "ImdsSupport": "v2.0", "Description": "in Europe",
        "SourceImageId": source, "SourceImageRegion": HOME, "OwnerId": cloud.account, "Public": False,
    }  # fmt: skip
    assert {name: image[name] for name in wanted} == wanted
    assert "Tags" not in image
    assert cloud.snapshot_of(copied, AWAY) != cloud.snapshot_of(source)


def test_the_snapshots_of_a_copy_show_its_progress(cloud: Cloud) -> None:
    """Research 4: progress only via DescribeSnapshots, and the form of the description."""
    source = cloud.image()
    copied = cloud.copy(source)

    def snapshot() -> dict[str, Any]:
        return dict(cloud.ec2(AWAY).describe_snapshots(OwnerIds=["self"])["Snapshots"][0])

    assert (snapshot()["Progress"], snapshot()["State"], snapshot()["VolumeId"]) == ("0%", "pending", "vol-ffffffff")
    expected = rf"Copied for DestinationAmi {copied} from SourceAmi {source} for SourceSnapshot {cloud.snapshot_of(source)}\."
    assert re.match(expected, snapshot()["Description"])
    cloud.pass_time(10)
    assert 30 <= int(snapshot()["Progress"].removesuffix("%")) <= 50
    cloud.pass_time()
    assert (snapshot()["Progress"], snapshot()["State"], snapshot()["TransferType"]) == ("100%", "completed", "standard")
    assert snapshot()["FullSnapshotSizeInBytes"] == cloud.shown_snapshot(cloud.snapshot_of(source))["FullSnapshotSizeInBytes"]


def test_copies_may_share_a_name(cloud: Cloud) -> None:
    """Trap 3: CopyImage does not enforce unique names."""
    source = cloud.image(name="web")
    first, second = cloud.copy(source, Name="web"), cloud.copy(source, Name="web")
    assert first != second
    assert cloud.copy(source, to=HOME, Name="web")


def test_the_same_token_gives_the_same_copy_even_after_it_failed(cloud: Cloud) -> None:
    """Research 1.3; trap 4."""
    source = cloud.image()
    ec2.fail_next_copies(AWAY)
    first = cloud.copy(source, ClientToken="t-1")
    assert done(cloud, first)["State"] == "failed"
    assert cloud.copy(source, ClientToken="t-1") == first
    assert cloud.copy(source, ClientToken="t-2") != first
    assert len(cloud.ec2(AWAY).describe_images(Owners=["self"])["Images"]) == 2


@pytest.mark.parametrize(
    "change",
    [
        row("another name", "trap 5", {"Name": "other"}),
        row("a description", "trap 5", {"Description": "x"}),
        row("tags", "trap 5", {"TagSpecifications": [{"ResourceType": "image", "Tags": [{"Key": "a", "Value": "b"}]}]}),
    ],
)
def test_a_token_with_other_parameters_is_refused(cloud: Cloud, change: dict[str, Any]) -> None:
    source = cloud.image()
    cloud.copy(source, ClientToken="t")
    assert error_of(lambda: cloud.copy(source, ClientToken="t", **change)) == ("IdempotentParameterMismatch", 400)


def test_tokens_are_of_one_region_and_account(cloud: Cloud) -> None:
    """Research 1.3: tokens are per region."""
    source = cloud.image(users=[cloud.other], snapshot_users=[cloud.other])
    ids = {
        cloud.copy(source, ClientToken="t"),
        cloud.copy(source, to="eu-west-2", ClientToken="t"),
        cloud.copy(source, account=cloud.other, ClientToken="t"),
    }
    assert len(ids) == 3


TAGS = [
    {"ResourceType": "image", "Tags": [{"Key": "new", "Value": "i"}]},
    {"ResourceType": "snapshot", "Tags": [{"Key": "new", "Value": "s"}]},
]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        row("none by default", "CopyImage CopyImageTags", {}, {}),
        row("the source's with CopyImageTags", "CopyImage CopyImageTags", {"CopyImageTags": True}, {"own": "1"}),
        row("the call's", "CopyImage TagSpecifications", {"TagSpecifications": TAGS}, {"new": "i"}),
        row("both", "CopyImage", {"CopyImageTags": True, "TagSpecifications": TAGS}, {"own": "1", "new": "i"}),
    ],
)
def test_tags_of_a_copy_are_there_from_its_first_moment(cloud: Cloud, arguments: dict[str, Any], expected: dict[str, str]) -> None:
    copied = cloud.copy(cloud.image(tags={"own": "1", "aws:x": "2"}), **arguments)
    assert tags_of(cloud.shown(copied, AWAY)) == expected
    snapshot = cloud.ec2(AWAY).describe_snapshots(OwnerIds=["self"])["Snapshots"][0]
    assert tags_of(snapshot) == ({"new": "s"} if "TagSpecifications" in arguments else {})


def test_only_shared_tags_cross_accounts(cloud: Cloud) -> None:
    """Research 4: tags do not cross, except ec2:SharedTag."""
    source = cloud.image(tags={"own": "1", "ec2:SharedTag/line": "2"}, users=[cloud.other], snapshot_users=[cloud.other])
    copied = cloud.copy(source, account=cloud.other, CopyImageTags=True)
    assert tags_of(cloud.shown(copied, AWAY, account=cloud.other)) == {"ec2:SharedTag/line": "2"}


# Encryption


def sealed(cloud: Cloud, image_id: str, region: str = AWAY) -> tuple[bool, str | None]:
    snapshot = cloud.shown_snapshot(cloud.snapshot_of(image_id, region), region)
    return snapshot["Encrypted"], snapshot.get("KmsKeyId")


def managed_key(cloud: Cloud, region: str = AWAY) -> str:
    return str(cloud.kms(region).describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"])


def test_a_plain_copy_of_a_plain_image_is_plain(cloud: Cloud) -> None:
    """CopyImage Encrypted: a copy of an unencrypted image is encrypted only where it is asked for, or by default."""
    copied = cloud.copy(cloud.image())
    cloud.pass_time()
    assert sealed(cloud, copied) == (False, None)


@pytest.mark.parametrize(
    "form",
    [row("by ARN", "CopyImage KmsKeyId", "arn"), row("by id", "CopyImage KmsKeyId", "id"), row("by alias", "CopyImage KmsKeyId", "alias")],
)
def test_a_copy_is_encrypted_with_the_named_key(cloud: Cloud, form: str) -> None:
    key = cloud.key(AWAY)
    cloud.kms(AWAY).create_alias(AliasName="alias/golden", TargetKeyId=key)
    reference = {"arn": key, "id": key.rsplit("/", 1)[-1], "alias": "alias/golden"}[form]
    copied = cloud.copy(cloud.image(), Encrypted=True, KmsKeyId=reference)
    cloud.pass_time()
    assert sealed(cloud, copied) == (True, key)
    assert cloud.shown(copied, AWAY)["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True


def test_an_encrypted_image_stays_encrypted_with_the_managed_key_of_the_region(cloud: Cloud) -> None:
    """Research 4: can never decrypt."""
    copied = cloud.copy(cloud.image(encrypted=True, kms_key=cloud.key()))
    cloud.pass_time()
    assert sealed(cloud, copied) == (True, managed_key(cloud))


def test_a_copy_within_the_region_keeps_its_key_and_can_be_given_another(cloud: Cloud) -> None:
    """Research 4: same-region copy is legal (re-encrypt)."""
    key, other = cloud.key(), cloud.key()
    source = cloud.image(encrypted=True, kms_key=key)
    same, changed = cloud.copy(source, to=HOME), cloud.copy(source, to=HOME, Encrypted=True, KmsKeyId=other)
    cloud.pass_time()
    assert (sealed(cloud, same, HOME), sealed(cloud, changed, HOME)) == ((True, key), (True, other))


def test_encryption_by_default_seals_every_copy(cloud: Cloud) -> None:
    """Trap 9."""
    cloud.ec2(AWAY).enable_ebs_encryption_by_default()
    first = cloud.copy(cloud.image())
    key = cloud.key(AWAY)
    cloud.ec2(AWAY).modify_ebs_default_kms_key_id(KmsKeyId=key)
    second = cloud.copy(cloud.image())
    cloud.pass_time()
    assert (sealed(cloud, first), sealed(cloud, second)) == ((True, managed_key(cloud)), (True, key))


def disabled_key(cloud: Cloud) -> str:
    key = cloud.key(AWAY)
    cloud.kms(AWAY).disable_key(KeyId=key.rsplit("/", 1)[-1])
    return key


@pytest.mark.parametrize(
    "key",
    [
        row("no such key", "trap 1", lambda w: "alias/nothing"),
        row("a key of another region", "CopyImage KmsKeyId", lambda w: w.key(HOME)),
        row("a disabled key", "trap 1", disabled_key),
        row("another account's key without a grant", "research 4", lambda w: w.key(AWAY, account=w.other)),
    ],
)
def test_a_bad_key_is_accepted_and_fails_the_copy_later(cloud: Cloud, key: Any) -> None:
    copied = cloud.copy(cloud.image(), Encrypted=True, KmsKeyId=key(cloud))
    assert cloud.shown(copied, AWAY)["State"] == "pending"
    image = done(cloud, copied)
    assert (image["State"], image["StateReason"]["Message"]) == ("failed", "Given key ID is not accessible")
    snapshot = cloud.ec2(AWAY).describe_snapshots(OwnerIds=["self"])["Snapshots"][0]
    assert (snapshot["State"], snapshot["StateMessage"]) == ("error", "Given key ID is not accessible")


KeyState = Callable[[Any, str], Any]


def disabled_now(kms: Any, key: str) -> None:
    kms.disable_key(KeyId=key)


def scheduled(kms: Any, key: str) -> None:
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)


@pytest.mark.parametrize("stop", [row("disabled", "trap 45", disabled_now), row("dying", "trap 45", scheduled)])
@pytest.mark.parametrize(
    "region", [row("the key of the source", "research 4 CopyImage", HOME), row("the key of the copy", "research 4 CopyImage", AWAY)]
)
def test_a_key_that_goes_out_of_use_while_a_copy_is_made_fails_it(cloud: Cloud, region: str, stop: KeyState) -> None:
    keys = {HOME: cloud.key(HOME), AWAY: cloud.key(AWAY)}
    source = cloud.image(encrypted=True, kms_key=keys[HOME])
    copied = cloud.copy(source, Encrypted=True, KmsKeyId=keys[AWAY])
    stop(cloud.kms(region), keys[region])
    assert cloud.shown(copied, AWAY)["State"] == "pending"
    image = done(cloud, copied)
    assert (image["State"], image["StateReason"]["Message"]) == ("failed", "Given key ID is not accessible")


@pytest.mark.parametrize(
    ("operations", "state"),
    [
        row("everything that copying takes", "research 4 KMS", GRANT_OPERATIONS, "available"),
        row("only what reading takes", "research 4 KMS", ["DescribeKey", "Decrypt", "ReEncryptFrom", "CreateGrant"], "failed"),
    ],
)
def test_another_accounts_key_works_with_a_grant_of(cloud: Cloud, operations: list[str], state: str) -> None:
    key = cloud.key(AWAY, account=cloud.other)
    cloud.kms(AWAY, account=cloud.other).create_grant(
        KeyId=key, GranteePrincipal=f"arn:aws:iam::{cloud.account}:root", Operations=operations
    )
    assert done(cloud, cloud.copy(cloud.image(), Encrypted=True, KmsKeyId=key))["State"] == state


# Failure


def test_the_next_copies_into_a_region_can_be_made_to_fail(cloud: Cloud) -> None:
    """Trap 1; the lab's own setting."""
    cloud.aws.lab.settings(fail_copies={AWAY: 1})
    source = cloud.image()
    first, second = cloud.copy(source), cloud.copy(source)
    cloud.pass_time()
    assert [cloud.shown(image_id, AWAY)["State"] for image_id in (first, second)] == ["failed", "available"]
    assert cloud.shown(first, AWAY)["StateReason"] == {
        "Code": "Server.InternalError",
        "Message": "Copy image failed with an internal error.",
    }


def test_deregistering_a_pending_copy_cancels_it_and_leaves_its_snapshots(cloud: Cloud) -> None:
    """Research 4: cancel; trap 43."""
    copied = cloud.copy(cloud.image())
    cloud.ec2(AWAY).deregister_image(ImageId=copied)
    cloud.pass_time(40)
    assert cloud.ec2(AWAY).describe_images(ImageIds=[copied])["Images"] == []
    snapshots = cloud.ec2(AWAY).describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert [snapshot["State"] for snapshot in snapshots] == ["completed"]
    cloud.ec2(AWAY).delete_snapshot(SnapshotId=snapshots[0]["SnapshotId"])


# Refusals


def shared(cloud: Cloud, **traits: Any) -> str:
    return cloud.image(account=cloud.other, users=[cloud.account], **traits)


def disabled(cloud: Cloud) -> str:
    image_id = cloud.image()
    cloud.ec2().disable_image(ImageId=image_id)
    return image_id


def pending(cloud: Cloud) -> str:
    return cloud.copy(cloud.image(AWAY), region=AWAY, to=HOME)


def deregistered(cloud: Cloud) -> str:
    image_id = cloud.image()
    cloud.ec2().deregister_image(ImageId=image_id)
    return image_id


def encrypted_and_shared(cloud: Cloud) -> str:
    return shared(cloud, snapshot_users=[cloud.account], encrypted=True, kms_key=cloud.key(account=cloud.other))


def beyond_quota(cloud: Cloud) -> Any:
    cloud.settings.concurrent_copies_quota = 2
    source = cloud.image()
    return [cloud.copy(source) for _ in range(3)]


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("no such source", "research 4", "InvalidAMIID.NotFound", lambda w: w.copy("ami-00000000000000000")),
        refusal("a malformed source", "research 11", "InvalidAMIID.Malformed", lambda w: w.copy("web")),
        refusal("the wrong source region", "research 4", "InvalidAMIID.NotFound", lambda w: w.copy(w.image(), region="eu-west-2")),
        refusal("no such region", "research 4", "InvalidRegion", lambda w: w.copy(w.image(), region="mars-north-1")),
        refusal("a pending source", "research 4", "InvalidAMIID.Unavailable", lambda w: w.copy(pending(w))),
        refusal("a disabled source", "DisableImage", "InvalidAMIID.Unavailable", lambda w: w.copy(disabled(w))),
        refusal("a deregistered source", "research 1.1", "InvalidAMIID.Unavailable", lambda w: w.copy(deregistered(w))),
        refusal("someone's private image", "trap 13", "InvalidAMIID.NotFound", lambda w: w.copy(w.image(account=w.other))),
        refusal("launch permission alone", "trap 13", "InvalidRequest", lambda w: w.copy(shared(w))),
        refusal("a source key without a grant", "trap 13", "InvalidRequest", lambda w: w.copy(encrypted_and_shared(w))),
        refusal(
            "another account's product codes",
            "trap 28",
            "InvalidRequest",
            lambda w: w.copy(shared(w, product_codes=["x"], snapshot_users=[w.account])),
        ),
        refusal(
            "another account's billing products",
            "trap 28",
            "InvalidRequest",
            lambda w: w.copy(shared(w, billing_products=["bp-1"], snapshot_users=[w.account])),
        ),
        refusal(
            "a key without Encrypted", "CopyImage KmsKeyId", "InvalidParameterDependency", lambda w: w.copy(w.image(), KmsKeyId="alias/x")
        ),
        refusal("decryption", "CopyImage Encrypted", "InvalidParameterValue", lambda w: w.copy(w.image(encrypted=True), Encrypted=False)),
        refusal("a bad name", "research 3", "InvalidAMIName.Malformed", lambda w: w.copy(w.image(), Name="a:b:c")),
        refusal("one copy too many", "research 4 quotas", "ResourceLimitExceeded", beyond_quota),
        refusal("a dry run", "research 1.5", "DryRunOperation", lambda w: w.copy(w.image(), DryRun=True), 412),
        refusal("a dry run that would fail later", "research 1.5", "DryRunOperation", lambda w: w.copy(shared(w), DryRun=True), 412),
    ],
)
def test_copy_image_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_a_refused_copy_says_which_permission_is_missing(cloud: Cloud) -> None:
    """Research 4, sync errors."""
    with pytest.raises(cloud.ec2().exceptions.ClientError, match="You do not have permission to access the storage of this ami"):
        cloud.copy(shared(cloud))


def test_a_copy_slot_is_free_again_when_the_copy_is_done(cloud: Cloud) -> None:
    """Research 4, quotas: copies in flight."""
    cloud.settings.concurrent_copies_quota = 1
    source = cloud.image()
    cloud.copy(source)
    cloud.pass_time()
    second = cloud.copy(source)
    cloud.ec2(AWAY).deregister_image(ImageId=second)
    assert cloud.copy(source)


def shared_with(cloud: Cloud, whom: str) -> str:
    """An image for the account's organization or a unit above it; snapshots are shared with accounts only (ModifySnapshotAttribute)."""
    arns = organizations.enrol(cloud.account, management_account=cloud.other, unit_path="platform/build")
    kind = {"organizations": ":organization/", "units": ":ou/"}[whom]
    traits: dict[str, Any] = {whom: [next(arn for arn in arns if kind in arn)]}
    return cloud.image(account=cloud.other, snapshot_users=[cloud.account], **traits)


def granted(cloud: Cloud) -> str:
    key = cloud.key(account=cloud.other)
    cloud.kms(account=cloud.other).create_grant(
        KeyId=key, GranteePrincipal=f"arn:aws:iam::{cloud.account}:root", Operations=GRANT_OPERATIONS
    )
    return shared(cloud, snapshot_users=[cloud.account], encrypted=True, kms_key=key)


@pytest.mark.parametrize(
    "source",
    [
        row("image and snapshot shared with me", "trap 13", lambda w: shared(w, snapshot_users=[w.account])),
        row("image shared, snapshot public", "trap 13", lambda w: shared(w, snapshot_public=True)),
        row("image shared with my organization, snapshot with me", "research 5; trap 13", lambda w: shared_with(w, "organizations")),
        row("image shared with my unit, snapshot with me", "research 5; trap 13", lambda w: shared_with(w, "units")),
        row("everything public", "trap 13", lambda w: w.image(account=w.other, public=True, snapshot_public=True)),
        row("encrypted, with a grant on the key", "trap 13", granted),
        row("product codes of my own", "trap 28", lambda w: w.image(product_codes=["x"])),
        row("instance store", "CopyImage", lambda w: w.image(root_device_type="instance-store")),
    ],
)
def test_whoever_is_entitled_owns_the_copy(cloud: Cloud, source: Any) -> None:
    image = done(cloud, cloud.copy(source(cloud)))
    assert (image["State"], image["OwnerId"]) == ("available", cloud.account)


def grant_to(principal: str, operations: Sequence[str] = GRANT_OPERATIONS, **more: Any) -> Act:
    def admit(cloud: Cloud) -> str:
        key = cloud.key(account=cloud.other)
        grantee = principal.format(account=cloud.account)
        cloud.kms(account=cloud.other).create_grant(KeyId=key, GranteePrincipal=grantee, Operations=operations, **more)
        return key

    return admit


def policy(*statements: dict[str, Any]) -> Act:
    """A key with this policy; a statement that does not say otherwise allows everything to the account's root."""

    def admit(cloud: Cloud) -> str:
        principal = {"AWS": ACCOUNT.format(account=cloud.account)}
        spelled = [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": principal, **each} for each in statements]
        return cloud.key(account=cloud.other, Policy=json.dumps({"Version": "2012-10-17", "Statement": spelled}))

    return admit


def policy_for_organization(cloud: Cloud) -> str:
    arns = organizations.enrol(cloud.account, management_account=cloud.other)
    identity = next(arn for arn in arns if ":organization/" in arn).rsplit("/", 1)[-1]
    return str(policy({"Principal": {"AWS": "*"}, "Condition": {"StringEquals": {"aws:PrincipalOrgID": [identity]}}})(cloud))


def granted_and_denied(cloud: Cloud) -> str:
    key = str(policy({}, {"Effect": "Deny", "Action": "kms:ReEncrypt*"})(cloud))
    cloud.kms(account=cloud.other).create_grant(
        KeyId=key, GranteePrincipal=ACCOUNT.format(account=cloud.account), Operations=GRANT_OPERATIONS
    )
    return key


@pytest.mark.parametrize(
    ("admit", "copied"),
    [
        row("a grant to the account", "research 5 KMS", grant_to(ACCOUNT), True),
        row("the grant that the operator makes", "research 4 KMS", grant_to(ACCOUNT, KEY_OPERATIONS), True),
        row("a grant to a role of the account", "research 5 KMS", grant_to("arn:aws:iam::{account}:role/copier"), True),
        row("a grant to somebody else", "research 5 KMS", grant_to("arn:aws:iam::999999999999:root"), False),
        row("a grant of DescribeKey alone", "research 4 KMS", grant_to(ACCOUNT, ["DescribeKey"]), False),
        row("a grant without Decrypt", "research 4 KMS", grant_to(ACCOUNT, sorted({*GRANT_OPERATIONS} - {"Decrypt"})), False),
        row(
            "a grant for another encryption context",
            "KMS CreateGrant Constraints",
            grant_to(ACCOUNT, Constraints={"EncryptionContextEquals": {"aws:ebs:id": "snap-0"}}),
            False,
        ),
        row("a key policy that names the account", "research 5 KMS", policy({}), True),
        row(
            "the key policy of the user guide",
            "EC2 user guide, Share an encrypted AMI; KMS developer guide, Default key policy",
            policy(
                {"Action": ["kms:DescribeKey", "kms:ReEncrypt*", "kms:Decrypt"]},
                {"Action": "kms:CreateGrant", "Condition": {"Bool": {"kms:GrantIsForAWSResource": True}}},
            ),
            True,
        ),
        row(
            "a key policy that allows DescribeKey alone", "KMS developer guide, Key policies", policy({"Action": "kms:DescribeKey"}), False
        ),
        row(
            "a key policy for another key",
            "KMS developer guide, Key policies",
            policy({"Resource": "arn:aws:kms:us-east-1:1:key/x"}),
            False,
        ),
        row(
            "a key policy that denies one operation",
            "IAM policy evaluation",
            policy({}, {"Effect": "Deny", "Action": "kms:Decrypt"}),
            False,
        ),
        row("a key policy that denies what a grant allows", "IAM policy evaluation", granted_and_denied, False),
        row("a key policy for its organization", "research 5 KMS", policy_for_organization, True),
        row(
            "a key policy for another organization",
            "research 5 KMS",
            policy({"Principal": {"AWS": "*"}, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-other"}}}),
            False,
        ),
        row(
            "a key policy for all but another organization",
            "local: what is not understood admits nobody",
            policy({"Principal": {"AWS": "*"}, "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-other"}}}),
            False,
        ),
        row("a key policy of the owner's alone", "research 5 KMS", policy({"Principal": {"AWS": "arn:aws:iam::999999999999:root"}}), False),
    ],
)
def test_an_encrypted_image_is_copied_and_launched_by_those_its_key_admits(cloud: Cloud, admit: Any, copied: bool) -> None:
    image_id = shared(cloud, snapshot_users=[cloud.account], encrypted=True, kms_key=admit(cloud))
    cloud.ec2().run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")
    (reservation,) = cloud.ec2().describe_instances()["Reservations"]
    assert (reservation["Instances"][0]["State"]["Name"] == "running") is copied
    if copied:
        assert done(cloud, cloud.copy(image_id))["State"] == "available"
    else:
        assert error_of(lambda: cloud.copy(image_id)) == ("InvalidRequest", 400)


# CopySnapshot


def copy_snapshot(cloud: Cloud, snapshot: str, *, region: str = HOME, **arguments: Any) -> str:
    return str(cloud.ec2(AWAY).copy_snapshot(SourceRegion=region, SourceSnapshotId=snapshot, **arguments)["SnapshotId"])


def test_a_snapshot_copy_completes_later_and_has_its_tags_at_once(cloud: Cloud) -> None:
    """CopySnapshot."""
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}]
    copied = copy_snapshot(cloud, cloud.snapshot(size=12), Description="d", TagSpecifications=tags, CompletionDurationMinutes=30)
    shown = cloud.shown_snapshot(copied, AWAY)
    assert (shown["State"], shown["VolumeSize"], shown["Description"], tags_of(shown)) == ("pending", 12, "d", {"a": "b"})
    assert (shown["TransferType"], shown["CompletionDurationMinutes"]) == ("time-based", 30)
    cloud.pass_time()
    assert cloud.shown_snapshot(copied, AWAY)["State"] == "completed"


def test_a_snapshot_copy_has_no_token_so_twice_is_two(cloud: Cloud) -> None:
    """Research 1.3."""
    snapshot = cloud.snapshot()
    assert copy_snapshot(cloud, snapshot) != copy_snapshot(cloud, snapshot)


def test_a_snapshot_copy_with_a_bad_key_ends_in_error(cloud: Cloud) -> None:
    """Research 2 DescribeSnapshots: StateMessage explains."""
    copied = copy_snapshot(cloud, cloud.snapshot(), Encrypted=True, KmsKeyId="alias/nothing")
    cloud.pass_time()
    shown = cloud.shown_snapshot(copied, AWAY)
    assert (shown["State"], shown["StateMessage"]) == ("error", "Given key ID is not accessible")


def too_many_snapshot_copies(cloud: Cloud) -> Any:
    cloud.settings.concurrent_snapshot_copies_quota = 1
    return [copy_snapshot(cloud, cloud.snapshot()) for _ in range(2)]


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("no such source", "CopySnapshot", "InvalidSnapshot.NotFound", lambda w: copy_snapshot(w, "snap-00000000000000000")),
        refusal("a private source", "CopySnapshot", "InvalidSnapshot.NotFound", lambda w: copy_snapshot(w, w.snapshot(account=w.other))),
        refusal(
            "Encrypted: false", "CopySnapshot Encrypted", "InvalidParameterValue", lambda w: copy_snapshot(w, w.snapshot(), Encrypted=False)
        ),
        refusal(
            "a key without Encrypted",
            "CopySnapshot KmsKeyId",
            "InvalidParameterDependency",
            lambda w: copy_snapshot(w, w.snapshot(), KmsKeyId="x"),
        ),
        refusal("one too many", "research 4 quotas", "ResourceLimitExceeded", too_many_snapshot_copies),
    ],
)
def test_copy_snapshot_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)
