"""The inventory against the local AWS: shared listings, late and lost ids, permissions and their audit, preflights, aliases."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from goldenami.aws.effects import Effects
from goldenami.aws.errors import FixTheSpec, Unreachable
from goldenami.aws.inventory import Inventory
from goldenami.local.aws import LocalAws, lab
from goldenami.plan import actions as do
from goldenami.plan import identity
from goldenami.plan.actions import RemoveTags, SetTags
from goldenami.plan.evidence import Rules
from goldenami.plan.identity import Owner
from goldenami.plan.values import KeyFacts, Principals, RegionView
from support.door import OWNER, TAGS, VERSION, Door, open_door
from support.ec2 import tags_of

FRIEND = "999988887777"
Open = Callable[..., Door]


@pytest.fixture
def opened(ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda **options: open_door(ec2_lab, monkeypatch, **options)


@pytest.fixture
def door(opened: Open) -> Door:
    return opened()


def owned(door: Door, count: int = 1, owner: Owner = OWNER, version: str = VERSION) -> list[str]:
    """Available images of an owner in the other region, as if made long ago."""
    tags = identity.identity_tags(owner, version, "image/us-east-1/ami-1")
    made = [door.cloud.image(door.away.region) for _ in range(count)]
    snapshots = [door.cloud.snapshot_of(image_id, door.away.region) for image_id in made]
    rows = [{"Key": key, "Value": value} for key, value in tags.items()]
    for start in range(0, count, 500):
        ids = [*made[start : start + 500], *snapshots[start : start + 500]]
        door.cloud.ec2(door.away.region).create_tags(Resources=ids, Tags=rows)
    return made


def look(door: Door, **more: object) -> RegionView:
    return door.inventory.region(door.away, not_older_than=door.now, **more)  # type: ignore[arg-type]


class TestListing:
    def test_what_is_nobody_s_is_not_there_and_what_was_released_is(self, door: Door) -> None:
        (mine,) = owned(door)
        (let_go,) = owned(door, version="1.0.0")
        ec2 = door.cloud.ec2(door.away.region)
        ec2.create_tags(Resources=[let_go], Tags=[{"Key": identity.RELEASED, "Value": str(OWNER)}])
        ec2.delete_tags(Resources=[let_go], Tags=[{"Key": identity.OWNER}])
        door.cloud.image(door.away.region)
        view = look(door)
        assert {image.image_id for image in view.images} == {mine, let_go}
        assert {image.image_id for image in look(door, owner=OWNER, version=VERSION).images} == {mine}

    def test_of_what_keeps_one_tag_of_ours_the_listing_knows_what_it_was(self, door: Door) -> None:
        """Just released, and as another process finds it."""
        (let_go,) = owned(door)
        packed = identity.packed(OWNER, VERSION, identity.ADOPTED_ROLE, "image/eu-west-1/ami-0a1b2c3d4e5f60718")
        snapshot = look(door).images[0].snapshot_ids[0]
        door.effects.perform(SetTags(door.away, (let_go, snapshot), {identity.RELEASED: packed}))
        door.effects.perform(RemoveTags(door.away, (let_go, snapshot), identity.PACKED))
        assert set(tags_of(door.cloud.shown(let_go, door.away.region))) & set(identity.PACKED) == set()
        for _ in range(2):
            (image,) = look(door, owner=OWNER).images
            assert (image.tags[identity.VERSION], image.tags[identity.ROLE]) == (VERSION, identity.ADOPTED_ROLE)
            part = door.inventory.region(door.away, not_older_than=door.now, snapshots_not_older_than=door.now, owner=OWNER)
            assert identity.released_by(part.snapshots[snapshot].tags) == OWNER
            door.cloud.pass_time(1)

    def test_an_owner_s_part_holds_its_images_and_their_snapshots_only(self, door: Door) -> None:
        mine, other = owned(door), owned(door, owner=Owner("test", "images", "db"))
        part = look(door, owner=OWNER)
        assert [image.image_id for image in part.images] == mine
        assert set(part.snapshots) == set(part.images[0].snapshot_ids)
        assert {image.image_id for image in look(door).images} == {*mine, *other}

    def test_hundreds_of_images_come_in_pages(self, door: Door) -> None:
        made = owned(door, 450)
        door.forget_audit()
        view = look(door)
        assert {image.image_id for image in view.images} == set(made)
        assert len(view.snapshots) == 450
        assert door.counts() == {"ec2.DescribeImages": 3, "ec2.DescribeSnapshots": 3}

    def test_a_page_token_that_is_no_longer_taken_starts_the_listing_again(self, door: Door) -> None:
        made = owned(door, 250)
        door.fault("refuse", operation="ec2.DescribeImages", nth=2, code="InvalidPaginationToken")
        assert {image.image_id for image in look(door).images} == set(made)

    def test_a_disabled_image_is_listed_and_a_deregistered_one_is_not(self, door: Door) -> None:
        disabled, deregistered = owned(door, 2)
        door.cloud.ec2(door.away.region).disable_image(ImageId=disabled)
        door.cloud.ec2(door.away.region).deregister_image(ImageId=deregistered)
        assert {image.image_id: image.state for image in look(door).images} == {disabled: "disabled"}

    def test_snapshots_may_be_older_than_the_images(self, door: Door) -> None:
        owned(door)
        look(door)
        door.cloud.pass_time(10.0)
        door.forget_audit()
        door.inventory.region(door.away, not_older_than=door.now, snapshots_not_older_than=0.0)
        assert door.counts() == {"ec2.DescribeImages": 1}

    def test_a_place_without_an_image_of_ours_lists_its_snapshots_at_the_next_resync_only(self, door: Door) -> None:
        """What a crash left there is found then; who asks for a listing gets one at once."""
        (image_id,) = owned(door)
        door.cloud.ec2(door.away.region).deregister_image(ImageId=image_id)
        began = door.now
        assert door.inventory.region(door.away, not_older_than=began - 540.0).snapshots == {}
        assert door.counts(operation="ec2.DescribeSnapshots") == {}
        asked = door.inventory.region(door.away, not_older_than=began - 540.0, snapshots_not_older_than=door.now)
        assert len(asked.snapshots) == 1
        door.cloud.pass_time(600.0)
        assert len(door.inventory.region(door.away, not_older_than=door.now - 540.0).snapshots) == 1

    def test_what_waits_for_the_resync_is_found_by_it(self, door: Door) -> None:
        (image_id,) = owned(door)
        door.cloud.ec2(door.away.region).deregister_image(ImageId=image_id)
        door.inventory.region(door.away, not_older_than=door.now - 540.0)
        door.cloud.pass_time(600.0)
        assert len(door.inventory.region(door.away, not_older_than=door.now - 540.0).snapshots) == 1

    def test_a_copy_that_becomes_available_needs_no_listing_of_snapshots_before_the_next_resync(self, door: Door) -> None:
        door.inventory.region(door.away, not_older_than=door.now - 540.0)
        door.effects.perform(do.CopyImage(door.away, door.cloud.image(), "us-east-1", "web-2", "token-2", tags=TAGS))
        door.cloud.pass_time(60.0)
        door.forget_audit()
        view = door.inventory.region(door.away, not_older_than=door.now, snapshots_not_older_than=door.now - 540.0)
        assert [(image.state, image.encrypted) for image in view.images] == [("available", False)]
        assert view.snapshots_read_epoch_seconds <= view.images[0].created_epoch_seconds
        assert door.counts(operation="ec2.DescribeSnapshots") == {}

    def test_nothing_is_read_for_what_is_young_enough(self, door: Door) -> None:
        before = door.now
        look(door)
        door.forget_audit()
        door.inventory.region(door.away, not_older_than=before)
        assert door.counts() == {}

    def test_a_crowd_shares_one_listing(self, door: Door) -> None:
        owned(door)
        hold = door.fault("hold", operation="ec2.DescribeImages")
        door.forget_audit()
        with ThreadPoolExecutor(20) as threads:
            futures = [threads.submit(look, door) for _ in range(20)]
            (held,) = door.cloud.aws.lab.held(wait_seconds=10.0)
            door.cloud.aws.lab.release(held.id)
            views = [future.result(20.0) for future in futures]
        assert hold
        assert {len(view.images) for view in views} == {1}
        assert door.counts() == {"ec2.DescribeImages": 1, "ec2.DescribeSnapshots": 1}

    def test_images_that_are_asked_about_at_the_same_time_are_read_once_for_all(self, door: Door) -> None:
        """What an image tells of itself is evidence: whose it is, whether it is protected, when it was launched last."""
        images = owned(door, 3)
        look(door)
        ec2 = door.cloud.ec2(door.away.region)
        ec2.delete_tags(Resources=[images[0]], Tags=[{"Key": identity.OWNER}])
        ec2.enable_image_deregistration_protection(ImageId=images[1])
        door.cloud.pass_time(1.0)
        since = door.now
        door.forget_audit()
        door.inventory.expect_evidence(door.away, images, Rules())
        told = [door.inventory.own_image(door.away, image_id, not_older_than=since) for image_id in images]
        assert [image and image.deregistration_protection for image in told] == [None, "enabled-without-cooldown", "disabled"]
        assert door.counts() == {"ec2.DescribeImages": 1}
        # As every view has them from then on.
        view = door.inventory.region(door.away, not_older_than=0.0)
        assert {image.image_id: image.deregistration_protection for image in view.images} == {
            images[1]: "enabled-without-cooldown",
            images[2]: "disabled",
        }
        assert door.counts() == {"ec2.DescribeImages": 1}
        assert (OWNER, VERSION) in door.woken

    def test_an_image_that_is_read_by_its_id_costs_nothing_by_what_else_there_is(self, door: Door) -> None:
        images = owned(door, 201)
        look(door)
        door.cloud.pass_time(1.0)
        door.forget_audit()
        assert door.inventory.own_image(door.away, images[0], not_older_than=door.now) is not None
        assert door.counts() == {"ec2.DescribeImages": 1}

    def test_a_new_id_that_ec2_does_not_find_yet_is_known_by_our_own_write(self, door: Door) -> None:
        lab.current().settings.list_lag_seconds = 100.0
        image_id = door.effects.perform(do.CopyImage(door.away, door.cloud.image(), "us-east-1", "web", "token", tags=TAGS))
        door.cloud.pass_time(1.0)
        image = door.inventory.own_image(door.away, image_id, not_older_than=door.now)
        assert image is not None
        assert image.state == "pending"

    def test_a_listing_that_was_under_way_during_a_write_does_not_undo_it(self, door: Door) -> None:
        (image_id,) = owned(door)
        look(door)
        door.cloud.pass_time(60.0)
        door.fault("hold", operation="ec2.DescribeImages", when="after")
        with ThreadPoolExecutor(1) as threads:
            slow = threads.submit(look, door)
            (held,) = door.cloud.aws.lab.held(wait_seconds=10.0)
            door.effects.perform(do.DisableImage(door.away, image_id, owner=OWNER))
            new = door.effects.perform(do.CopyImage(door.away, door.cloud.image(), "us-east-1", "web-2", "token-2", tags=TAGS))
            door.cloud.aws.lab.release(held.id)
            view = slow.result(20.0)
        assert {image.image_id: image.state for image in view.images} == {image_id: "disabled", new: "pending"}

    def test_an_id_that_never_shows_up_is_lost_after_ten_minutes(self, door: Door) -> None:
        lab.current().settings.list_lag_seconds = 10_000.0
        image_id = door.effects.perform(do.CopyImage(door.away, door.cloud.image(), "us-east-1", "web-2", "token", tags=TAGS))
        door.cloud.pass_time(599.0)
        assert {image.image_id: image.state for image in look(door).images} == {image_id: "pending"}
        door.cloud.pass_time(2.0)
        assert {image.image_id: image.state for image in look(door).images} == {image_id: "lost"}

    def test_places_are_read_at_the_same_time_and_one_that_is_down_is_a_problem_of_its_own(self, door: Door) -> None:
        owned(door)
        door.fault("region_down", region=door.home.region)
        views = door.inventory.regions([door.home, door.away], not_older_than=door.now)
        problem = views[door.home].problem
        assert problem is not None
        assert (problem.reason, problem.stalled) == ("RegionUnreachable", False)
        assert views[door.away].problem is None
        assert len(views[door.away].images) == 1

    def test_a_region_that_comes_back_is_read_again(self, door: Door) -> None:
        owned(door)
        fault = door.fault("region_down", region=door.away.region, answer="error")
        assert look(door).problem is not None
        door.cloud.aws.lab.remove_fault(fault)
        door.cloud.pass_time(1.0)
        view = look(door)
        assert view.problem is None
        assert len(view.images) == 1

    def test_the_same_fault_twice_is_the_same_message(self, door: Door) -> None:
        door.fault("region_down", region=door.away.region)
        problems = set()
        for _ in range(5):
            problems.add(look(door).problem)
            door.cloud.pass_time(1.0)
        assert len(problems) == 1

    def test_an_image_that_becomes_ours_is_seen_by_the_next_look(self, door: Door) -> None:
        image_id = door.cloud.image(door.away.region)
        assert look(door).images == ()
        door.effects.perform(do.SetTags(door.away, (image_id,), TAGS))
        view = door.inventory.region(door.away, not_older_than=0.0, owner=OWNER)
        assert [image.image_id for image in view.images] == [image_id]

    def test_a_listing_that_failed_is_not_believed_for_long(self, door: Door) -> None:
        began = door.now
        door.fault("refuse", operation="ec2.DescribeImages", code="InternalError", status=500)
        assert look(door).problem is not None
        door.cloud.pass_time(5.0)
        assert door.inventory.region(door.away, not_older_than=began).problem is None


class TestTelling:
    def changed(self, door: Door, act: Callable[[str], object]) -> list[tuple[Owner, str]]:
        (image_id,) = owned(door)
        look(door)
        assert door.woken == []
        act(image_id)
        door.cloud.pass_time(60.0)
        look(door)
        return door.woken

    @pytest.mark.parametrize(
        "act",
        [
            pytest.param(lambda ec2, image_id: ec2.disable_image(ImageId=image_id), id="disabled"),
            pytest.param(lambda ec2, image_id: ec2.deregister_image(ImageId=image_id), id="deregistered"),
            pytest.param(
                lambda ec2, image_id: ec2.create_tags(Resources=[image_id], Tags=[{"Key": "team", "Value": "x"}]), id="tagged otherwise"
            ),
            pytest.param(
                lambda ec2, image_id: ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": [{"Group": "all"}]}),
                id="public",
            ),
            pytest.param(
                lambda ec2, image_id: ec2.modify_image_attribute(ImageId=image_id, Description={"Value": "x"}), id="described otherwise"
            ),
        ],
    )
    def test_an_owner_is_told_when_somebody_changes_an_image(self, door: Door, act: Callable[[object, str], object]) -> None:
        ec2 = door.cloud.ec2(door.away.region)
        assert self.changed(door, lambda image_id: act(ec2, image_id)) == [(OWNER, VERSION)]

    def test_nobody_is_told_of_what_stays_as_it_is(self, door: Door) -> None:
        assert self.changed(door, lambda _: None) == []

    def test_our_own_writes_tell_nobody(self, door: Door) -> None:
        assert self.changed(door, lambda image_id: door.effects.perform(do.DisableImage(door.away, image_id, owner=OWNER))) == []


class TestPermissions:
    def shared(self, door: Door, image_id: str, account: str = FRIEND) -> None:
        """Behind our back."""
        door.cloud.ec2(door.away.region).modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": [{"UserId": account}]})

    def read(self, door: Door) -> None:
        for image in look(door).images:
            door.inventory.grants(door.away, image, not_older_than=0.0)

    def test_they_are_read_once_and_again_when_they_are_too_old(self, door: Door) -> None:
        (image_id,) = owned(door)
        assert door.inventory.cached_grants(door.away, image_id) is None
        self.read(door)
        door.forget_audit()
        self.read(door)
        assert door.counts(operation="*Attribute") == {}
        self.shared(door, image_id)
        door.cloud.pass_time(1.0)
        (image,) = look(door).images
        assert door.inventory.grants(door.away, image, not_older_than=door.now).launch == Principals(frozenset({FRIEND}))

    def test_the_audit_finds_a_foreign_grant_and_tells_its_owner(self, opened: Open) -> None:
        door = opened(audit_calls=10, audit_seconds=60.0)
        (image_id,) = owned(door)
        self.read(door)
        self.shared(door, image_id)
        door.cloud.pass_time(59.0)
        look(door)
        assert door.woken == []
        door.cloud.pass_time(2.0)
        look(door)
        assert door.woken == [(OWNER, VERSION)]
        grants = door.inventory.cached_grants(door.away, image_id)
        assert grants is not None
        assert grants.launch == Principals(frozenset({FRIEND}))

    def test_the_audit_finds_a_snapshot_that_somebody_shared(self, opened: Open) -> None:
        door = opened()
        (image_id,) = owned(door)
        self.read(door)
        door.cloud.ec2(door.away.region).modify_snapshot_attribute(
            SnapshotId=door.cloud.snapshot_of(image_id, door.away.region),
            Attribute="createVolumePermission",
            OperationType="add",
            UserIds=[FRIEND],
        )
        door.cloud.pass_time(61.0)
        look(door)
        assert door.woken == [(OWNER, VERSION)]

    def test_the_audit_finds_a_grant_on_a_key(self, opened: Open) -> None:
        door = opened()
        owned(door)
        key = door.cloud.key(door.away.region)
        (image,) = look(door).images
        door.inventory.grants(door.away, image, not_older_than=0.0, key_arns=(key,))
        door.cloud.kms(door.away.region).create_grant(
            KeyId=key, GranteePrincipal=f"arn:aws:iam::{FRIEND}:root", Operations=["Decrypt"], Name="theirs"
        )
        door.cloud.pass_time(61.0)
        look(door)
        assert door.woken == [(OWNER, VERSION)]

    def test_an_encrypted_image_is_known_only_when_its_key_s_grants_are(self, door: Door) -> None:
        key = door.cloud.key(door.away.region)
        copy = do.CopyImage(door.away, door.cloud.image(), "us-east-1", "web-2", "token", kms_key_id=key, tags=TAGS)
        image_id = door.effects.perform(copy)
        door.cloud.pass_time()
        (image,) = look(door).images
        grant = do.GrantKey(door.away, key, identity.grant_name(OWNER, VERSION, "eu-west-1", FRIEND), FRIEND)
        door.effects.perform(grant)
        assert door.inventory.cached_grants(door.away, image_id) is None
        door.forget_audit()
        door.inventory.grants(door.away, image, not_older_than=0.0, key_arns=(key,))
        assert door.counts() == {"kms.DescribeKey": 1, "kms.ListGrants": 1}
        cached = door.inventory.cached_grants(door.away, image_id)
        assert cached is not None
        assert [row.name for row in cached.keys[key]] == [grant.name]
        assert dict(cached.snapshots) == dict.fromkeys(image.snapshot_ids, Principals())

    def test_the_audit_goes_round_within_its_budget(self, opened: Open) -> None:
        door = opened(audit_calls=10)
        owned(door, 12)
        self.read(door)
        rounds = []
        for _ in range(3):
            door.cloud.pass_time(61.0)
            door.forget_audit()
            look(door)
            calls = door.cloud.aws.lab.audit_calls(account=door.account.account_id, operation="ec2.DescribeImageAttribute")
            rounds.append({str(call.arguments["ImageId"]) for call in calls})
            assert sum(door.counts(operation="*Attribute").values()) == 10
        assert [len(each) for each in rounds] == [5, 5, 5]
        assert len(set.union(*rounds)) == 12

    def restarted(self, door: Door) -> Door:
        """Another process: it knows nothing of what the first one read, and relies on it."""
        woken: list[tuple[Owner, str]] = []
        inventory = Inventory(
            door.calls, clock=lab.current().clock.now, on_change=lambda owner, version: woken.append((owner, version)), audit_calls=10
        )
        other = replace(door, inventory=inventory, effects=Effects(door.calls, inventory), woken=woken)
        self.rely_on(other)
        return other

    def rely_on(self, door: Door) -> None:
        for image in look(door).images:
            door.inventory.cached_grants(door.away, image.image_id, relied_on=True)

    def test_after_a_restart_the_audit_finds_what_no_process_has_read_since(self, door: Door) -> None:
        image_id, quiet = owned(door, 2)
        self.read(door)
        self.shared(door, image_id)
        other = self.restarted(door)
        assert other.inventory.cached_grants(door.away, image_id) is None
        door.cloud.pass_time(61.0)
        look(other)
        assert (OWNER, VERSION) in other.woken
        found = {name: other.inventory.cached_grants(door.away, name) for name in (image_id, quiet)}
        assert {name: grants and grants.launch for name, grants in found.items()} == {
            image_id: Principals(frozenset({FRIEND})),
            quiet: Principals(),
        }

    def test_what_is_read_for_the_first_time_includes_the_grants_on_its_keys(self, door: Door) -> None:
        key = door.cloud.key(door.away.region)
        copy = do.CopyImage(door.away, door.cloud.image(), "us-east-1", "web-2", "token", kms_key_id=key, tags=TAGS)
        image_id = door.effects.perform(copy)
        door.cloud.pass_time()
        door.effects.perform(do.GrantKey(door.away, key, identity.grant_name(OWNER, VERSION, "eu-west-1", FRIEND), FRIEND))
        other = self.restarted(door)
        door.cloud.pass_time(61.0)
        door.forget_audit()
        look(other)
        assert door.counts(operation="*Attribute") | door.counts(operation="kms.*") == {
            "ec2.DescribeImageAttribute": 1,
            "ec2.DescribeSnapshotAttribute": 1,
            "kms.DescribeKey": 1,
            "kms.ListGrants": 1,
        }
        assert other.woken == [(OWNER, VERSION)]
        known = other.inventory.cached_grants(door.away, image_id)
        assert known is not None
        assert [row.grantee for row in known.keys[key]] == [FRIEND]

    def test_after_a_restart_each_look_stays_within_the_budget_until_everything_is_known(self, door: Door) -> None:
        made = owned(door, 12)
        self.read(door)
        other = self.restarted(door)
        rounds = []
        for _ in range(3):
            door.cloud.pass_time(61.0)
            door.forget_audit()
            self.rely_on(other)
            assert sum(door.counts(operation="*Attribute").values()) == 10
            assert door.counts() == door.counts(operation="*Attribute") | {"ec2.DescribeImages": 1, "ec2.DescribeSnapshots": 1}
            rounds.append({name for name in made if other.inventory.cached_grants(door.away, name)})
        assert [len(each) for each in rounds] == [5, 10, 12]

    def test_what_nobody_relies_on_is_not_read(self, door: Door) -> None:
        owned(door)
        door.cloud.pass_time(61.0)
        door.forget_audit()
        look(door)
        assert door.counts(operation="*Attribute") == {}

    def test_an_image_that_cannot_be_read_is_not_in_the_others_way(self, door: Door) -> None:
        closed, *others = sorted(owned(door, 12))
        other = self.restarted(door)
        door.fault("refuse", operation="DescribeImageAttribute", resource=closed, code="UnauthorizedOperation", times=100)
        for _ in range(3):
            door.cloud.pass_time(61.0)
            self.rely_on(other)
        assert [name for name in others if other.inventory.cached_grants(door.away, name) is None] == []
        door.cloud.aws.lab.clear_faults()
        for _ in range(3):
            door.cloud.pass_time(61.0)
            self.rely_on(other)
        assert other.inventory.cached_grants(door.away, closed) is not None

    def test_what_an_audit_found_before_it_was_throttled_is_told(self, opened: Open) -> None:
        door = opened(audit_calls=10)
        first, *_ = sorted(owned(door, 3))
        self.read(door)
        self.shared(door, first)
        door.cloud.pass_time(61.0)
        door.fault("refuse", operation="DescribeImageAttribute", nth=2, code="RequestLimitExceeded")
        look(door)
        assert door.woken == [(OWNER, VERSION)]

    def test_at_rest_a_look_is_three_reads_and_the_audit_s_budget(self, opened: Open) -> None:
        door = opened(audit_calls=10)
        made = owned(door, 40)
        door.effects.perform(do.PutParameter(door.away, "/golden/web", made[0], create=True, tags={identity.OWNER: str(OWNER)}))
        self.read(door)
        door.cloud.pass_time(600.0)
        door.inventory.parameters(door.away, OWNER, not_older_than=door.now)
        for _ in range(3):
            door.cloud.pass_time(600.0)
            door.forget_audit()
            began = door.now
            for _ in made:
                door.inventory.region(door.away, not_older_than=began, owner=OWNER, version=VERSION)
                door.inventory.parameters(door.away, OWNER, not_older_than=began)
            counts = door.counts()
            audit = sum(number for name, number in counts.items() if name.endswith("Attribute") or "Import" in name)
            assert counts["ec2.DescribeImportSnapshotTasks"] == counts["ec2.DescribeImportImageTasks"] == 1
            assert audit <= 10
            assert sum(counts.values()) - audit == 3, counts
            assert door.counts(mutating=True) == {}


class TestFacts:
    def test_a_region_that_is_not_enabled_is_named_as_such(self, door: Door) -> None:
        place = type(door.away)(door.account, "af-south-1")
        for problem in (door.inventory.facts(place).problem, door.inventory.region(place, not_older_than=door.now).problem):
            assert problem is not None
            assert (problem.reason, problem.stalled) == ("RegionNotEnabled", True)

    def test_only_what_is_asked_for_is_read_and_kept_for_ten_minutes(self, door: Door) -> None:
        door.forget_audit()
        for _ in range(3):
            assert door.inventory.facts(door.away).encrypted_by_default is None
        assert door.counts() == {"ec2.DescribeRegions": 1}
        door.forget_audit()
        for _ in range(3):
            facts = door.inventory.facts(door.away, needs_default_encryption=True, needs_public=True)
            assert (facts.encrypted_by_default, facts.default_key, facts.public_sharing_blocked_by) == (False, None, "")
        assert door.counts() == {"ec2.GetEbsEncryptionByDefault": 1, "ec2.GetImageBlockPublicAccessState": 1}
        door.cloud.pass_time(601.0)
        door.forget_audit()
        door.inventory.facts(door.away, needs_default_encryption=True)
        assert door.counts() == {"ec2.DescribeRegions": 1, "ec2.GetEbsEncryptionByDefault": 1}

    def test_default_encryption_names_its_key(self, door: Door) -> None:
        ec2 = door.cloud.ec2(door.away.region)
        ec2.enable_ebs_encryption_by_default()
        facts = door.inventory.facts(door.away, needs_default_encryption=True)
        assert facts.default_key is not None
        assert (facts.encrypted_by_default, facts.default_key.aws_managed) == (True, True)
        key = door.cloud.key(door.away.region)
        ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
        door.cloud.pass_time(601.0)
        facts = door.inventory.facts(door.away, needs_default_encryption=True)
        assert facts.default_key == KeyFacts(key, enabled=True, aws_managed=False)

    def test_a_key_is_found_by_its_alias_and_one_that_is_missing_or_disabled_is_told(self, door: Door) -> None:
        key = door.cloud.key(door.away.region)
        kms = door.cloud.kms(door.away.region)
        kms.create_alias(AliasName="alias/golden", TargetKeyId=key)
        assert door.inventory.facts(door.away, kms_key_id="alias/golden").key == KeyFacts(key, enabled=True, aws_managed=False)
        kms.disable_key(KeyId=key.rpartition("/")[2])
        assert door.inventory.key(door.away, key) == KeyFacts(key, enabled=False, aws_managed=False)
        problem = door.inventory.facts(door.away, kms_key_id="alias/none").problem
        assert problem is not None
        assert (problem.reason, problem.stalled) == ("EncryptionKeyInvalid", True)

    def test_who_blocks_public_sharing(self, door: Door) -> None:
        door.cloud.ec2(door.away.region).enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")
        assert door.inventory.facts(door.away, needs_public=True).public_sharing_blocked_by == "account"

    def test_an_image_by_its_id(self, door: Door) -> None:
        image_id = door.cloud.image()
        found = door.inventory.image(door.home, image_id)
        assert found is not None
        assert (found.state, found.root_device_type, found.virtualization_type) == ("available", "ebs", "hvm")
        snapshots = door.inventory.snapshots(door.home, found.snapshot_ids)
        assert [snapshot.snapshot_id for snapshot in snapshots] == list(found.snapshot_ids)
        assert door.inventory.snapshot(door.home, found.snapshot_ids[0]) == snapshots[0]

    @pytest.mark.parametrize("seconds", [0.0, 1000.0])
    def test_an_image_that_is_gone_is_none(self, door: Door, seconds: float) -> None:
        image_id = door.cloud.image()
        door.cloud.ec2().deregister_image(ImageId=image_id)
        door.cloud.pass_time(seconds)
        assert door.inventory.image(door.home, image_id) is None
        assert door.inventory.image(door.home, "ami-0123456789abcdef0") is None
        assert door.inventory.snapshot(door.home, "snap-0123456789abcdef0") is None
        assert door.inventory.instance(door.home, "i-0123456789abcdef0") is None

    def test_an_id_that_cannot_be_is_the_spec_s_fault(self, door: Door) -> None:
        with pytest.raises(FixTheSpec):
            door.inventory.image(door.home, "ami-xyz")

    def test_an_instance_in_an_image_s_words(self, door: Door) -> None:
        instance_id = door.cloud.instance()
        found = door.inventory.instance(door.home, instance_id)
        assert found is not None
        assert (found.image_id, found.root_device_type, found.product_codes) == (instance_id, "ebs", ())
        assert found.state in ("pending", "running")


class TestAliases:
    def put(self, door: Door, name: str, owner: Owner) -> None:
        """Behind our back, or before our time."""
        ssm = door.cloud.aws.client("ssm", region=door.away.region, account=door.account.account_id)
        ssm.put_parameter(Name=name, Value="x", Type="String", Tags=[{"Key": identity.OWNER, "Value": str(owner)}])

    def names(self, door: Door, owner: Owner, *, fresh: bool = True) -> list[str]:
        return [row.name for row in door.inventory.parameters(door.away, owner, not_older_than=door.now if fresh else 0.0)]

    def test_each_owner_has_its_own(self, door: Door) -> None:
        owners = [Owner("test", "images", f"app-{number}") for number in range(5)]
        for owner in owners:
            self.put(door, f"/golden/{owner.name}", owner)
        for owner in owners:
            assert self.names(door, owner) == [f"/golden/{owner.name}"]

    def test_many_owners_share_a_listing(self, door: Door) -> None:
        owners = [Owner("test", "images", f"app-{number}") for number in range(60)]
        for owner in owners:
            self.put(door, f"/golden/{owner.name}", owner)
            self.names(door, owner)
        door.cloud.pass_time(600.0)
        door.forget_audit()
        for owner in owners:
            assert self.names(door, owner) == [f"/golden/{owner.name}"]
        # Two calls of fifty owners at most, and two pages of fifty for the first of them at most.
        assert sum(door.counts().values()) <= 3

    def test_one_that_appears_behind_our_back_is_found_and_one_that_goes_is_gone(self, door: Door) -> None:
        other = Owner("test", "images", "db")
        assert (self.names(door, OWNER), self.names(door, other)) == ([], [])
        self.put(door, "/golden/db", other)
        door.cloud.pass_time(60.0)
        assert (self.names(door, OWNER), self.names(door, other)) == ([], ["/golden/db"])
        door.cloud.aws.client("ssm", region=door.away.region, account=door.account.account_id).delete_parameter(Name="/golden/db")
        door.cloud.pass_time(60.0)
        assert self.names(door, other) == []

    def test_values_come_ten_at_a_time_and_missing_ones_are_absent(self, door: Door) -> None:
        names = [f"/golden/{number}" for number in range(12)]
        for name in names:
            self.put(door, name, OWNER)
        door.forget_audit()
        assert door.inventory.parameter_values(door.away, [*names, "/none"]) == dict.fromkeys(names, "x")
        assert door.counts() == {"ssm.GetParameters": 2}

    def test_the_mark_of_a_release_beside_our_tag_is_asked_for_once_and_for_all(self, door: Door) -> None:
        """And not where this process has tagged everything itself."""
        owners = [Owner("test", "images", f"app-{number}") for number in range(60)]
        marked, taken_back = owners[3], owners[55]
        for owner in owners:
            self.put(door, f"/golden/{owner.name}", owner)
            self.names(door, owner, fresh=False)
        ssm = door.cloud.aws.client("ssm", region=door.away.region, account=door.account.account_id)
        for owner in (marked, taken_back):
            mark = [{"Key": identity.RELEASED, "Value": str(owner)}]
            ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=f"/golden/{owner.name}", Tags=mark)
        door.effects.perform(do.TagParameter(door.away, f"/golden/{taken_back.name}", {}, (identity.RELEASED,)))
        door.forget_audit()

        parameters = door.inventory.parameters_of(door.away)
        assert parameters.marked(owners[0], []) == frozenset()
        assert parameters.marked(taken_back, [f"/golden/{taken_back.name}"]) == frozenset()
        assert door.counts() == {}
        found = {name for owner in owners if owner != taken_back for name in parameters.marked(owner, [f"/golden/{owner.name}"])}
        assert found == {f"/golden/{marked.name}"}
        assert door.counts() == {"ssm.DescribeParameters": 2}
        door.effects.perform(do.TagParameter(door.away, f"/golden/{marked.name}", {}, (identity.RELEASED,)))
        assert parameters.marked(marked, [f"/golden/{marked.name}"]) == frozenset()

    def test_after_a_start_all_that_have_images_are_listed_together(self, door: Door) -> None:
        """One listing for each of them takes minutes where there are a thousand: DescribeParameters is asked ten times a second."""
        owners = [Owner("test", "images", f"app-{number}") for number in range(55)]
        for owner in owners:
            owned(door, owner=owner)
            self.put(door, f"/golden/{owner.name}", owner)
        self.put(door, "/golden/app-7-too", owners[7])
        began = door.now
        look(door)
        door.forget_audit()
        for owner in owners:
            names = [row.name for row in door.inventory.parameters(door.away, owner, not_older_than=began)]
            assert names == [f"/golden/{owner.name}", *(["/golden/app-7-too"] if owner is owners[7] else [])]
        # A page of each fifty, and eight questions about half of them each.
        assert door.counts() == {"ssm.DescribeParameters": 10}

    def test_values_that_others_will_ask_for_come_along(self, door: Door) -> None:
        owners = [Owner("test", "images", f"app-{number}") for number in range(25)]
        for owner in owners:
            owned(door, owner=owner)
            self.put(door, f"/golden/{owner.name}", owner)
        look(door)
        door.forget_audit()
        for owner in owners:
            (name,) = self.names(door, owner, fresh=False)
            assert door.inventory.parameter_values(door.away, [name]) == {name: "x"}
        assert door.counts(operation="ssm.GetParameters") == {"ssm.GetParameters": 3}

    def test_a_value_that_came_along_is_not_told_after_the_parameter_moved_nor_twice(self, door: Door) -> None:
        other = Owner("test", "images", "db")
        for owner in (OWNER, other):
            owned(door, owner=owner)
            self.put(door, f"/golden/{owner.name}", owner)
        look(door)
        self.names(door, OWNER)
        door.inventory.parameter_values(door.away, ["/golden/web"])
        ssm = door.cloud.aws.client("ssm", region=door.away.region, account=door.account.account_id)
        ssm.put_parameter(Name="/golden/db", Value="y", Type="String", Overwrite=True)
        door.cloud.pass_time(600.0)
        self.names(door, other)
        assert door.inventory.parameter_values(door.away, ["/golden/db"]) == {"/golden/db": "y"}
        assert door.inventory.parameter_values(door.away, ["/golden/db"]) == {"/golden/db": "y"}

    def test_one_owner_s_refused_value_is_its_own_trouble(self, door: Door) -> None:
        other = Owner("test", "images", "db")
        for owner in (OWNER, other):
            owned(door, owner=owner)
            self.put(door, f"/golden/{owner.name}", owner)
        look(door)
        self.names(door, OWNER)
        door.fault("refuse", operation="ssm.GetParameters", nth=1, code="AccessDeniedException", status=400)
        assert door.inventory.parameter_values(door.away, ["/golden/web"]) == {"/golden/web": "x"}

    def test_an_owner_of_whom_nothing_is_known_is_listed_at_the_next_resync_only(self, door: Door) -> None:
        self.put(door, "/golden/web", OWNER)
        door.inventory.parameters_of(door.away).begins(OWNER, door.now)
        door.forget_audit()
        assert self.names(door, OWNER, fresh=False) == []
        assert door.counts() == {}
        door.cloud.pass_time(600.0)
        assert self.names(door, OWNER) == ["/golden/web"]

    def test_a_failure_is_raised(self, door: Door) -> None:
        door.fault("region_down", region=door.away.region)
        with pytest.raises(Unreachable):
            door.inventory.parameters(door.away, OWNER, not_older_than=door.now)


def test_readers_and_writers_at_once_end_in_what_aws_holds(door: Door) -> None:
    source, tokens = door.cloud.image(), itertools.count()
    stop = threading.Event()

    def write() -> None:
        for _ in range(5):
            number = next(tokens)
            tags = identity.identity_tags(OWNER, f"1.{number}.0", "image/us-east-1/ami-1")
            image_id = door.effects.perform(do.CopyImage(door.away, source, "us-east-1", f"web-{number}", f"token-{number}", tags=tags))
            if number % 2:
                door.effects.perform(do.DeregisterImage(door.away, image_id, owner=OWNER))

    def read() -> None:
        while not stop.is_set():
            assert look(door).problem is None

    with ThreadPoolExecutor(6) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        writers = [threads.submit(write) for _ in range(4)]
        for writer in writers:
            writer.result(60.0)
        stop.set()
        for reader in readers:
            reader.result(60.0)
    folded = {image.image_id for image in door.inventory.region(door.away, not_older_than=0.0).images}
    door.cloud.pass_time()
    assert folded == {image.image_id for image in look(door).images}
    assert len(folded) == 10
