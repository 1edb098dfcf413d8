"""Every effect against the local AWS: what AWS holds afterwards, what the inventory says without a read, and what a repetition does."""

from collections.abc import Mapping
from typing import Any

import pytest

from goldenami.aws import effects as effects_module
from goldenami.aws.effects import Effects
from goldenami.aws.errors import AlreadyExists, AwsError, FixTheAccess, FixTheSpec, NotFound, ShuttingDown, Unreachable, Wait
from goldenami.aws.removal_effects import RECENT_SECONDS
from goldenami.local.aws import LocalAws, lab
from goldenami.plan import actions as do
from goldenami.plan import identity
from goldenami.plan.values import Image, Principals
from support.door import OWNER, TAGS, VERSION, Door, open_door
from support.ec2 import tags_of

FRIEND = "999988887777"
ORGANIZATION = "arn:aws:organizations::123456789012:organization/o-abcdefghij"
UNIT = "arn:aws:organizations::123456789012:ou/o-abcdefghij/ou-ab12-11111111"


@pytest.fixture
def door(ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Door:
    return open_door(ec2_lab, monkeypatch)


def copy_of(door: Door, source: str, **more: Any) -> do.CopyImage:
    token = identity.client_token(OWNER, VERSION, door.account.account_id, door.away.region, source, 1)
    return do.CopyImage(door.away, source, door.home.region, "web-1.4.2", token, description="golden", **{"tags": TAGS, **more})


def registering(door: Door, snapshot_id: str) -> do.RegisterImage:
    return do.RegisterImage(
        door.away,
        snapshot_id,
        "web-1.4.2",
        "arm64",
        "uefi",
        "/dev/xvda",
        ena_support=True,
        imds_support="v2.0",
        tpm_support="v2.0",
        tags=TAGS,
    )


def copied(door: Door) -> str:
    """An available copy of ours in the other region, known to the inventory."""
    image_id = door.effects.perform(copy_of(door, door.cloud.image()))
    door.cloud.pass_time()
    look(door)
    return image_id


def look(door: Door) -> Mapping[str, Image]:
    """What the inventory says after a fresh reading."""
    view = door.inventory.region(door.away, not_older_than=door.now, owner=OWNER)
    assert view.problem is None
    return {image.image_id: image for image in view.images}


def known(door: Door) -> Mapping[str, Image]:
    """What it says without reading."""
    return {image.image_id: image for image in door.inventory.region(door.away, not_older_than=0.0, owner=OWNER).images}


def ours(door: Door, region: str | None = None) -> list[str]:
    answer = door.cloud.ec2(region or door.away.region).describe_images(
        Owners=["self"], IncludeDisabled=True, Filters=[{"Name": "tag-key", "Values": [identity.OWNER]}]
    )
    return sorted(image["ImageId"] for image in answer["Images"])


def test_every_action_has_its_effect() -> None:
    def kinds(of: type[do.Action]) -> set[type[do.Action]]:
        return set(of.__subclasses__()).union(*(kinds(each) for each in of.__subclasses__()))

    assert effects_module.EFFECTS.keys() == kinds(do.Action)


class TestMaking:
    def test_a_copy_is_tagged_in_the_call_and_known_before_ec2_lists_it(self, door: Door) -> None:
        source = door.cloud.image()
        lab.current().settings.list_lag_seconds = 30.0
        image_id = door.effects.perform(copy_of(door, source))
        assert look(door)[image_id].state == "pending"
        door.cloud.pass_time()
        image = look(door)[image_id]
        assert (image.state, image.name, image.description, image.source_image_id) == ("available", "web-1.4.2", "golden", source)
        assert dict(image.tags) == TAGS
        snapshots = door.inventory.region(door.away, not_older_than=0.0, owner=OWNER).snapshots
        assert {name: dict(part.tags) for name, part in snapshots.items()} == dict.fromkeys(image.snapshot_ids, TAGS)

    def test_a_copy_repeated_is_one_image(self, door: Door) -> None:
        action = copy_of(door, door.cloud.image())
        assert door.effects.perform(action) == door.effects.perform(action)
        door.cloud.pass_time()
        assert len(ours(door)) == 1

    @pytest.mark.parametrize("answer", ["drop", "error"])
    def test_a_copy_whose_answer_is_lost_is_one_image_when_asked_again(self, door: Door, answer: str) -> None:
        action = copy_of(door, door.cloud.image())
        door.fault("lose", operation="ec2.CopyImage", answer=answer)
        with pytest.raises(Unreachable):
            door.effects.perform(action)
        fresh = Door(door.cloud, door.account, door.sessions, *reopened(door))
        image_id = fresh.effects.perform(action)
        door.cloud.pass_time()
        assert ours(door) == [image_id]

    def test_a_copy_with_a_key_is_encrypted_with_it(self, door: Door) -> None:
        key = door.cloud.key(door.away.region)
        image_id = door.effects.perform(copy_of(door, door.cloud.image(), kms_key_id=key))
        door.cloud.pass_time()
        image = look(door)[image_id]
        snapshots = door.inventory.region(door.away, not_older_than=0.0).snapshots
        assert [(snapshots[name].encrypted, snapshots[name].kms_key_arn) for name in image.snapshot_ids] == [(True, key)]

    def test_a_copy_with_a_spent_token_and_other_words_waits(self, door: Door) -> None:
        source = door.cloud.image()
        door.effects.perform(copy_of(door, source))
        with pytest.raises(Wait):
            door.effects.perform(copy_of(door, source, tags={**TAGS, "team": "x"}))

    def test_a_token_of_an_image_that_was_removed_since_is_lost_at_once(self, door: Door) -> None:
        source = door.cloud.image()
        image_id = copied(door)
        door.cloud.ec2(door.away.region).deregister_image(ImageId=image_id)
        door.cloud.pass_time()
        assert look(door) == {}
        token = door.cloud.aws.lab.audit_calls(operation="ec2.CopyImage", account=door.account.account_id)[-1].arguments["ClientToken"]
        again = do.CopyImage(door.away, self.source_of(door), door.home.region, "web-1.4.2", str(token), description="golden", tags=TAGS)
        try:
            repeated = door.effects.perform(again)
        except AwsError as error:
            pytest.fail(f"{error} (source {source})")
        assert known(door)[repeated].state == ("lost" if repeated == image_id else "pending")

    @staticmethod
    def source_of(door: Door) -> str:
        call = door.cloud.aws.lab.audit_calls(operation="ec2.CopyImage", account=door.account.account_id)[-1]
        return str(call.arguments["SourceImageId"])

    def test_a_missing_source_is_not_found(self, door: Door) -> None:
        with pytest.raises(NotFound) as raised:
            door.effects.perform(copy_of(door, "ami-0123456789abcdef0"))
        assert raised.value.problem.reason == "SourceNotFound"

    def create(self, door: Door, **more: Any) -> do.CreateImage:
        instance = door.cloud.instance(door.away.region)
        return do.CreateImage(door.away, instance, "web-1.4.2", **{"reboot": False, "description": "golden", "tags": TAGS, **more})

    def test_an_image_of_an_instance(self, door: Door) -> None:
        image_id = door.effects.perform(self.create(door, volumes=(do.Volume("/dev/sdf", size_gib=5, volume_type="gp3"),)))
        assert known(door)[image_id].state == "pending"
        door.cloud.pass_time()
        image = look(door)[image_id]
        assert (image.state, dict(image.tags), image.description) == ("available", TAGS, "golden")
        tagged = door.inventory.region(door.away, not_older_than=0.0).snapshots
        assert image.snapshot_ids
        assert set(image.snapshot_ids) <= tagged.keys()
        call = door.cloud.aws.lab.audit_calls(operation="ec2.CreateImage", account=door.account.account_id)[-1]
        assert call.arguments["NoReboot"] in (True, "true")

    def test_a_lost_answer_and_the_name_being_ours_is_the_first_image(self, door: Door) -> None:
        action = self.create(door)
        door.fault("lose", operation="ec2.CreateImage")
        with pytest.raises(Unreachable):
            door.effects.perform(action)
        image_id = door.effects.perform(action)
        assert ours(door) == [image_id]
        assert known(door).keys() == {image_id}

    def test_a_name_whose_holder_is_not_listed_yet_waits(self, door: Door) -> None:
        lab.current().settings.list_lag_seconds = 30.0
        action = self.create(door)
        door.fault("lose", operation="ec2.CreateImage")
        with pytest.raises(Unreachable):
            door.effects.perform(action)
        with pytest.raises(Wait):
            door.effects.perform(action)

    @pytest.mark.parametrize(
        "tags",
        [
            pytest.param({}, id="nobody's"),
            pytest.param({**TAGS, identity.OWNER: "test/images/db"}, id="another object's"),
            pytest.param({**TAGS, identity.VERSION: "1.4.1"}, id="another version's"),
        ],
    )
    def test_a_name_that_somebody_else_holds_is_a_conflict_that_names_the_holder(self, door: Door, tags: dict[str, str]) -> None:
        first = door.effects.perform(self.create(door, tags=tags))
        with pytest.raises(FixTheSpec) as raised:
            door.effects.perform(self.create(door))
        assert raised.value.problem.reason == "NameConflict"
        assert first in raised.value.problem.message

    def test_an_image_of_a_snapshot_has_the_modern_traits(self, door: Door) -> None:
        snapshot = door.cloud.snapshot(door.away.region)
        action = registering(door, snapshot)
        image_id = door.effects.perform(action)
        door.cloud.pass_time()
        shown = door.cloud.shown(image_id, door.away.region)
        assert (shown["Architecture"], shown["BootMode"], shown["EnaSupport"], shown["ImdsSupport"], shown["TpmSupport"]) == (
            "arm64", "uefi", True, "v2.0", "v2.0",
        )  # fmt: skip
        assert tags_of(shown) == TAGS
        assert door.effects.perform(action) == image_id


def reopened(door: Door) -> tuple[Any, Any, Any]:
    """Calls, inventory and effects of a process that knows nothing yet."""
    from goldenami.aws.calls import Calls
    from goldenami.aws.effects import Effects
    from goldenami.aws.inventory import Inventory
    from goldenami.aws.pacing import Pacer

    calls = Calls(door.sessions, Pacer(), clock=lab.current().clock.now)
    inventory = Inventory(calls, clock=lab.current().clock.now)
    return calls, inventory, Effects(calls, inventory)


class TestChanging:
    def test_tags_on_image_and_snapshots(self, door: Door) -> None:
        image_id = copied(door)
        (snapshot_id,) = known(door)[image_id].snapshot_ids
        ids = (image_id, snapshot_id)
        door.effects.perform(do.SetTags(door.away, ids, {"team": "platform", identity.ATTEMPT: "2"}))
        door.effects.perform(do.RemoveTags(door.away, ids, (identity.SOURCE,)))
        wanted = {**TAGS, "team": "platform", identity.ATTEMPT: "2"}
        del wanted[identity.SOURCE]
        assert dict(known(door)[image_id].tags) == wanted
        assert tags_of(door.cloud.shown(image_id, door.away.region)) == wanted
        assert tags_of(door.cloud.shown_snapshot(snapshot_id, door.away.region)) == wanted

    def test_a_description(self, door: Door) -> None:
        image_id = copied(door)
        door.effects.perform(do.SetDescription(door.away, image_id, "other words"))
        assert known(door)[image_id].description == look(door)[image_id].description == "other words"

    def test_disabling_takes_shares_away_and_enabling_does_not_bring_them_back(self, door: Door) -> None:
        image_id = copied(door)
        door.effects.perform(do.ShareImage(door.away, image_id, Principals(accounts=frozenset({FRIEND}))))
        door.effects.perform(do.DisableImage(door.away, image_id, owner=OWNER))
        assert known(door)[image_id].state == look(door)[image_id].state == "disabled"
        door.effects.perform(do.EnableImage(door.away, image_id))
        assert known(door)[image_id].state == look(door)[image_id].state == "available"
        grants = door.inventory.grants(door.away, look(door)[image_id], not_older_than=0.0)
        assert not grants.launch

    def test_an_image_is_deprecated_at_a_minute_and_that_is_undone(self, door: Door) -> None:
        image_id = copied(door)
        at = (door.now // 60 + 2) * 60
        for _ in range(2):
            door.effects.perform(do.DeprecateImage(door.away, image_id, at))
            assert known(door)[image_id].deprecation_epoch_seconds == look(door)[image_id].deprecation_epoch_seconds == at
        for _ in range(2):
            door.effects.perform(do.UndeprecateImage(door.away, image_id))
            assert known(door)[image_id].deprecation_epoch_seconds == look(door)[image_id].deprecation_epoch_seconds == 0


class TestSharing:
    EVERYBODY = Principals(frozenset({FRIEND, "888877776666"}), frozenset({ORGANIZATION}), frozenset({UNIT}), public=True)

    def grants(self, door: Door, image_id: str) -> tuple[Principals, Principals]:
        """(launch, snapshots) as AWS has it; they are what the inventory knew without a call."""
        image = look(door)[image_id]
        door.forget_audit()
        folded = door.inventory.grants(door.away, image, not_older_than=0.0)
        assert door.counts(operation="*Attribute") == {}
        door.cloud.pass_time(1.0)
        read = door.inventory.grants(door.away, image, not_older_than=door.now)
        assert folded == read
        (snapshots,) = read.snapshots.values()
        return read.launch, snapshots

    def test_all_kinds_of_principals_are_given_and_taken(self, door: Door) -> None:
        image_id = copied(door)
        (snapshot_id,) = known(door)[image_id].snapshot_ids
        accounts = tuple(sorted(self.EVERYBODY.accounts))
        door.effects.perform(do.ShareSnapshot(door.away, snapshot_id, accounts))
        door.effects.perform(do.ShareImage(door.away, image_id, self.EVERYBODY))
        assert known(door)[image_id].public
        assert self.grants(door, image_id) == (self.EVERYBODY, Principals(accounts=self.EVERYBODY.accounts))
        door.effects.perform(do.UnshareImage(door.away, image_id, self.EVERYBODY))
        door.effects.perform(do.UnshareSnapshot(door.away, snapshot_id, accounts, public=True))
        assert not known(door)[image_id].public
        assert self.grants(door, image_id) == (Principals(), Principals())

    def test_many_principals_go_in_chunks_that_aws_takes(self, door: Door) -> None:
        image_id = copied(door)
        (snapshot_id,) = known(door)[image_id].snapshot_ids
        many = Principals(accounts=frozenset(str(number) for number in range(100_000_000_000, 100_000_000_900)))
        door.effects.perform(do.ShareSnapshot(door.away, snapshot_id, tuple(sorted(many.accounts))))
        door.effects.perform(do.ShareImage(door.away, image_id, many))
        assert self.grants(door, image_id) == (many, many)

    def test_a_pending_image_is_not_shared_yet(self, door: Door) -> None:
        image_id = door.effects.perform(copy_of(door, door.cloud.image()))
        with pytest.raises(Wait):
            door.effects.perform(do.ShareImage(door.away, image_id, Principals(accounts=frozenset({FRIEND}))))

    def test_blocked_public_access_is_named(self, door: Door) -> None:
        image_id = copied(door)
        door.cloud.ec2(door.away.region).enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")
        with pytest.raises(FixTheAccess) as raised:
            door.effects.perform(do.ShareImage(door.away, image_id, Principals(public=True)))
        assert raised.value.problem.reason == "PublicBlocked"

    def test_after_a_lost_answer_nothing_is_believed(self, door: Door) -> None:
        image_id = copied(door)
        door.fault("lose", operation="ec2.ModifyImageAttribute")
        share = do.ShareImage(door.away, image_id, Principals(accounts=frozenset({FRIEND})))
        with pytest.raises(Unreachable):
            door.effects.perform(share)
        assert door.inventory.cached_grants(door.away, image_id) is None
        assert door.inventory.grants(door.away, known(door)[image_id], not_older_than=0.0).launch == share.principals

    def test_a_key_is_granted_once_and_revoked(self, door: Door) -> None:
        key = door.cloud.key(door.away.region)
        image_id = copied(door)
        grant = do.GrantKey(door.away, key, identity.grant_name(OWNER, VERSION, "eu-west-1", FRIEND), FRIEND)

        def granted(not_older_than: float) -> list[tuple[str, str]]:
            grants = door.inventory.grants(door.away, known(door)[image_id], not_older_than=not_older_than, key_arns=(key,))
            return [(row.name, row.grantee) for row in grants.keys[key]]

        assert granted(0.0) == []
        door.effects.perform(grant)
        door.effects.perform(grant)
        assert granted(0.0) == [(grant.name, FRIEND)]
        door.cloud.pass_time(1.0)
        assert granted(door.now) == [(grant.name, FRIEND)]
        (row,) = door.inventory.grants(door.away, known(door)[image_id], not_older_than=0.0, key_arns=(key,)).keys[key]
        revoke = do.RevokeKey(door.away, key, row.grant_id, FRIEND)
        door.effects.perform(revoke)
        door.effects.perform(revoke)
        assert granted(0.0) == []
        door.cloud.pass_time(1.0)
        assert granted(door.now) == []


class TestRemoving:
    def snapshots_left(self, door: Door) -> int:
        return len(door.cloud.ec2(door.away.region).describe_snapshots(OwnerIds=["self"])["Snapshots"])

    def removal(self, door: Door, image_id: str) -> do.DeregisterImage:
        """Of one that is disabled already."""
        door.effects.perform(do.DisableImage(door.away, image_id, owner=OWNER))
        return do.DeregisterImage(door.away, image_id, known(door)[image_id].snapshot_ids, owner=OWNER)

    def test_an_image_goes_with_its_snapshots_in_one_call(self, door: Door) -> None:
        action = self.removal(door, copied(door))
        door.forget_audit()
        door.effects.perform(action)
        assert door.counts(mutating=True) == {"ec2.DeregisterImage": 1}
        assert known(door) == look(door) == {}
        assert self.snapshots_left(door) == 0

    @pytest.mark.parametrize("answer", ["drop", "error"])
    def test_a_lost_answer_leaves_nothing_behind_when_repeated(self, door: Door, answer: str) -> None:
        action = self.removal(door, copied(door))
        door.fault("lose", operation="ec2.DeregisterImage", answer=answer)
        with pytest.raises(Unreachable):
            door.effects.perform(action)
        door.effects.perform(action)
        assert known(door) == look(door) == {}
        assert self.snapshots_left(door) == 0

    def test_an_image_that_somebody_deregistered_leaves_its_snapshots_to_us(self, door: Door) -> None:
        action = self.removal(door, copied(door))
        door.cloud.ec2(door.away.region).deregister_image(ImageId=action.image_id)
        assert self.snapshots_left(door) == 1
        door.effects.perform(action)
        assert self.snapshots_left(door) == 0

    def test_the_snapshot_that_an_image_was_registered_from_is_not_ours_to_delete(self, door: Door) -> None:
        snapshot = door.cloud.snapshot(door.away.region)
        image_id = door.effects.perform(registering(door, snapshot))
        door.cloud.pass_time()
        look(door)
        door.effects.perform(do.DisableImage(door.away, image_id, owner=OWNER))
        door.effects.perform(do.DeregisterImage(door.away, image_id, owner=OWNER))
        assert ours(door) == []
        assert door.cloud.shown_snapshot(snapshot, door.away.region)["State"] == "completed"

    def test_what_is_not_ours_is_refused(self, door: Door) -> None:
        image_id = door.cloud.image(door.away.region)
        snapshot_id = door.cloud.snapshot_of(image_id, door.away.region)
        self.assert_refused(door, image_id, snapshot_id)

    def assert_refused(self, door: Door, image_id: str, snapshot_id: str) -> None:
        """Nothing takes these away."""
        for action in (
            do.DisableImage(door.away, image_id, owner=OWNER),
            do.DeregisterImage(door.away, image_id, (snapshot_id,), owner=OWNER),
            do.DeleteSnapshot(door.away, snapshot_id, owner=OWNER),
        ):
            with pytest.raises(FixTheSpec) as raised:
                door.effects.perform(action)
            assert raised.value.problem.reason == "Conflict"
        assert door.cloud.shown(image_id, door.away.region)["State"] == "available"
        assert self.snapshots_left(door) == 1

    @pytest.mark.parametrize(
        "by",
        [pytest.param("test/images/other", id="another GoldenImage"), pytest.param("", id="nobody we know")],
    )
    def test_what_was_taken_over_since_it_was_listed_is_refused(self, door: Door, by: str) -> None:
        image_id = copied(door)
        (snapshot_id,) = known(door)[image_id].snapshot_ids
        ec2 = door.cloud.ec2(door.away.region)
        ec2.create_tags(Resources=[image_id, snapshot_id], Tags=[{"Key": identity.OWNER, "Value": by}])
        assert identity.owner_of(known(door)[image_id].tags) == OWNER
        self.assert_refused(door, image_id, snapshot_id)

    @pytest.mark.parametrize(
        ("age", "reads"),
        [
            pytest.param(RECENT_SECONDS - 1.0, 0, id="a reading of a moment ago is taken"),
            pytest.param(RECENT_SECONDS + 1.0, 1, id="an older one is not"),
        ],
    )
    def test_an_image_that_was_just_read_by_its_id_is_not_read_again(self, door: Door, age: float, reads: int) -> None:
        first, second = copied(door), door.cloud.image(door.away.region)
        door.cloud.ec2(door.away.region).create_tags(Resources=[second], Tags=[{"Key": k, "Value": v} for k, v in TAGS.items()])
        door.cloud.ec2(door.away.region).disable_image(ImageId=second)
        look(door)
        # A listing of a moment ago is none of its own: it may be from before somebody took the image over.
        door.cloud.pass_time(60.0)
        look(door)
        for image_id in (first, second):
            door.inventory.own_image(door.away, image_id, not_older_than=door.now)
        door.cloud.pass_time(age)
        door.forget_audit()
        door.effects.perform(do.DisableImage(door.away, first, owner=OWNER))
        door.effects.perform(do.DeregisterImage(door.away, second, owner=OWNER))
        assert door.counts().get("ec2.DescribeImages", 0) == 2 * reads

    def test_what_was_taken_over_after_the_last_reading_is_refused_when_that_is_old(self, door: Door) -> None:
        image_id = copied(door)
        (snapshot_id,) = known(door)[image_id].snapshot_ids
        door.inventory.own_image(door.away, image_id, not_older_than=door.now)
        tags = [{"Key": identity.OWNER, "Value": "test/images/other"}]
        door.cloud.ec2(door.away.region).create_tags(Resources=[image_id, snapshot_id], Tags=tags)
        door.cloud.pass_time(RECENT_SECONDS + 1.0)
        self.assert_refused(door, image_id, snapshot_id)

    def test_a_copy_that_was_pending_a_moment_ago_is_looked_at_once_more(self, door: Door) -> None:
        lab.current().settings.copy_spread = 1.0
        image_id = door.effects.perform(copy_of(door, door.cloud.image()))
        door.cloud.pass_time(lab.current().settings.copy_seconds - 1.0)
        image = door.inventory.own_image(door.away, image_id, not_older_than=door.now)
        assert image is not None
        assert image.state == "pending"
        door.cloud.pass_time(2.0)
        with pytest.raises(Wait):
            door.effects.perform(do.DeregisterImage(door.away, image_id, owner=OWNER))
        assert look(door)[image_id].state == "available"

    def test_a_copy_that_is_available_by_now_is_not_called_off(self, door: Door) -> None:
        image_id = door.effects.perform(copy_of(door, door.cloud.image()))
        action = do.DeregisterImage(door.away, image_id, owner=OWNER)
        assert known(door)[image_id].state == "pending"
        door.cloud.pass_time()
        with pytest.raises(Wait):
            door.effects.perform(action)
        assert look(door)[image_id].state == "available"

    def test_a_protected_image_stays_until_it_is_not(self, door: Door) -> None:
        image_id = copied(door)
        door.cloud.ec2(door.away.region).enable_image_deregistration_protection(ImageId=image_id)
        action = self.removal(door, image_id)
        with pytest.raises(Wait):
            door.effects.perform(action)
        assert known(door).keys() == {action.image_id}

    def test_a_snapshot_in_use_waits_and_one_that_is_gone_is_done(self, door: Door) -> None:
        image_id = copied(door)
        (snapshot_id,) = known(door)[image_id].snapshot_ids
        with pytest.raises(Wait):
            door.effects.perform(do.DeleteSnapshot(door.away, snapshot_id, owner=OWNER))
        door.effects.perform(self.removal(door, image_id))
        door.effects.perform(do.DeleteSnapshot(door.away, snapshot_id, owner=OWNER))
        assert self.snapshots_left(door) == 0

    def test_a_pending_copy_can_be_called_off(self, door: Door) -> None:
        image_id = door.effects.perform(copy_of(door, door.cloud.image()))
        door.effects.perform(do.DeregisterImage(door.away, image_id, owner=OWNER))
        door.cloud.pass_time()
        assert ours(door) == []


class TestAliases:
    NAME = "/golden/web/current"

    def put(self, door: Door, image_id: str, *, create: bool) -> do.PutParameter:
        return do.PutParameter(door.away, self.NAME, image_id, create=create, tags={identity.OWNER: str(OWNER)} if create else {})

    def named(self, door: Door, *, not_older_than: float = 0.0) -> list[tuple[str, int, str]]:
        rows = door.inventory.parameters(door.away, OWNER, not_older_than=not_older_than)
        return [(row.name, row.version, row.data_type) for row in rows]

    def value(self, door: Door) -> str | None:
        door.cloud.pass_time(10.0)
        return door.inventory.parameter_values(door.away, [self.NAME]).get(self.NAME)

    def test_an_alias_is_created_moved_and_deleted(self, door: Door) -> None:
        image_id = copied(door)
        assert self.named(door) == []
        door.effects.perform(self.put(door, image_id, create=True))
        assert self.named(door) == [(self.NAME, 1, "aws:ec2:image")]
        assert self.value(door) == image_id
        other = door.cloud.image(door.away.region)
        door.effects.perform(self.put(door, other, create=False))
        assert self.named(door) == [(self.NAME, 2, "aws:ec2:image")]
        assert self.value(door) == other
        assert self.named(door, not_older_than=door.now) == [(self.NAME, 2, "aws:ec2:image")]
        door.effects.perform(do.DeleteParameter(door.away, self.NAME))
        door.effects.perform(do.DeleteParameter(door.away, self.NAME))
        assert self.named(door) == self.named(door, not_older_than=door.now) == []

    def test_one_that_exists_is_never_overwritten_by_creating(self, door: Door) -> None:
        image_id = copied(door)
        ssm = door.cloud.aws.client("ssm", region=door.away.region, account=door.account.account_id)
        ssm.put_parameter(Name=self.NAME, Value="theirs", Type="String")
        with pytest.raises(AlreadyExists) as raised:
            door.effects.perform(self.put(door, image_id, create=True))
        assert raised.value.problem.reason == "AliasConflict"
        assert self.value(door) == "theirs"
        theirs = door.inventory.parameter(door.away, self.NAME)
        assert theirs is not None
        assert (dict(theirs.tags), theirs.data_type) == ({}, "text")
        assert self.named(door) == []

    def test_one_is_released_and_taken_back(self, door: Door) -> None:
        door.effects.perform(self.put(door, copied(door), create=True))
        door.cloud.pass_time(10.0)
        door.effects.perform(do.TagParameter(door.away, self.NAME, {identity.RELEASED: str(OWNER)}, (identity.OWNER,)))
        assert self.named(door) == []
        released = door.inventory.parameter(door.away, self.NAME)
        assert released is not None
        assert dict(released.tags) == {identity.RELEASED: str(OWNER)}
        door.effects.perform(do.TagParameter(door.away, self.NAME, {identity.OWNER: str(OWNER)}, (identity.RELEASED,)))
        assert [name for name, _, _ in self.named(door)] == [self.NAME]
        door.cloud.pass_time(10.0)
        assert [name for name, _, _ in self.named(door, not_older_than=door.now)] == [self.NAME]

    def test_a_lost_answer_shows_as_taken_by_ourselves(self, door: Door) -> None:
        action = self.put(door, copied(door), create=True)
        door.fault("lose", operation="ssm.PutParameter")
        with pytest.raises(Unreachable):
            door.effects.perform(action)
        door.cloud.pass_time(10.0)
        with pytest.raises(AlreadyExists):
            door.effects.perform(action)
        mine = door.inventory.parameter(door.away, self.NAME)
        assert mine is not None
        assert identity.owner_of(mine.tags) == OWNER


class TestTogether:
    def test_places_go_at_once_and_a_place_stops_at_its_first_failure(self, door: Door) -> None:
        home_image = door.cloud.image()
        copied(door)
        missing = do.SetDescription(door.away, "ami-0123456789abcdef0", "x")
        after = do.ShareImage(door.away, next(iter(known(door))), Principals(accounts=frozenset({FRIEND})))
        elsewhere = do.SetDescription(door.home, home_image, "y")
        outcomes = door.effects.perform_all([missing, elsewhere, after])
        assert [outcome.action for outcome in outcomes] == [missing, elsewhere, after]
        assert [(outcome.done, outcome.skipped) for outcome in outcomes] == [(False, False), (True, False), (False, True)]
        assert outcomes[0].problem is not None
        assert door.cloud.shown(home_image)["Description"] == "y"
        assert (
            door.cloud.ec2(door.away.region).describe_image_attribute(ImageId=after.image_id, Attribute="launchPermission")[
                "LaunchPermissions"
            ]
            == []
        )

    def test_a_copy_tells_its_id(self, door: Door) -> None:
        (outcome,) = door.effects.perform_all([copy_of(door, door.cloud.image())])
        assert outcome.image_id in known(door)

    def test_after_the_end_is_announced_nothing_new_begins(self, door: Door) -> None:
        action = copy_of(door, door.cloud.image())
        door.effects.close()
        with pytest.raises(ShuttingDown):
            door.effects.perform(action)
        assert [outcome.done for outcome in door.effects.perform_all([action])] == [False]
        assert ours(door) == []

    def test_who_is_active_no_longer_writes_nothing(self, door: Door) -> None:
        action, active = copy_of(door, door.cloud.image()), [True]
        effects = Effects(door.calls, door.inventory, active=lambda: active[0])
        active[0] = False
        with pytest.raises(ShuttingDown):
            effects.perform(action)
        assert ours(door) == []
        active[0] = True
        assert effects.perform(action) in known(door)

    def test_each_write_is_logged_and_counted(self, door: Door, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", logger="goldenami.aws.effects")
        action = copy_of(door, door.cloud.image())
        door.effects.perform(action)
        (record,) = caplog.records
        assert record.getMessage() == f"done: {action.sentence()}"
        assert vars(record)["account"] == door.account.account_id
