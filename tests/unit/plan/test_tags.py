"""Tags and descriptions: kept in step, within EC2's fifty, and never on what belongs to somebody else."""

from dataclasses import replace

import pytest

from goldenami.api.reasons import Reason
from goldenami.plan import tags
from goldenami.plan.actions import Action, RemoveTags, SetDescription, SetTags, Volume
from goldenami.plan.desired import InstanceSource, SnapshotSource, Version
from goldenami.plan.observed import Need, NeedKind, Observed
from goldenami.plan.values import Image, Snapshot
from support.plan import OWNER, PARIS, STRANGER, golden_ami, observed, place, retagged, snapshot, version, view

OF = version(tags={"team": "platform"})
AMI = golden_ami(of=OF)
FRESH = frozenset({PARIS})


def look(of: Version, image: Image, seen: Observed | None = None) -> tuple[Action, ...]:
    actions, needs = tags.look(of, PARIS, image, seen or observed(view(image)))
    assert not needs
    return actions


def test_an_edit_right_after_a_copy_lists_its_snapshots_first() -> None:
    """They got the tags of before in the call that made them, and would keep what is no longer declared."""
    copied = replace(golden_ami(of=version(tags={"old": "x"})), encrypted=False)
    listed_before = replace(view(copied), snapshots={}, snapshots_read_epoch_seconds=copied.created_epoch_seconds - 1)
    seen = observed(listed_before, tag_keys=frozenset({"old"}))
    assert tags.look(OF, PARIS, copied, seen) == ((), (Need(NeedKind.SNAPSHOTS, PARIS),))
    assert tags.look(version(tags={"old": "x"}), PARIS, copied, seen) == ((), ())


@pytest.mark.parametrize(
    ("of", "image", "expected"),
    [
        pytest.param(OF, AMI, (), id="as declared, nothing is done"),
        pytest.param(OF, replace(AMI, tags={**AMI.tags, "theirs": "x"}), (), id="tags of others stay"),
        pytest.param(
            OF,
            replace(AMI, tags={**AMI.tags, "team": "x"}),
            (SetTags(place(), ("ami-1", "snap-1"), {"team": "platform"}),),
            id="a changed tag is put back",
        ),
        pytest.param(
            replace(OF, name="web-1"),
            AMI,
            (SetTags(place(), ("ami-1", "snap-1"), {"Name": "web-1"}),),
            id="a new name moves the tag that consoles show",
        ),
        pytest.param(
            OF, replace(AMI, description="x"), (SetDescription(place(), "ami-1", "golden"),), id="a changed description is put back"
        ),
        pytest.param(
            OF,
            replace(AMI, tags={**AMI.tags, "goldenami.dev/released": str(OWNER)}),
            (RemoveTags(place(), ("ami-1", "snap-1"), ("goldenami.dev/released",)),),
            id="the mark of a release that was taken back goes",
        ),
        pytest.param(
            replace(OF, notes="new kernel"),
            AMI,
            (SetTags(place(), ("ami-1", "snap-1"), {"goldenami.dev/notes": "new kernel"}),),
            id="notes become a tag",
        ),
        pytest.param(
            OF,
            replace(AMI, tags={**AMI.tags, "goldenami.dev/notes": "new kernel"}),
            (RemoveTags(place(), ("ami-1", "snap-1"), ("goldenami.dev/notes",)),),
            id="notes that are taken back go",
        ),
    ],
)
def test_what_is_put_right(of: Version, image: Image, expected: tuple[Action, ...]) -> None:
    assert look(of, image) == expected


def test_a_tag_that_is_no_longer_declared_goes_only_if_we_had_set_it() -> None:
    image = replace(AMI, tags={**AMI.tags, "old": "x", "theirs": "x", "aws:x": "x"})
    seen = observed(view(image), tag_keys=frozenset({"old", "team", "aws:x", "goldenami.dev/owner"}))
    assert look(OF, image, seen) == (RemoveTags(place(), ("ami-1", "snap-1"), ("old",)),)


def test_nobody_can_declare_our_own_tags() -> None:
    made = tags.wanted_tags(version(tags={"goldenami.dev/owner": "x", "goldenami.dev/released": "y"}), role="replica")
    assert made["goldenami.dev/owner"] == str(OWNER)
    assert "goldenami.dev/released" not in made


def test_role_and_attempt_of_an_image_stay_what_they_are() -> None:
    assert look(OF, golden_ami(of=OF, role="home", attempt=3)) == ()


def test_a_listing_that_lacks_a_snapshot_is_read_again_before_it_counts_as_untagged() -> None:
    seen = observed(replace(view(AMI), snapshots={}))
    assert tags.look(OF, PARIS, AMI, seen) == ((), (Need(NeedKind.SNAPSHOTS, PARIS),))
    (put_back,) = look(OF, AMI, replace(seen, fresh_snapshots=FRESH))
    assert isinstance(put_back, SetTags)
    assert put_back.resource_ids == ("snap-1",)


@pytest.mark.parametrize(
    ("of", "snapshots"),
    [
        pytest.param(
            replace(OF, source=SnapshotSource("snap-1", "x86_64", "uefi", "/dev/xvda")), (), id="the snapshot it was registered from"
        ),
        pytest.param(
            replace(OF, source=InstanceSource("i-1", volumes=(Volume("/dev/sdb", snapshot_id="snap-1"),))),
            (),
            id="the snapshot of an extra volume",
        ),
        pytest.param(OF, (snapshot("snap-1", tags={"goldenami.dev/owner": str(STRANGER)}),), id="another object's snapshot"),
        pytest.param(OF, (snapshot("snap-1", tags=retagged(AMI, version="0.9.0").tags),), id="another version's snapshot"),
    ],
)
def test_snapshots_that_are_not_ours_are_not_tagged(of: Version, snapshots: tuple[Snapshot, ...]) -> None:
    image = golden_ami(of=of)
    seen = observed(replace(view(image), snapshots={s.snapshot_id: s for s in snapshots}))
    assert look(of, image, seen) == ()


def test_a_snapshot_that_belongs_to_no_version_is_taken_by_the_image_that_names_it() -> None:
    loose = snapshot("snap-1", tags={"goldenami.dev/owner": str(OWNER)})
    (take,) = look(OF, AMI, observed(view(AMI, snapshots=(loose,))))
    assert isinstance(take, SetTags)
    assert take.resource_ids == ("snap-1",)


# --- fifty ---

MANY = {f"key{number:02}": "x" for number in range(44)}


@pytest.mark.parametrize(
    ("count", "refused"),
    [pytest.param(44, False, id="forty-four and our six are fifty"), pytest.param(45, True, id="one more is too many")],
)
def test_a_call_never_carries_more_than_ec2_takes(count: int, refused: bool) -> None:
    found = tags.too_many(version(tags={f"key{number}": "x" for number in range(count)}), PARIS)
    assert (found is not None) is refused
    assert found is None or (found.reason is Reason.TOO_MANY_TAGS and PARIS in found.message)


def crowd(count: int, **more: str) -> Image:
    return replace(AMI, tags={**AMI.tags, **{f"theirs{number}": "x" for number in range(count)}, "team": "changed", **more})


@pytest.mark.parametrize(
    ("image", "of", "refused"),
    [
        pytest.param(crowd(43), OF, False, id="what others set leaves room"),
        pytest.param(crowd(44), OF, True, id="what others set leaves none"),
        pytest.param(crowd(43, **{"aws:x": "x"}), OF, False, id="tags of AWS itself are not counted"),
        pytest.param(crowd(43, **{"goldenami.dev/released": "x"}), OF, False, id="nor what goes at the same time"),
        pytest.param(
            replace(crowd(44), tags={**crowd(44).tags, "team": "platform"}), OF, False, id="nothing is wrong where nothing has to be set"
        ),
    ],
)
def test_tags_of_others_are_counted_before_the_call(image: Image, of: Version, refused: bool) -> None:
    seen = observed(view(image))
    found = tags.crowded(of, PARIS, image, seen)
    assert (found is not None) is refused
    if found:
        assert (found.reason, found.image, look(of, image, seen)) == (Reason.TOO_MANY_TAGS, image, ())


def test_where_both_at_once_are_too_many_old_tags_go_first() -> None:
    image = replace(AMI, tags={**AMI.tags, **{f"old{number}": "x" for number in range(40)}})
    of = version(tags={**OF.tags, **{f"new{number}": "x" for number in range(40)}})
    seen = observed(view(image), tag_keys=frozenset(f"old{number}" for number in range(40)))
    assert [type(action) for action in look(of, image, seen)] == [RemoveTags, SetTags]
