"""Source: what rules one out, and how an instance or a snapshot becomes an image exactly once."""

from dataclasses import replace
from typing import Any

import pytest

from goldenami.api.reasons import Reason
from goldenami.plan import source
from goldenami.plan.actions import CreateImage, DeregisterImage, EnableImage, RegisterImage, RemoveTags, SetTags, Volume
from goldenami.plan.desired import ImageSource, InstanceSource, Replica, SnapshotSource, Version
from goldenami.plan.observed import Need, NeedKind, Observed, Recorded, SourceFacts
from goldenami.plan.values import Image, Problem, RegionFacts
from support.plan import (
    HOME,
    NOW,
    PARIS,
    facts,
    golden_ami,
    home_ami,
    key,
    observed,
    released,
    retagged,
    snapshot,
    source_ami,
    source_facts,
    version,
    view,
)

INSTANCE, SNAPSHOT = InstanceSource("i-1", reboot=True), SnapshotSource("snap-given", "x86_64", "uefi", "/dev/xvda")
FROM_IMAGE, FROM_INSTANCE, FROM_SNAPSHOT = version(), version(source=INSTANCE), version(source=SNAPSHOT)
KEY = key(region=HOME)


def test_the_source_is_read_only_when_something_is_copied() -> None:
    assert source.look(FROM_IMAGE, observed(), copying=True).needs == (Need(NeedKind.SOURCE, HOME),)
    resting = source.look(FROM_IMAGE, observed(), copying=False)
    assert (resting.reason, resting.needs, resting.message) == (Reason.SUCCEEDED, (), "image ami-source in us-east-1")


def test_the_words_are_the_same_whether_it_was_read_or_not() -> None:
    read = source.look(FROM_IMAGE, observed(source=source_facts()), copying=True)
    assert read.message == source.look(FROM_IMAGE, observed(), copying=False).message


@pytest.mark.parametrize(
    ("of", "facts", "reason"),
    [
        pytest.param(FROM_IMAGE, source_facts(), Reason.SUCCEEDED, id="an available hvm image on EBS is taken"),
        pytest.param(
            FROM_IMAGE,
            source_facts(problem=Problem(Reason.THROTTLED, "later")),
            Reason.THROTTLED,
            id="an unreadable source says why, and is never taken for absent",
        ),
        pytest.param(FROM_IMAGE, replace(source_facts(), image=None), Reason.SOURCE_NOT_FOUND, id="an absent image is not found"),
        pytest.param(
            FROM_IMAGE, source_facts(image=source_ami(state="pending")), Reason.SOURCE_PENDING, id="a pending image is waited for"
        ),
        pytest.param(FROM_IMAGE, source_facts(image=source_ami(state="failed")), Reason.SOURCE_FAILED, id="a failed image is refused"),
        pytest.param(FROM_IMAGE, source_facts(image=source_ami(state="disabled")), Reason.SOURCE_FAILED, id="a disabled image is refused"),
        pytest.param(
            FROM_INSTANCE, source_facts(image=source_ami(state="terminated")), Reason.INVALID_SOURCE, id="a terminated instance is refused"
        ),
        pytest.param(
            FROM_INSTANCE, source_facts(image=source_ami(state="pending")), Reason.SOURCE_PENDING, id="a starting instance is waited for"
        ),
        pytest.param(FROM_SNAPSHOT, source_facts(image=source_ami(state="error")), Reason.SOURCE_FAILED, id="a failed snapshot is refused"),
        pytest.param(
            FROM_IMAGE,
            source_facts(image=source_ami(root_device_type="instance-store")),
            Reason.INSTANCE_STORE_UNSUPPORTED,
            id="instance store is refused before anything is copied",
        ),
        pytest.param(
            FROM_IMAGE,
            source_facts(image=source_ami(virtualization_type="paravirtual")),
            Reason.PARAVIRTUAL_UNSUPPORTED,
            id="paravirtual is refused before anything is copied",
        ),
        pytest.param(
            FROM_IMAGE,
            source_facts(image=source_ami(product_codes=("abc",))),
            Reason.PRODUCT_CODES_UNSUPPORTED,
            id="product codes are refused before anything is copied",
        ),
        pytest.param(
            FROM_IMAGE,
            source_facts(snapshot(kms_key_arn=KEY), unusable_key_arns=frozenset({KEY})),
            Reason.SOURCE_KEY_NOT_USABLE,
            id="a key this account may not use is refused before anything is copied",
        ),
    ],
)
def test_what_rules_a_source_out(of: Version, facts: SourceFacts, reason: Reason) -> None:
    found = source.look(of, observed(source=facts), copying=True)
    assert found.reason is reason
    assert not found.actions
    assert (found.image is not None) == (reason is Reason.SUCCEEDED)


def at(*images: Image, **changes: Any) -> Observed:
    """The home region with these images, its source running and its snapshots fresh."""
    state = source_facts(image=source_ami(state="running"))
    given: dict[str, Any] = {"source": state, "fresh_snapshots": frozenset({HOME}), "facts": facts(), **changes}
    return observed(view(*images, region=HOME), **given)


def test_an_instance_becomes_an_image_with_everything_said() -> None:
    of = version(source=InstanceSource("i-1", reboot=True, volumes=(Volume("/dev/sdb", 10),)), tags={"team": "platform"})
    (create,) = source.look(of, at(), copying=True).actions
    assert isinstance(create, CreateImage)
    assert (create.instance_id, create.name, create.reboot, create.volumes) == ("i-1", "web-1.0.0", True, (Volume("/dev/sdb", 10),))
    assert create.tags["goldenami.dev/role"] == "home"
    assert create.tags["team"] == "platform"


def test_a_snapshot_becomes_an_image_with_everything_said() -> None:
    (register,) = source.look(FROM_SNAPSHOT, at(source=source_facts(image=source_ami(state="completed"))), copying=True).actions
    assert isinstance(register, RegisterImage)
    assert (register.snapshot_id, register.architecture, register.boot_mode, register.ena_support) == ("snap-given", "x86_64", "uefi", True)


NO_KEY = facts(key=None)


@pytest.mark.parametrize(
    ("replicas", "known", "reason", "needs"),
    [
        pytest.param((Replica(PARIS, key()),), {}, Reason.PROGRESSING, 1, id="asked first"),
        pytest.param((Replica(PARIS, key()),), NO_KEY, Reason.ENCRYPTION_KEY_INVALID, 0, id="the only region refuses it"),
        pytest.param(
            (Replica(PARIS, key()), Replica("eu-west-1")), NO_KEY | facts("eu-west-1"), Reason.CREATING, 0, id="one would have it"
        ),
        pytest.param((Replica(PARIS, key()), Replica(HOME)), NO_KEY, Reason.CREATING, 0, id="what is made is the home region's own"),
        pytest.param((Replica(PARIS, key()), Replica(HOME, key(HOME))), NO_KEY, Reason.PROGRESSING, 1, id="not where it has another key"),
    ],
)
def test_no_image_is_made_while_every_region_refuses_it(
    replicas: tuple[Replica, ...], known: dict[str, RegionFacts], reason: Reason, needs: int
) -> None:
    of = version(*replicas, source=InstanceSource("i-1", reboot=True))
    seen = at(facts=known)
    regions = {PARIS: view(), "eu-west-1": view(region="eu-west-1"), **seen.regions}
    found = source.look(of, replace(seen, regions=regions), copying=True)
    assert (found.reason, len(found.needs)) == (reason, needs)
    assert bool(found.actions) == (reason is Reason.CREATING)


MADE = home_ami(of=FROM_INSTANCE)


@pytest.mark.parametrize(
    ("seen", "reason", "actions"),
    [
        pytest.param(at(MADE), Reason.SUCCEEDED, [], id="an available home image is the source"),
        pytest.param(at(replace(MADE, state="pending", snapshot_ids=())), Reason.CREATING, [], id="a pending one is waited for"),
        pytest.param(
            at(replace(MADE, state="disabled")), Reason.PROGRESSING, [EnableImage], id="one disabled by hand is enabled for a copy"
        ),
        pytest.param(at(released(MADE)), Reason.PROGRESSING, [SetTags, RemoveTags], id="a released one is taken back, not made again"),
        pytest.param(at(recorded_source_image_id="ami-old"), Reason.SOURCE_NOT_FOUND, [], id="one that is gone is never made again"),
        pytest.param(
            at(replace(retagged(MADE, source="instance/us-east-1/i-2"), state="available")),
            Reason.SUCCEEDED,
            [],
            id="one of another source is neither used nor replaced: replicas say that the version is reused",
        ),
        pytest.param(
            at(released(retagged(MADE, source="instance/us-east-1/i-2"))),
            Reason.CREATING,
            [CreateImage],
            id="a released one of another source is not this version",
        ),
        pytest.param(
            at(golden_ami("ami-copy", FROM_INSTANCE, state="failed"), source=None),
            Reason.PROGRESSING,
            [],
            id="a failed copy is no home image",
        ),
    ],
)
def test_an_image_is_made_once(seen: Observed, reason: Reason, actions: list[type]) -> None:
    found = source.look(FROM_INSTANCE, seen, copying=True)
    assert (found.reason, [type(action) for action in found.actions]) == (reason, actions)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        pytest.param("available", Reason.SUCCEEDED, id="a replica elsewhere stands in for a home image that is gone"),
        pytest.param("pending", Reason.SOURCE_PENDING, id="a replica that is coming is waited for"),
    ],
)
def test_a_version_that_exists_anywhere_is_not_made_again(state: str, reason: Reason) -> None:
    seen = observed(view(golden_ami(of=FROM_INSTANCE, state=state)), source=source_facts(image=source_ami(state="running")))
    found = source.look(version(HOME, PARIS, source=INSTANCE), seen, copying=True)
    assert (found.reason, found.actions) == (reason, ())


RELEASED_COPY = released(golden_ami("ami-copy", FROM_INSTANCE))


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(at(RELEASED_COPY), id="at home"),
        pytest.param(replace(at(), regions={HOME: view(region=HOME), PARIS: view(RELEASED_COPY)}), id="elsewhere"),
    ],
)
def test_a_copy_that_is_taken_back_is_waited_for_and_nothing_is_made_beside_it(seen: Observed) -> None:
    found = source.look(version(HOME, PARIS, source=INSTANCE), seen, copying=True)
    assert (found.reason, found.actions) == (Reason.SOURCE_PENDING, ())
    assert "ami-copy is taken back" in found.message


def test_of_a_copy_and_a_home_image_that_were_released_the_copy_comes_back_first() -> None:
    of = version(HOME, source=INSTANCE)
    first = source.look(of, at(released(MADE), RELEASED_COPY), copying=False)
    assert (first.reason, first.actions) == (Reason.PROGRESSING, ())
    then = source.look(of, at(released(MADE), golden_ami("ami-copy", FROM_INSTANCE)), copying=False)
    assert [type(action) for action in then.actions] == [SetTags, RemoveTags]


def failed(attempt: int, age: float = 1e6) -> Observed:
    image = home_ami("ami-failed", FROM_INSTANCE, state="failed", attempt=attempt, created_epoch_seconds=NOW - age, state_reason="broken")
    part = snapshot("snap-part", tags=image.tags, description="Created by CreateImage(i-1) for ami-failed")
    other = snapshot("snap-other", tags=image.tags, description="Created by CreateImage(i-1) for ami-else")
    base = at()
    return replace(base, regions={**base.regions, HOME: view(image, region=HOME, snapshots=(part, other))})


def test_a_failed_image_makes_room_for_the_next_attempt_since_it_keeps_its_name() -> None:
    clear, create = source.look(FROM_INSTANCE, failed(1), copying=True).actions
    assert isinstance(clear, DeregisterImage)
    assert clear.snapshot_ids == ("snap-part",)
    assert isinstance(create, CreateImage)
    assert create.tags["goldenami.dev/attempt"] == "2"


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(failed(1, age=1), Reason.CREATE_FAILED, id="not before the wait is over"),
        pytest.param(failed(5), Reason.COPIES_EXHAUSTED, id="not after the fifth failure"),
        pytest.param(replace(failed(1), fresh_snapshots=frozenset()), Reason.CREATE_FAILED, id="not before its snapshots are known"),
    ],
)
def test_a_failed_image_is_not_made_again(seen: Observed, reason: Reason) -> None:
    found = source.look(FROM_INSTANCE, seen, copying=True)
    assert (found.reason, found.actions) == (reason, ())


def test_a_snapshot_the_image_was_registered_from_is_never_removed_with_it() -> None:
    image = home_ami("ami-failed", FROM_SNAPSHOT, state="failed", snapshot_ids=("snap-given",))
    tagged_by_mistake = snapshot("snap-given", tags=image.tags)
    seen = replace(at(source=source_facts(image=source_ami(state="completed"))), regions={})
    seen = replace(seen, regions={**observed().regions, HOME: view(image, region=HOME, snapshots=(tagged_by_mistake,))})
    clear, _ = source.look(FROM_SNAPSHOT, seen, copying=True).actions
    assert isinstance(clear, DeregisterImage)
    assert clear.snapshot_ids == ()


LOST = replace(MADE, state="lost", snapshot_ids=())


@pytest.mark.parametrize(
    ("looked_up", "reason"),
    [
        pytest.param({}, Reason.PROGRESSING, id="a lost image is looked up first"),
        pytest.param({MADE.image_id: replace(MADE, state="pending")}, Reason.CREATING, id="one that exists is waited for"),
        pytest.param({MADE.image_id: replace(MADE, tags={})}, Reason.CONFLICT, id="one that has lost its tag is not made beside itself"),
        pytest.param({MADE.image_id: None}, Reason.CREATING, id="one that does not exist is made"),
    ],
)
def test_an_image_that_is_not_listed(looked_up: dict[str, Image | None], reason: Reason) -> None:
    found = source.look(FROM_INSTANCE, at(LOST, looked_up=looked_up), copying=True)
    assert found.reason is reason
    assert bool(found.actions) == (looked_up == {MADE.image_id: None})


def test_tags_of_a_home_image_are_kept_by_the_source_unless_it_is_a_replica() -> None:
    drifted = at(replace(MADE, description="changed"))
    assert source.look(FROM_INSTANCE, drifted, copying=False).actions
    assert not source.look(version(HOME, source=INSTANCE), drifted, copying=False).actions


def test_an_unreadable_home_region_decides_nothing() -> None:
    seen = observed(view(region=HOME, problem=Problem(Reason.REGION_UNREACHABLE, "us-east-1 does not answer")))
    found = source.look(FROM_INSTANCE, seen, copying=True)
    assert (found.reason, found.actions, found.needs) == (Reason.REGION_UNREACHABLE, (), ())


def test_too_many_tags_are_refused_before_anything_is_made() -> None:
    of = version(source=INSTANCE, tags={f"key{number}": "x" for number in range(45)})
    found = source.look(of, at(), copying=True)
    assert (found.reason, found.actions) == (Reason.TOO_MANY_TAGS, ())


def test_a_disabled_home_image_nobody_needs_stays_as_it_is() -> None:
    found = source.look(FROM_INSTANCE, at(replace(MADE, state="disabled")), copying=False)
    assert (found.reason, found.actions) == (Reason.SUCCEEDED, ())


def test_a_home_image_recorded_as_shared_is_first_recorded_as_not_and_then_enabled() -> None:
    seen = at(replace(MADE, state="disabled"), recorded={HOME: Recorded(MADE.image_id, "available", shared_digest="x")})
    assert not source.look(FROM_INSTANCE, seen, copying=True).actions


def test_a_home_image_of_another_key_is_kept_by_the_source() -> None:
    of = version(Replica(HOME, key("other", HOME)), source=INSTANCE)
    seen = at(replace(MADE, description="changed"))
    seen = replace(seen, regions={**seen.regions, HOME: view(replace(MADE, description="changed"), region=HOME, kms_key_arn=KEY)})
    assert source.look(of, seen, copying=False).actions


def test_an_adopted_image_needs_no_home_image() -> None:
    of = version(HOME, source=ImageSource("ami-source", adopt=True))
    assert source.look(of, observed(source=source_facts()), copying=True).image == source_ami()
