"""Who images are shared with, after a restart: the new process has read nothing, and finds all the same what changed behind its back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import ControlPlane
from support.operator import HOME, World, eventually, operator, snapshots_of
from support.questions import mutations, newest_call
from support.scenes import declared, image_of, iv

STRANGER = "777777777777"
AUDITED_WITHIN_SECONDS = 60.0
"""The audit follows a resync's listing, and reads a few of the permissions that were read longest ago, or never."""


def test_what_changes_after_a_restart_is_found_without_anybody_asking(
    own_plane: ControlPlane, fast_aws: LocalAws, new_account: Callable[[], str], tmp_path: Path
) -> None:
    world = World(own_plane, fast_aws, "images", new_account(), new_account(), installation="restarted")

    keep = {"accounts": [world.partner], "foreignGrants": "Keep"}
    with operator(own_plane, fast_aws, tmp_path, account=world.account, installation=world.installation) as first:
        world.tail = first.tail
        for name in ("lost", "foreign", "exposed"):
            world.apply(declared(world, name, regions=(HOME,), sharing={"accounts": [world.partner]}))
        for name in ("kept", "later"):
            world.apply(declared(world, name, regions=(HOME,), sharing=keep))
        images = {name: image_of(world, name) for name in ("lost", "foreign", "exposed", "kept", "later") if world.ready(name)}
        share(world, images["kept"], "Add", STRANGER)
        eventually(lambda: kept_grants(world, "kept"), "found and told", seconds=AUDITED_WITHIN_SECONDS, told=world.told)
    before, told = newest_call(world), world.ready(iv("kept"), "imageversion")

    with operator(own_plane, fast_aws, tmp_path, account=world.account, installation=world.installation) as second:
        world.tail = second.tail
        share(world, images["lost"], "Remove", world.partner)
        share(world, images["foreign"], "Add", STRANGER)
        share(world, images["later"], "Add", STRANGER)
        (exposed,) = snapshots_of(images["exposed"])
        world.ec2().modify_snapshot_attribute(
            SnapshotId=exposed, Attribute="createVolumePermission", OperationType="add", GroupNames=["all"]
        )

        def right() -> bool:
            shared = [world.shared_with(images[name]["ImageId"]) for name in ("lost", "foreign")]
            return shared == [{world.partner}] * 2 and world.snapshot_shared_with(exposed) == {world.partner}

        eventually(right, "found and put right", seconds=AUDITED_WITHIN_SECONDS, told=world.told)
        eventually(lambda: kept_grants(world, "later"), "found and told", seconds=AUDITED_WITHIN_SECONDS, told=world.told)

        # What was known is not unsaid until somebody has read it: nothing was written.
        assert world.get("imageversion", iv("kept")) == told
        assert world.shared_with(images["kept"]["ImageId"]) == {world.partner, STRANGER}
        # By hand four; of the operator one for each thing that was wrong.
        assert len(mutations(world, before)) == 4 + 3


def kept_grants(world: World, name: str) -> bool:
    obj = world.get("imageversion", iv(name)) or {}
    return bool(obj.get("status", {}).get("foreignGrants") == [{"region": HOME, "principals": [STRANGER]}])


def share(world: World, image: dict[str, Any], way: str, account: str) -> None:
    """Behind the operator's back."""
    world.ec2().modify_image_attribute(ImageId=image["ImageId"], LaunchPermission={way: [{"UserId": account}]})
