"""Sharing: whom images, snapshots and keys are given to and taken from, in which order, and what happens to what others granted."""

from typing import Any

import pytest

from support.operator import AWAY, HOME, Body, World, eventually, snapshots_of
from support.scenes import (
    calls_since,
    changed_settings,
    declared,
    events_of,
    fresh_account,
    image_of,
    images_of,
    iv,
    kms,
    look_again,
    made,
    new_key,
    newest_call,
    until,
)

THIRD = "777777777777"
SHARES = ("kms.CreateGrant", "ec2.ModifySnapshotAttribute", "ec2.ModifyImageAttribute")
UNSHARES = ("ec2.ModifyImageAttribute", "ec2.ModifySnapshotAttribute", "kms.RevokeGrant")


AUDITED_WITHIN_SECONDS = 60.0
"""The audit follows a resync's listing, and reads a few of the permissions that were read longest ago."""


@pytest.fixture(scope="module", autouse=True)
def early(corner: World) -> str:
    """An image that lost a share before anything else happened here: only the audit can find that, while the other tests run."""
    corner.apply(declared(corner, "early", sharing={"accounts": [corner.partner]}))
    corner.ready("early")
    image = str(image_of(corner, "early", AWAY)["ImageId"])
    corner.ec2(AWAY).modify_image_attribute(ImageId=image, LaunchPermission={"Remove": [{"UserId": corner.partner}]})
    return image


# --- whom ---


def test_accounts_organizations_and_units_can_launch_and_nobody_else_can(corner: World, name: str) -> None:
    lab, management, member, unit_member = corner.aws.lab, fresh_account(), fresh_account(), fresh_account()
    (organization,) = lab.enrol(member, management_account=management)
    (unit,) = lab.enrol(unit_member, management_account=fresh_account(), unit_path="consumers") - {organization_of(lab, unit_member)}
    sharing = {"accounts": [corner.partner], "organizationArns": [organization], "organizationalUnitArns": [unit]}

    corner.apply(declared(corner, name, sharing=sharing))
    corner.ready(name)

    for region in (HOME, AWAY):
        image = image_of(corner, name, region)["ImageId"]
        assert corner.shared_with(image, region) == {corner.partner, organization, unit}
        seen = {account: sees(corner, account, image, region) for account in (corner.partner, member, unit_member, THIRD)}
        assert seen == {corner.partner: True, member: True, unit_member: True, THIRD: False}


def test_a_public_image_is_everybodys_and_is_no_longer_once_that_is_taken_back(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, sharing={"public": True}))
    corner.ready(name)
    image = image_of(corner, name, AWAY)["ImageId"]
    assert sees(corner, THIRD, image, AWAY)

    corner.patch("goldenimage", name, {"spec": {"sharing": {"public": False}}})
    until(corner, lambda: not corner.shared_with(image, AWAY), "taken back")

    corner.ready(name)
    assert not sees(corner, THIRD, image, AWAY)


def test_principals_of_the_spec_and_of_all_share_lists_are_merged(corner: World, name: str) -> None:
    organization = "arn:aws:organizations::222222222222:organization/o-abcdefghij"
    lists = corner.share_list(f"{name}-a", corner.partner, "333333333333"), corner.share_list(f"{name}-b", "333333333333")
    lists[1]["spec"]["organizationArns"] = [organization]
    references = [{"name": f"{name}-a"}, {"name": f"{name}-b"}]

    corner.apply(*lists, declared(corner, name, sharing={"accounts": ["444444444444"], "shareListRefs": references}))
    corner.ready(name)

    everybody = {corner.partner, "333333333333", "444444444444", organization}
    assert [corner.shared_with(image_of(corner, name, at)["ImageId"], at) for at in (HOME, AWAY)] == [everybody] * 2


def test_the_account_itself_may_be_listed_and_is_granted_nothing_for_ever(corner: World, name: str, early: str) -> None:
    corner.apply(declared(corner, name, sharing={"accounts": [corner.account, corner.partner]}))
    corner.ready(name)
    since = newest_call(corner)

    look_again(corner, name)
    corner.ready(name)

    assert written(corner, since, early) == []
    assert corner.shared_with(image_of(corner, name)["ImageId"]) == {corner.partner}


# --- snapshots and keys ---


@pytest.mark.parametrize("shared", [pytest.param(True, id="follow the accounts"), pytest.param(False, id="stay private where declared so")])
def test_snapshots(corner: World, name: str, shared: bool) -> None:
    corner.apply(declared(corner, name, sharing={"accounts": [corner.partner], "snapshots": shared}))
    corner.ready(name)

    image = image_of(corner, name, AWAY)
    assert corner.shared_with(image["ImageId"], AWAY) == {corner.partner}
    expected = {corner.partner} if shared else set()
    assert [corner.snapshot_shared_with(part, AWAY) for part in snapshots_of(image)] == [expected]


def test_a_key_is_granted_before_snapshot_and_image_and_revoked_after_them(corner: World, name: str, early: str) -> None:
    key, since = new_key(corner, AWAY), newest_call(corner)
    replicas = [{"region": AWAY, "kmsKeyId": key}]

    corner.apply(declared(corner, name, replicas=replicas, sharing={"accounts": [corner.partner]}))
    corner.ready(name)

    assert grantees(corner, key) == {corner.partner}
    assert [call for call in written(corner, since, early) if call in SHARES] == list(SHARES)
    since = newest_call(corner)
    corner.patch("goldenimage", name, {"spec": {"sharing": {"accounts": []}}})
    until(corner, lambda: grantees(corner, key) == set(), "the key's grant revoked")
    corner.ready(name)
    assert written(corner, since, early) == list(UNSHARES)
    image = image_of(corner, name, AWAY)
    assert corner.shared_with(image["ImageId"], AWAY) == set()
    assert [corner.snapshot_shared_with(part, AWAY) for part in snapshots_of(image)] == [set()]


def test_what_is_taken_back_does_not_wait_for_tags_that_may_not_be_set(corner: World, name: str) -> None:
    key = new_key(corner, AWAY)
    replicas = [{"region": HOME}, {"region": AWAY, "kmsKeyId": key}]
    corner.apply(declared(corner, name, replicas=replicas, sharing={"accounts": [corner.partner, THIRD]}))
    corner.ready(name)
    image = image_of(corner, name, AWAY)
    refused = {"operation": "ec2.CreateTags", "account": corner.account, "region": AWAY, "resource": image["ImageId"]}
    fault = corner.aws.lab.add_fault("refuse", code="UnauthorizedOperation", message="You are not authorized.", times=1000, **refused)

    corner.patch("goldenimage", name, {"spec": {"tags": {"team": "platform"}, "sharing": {"accounts": [THIRD]}}})
    until(corner, lambda: corner.shared_with(image["ImageId"], AWAY) == {THIRD}, "taken off the image")
    until(corner, lambda: grantees(corner, key) == {THIRD}, "and off its key")
    condition = corner.reason("AccessDenied", name)

    assert "CreateTags" in condition["message"]
    assert [corner.snapshot_shared_with(part, AWAY) for part in snapshots_of(image)] == [{THIRD}]
    until(corner, lambda: corner.condition("imageversion", iv(name), "SharingReady")["status"] == "True", "sharing is as declared")
    corner.aws.lab.remove_fault(fault)
    look_again(corner, name)
    corner.ready(name)


def test_grants_of_others_on_the_key_are_left_alone(corner: World, name: str) -> None:
    key = new_key(corner, AWAY)
    theirs = {"GranteePrincipal": f"arn:aws:iam::{THIRD}:root", "Operations": ["Decrypt"]}
    kms(corner, AWAY).create_grant(KeyId=key, **theirs)

    corner.apply(declared(corner, name, replicas=[{"region": AWAY, "kmsKeyId": key}], sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    corner.patch("goldenimage", name, {"spec": {"sharing": {"accounts": []}}})
    until(corner, lambda: corner.partner not in grantees(corner, key), "the own grant revoked")

    assert grantees(corner, key) == {THIRD}


def test_deletion_revokes_the_grants_on_keys(corner: World, name: str) -> None:
    key = new_key(corner, AWAY)
    replicas = [{"region": AWAY, "kmsKeyId": key}]
    corner.apply(declared(corner, name, replicas=replicas, sharing={"accounts": [corner.partner]}, deletionPolicy="Delete"))
    corner.ready(name)

    corner.delete("goldenimage", name)
    corner.gone(name)

    assert grantees(corner, key) == set()
    assert images_of(corner, name, AWAY) == []


# --- what others granted ---


def test_foreign_grants_are_removed_from_image_and_snapshot_and_reported(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    image = image_of(corner, name, AWAY)
    (part,) = snapshots_of(image)
    share_by_hand(corner, image, AWAY, THIRD)

    look_again(corner, name)
    corner.ready(name)

    assert corner.shared_with(image["ImageId"], AWAY) == {corner.partner}
    assert corner.snapshot_shared_with(part, AWAY) == {corner.partner}
    told = until(corner, lambda: [text for reason, text in events_of(corner, iv(name)) if reason == "ForeignGrantsFound"], "an event")
    assert AWAY in told[0]
    assert THIRD in told[0]


def test_foreign_grants_are_kept_where_declared_so_and_reported_in_the_status(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, sharing={"accounts": [corner.partner], "foreignGrants": "Keep"}))
    corner.ready(name)
    image = image_of(corner, name, AWAY)
    share_by_hand(corner, image, AWAY, THIRD)

    look_again(corner, name)
    obj = corner.ready(iv(name), "imageversion")

    assert corner.shared_with(image["ImageId"], AWAY) == {corner.partner, THIRD}
    assert obj["status"]["foreignGrants"] == [{"region": AWAY, "principals": [THIRD]}]
    assert THIRD in corner.condition("imageversion", iv(name), "SharingReady")["message"]
    assert "ForeignGrantsFound" in until(corner, lambda: [reason for reason, _ in events_of(corner, iv(name))], "events")


def test_without_sharing_every_grant_is_left_as_it_is(corner: World, name: str, early: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)
    image, since = image_of(corner, name, AWAY), newest_call(corner)
    share_by_hand(corner, image, AWAY, THIRD)

    look_again(corner, name)
    corner.ready(name)

    assert corner.shared_with(image["ImageId"], AWAY) == {THIRD}
    assert set(written(corner, since, early)) == {"ec2.ModifyImageAttribute", "ec2.ModifySnapshotAttribute"}


def test_public_access_that_nobody_declared_is_removed_at_the_next_look_whatever_the_policy_and_told(corner: World, name: str) -> None:
    families = {f"{name}-remove": "Remove", f"{name}-keep": "Keep"}
    for family, policy in families.items():
        corner.apply(declared(corner, family, sharing={"accounts": [corner.partner], "foreignGrants": policy}))
    images = {family: image_of(corner, family, AWAY)["ImageId"] for family in families if corner.ready(family)}

    for image in images.values():
        corner.ec2(AWAY).modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]})

    # Without being asked: the listing tells it, at the latest with the resync.
    until(corner, lambda: all(corner.shared_with(image, AWAY) == {corner.partner} for image in images.values()), "no longer public")
    until(corner, lambda: all(exposures(corner, family) for family in families), "an event for each")
    for family, image in images.items():
        assert image in exposures(corner, family)[0]
        assert AWAY in exposures(corner, family)[0]
        corner.ready(family)


def test_a_share_that_was_taken_away_by_hand_is_given_back(corner: World, name: str) -> None:
    key = new_key(corner, AWAY)
    corner.apply(declared(corner, name, replicas=[{"region": AWAY, "kmsKeyId": key}], sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    image = image_of(corner, name, AWAY)
    (part,) = snapshots_of(image)
    (grant,) = kms(corner, AWAY).list_grants(KeyId=key)["Grants"]

    everybody = [{"UserId": corner.partner}]
    corner.ec2(AWAY).modify_image_attribute(ImageId=image["ImageId"], LaunchPermission={"Remove": everybody})
    corner.ec2(AWAY).modify_snapshot_attribute(
        SnapshotId=part, Attribute="createVolumePermission", OperationType="remove", UserIds=[corner.partner]
    )
    kms(corner, AWAY).revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    look_again(corner, name)

    corner.ready(name)
    assert corner.shared_with(image["ImageId"], AWAY) == {corner.partner}
    assert corner.snapshot_shared_with(part, AWAY) == {corner.partner}
    assert grantees(corner, key) == {corner.partner}


# --- what EC2 does not admit ---


def test_a_region_that_blocks_public_access_is_named_together_with_who_set_it(world: World) -> None:
    world.ec2(AWAY).enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")

    world.apply(declared(world, sharing={"public": True}))
    condition = world.reason("PublicBlocked")

    assert AWAY in condition["message"]
    assert "set by account" in condition["message"]
    assert "spec.sharing.public" in condition["message"]
    assert images_of(world, region=AWAY) == []
    until(world, lambda: images_of(world) and world.shared_with(image_of(world)["ImageId"]) == {"all"}, "the other region is public")
    world.ec2(AWAY).disable_image_block_public_access()
    look_again(world)
    world.ready()


def test_an_image_that_exists_says_so_when_it_may_not_be_made_public_and_is_shared_with_the_others(world: World) -> None:
    world.apply(declared(world, sharing={}))
    world.ready()
    world.ec2(AWAY).enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")

    world.patch("goldenimage", "web", {"spec": {"sharing": {"public": True, "accounts": [world.partner]}}})
    condition = world.reason("PublicBlocked")

    assert AWAY in condition["message"]
    until(world, lambda: world.shared_with(image_of(world, region=AWAY)["ImageId"], AWAY) == {world.partner}, "shared with the account")
    assert world.shared_with(image_of(world)["ImageId"]) == {"all", world.partner}


def test_one_account_that_nobody_has_is_named_and_all_others_get_image_snapshot_and_key(corner: World, name: str) -> None:
    key, other, missing = new_key(corner, AWAY), fresh_account(), fresh_account()
    replicas = [{"region": HOME}, {"region": AWAY, "kmsKeyId": key}]
    others = {corner.partner, other}
    with changed_settings(corner.aws, unknown_accounts=[missing]):
        corner.apply(declared(corner, name, replicas=replicas, sharing={"accounts": [*others, missing]}))
        corner.reason("PrincipalRefused", name)
        # The copies end one after the other, and each region is told when its copy is there.
        condition = until(corner, lambda: told_of(corner, name, HOME, AWAY), "told of both regions")

        assert missing in condition["message"]
        assert "spec.sharing" in condition["message"]
        assert not any(account in condition["message"] for account in others)
        assert corner.condition("goldenimage", name, "Stalled")["status"] == "True"
        for region in (HOME, AWAY):
            image = image_of(corner, name, region)
            assert corner.shared_with(image["ImageId"], region) == others
            assert [corner.snapshot_shared_with(part, region) for part in snapshots_of(image)] == [others]
        assert grantees(corner, key) == others
        told = until(corner, lambda: [text for reason, text in events_of(corner, iv(name)) if reason == "Shared"], "told")
        assert not any(missing in text for text in told)

        corner.patch("goldenimage", name, {"spec": {"sharing": {"accounts": sorted(others)}}})
        corner.ready(name)


def test_more_principals_than_ec2_admits_are_refused_before_anything_is_called(corner: World, name: str) -> None:
    first, second = (corner.share_list(f"{name}-{half}", *accounts(600, half)) for half in (1, 2))
    references = [{"name": f"{name}-{half}"} for half in (1, 2)]

    corner.apply(first, second, declared(corner, name, sharing={"shareListRefs": references}))
    condition = corner.reason("ShareQuotaExceeded", name)

    assert "1200" in condition["message"]
    assert "1000" in condition["message"]
    assert "organization" in condition["message"]
    assert corner.condition("goldenimage", name, "Stalled")["status"] == "True"
    assert made(corner, name) == []
    corner.apply(corner.share_list(f"{name}-2", *accounts(400, 2)))
    corner.ready(name)
    assert len(corner.shared_with(image_of(corner, name)["ImageId"])) == 1000


def test_hundreds_of_principals_are_granted_five_hundred_a_call_and_taken_away_so(corner: World, name: str, early: str) -> None:
    many, since = accounts(600, 3), newest_call(corner)

    corner.apply(declared(corner, name, regions=(HOME,), sharing={"accounts": many}))
    corner.ready(name)

    image = image_of(corner, name)
    assert corner.shared_with(image["ImageId"]) == set(many)
    assert [corner.snapshot_shared_with(part) for part in snapshots_of(image)] == [set(many)]
    assert modified(corner, since, early) == {"ec2.ModifyImageAttribute": 2, "ec2.ModifySnapshotAttribute": 2}
    since = newest_call(corner)
    corner.patch("goldenimage", name, {"spec": {"sharing": {"accounts": []}}})
    until(corner, lambda: not corner.snapshot_shared_with(snapshots_of(image)[0]), "taken away")
    corner.ready(name)
    assert corner.shared_with(image["ImageId"]) == set()
    assert modified(corner, since, early) == {"ec2.ModifyImageAttribute": 2, "ec2.ModifySnapshotAttribute": 2}


# --- what nobody asks for ---


def test_a_share_that_was_taken_away_by_hand_is_found_by_the_audit(corner: World, early: str) -> None:
    def shared() -> bool:
        return corner.shared_with(early, AWAY) == {corner.partner}

    eventually(shared, "found and given back", seconds=AUDITED_WITHIN_SECONDS, told=corner.told)


# --- questions ---


def told_of(world: World, name: str, *words: str) -> Body | None:
    """The condition Ready, once its message names them all."""
    condition = world.condition("goldenimage", name)
    return condition if all(word in condition.get("message", "") for word in words) else None


def exposures(world: World, name: str) -> list[str]:
    return [text for reason, text in events_of(world, iv(name)) if reason == "PublicExposure"]


def accounts(count: int, series: int) -> list[str]:
    return [f"{series}{number:011d}" for number in range(count)]


def written(world: World, since: int, early: str) -> list[str]:
    """The calls that changed something, but for the audit's repair of the early image: that comes whenever the audit gets there."""
    return [call.name for call in calls_since(world, since, mutating=True) if call.arguments.get("ImageId") != early]


def modified(world: World, since: int, early: str) -> dict[str, int]:
    names = [name for name in written(world, since, early) if name.startswith("ec2.Modify")]
    return {each: names.count(each) for each in sorted(set(names))}


def sees(world: World, account: str, image_id: str, region: str) -> bool:
    filters = [{"Name": "image-id", "Values": [image_id]}]
    return bool(world.aws.client("ec2", region=region, account=account).describe_images(Filters=filters)["Images"])


def grantees(world: World, key: str, region: str = AWAY) -> set[str]:
    return {grant["GranteePrincipal"].split(":")[4] for grant in kms(world, region).list_grants(KeyId=key)["Grants"]}


def share_by_hand(world: World, image: dict[str, Any], region: str, account: str) -> None:
    ec2 = world.ec2(region)
    ec2.modify_image_attribute(ImageId=image["ImageId"], LaunchPermission={"Add": [{"UserId": account}]})
    for part in snapshots_of(image):
        ec2.modify_snapshot_attribute(SnapshotId=part, Attribute="createVolumePermission", OperationType="add", UserIds=[account])


def organization_of(lab: Any, account: str) -> str:
    return str(next(arn for arn in lab.memberships(account) if ":organization/" in arn))
