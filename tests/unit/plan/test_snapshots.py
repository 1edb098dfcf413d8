"""Which snapshots have to be listed before anything is decided about them, and which can wait for the next resync."""

from dataclasses import replace

import pytest

from goldenami.api.reasons import Reason
from goldenami.plan import actions as do
from goldenami.plan import sharing, snapshots, tags
from goldenami.plan.candidates import stand_in
from goldenami.plan.desired import ImageSource, Version
from goldenami.plan.observed import Finding, Observed
from goldenami.plan.values import Image, Snapshot
from support.plan import ALICE, NOW, PARIS, SOURCE_ID, accounts, golden_ami, granted, home_ami, observed, snapshot, version, view

OF = version(shared=accounts(ALICE))
COPY = replace(golden_ami(of=OF), encrypted=False)
BEFORE, AFTER = COPY.created_epoch_seconds - 60, COPY.created_epoch_seconds + 60


def seen(image: Image, read_at: float, *listed: Snapshot) -> Observed:
    """The image with the snapshots that a listing of that time has."""
    there = replace(view(image), snapshots={part.snapshot_id: part for part in listed}, snapshots_read_epoch_seconds=read_at)
    return observed(there, grants={image.image_id: granted()})


@pytest.mark.parametrize(
    ("image", "read_at", "of", "expected"),
    [
        pytest.param(COPY, BEFORE, OF, True, id="a copy that is younger than the listing and not encrypted waits for the next"),
        pytest.param(COPY, COPY.created_epoch_seconds + 0.9, OF, True, id="EC2 tells the creation in whole seconds"),
        pytest.param(COPY, AFTER, OF, False, id="a listing that is younger should have had them: a tag was lost"),
        pytest.param(replace(COPY, encrypted=True), BEFORE, OF, False, id="an encrypted copy has a key to ask about"),
        pytest.param(replace(COPY, encrypted=None), BEFORE, OF, False, id="what EC2 does not tell has to be looked for"),
        pytest.param(replace(home_ami(of=OF), encrypted=False), BEFORE, OF, False, id="a home image may name snapshots of others"),
        pytest.param(
            replace(COPY, image_id=SOURCE_ID), BEFORE, version(source=ImageSource(SOURCE_ID, adopt=True)), False,
            id="an adopted image's snapshots were not tagged in any call of ours",
        ),
    ],
)  # fmt: skip
def test_which_can_wait(image: Image, read_at: float, of: Version, expected: bool) -> None:
    there = seen(image, read_at).regions[PARIS]
    assert snapshots.awaited(of, there, image) is expected
    assert snapshots.unread(of, there, image) is not expected


def test_one_that_is_listed_does_not_wait() -> None:
    there = seen(COPY, BEFORE, snapshot(tags=COPY.tags)).regions[PARIS]
    assert not snapshots.awaited(OF, there, COPY)
    assert not snapshots.unread(OF, there, COPY)


def test_a_copy_is_shared_with_its_snapshots_before_they_are_listed() -> None:
    found = sharing.look(OF, seen(COPY, BEFORE), (Finding(PARIS, Reason.SUCCEEDED, image=COPY),))
    assert [type(action) for action in found[0].finding.actions] == [do.ShareSnapshot, do.ShareImage]
    assert not found[0].finding.needs


def test_tags_are_not_written_on_snapshots_that_wait_and_are_put_back_where_a_later_listing_lacks_them() -> None:
    assert tags.look(OF, PARIS, COPY, seen(COPY, BEFORE)) == ((), ())
    late = replace(seen(COPY, AFTER), fresh_snapshots=frozenset({PARIS}))
    actions, needs = tags.look(OF, PARIS, COPY, late)
    assert not needs
    assert [action.resource_ids for action in actions if isinstance(action, do.SetTags)] == [("snap-1",)]


def test_a_replica_that_waits_for_its_snapshots_stands_in_as_what_it_is() -> None:
    """Counted as encrypted, it would be refused where sharing needs a key."""
    origin = stand_in(OF, seen(COPY, NOW - 10_000))
    assert origin is not None
    assert not origin.encrypted
