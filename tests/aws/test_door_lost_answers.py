"""Every effect whose answer is lost and which is asked for again leaves AWS as one that was answered: nothing doubled, nothing left."""

from collections.abc import Callable
from typing import Any

import pytest

from goldenami.aws.errors import AlreadyExists, AwsError, Unreachable
from goldenami.local.aws import LocalAws
from goldenami.plan import actions as do
from goldenami.plan import identity
from goldenami.plan.actions import Action
from goldenami.plan.values import Image, Principals
from support.door import OWNER, TAGS, VERSION, Door, open_door
from support.ec2 import tags_of

FRIEND = "999988887777"
PARAMETER = "/golden/web/current"
SHARED = Principals(accounts=frozenset({FRIEND}), public=True)


def copy(door: Door) -> do.CopyImage:
    source = door.cloud.image()
    token = identity.client_token(OWNER, VERSION, door.account.account_id, door.away.region, source, 1)
    return do.CopyImage(door.away, source, door.home.region, "web-1.4.2", token, tags=TAGS)


def copied(door: Door) -> Image:
    image_id = door.effects.perform(copy(door))
    door.cloud.pass_time()
    view = door.inventory.region(door.away, not_older_than=door.now)
    return next(image for image in view.images if image.image_id == image_id)


def shared(door: Door) -> Image:
    image = copied(door)
    door.effects.perform(do.ShareSnapshot(door.away, image.snapshot_ids[0], (FRIEND,)))
    door.effects.perform(do.ShareImage(door.away, image.image_id, SHARED))
    return image


def disabled(door: Door) -> Image:
    image = copied(door)
    door.effects.perform(do.DisableImage(door.away, image.image_id, owner=OWNER))
    return image


def left_snapshot(door: Door) -> str:
    image = copied(door)
    door.cloud.ec2(door.away.region).deregister_image(ImageId=image.image_id)
    return image.snapshot_ids[0]


def grant(door: Door) -> do.GrantKey:
    return do.GrantKey(door.away, door.cloud.key(door.away.region), identity.grant_name(OWNER, VERSION, "eu-west-1", FRIEND), FRIEND)


def revocation(door: Door) -> do.RevokeKey:
    granted = grant(door)
    door.effects.perform(granted)
    (row,) = door.cloud.kms(door.away.region).list_grants(KeyId=granted.key_arn)["Grants"]
    return do.RevokeKey(door.away, granted.key_arn, row["GrantId"], FRIEND)


def published(door: Door) -> str:
    put = do.PutParameter(door.away, PARAMETER, copied(door).image_id, create=True, tags={identity.OWNER: str(OWNER)})
    door.effects.perform(put)
    door.cloud.pass_time(10.0)
    return put.image_id


def overwriting(door: Door) -> do.PutParameter:
    published(door)
    return do.PutParameter(door.away, PARAMETER, door.cloud.image(door.away.region, name="another"), create=False)


def releasing(door: Door) -> do.TagParameter:
    published(door)
    return do.TagParameter(door.away, PARAMETER, {identity.RELEASED: str(OWNER)}, (identity.OWNER,))


def deleting(door: Door) -> do.DeleteParameter:
    published(door)
    return do.DeleteParameter(door.away, PARAMETER)


def registering(door: Door) -> do.RegisterImage:
    snapshot = door.cloud.snapshot(door.away.region)
    return do.RegisterImage(door.away, snapshot, "web-1.4.2", "x86_64", "uefi", "/dev/xvda", True, None, None, tags=TAGS)


Prepare = Callable[[Door], Action]
CASES: dict[str, tuple[str, Prepare]] = {
    "a copy": ("ec2.CopyImage", copy),
    "an image of an instance": (
        "ec2.CreateImage",
        lambda door: do.CreateImage(door.away, door.cloud.instance(door.away.region), "web-1.4.2", reboot=False, tags=TAGS),
    ),
    "an image of a snapshot": ("ec2.RegisterImage", registering),
    "a description": ("ec2.ModifyImageAttribute", lambda door: do.SetDescription(door.away, copied(door).image_id, "x")),
    "tags": ("ec2.CreateTags", lambda door: do.SetTags(door.away, (copied(door).image_id,), {"team": "x"})),
    "tags taken away": ("ec2.DeleteTags", lambda door: do.RemoveTags(door.away, (copied(door).image_id,), (identity.SOURCE,))),
    "a share": ("ec2.ModifyImageAttribute", lambda door: do.ShareImage(door.away, copied(door).image_id, SHARED)),
    "a share taken away": ("ec2.ModifyImageAttribute", lambda door: do.UnshareImage(door.away, shared(door).image_id, SHARED)),
    "a snapshot's share": (
        "ec2.ModifySnapshotAttribute",
        lambda door: do.ShareSnapshot(door.away, copied(door).snapshot_ids[0], (FRIEND,)),
    ),
    "a snapshot's share taken away": (
        "ec2.ModifySnapshotAttribute",
        lambda door: do.UnshareSnapshot(door.away, shared(door).snapshot_ids[0], (FRIEND,)),
    ),
    "a key's grant": ("kms.CreateGrant", grant),
    "a key's grant taken away": ("kms.RevokeGrant", revocation),
    "disabling": ("ec2.DisableImage", lambda door: do.DisableImage(door.away, shared(door).image_id, owner=OWNER)),
    "enabling": ("ec2.EnableImage", lambda door: do.EnableImage(door.away, disabled(door).image_id)),
    "deregistering": (
        "ec2.DeregisterImage",
        lambda door: do.DeregisterImage(door.away, (image := disabled(door)).image_id, image.snapshot_ids, owner=OWNER),
    ),
    "a snapshot's end": ("ec2.DeleteSnapshot", lambda door: do.DeleteSnapshot(door.away, left_snapshot(door), owner=OWNER)),
    "an alias": (
        "ssm.PutParameter",
        lambda door: do.PutParameter(door.away, PARAMETER, copied(door).image_id, create=True, tags={identity.OWNER: str(OWNER)}),
    ),
    "an alias moved": ("ssm.PutParameter", overwriting),
    "an alias released": ("ssm.RemoveTagsFromResource", releasing),
    "an alias's end": ("ssm.DeleteParameter", deleting),
}


def state(door: Door) -> dict[str, list[Any]]:
    """All there is in the other region, without ids."""
    ec2, region = door.cloud.ec2(door.away.region), door.away.region
    kms, ssm = door.cloud.kms(region), door.cloud.aws.client("ssm", region=region, account=door.account.account_id)
    parameters = ssm.describe_parameters()["Parameters"]
    return {
        "images": sorted(
            (
                image["Name"] if tags_of(image) else "an image that was there",
                image["State"],
                image.get("Description", ""),
                sorted(tags_of(image).items()),
                image.get("Public", False),
                sorted(str(row) for row in launch_permissions(ec2, image["ImageId"])),
                len(image.get("BlockDeviceMappings", [])),
            )
            for image in ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
        ),
        "snapshots": sorted(
            (
                sorted(tags_of(snapshot).items()),
                str(ec2.describe_snapshot_attribute(SnapshotId=snapshot["SnapshotId"], Attribute="createVolumePermission")[
                    "CreateVolumePermissions"
                ]),
            )
            for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        ),
        "grants": [
            (grant["Name"], grant["GranteePrincipal"])
            for key in kms.list_keys()["Keys"]
            for grant in kms.list_grants(KeyId=key["KeyId"])["Grants"]
        ],
        "parameters": [
            (
                row["Name"],
                row.get("DataType"),
                ec2.describe_images(ImageIds=[ssm.get_parameter(Name=row["Name"])["Parameter"]["Value"]])["Images"][0]["Name"],
                tags_of({"Tags": ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=row["Name"])["TagList"]}),
            )
            for row in parameters
        ],
    }  # fmt: skip


def launch_permissions(ec2: Any, image_id: str) -> list[Any]:
    return list(ec2.describe_image_attribute(ImageId=image_id, Attribute="launchPermission")["LaunchPermissions"])


def settle(door: Door, action: Action) -> None:
    """Once more, as the next look would. An alias that exists is the outcome then, not a failure."""
    try:
        door.effects.perform(action)
    except AlreadyExists:
        assert isinstance(action, do.PutParameter)


@pytest.mark.parametrize(("operation", "prepare"), CASES.values(), ids=CASES)
def test_a_lost_answer_changes_nothing_in_the_end(
    ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch, operation: str, prepare: Prepare
) -> None:
    undisturbed = open_door(ec2_lab, monkeypatch)
    undisturbed.effects.perform(prepare(undisturbed))
    undisturbed.cloud.pass_time()
    wanted = state(undisturbed)

    door = open_door(ec2_lab, monkeypatch)
    action = prepare(door)
    door.fault("lose", operation=operation)
    with pytest.raises(Unreachable):
        door.effects.perform(action)
    door.cloud.pass_time(10.0)
    settle(door, action)
    door.cloud.pass_time()
    assert state(door) == wanted


@pytest.mark.parametrize(("operation", "prepare"), CASES.values(), ids=CASES)
def test_a_refused_call_is_made_good_by_the_next(
    ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch, operation: str, prepare: Prepare
) -> None:
    door = open_door(ec2_lab, monkeypatch)
    action = prepare(door)
    before = state(door)
    door.fault("refuse", operation=operation, code="InternalError", status=500)
    with pytest.raises(AwsError):
        door.effects.perform(action)
    if operation != "ssm.RemoveTagsFromResource":  # the second call of two: the first has added its tag
        assert state(door) == before
    door.effects.perform(action)
    door.cloud.pass_time()
    assert state(door) != before
