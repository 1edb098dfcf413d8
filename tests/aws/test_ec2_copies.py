"""CopyImage and CopySnapshot of the local EC2: tokens, entitlement, encryption, failure, quotas."""

import re
from typing import Any

import pytest

from goldenami.local.aws import ec2
from support.aws import error_of
from support.ec2 import AWAY, HOME, Act, World, assert_refused, refusal, row, tags_of

GRANT_OPERATIONS = ["Decrypt", "CreateGrant", "DescribeKey"]


def done(world: World, image_id: str, region: str = AWAY, *, account: str | None = None) -> dict[str, Any]:
    world.pass_time()
    return world.shown(image_id, region, account=account)


def test_a_copy_is_pending_without_snapshot_ids_then_available_with_them(world: World) -> None:
    """CopyImage; research 4; trap 8."""
    source = world.image(name="web", architecture="arm64", imds="v2.0", description="from home", tags={"own": "1"}, public=True)
    copied = world.copy(source, Name="web-eu")
    pending = world.shown(copied, AWAY)
    assert (pending["State"], "SnapshotId" in pending["BlockDeviceMappings"][0]["Ebs"]) == ("pending", False)
    image = done(world, copied)
    wanted = {
        "State": "available", "Name": "web-eu", "Architecture": "arm64", "ImdsSupport": "v2.0", "Description": "from home",
        "SourceImageId": source, "SourceImageRegion": HOME, "OwnerId": world.account, "Public": False,
    }  # fmt: skip
    assert {name: image[name] for name in wanted} == wanted
    assert "Tags" not in image
    assert world.snapshot_of(copied, AWAY) != world.snapshot_of(source)


def test_the_snapshots_of_a_copy_show_its_progress(world: World) -> None:
    """Research 4: progress only via DescribeSnapshots, and the form of the description."""
    source = world.image()
    copied = world.copy(source)

    def snapshot() -> dict[str, Any]:
        return dict(world.ec2(AWAY).describe_snapshots(OwnerIds=["self"])["Snapshots"][0])

    assert (snapshot()["Progress"], snapshot()["State"], snapshot()["VolumeId"]) == ("0%", "pending", "vol-ffffffff")
    expected = rf"Copied for DestinationAmi {copied} from SourceAmi {source} for SourceSnapshot {world.snapshot_of(source)}\."
    assert re.match(expected, snapshot()["Description"])
    world.pass_time(10)
    assert 30 <= int(snapshot()["Progress"].removesuffix("%")) <= 50
    world.pass_time()
    assert (snapshot()["Progress"], snapshot()["State"], snapshot()["TransferType"]) == ("100%", "completed", "standard")
    assert snapshot()["FullSnapshotSizeInBytes"] > 0


def test_copies_may_share_a_name(world: World) -> None:
    """Trap 3: CopyImage does not enforce unique names."""
    source = world.image(name="web")
    first, second = world.copy(source, Name="web"), world.copy(source, Name="web")
    assert first != second
    assert world.copy(source, to=HOME, Name="web")


def test_the_same_token_gives_the_same_copy_even_after_it_failed(world: World) -> None:
    """Research 1.3; trap 4."""
    source = world.image()
    ec2.fail_next_copies(AWAY)
    first = world.copy(source, ClientToken="t-1")
    assert done(world, first)["State"] == "failed"
    assert world.copy(source, ClientToken="t-1") == first
    assert world.copy(source, ClientToken="t-2") != first
    assert len(world.ec2(AWAY).describe_images(Owners=["self"])["Images"]) == 2


@pytest.mark.parametrize(
    "change",
    [
        row("another name", "trap 5", {"Name": "other"}),
        row("a description", "trap 5", {"Description": "x"}),
        row("tags", "trap 5", {"TagSpecifications": [{"ResourceType": "image", "Tags": [{"Key": "a", "Value": "b"}]}]}),
    ],
)
def test_a_token_with_other_parameters_is_refused(world: World, change: dict[str, Any]) -> None:
    source = world.image()
    world.copy(source, ClientToken="t")
    assert error_of(lambda: world.copy(source, ClientToken="t", **change)) == ("IdempotentParameterMismatch", 400)


def test_tokens_are_of_one_region_and_account(world: World) -> None:
    """Research 1.3: tokens are per region."""
    source = world.image(users=[world.other], snapshot_users=[world.other])
    ids = {
        world.copy(source, ClientToken="t"),
        world.copy(source, to="eu-west-2", ClientToken="t"),
        world.copy(source, account=world.other, ClientToken="t"),
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
def test_tags_of_a_copy_are_there_from_its_first_moment(world: World, arguments: dict[str, Any], expected: dict[str, str]) -> None:
    copied = world.copy(world.image(tags={"own": "1", "aws:x": "2"}), **arguments)
    assert tags_of(world.shown(copied, AWAY)) == expected
    snapshot = world.ec2(AWAY).describe_snapshots(OwnerIds=["self"])["Snapshots"][0]
    assert tags_of(snapshot) == ({"new": "s"} if "TagSpecifications" in arguments else {})


def test_only_shared_tags_cross_accounts(world: World) -> None:
    """Research 4: tags do not cross, except ec2:SharedTag."""
    source = world.image(tags={"own": "1", "ec2:SharedTag/line": "2"}, users=[world.other], snapshot_users=[world.other])
    copied = world.copy(source, account=world.other, CopyImageTags=True)
    assert tags_of(world.shown(copied, AWAY, account=world.other)) == {"ec2:SharedTag/line": "2"}


# Encryption


def sealed(world: World, image_id: str, region: str = AWAY) -> tuple[bool, str | None]:
    snapshot = world.shown_snapshot(world.snapshot_of(image_id, region), region)
    return snapshot["Encrypted"], snapshot.get("KmsKeyId")


def managed_key(world: World, region: str = AWAY) -> str:
    return str(world.kms(region).describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"])


def test_a_plain_copy_of_a_plain_image_is_plain(world: World) -> None:
    copied = world.copy(world.image())
    world.pass_time()
    assert sealed(world, copied) == (False, None)


@pytest.mark.parametrize(
    "form",
    [row("by ARN", "CopyImage KmsKeyId", "arn"), row("by id", "CopyImage KmsKeyId", "id"), row("by alias", "CopyImage KmsKeyId", "alias")],
)
def test_a_copy_is_encrypted_with_the_named_key(world: World, form: str) -> None:
    key = world.key(AWAY)
    world.kms(AWAY).create_alias(AliasName="alias/golden", TargetKeyId=key)
    reference = {"arn": key, "id": key.rsplit("/", 1)[-1], "alias": "alias/golden"}[form]
    copied = world.copy(world.image(), Encrypted=True, KmsKeyId=reference)
    world.pass_time()
    assert sealed(world, copied) == (True, key)
    assert world.shown(copied, AWAY)["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True


def test_an_encrypted_image_stays_encrypted_with_the_managed_key_of_the_region(world: World) -> None:
    """Research 4: can never decrypt."""
    copied = world.copy(world.image(encrypted=True, kms_key=world.key()))
    world.pass_time()
    assert sealed(world, copied) == (True, managed_key(world))


def test_a_copy_within_the_region_keeps_its_key_and_can_be_given_another(world: World) -> None:
    """Research 4: same-region copy is legal (re-encrypt)."""
    key, other = world.key(), world.key()
    source = world.image(encrypted=True, kms_key=key)
    same, changed = world.copy(source, to=HOME), world.copy(source, to=HOME, Encrypted=True, KmsKeyId=other)
    world.pass_time()
    assert (sealed(world, same, HOME), sealed(world, changed, HOME)) == ((True, key), (True, other))


def test_encryption_by_default_seals_every_copy(world: World) -> None:
    """Trap 9."""
    world.ec2(AWAY).enable_ebs_encryption_by_default()
    first = world.copy(world.image())
    key = world.key(AWAY)
    world.ec2(AWAY).modify_ebs_default_kms_key_id(KmsKeyId=key)
    second = world.copy(world.image())
    world.pass_time()
    assert (sealed(world, first), sealed(world, second)) == ((True, managed_key(world)), (True, key))


def disabled_key(world: World) -> str:
    key = world.key(AWAY)
    world.kms(AWAY).disable_key(KeyId=key.rsplit("/", 1)[-1])
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
def test_a_bad_key_is_accepted_and_fails_the_copy_later(world: World, key: Any) -> None:
    copied = world.copy(world.image(), Encrypted=True, KmsKeyId=key(world))
    assert world.shown(copied, AWAY)["State"] == "pending"
    image = done(world, copied)
    assert (image["State"], image["StateReason"]["Message"]) == ("failed", "Given key ID is not accessible")
    snapshot = world.ec2(AWAY).describe_snapshots(OwnerIds=["self"])["Snapshots"][0]
    assert (snapshot["State"], snapshot["StateMessage"]) == ("error", "Given key ID is not accessible")


def test_another_accounts_key_works_with_a_grant(world: World) -> None:
    key = world.key(AWAY, account=world.other)
    world.kms(AWAY, account=world.other).create_grant(
        KeyId=key, GranteePrincipal=f"arn:aws:iam::{world.account}:root", Operations=GRANT_OPERATIONS
    )
    assert done(world, world.copy(world.image(), Encrypted=True, KmsKeyId=key))["State"] == "available"


# Failure


def test_the_next_copies_into_a_region_can_be_made_to_fail(world: World) -> None:
    """Trap 1; the lab's own setting."""
    world.aws.lab.settings(fail_copies={AWAY: 1})
    source = world.image()
    first, second = world.copy(source), world.copy(source)
    world.pass_time()
    assert [world.shown(image_id, AWAY)["State"] for image_id in (first, second)] == ["failed", "available"]
    assert world.shown(first, AWAY)["StateReason"] == {
        "Code": "Server.InternalError",
        "Message": "Copy image failed with an internal error.",
    }


def test_deregistering_a_pending_copy_cancels_it_and_leaves_its_snapshots(world: World) -> None:
    """Research 4: cancel; trap 43."""
    copied = world.copy(world.image())
    world.ec2(AWAY).deregister_image(ImageId=copied)
    world.pass_time(40)
    assert world.ec2(AWAY).describe_images(ImageIds=[copied])["Images"] == []
    snapshots = world.ec2(AWAY).describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert [snapshot["State"] for snapshot in snapshots] == ["completed"]
    world.ec2(AWAY).delete_snapshot(SnapshotId=snapshots[0]["SnapshotId"])


# Refusals


def shared(world: World, **traits: Any) -> str:
    return world.image(account=world.other, users=[world.account], **traits)


def disabled(world: World) -> str:
    image_id = world.image()
    world.ec2().disable_image(ImageId=image_id)
    return image_id


def pending(world: World) -> str:
    return world.copy(world.image(AWAY), region=AWAY, to=HOME)


def deregistered(world: World) -> str:
    image_id = world.image()
    world.ec2().deregister_image(ImageId=image_id)
    return image_id


def encrypted_and_shared(world: World) -> str:
    return shared(world, snapshot_users=[world.account], encrypted=True, kms_key=world.key(account=world.other))


def beyond_quota(world: World) -> Any:
    world.settings.concurrent_copies_quota = 2
    source = world.image()
    return [world.copy(source) for _ in range(3)]


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
def test_copy_image_is_refused(world: World, act: Act, code: str, status: int) -> None:
    assert_refused(world, act, code, status)


def test_a_refused_copy_says_which_permission_is_missing(world: World) -> None:
    """Research 4, sync errors."""
    with pytest.raises(world.ec2().exceptions.ClientError, match="You do not have permission to access the storage of this ami"):
        world.copy(shared(world))


def test_a_copy_slot_is_free_again_when_the_copy_is_done(world: World) -> None:
    world.settings.concurrent_copies_quota = 1
    source = world.image()
    world.copy(source)
    world.pass_time()
    second = world.copy(source)
    world.ec2(AWAY).deregister_image(ImageId=second)
    assert world.copy(source)


def granted(world: World) -> str:
    key = world.key(account=world.other)
    world.kms(account=world.other).create_grant(
        KeyId=key, GranteePrincipal=f"arn:aws:iam::{world.account}:root", Operations=GRANT_OPERATIONS
    )
    return shared(world, snapshot_users=[world.account], encrypted=True, kms_key=key)


@pytest.mark.parametrize(
    "source",
    [
        row("image and snapshot shared with me", "trap 13", lambda w: shared(w, snapshot_users=[w.account])),
        row("image shared, snapshot public", "trap 13", lambda w: shared(w, snapshot_public=True)),
        row("everything public", "trap 13", lambda w: w.image(account=w.other, public=True, snapshot_public=True)),
        row("encrypted, with a grant on the key", "trap 13", granted),
        row("product codes of my own", "trap 28", lambda w: w.image(product_codes=["x"])),
        row("instance store", "CopyImage", lambda w: w.image(root_device_type="instance-store")),
    ],
)
def test_whoever_is_entitled_owns_the_copy(world: World, source: Any) -> None:
    image = done(world, world.copy(source(world)))
    assert (image["State"], image["OwnerId"]) == ("available", world.account)


# CopySnapshot


def copy_snapshot(world: World, snapshot: str, *, region: str = HOME, **arguments: Any) -> str:
    return str(world.ec2(AWAY).copy_snapshot(SourceRegion=region, SourceSnapshotId=snapshot, **arguments)["SnapshotId"])


def test_a_snapshot_copy_completes_later_and_has_its_tags_at_once(world: World) -> None:
    """CopySnapshot."""
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}]
    copied = copy_snapshot(world, world.snapshot(size=12), Description="d", TagSpecifications=tags, CompletionDurationMinutes=30)
    shown = world.shown_snapshot(copied, AWAY)
    assert (shown["State"], shown["VolumeSize"], shown["Description"], tags_of(shown)) == ("pending", 12, "d", {"a": "b"})
    assert (shown["TransferType"], shown["CompletionDurationMinutes"]) == ("time-based", 30)
    world.pass_time()
    assert world.shown_snapshot(copied, AWAY)["State"] == "completed"


def test_a_snapshot_copy_has_no_token_so_twice_is_two(world: World) -> None:
    """Research 1.3."""
    snapshot = world.snapshot()
    assert copy_snapshot(world, snapshot) != copy_snapshot(world, snapshot)


def test_a_snapshot_copy_with_a_bad_key_ends_in_error(world: World) -> None:
    """Research 2 DescribeSnapshots: StateMessage explains."""
    copied = copy_snapshot(world, world.snapshot(), Encrypted=True, KmsKeyId="alias/nothing")
    world.pass_time()
    shown = world.shown_snapshot(copied, AWAY)
    assert (shown["State"], shown["StateMessage"]) == ("error", "Given key ID is not accessible")


def too_many_snapshot_copies(world: World) -> Any:
    world.settings.concurrent_snapshot_copies_quota = 1
    return [copy_snapshot(world, world.snapshot()) for _ in range(2)]


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
def test_copy_snapshot_is_refused(world: World, act: Act, code: str, status: int) -> None:
    assert_refused(world, act, code, status)
