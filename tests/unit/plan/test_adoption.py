"""Adoption: which images of an existing family become which versions, and how one of them becomes a replica by its tags alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from goldenami.api.reasons import Reason
from goldenami.plan import identity
from goldenami.plan.actions import AdoptImage, CopyImage
from goldenami.plan.adopted_family import Candidate, Choice, Chosen, Existing, by_name, outside
from goldenami.plan.desired import ImageSource, Replica, Version
from goldenami.plan.identity import ADOPTED_ROLE
from goldenami.plan.observed import Finding, Need, NeedKind, Recorded, SourceFacts
from goldenami.plan.patterns import compiled
from goldenami.plan.tags import wanted_tags
from goldenami.plan.values import Image
from goldenami.plan.whole import look
from support.plan import (
    ACCOUNT,
    HOME,
    OWNER,
    PARIS,
    STRANGER,
    facts,
    golden_ami,
    observed,
    released,
    retagged,
    snapshot,
    source_facts,
    version,
    view,
)

# --- the choice ---


def found(image_id: str = "ami-1", name: str = "web-1.0.0", **changes: object) -> Image:
    """As somebody else has made it."""
    return replace(Image(image_id, name, "available", owner_id=ACCOUNT.account_id, tags={"Name": "theirs"}), **changes)  # type: ignore[arg-type]


def candidate(image: Image, of: str = "1.0.0", region: str = PARIS) -> Candidate:
    return Candidate(of, region, image.image_id, image)


def chosen(*candidates: Candidate, listed: bool = False, existing: Mapping[str, Existing] | None = None) -> Chosen:
    return Choice(OWNER, ACCOUNT.account_id, existing or {}, listed=listed).of(candidates)


def ids(choice: Chosen) -> dict[tuple[str, str], str]:
    return {(of, region): image.image_id for of, images in choice.members.items() for region, image in images.items()}


def owned(image: Image, owner: identity.Owner = STRANGER, of: str = "1.0.0") -> Image:
    return replace(image, tags={**image.tags, **identity.identity_tags(owner, of, "image/us-east-1/ami-x")})


LET_GO = replace(found("ami-2"), tags={identity.RELEASED: str(OWNER), identity.VERSION: "1.0.0"})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("web-1.0.0", "1.0.0", id="a version"),
        pytest.param("web-1.0.0-rc.1", "1.0.0-rc.1", id="a pre-release"),
        pytest.param("web-1.0.0_build.7", "1.0.0+build.7", id="an underscore is the plus that EC2 names cannot hold"),
    ],
)
def test_a_name_says_the_version(name: str, expected: str) -> None:
    (one,), refused = by_name(compiled("web-(?P<version>.+)"), PARIS, [found(name=name)])
    assert (one.version, one.region, refused) == (expected, PARIS, ())


@pytest.mark.parametrize("text", ["1.0", "v1.0.0", "01.0.0", "1.0.0_a_b", "latest", "1.0.0 "])
def test_what_is_no_version_is_told_and_calls_for_nobody(text: str) -> None:
    candidates, (refused,) = by_name(compiled("web-(?P<version>.+)"), PARIS, [found(name=f"web-{text}")])
    assert candidates == ()
    assert f"`{text}` is no version by SemVer 2.0" in refused.message
    assert not refused.stalls


def test_other_names_are_not_told_at_all() -> None:
    assert by_name(compiled("web-(?P<version>.+)"), PARIS, [found(name="app-1.0.0")]) == ((), ())


@pytest.mark.parametrize(
    ("candidates", "existing", "expected"),
    [
        pytest.param([candidate(found())], {}, {("1.0.0", PARIS): "ami-1"}, id="one image for a version"),
        pytest.param(
            [candidate(found()), candidate(found("ami-2"), region=HOME), candidate(found("ami-3"), of="1.1.0")],
            {},
            {("1.0.0", PARIS): "ami-1", ("1.0.0", HOME): "ami-2", ("1.1.0", PARIS): "ami-3"},
            id="versions and regions each have their own",
        ),
        pytest.param([candidate(owned(found(), OWNER))], {}, {}, id="what is ours is not adopted again"),
        pytest.param(
            [candidate(found())], {"1.0.0": Existing({PARIS: "ami-9"})}, {}, id="a region that has an image of the version needs none"
        ),
        pytest.param(
            [candidate(found())],
            {"1.0.0": Existing({HOME: "ami-9"})},
            {("1.0.0", PARIS): "ami-1"},
            id="a region that has none takes one beside the others",
        ),
        pytest.param([candidate(found())], {"1.0.0": Existing(joins=False)}, {}, id="a version with a source of its own is left alone"),
        pytest.param(
            [candidate(LET_GO)],
            {"1.0.0": Existing(joins=False)},
            {("1.0.0", PARIS): "ami-2"},
            id="unless the image was released from it",
        ),
        pytest.param([candidate(found()), candidate(LET_GO)], {}, {("1.0.0", PARIS): "ami-2"}, id="of two, the one that was ours"),
        pytest.param(
            [candidate(found()), candidate(found("ami-2"))],
            {"1.0.0": Existing(adopted={PARIS: "ami-2"})},
            {("1.0.0", PARIS): "ami-2"},
            id="of two, the one that is being adopted",
        ),
        pytest.param(
            [candidate(found()), candidate(owned(found("ami-2")))], {}, {("1.0.0", PARIS): "ami-1"}, id="of two, the one that can be"
        ),
    ],
)
def test_which_images_are_chosen(
    candidates: Sequence[Candidate], existing: dict[str, Existing], expected: dict[tuple[str, str], str]
) -> None:
    assert ids(chosen(*candidates, existing=existing)) == expected


@pytest.mark.parametrize(
    ("image", "reason", "says"),
    [
        pytest.param(
            owned(found()), Reason.CONFLICT, "belongs to main/images/other, version 1.0.0; release it there first", id="another's"
        ),
        pytest.param(found(owner_id="111111111111"), Reason.CONFLICT, "belongs to account 111111111111", id="another account's"),
        pytest.param(found(tags={"aws:backup:source-resource": "i"}), Reason.CONFLICT, "managed by AWS Backup", id="AWS Backup's"),
        pytest.param(found(tags={"aws:dlm:lifecycle-policy-id": "p"}), Reason.CONFLICT, "managed by Data Lifecycle Manager", id="DLM's"),
        pytest.param(found(tags={"CreatedBy": "EC2 Image Builder"}), Reason.CONFLICT, "managed by EC2 Image Builder", id="Image Builder's"),
        pytest.param(found(tags={"Ec2ImageBuilderArn": "arn"}), Reason.CONFLICT, "managed by EC2 Image Builder", id="Image Builder's ARN"),
        pytest.param(found(state="disabled"), Reason.ADOPTION_REFUSED, "is disabled, and only what is available", id="a disabled one"),
        pytest.param(found(state="failed"), Reason.ADOPTION_REFUSED, "is failed, and only what is available", id="a failed one"),
    ],
)
def test_what_is_refused_and_why(image: Image, reason: Reason, says: str) -> None:
    (refused,) = chosen(candidate(image), candidate(found("ami-2"), of="1.1.0")).refused
    assert (refused.reason, refused.stalls) == (reason, reason is Reason.CONFLICT)
    assert says in refused.message
    assert chosen(candidate(image), listed=True).refused[0].stalls


def test_what_is_refused_keeps_no_other_from_being_adopted() -> None:
    assert ids(chosen(candidate(owned(found())), candidate(found("ami-2"), of="1.1.0"))) == {("1.1.0", PARIS): "ami-2"}


def test_two_images_of_one_version_in_one_region_are_both_refused() -> None:
    choice = chosen(candidate(found("ami-b")), candidate(found("ami-a")))
    assert choice.members == {}
    assert [one.image_id for one in choice.refused] == ["ami-a", "ami-b"]
    assert all("ami-a and ami-b in eu-west-3 both are version 1.0.0" in one.message and one.stalls for one in choice.refused)


def test_what_is_pending_is_waited_for() -> None:
    choice = chosen(candidate(found(state="pending")))
    assert (choice.members, [one.image_id for one in choice.pending]) == ({}, ["ami-1"])
    assert choice.refused[0].reason is Reason.SOURCE_PENDING


@pytest.mark.parametrize(
    ("candidates", "existing", "says"),
    [
        pytest.param([Candidate("1.0.0", PARIS, "ami-1", None)], {}, "is not in eu-west-3", id="one that does not exist"),
        pytest.param(
            [candidate(owned(found(), OWNER, "0.9.0"))], {}, "is version 0.9.0 of this family already", id="one of another version"
        ),
        pytest.param([candidate(found())], {"1.0.0": Existing({PARIS: "ami-9"})}, "has ami-9 there already", id="one too many"),
        pytest.param([candidate(found())], {"1.0.0": Existing(joins=False)}, "is made from a source of its own", id="a version of our own"),
        pytest.param([candidate(found()), candidate(found(), of="1.1.0")], {}, "is listed for several versions", id="one for two versions"),
    ],
)
def test_who_lists_an_image_is_told_why_it_is_not_adopted(
    candidates: Sequence[Candidate], existing: dict[str, Existing], says: str
) -> None:
    choice = chosen(*candidates, listed=True, existing=existing)
    assert choice.members == {}
    assert all(says in one.message and one.stalls for one in choice.refused)
    assert choice.refused


def test_a_listed_image_that_is_adopted_already_is_not_told() -> None:
    assert chosen(candidate(owned(found(), OWNER)), listed=True, existing={"1.0.0": Existing({PARIS: "ami-1"})}).refused == ()


def test_an_image_outside_of_the_declared_regions_is_told_and_left() -> None:
    refused = outside("1.0.0", "eu-west-1", "ami-1")
    assert refused.message == "ami-1 of version 1.0.0 is not touched: eu-west-1 is not among spec.replicas"
    assert not refused.stalls


# --- one image ---


def adopting(*regions: str | Replica, **changes: Any) -> Version:
    """A version that adopts ami-1 in Paris."""
    return version(*regions, source=ImageSource("ami-1", adopt=True), home_region=PARIS, adopted={PARIS: "ami-1"}, **changes)


def paris(of: Version, *images: Image, adoptable: SourceFacts | None = None, **changes: object) -> Finding:
    seen = observed(view(*images), adoptable={"ami-1": adoptable} if adoptable else {}, **changes)
    return next(finding for finding in look(of, seen).replicas if finding.region == PARIS)


THEIRS = found(snapshot_ids=("snap-1", "snap-2"))


def test_it_is_read_before_it_is_taken() -> None:
    assert paris(adopting()).needs == (Need(NeedKind.ADOPTED, PARIS, "ami-1"),)


def test_image_and_snapshots_get_our_tags_in_one_call_the_image_first_and_keep_their_name() -> None:
    parts = (snapshot("snap-1"), snapshot("snap-2"))
    finding = paris(adopting(tags={"team": "web"}), adoptable=source_facts(*parts, image=THEIRS))
    (take,) = finding.actions
    assert isinstance(take, AdoptImage)
    assert take.resource_ids == ("ami-1", "snap-1", "snap-2")
    mine = identity.identity_tags(OWNER, "1.0.0", "image/eu-west-3/ami-1 adopt=true", role=ADOPTED_ROLE)
    assert take.tags == {"team": "web", "goldenami.dev/added": "team / team", **mine}
    assert take.sentence() == "eu-west-3: adopt ami-1 (web-1.0.0) as version 1.0.0"
    assert finding.image is None


def test_a_snapshot_of_another_family_keeps_its_owner() -> None:
    parts = (snapshot("snap-1", tags=identity.identity_tags(STRANGER, "1.0.0", "image/us-east-1/ami-x")), snapshot("snap-2"))
    (take,) = paris(adopting(), adoptable=source_facts(*parts, image=THEIRS)).actions
    assert isinstance(take, AdoptImage)
    assert take.resource_ids == ("ami-1", "snap-2")


@pytest.mark.parametrize(
    ("known", "reason", "says"),
    [
        pytest.param(SourceFacts(), Reason.SOURCE_NOT_FOUND, "is gone; name another in spec.adopt", id="it is gone"),
        pytest.param(source_facts(image=owned(THEIRS)), Reason.CONFLICT, "belongs to main/images/other", id="another was faster"),
        pytest.param(source_facts(image=owned(THEIRS, OWNER, "2.0.0")), Reason.CONFLICT, "is version 2.0.0", id="it is another version"),
        pytest.param(source_facts(image=replace(THEIRS, state="pending")), Reason.SOURCE_PENDING, "when it is available", id="pending"),
        pytest.param(source_facts(image=replace(THEIRS, state="disabled")), Reason.ADOPTION_REFUSED, "is disabled", id="disabled"),
        pytest.param(
            source_facts(image=replace(THEIRS, tags={f"tag-{n}": "" for n in range(48)})),
            Reason.TOO_MANY_TAGS,
            "ami-1 in eu-west-3 would carry 53 tags, and EC2 takes 50",
            id="its tags leave no room for ours",
        ),
        pytest.param(
            source_facts(snapshot("snap-1", tags={f"tag-{n}": "" for n in range(48)}), image=THEIRS),
            Reason.TOO_MANY_TAGS,
            "snap-1 in eu-west-3 would carry 53 tags",
            id="its snapshot's leave none",
        ),
    ],
)
def test_what_cannot_be_taken_is_said_and_never_copied(known: SourceFacts, reason: Reason, says: str) -> None:
    finding = paris(adopting(), adoptable=known)
    assert (finding.reason, finding.actions) == (reason, ())
    assert says in finding.message


def test_nothing_is_copied_to_a_region_that_has_an_image_to_adopt_and_the_source_is_not_read_for_it() -> None:
    found = look(adopting(), observed(adoptable={"ami-1": source_facts(image=THEIRS)}))
    assert found.source is not None
    assert (found.source.reason, found.source.needs) == (Reason.SUCCEEDED, ())


def test_what_is_adopted_is_as_it_shall_be() -> None:
    of = adopting(description_declared=False)
    image = replace(golden_ami(of=of, role=ADOPTED_ROLE), description="theirs", name="other")
    finding = paris(of, image)
    assert (finding.reason, finding.actions, finding.needs) == (Reason.SUCCEEDED, (), ())
    assert "Name" not in wanted_tags(of, role=ADOPTED_ROLE)


def test_a_description_that_is_declared_is_set() -> None:
    of = adopting()
    (action,) = paris(of, replace(golden_ami(of=of, role=ADOPTED_ROLE), description="theirs")).actions
    assert action.sentence() == "eu-west-3: set the description of ami-1"


def test_a_snapshot_that_was_not_tagged_when_the_process_died_is_tagged_now() -> None:
    of = adopting()
    image = golden_ami(of=of, role=ADOPTED_ROLE)
    seen = observed(view(image, snapshots=(snapshot("snap-1"),)), fresh_snapshots=frozenset({PARIS}))
    (action,) = look(of, seen).replicas[0].actions
    assert action.sentence().endswith("on snap-1")


def test_one_that_was_adopted_and_is_gone_is_copied_anew_as_any_replica() -> None:
    of = version(HOME, PARIS, source=ImageSource("ami-0", adopt=True), adopted={HOME: "ami-0", PARIS: "ami-1"})
    home = golden_ami("ami-0", of=of, role=ADOPTED_ROLE)
    seen = observed(
        view(home, region=HOME),
        recorded={PARIS: Recorded("ami-1", "available")},
        looked_up={"ami-1": None},
        source=source_facts(image=home),
        facts=facts(),
    )
    assert [type(action) for action in look(of, seen).replicas[1].actions] == [CopyImage]


def test_one_that_was_adopted_and_is_another_ones_now_is_a_conflict() -> None:
    taken = owned(THEIRS)
    finding = paris(
        adopting(), recorded={PARIS: Recorded("ami-1", "available")}, looked_up={"ami-1": taken}, source=source_facts(image=taken)
    )
    assert (finding.reason, finding.actions) == (Reason.CONFLICT, ())
    assert str(STRANGER) in finding.message


def test_one_that_was_released_is_taken_back_and_stays_what_it_was() -> None:
    of = adopting()
    finding = paris(of, released(golden_ami(of=of, role=ADOPTED_ROLE)))
    (take, drop) = finding.actions
    assert "Name" not in take.tags  # type: ignore[attr-defined]
    assert drop.sentence() == "eu-west-3: remove tags goldenami.dev/released from ami-1, snap-1"


def test_a_copy_that_was_released_from_another_source_is_adopted_as_a_copy() -> None:
    before = retagged(released(golden_ami(of=version())), source="image/us-east-1/ami-old")
    (take,) = paris(adopting(), before, adoptable=source_facts(image=before)).actions
    assert isinstance(take, AdoptImage)
    assert take.tags[identity.ROLE] == identity.REPLICA_ROLE


def test_another_region_is_copied_to_from_the_adopted_image() -> None:
    of = adopting(HOME, PARIS)
    image = golden_ami(of=of, role=ADOPTED_ROLE)
    found = look(of, observed(view(image), source=source_facts(image=image), facts=facts(HOME)))
    (copy,) = next(finding for finding in found.replicas if finding.region == HOME).actions
    assert isinstance(copy, CopyImage)
    assert (copy.source_image_id, copy.source_region) == ("ami-1", PARIS)
