"""Sharing of images on their way out: what is taken back is taken back there, for as long as they stay; nothing is granted any more."""

from dataclasses import replace
from typing import Any

import pytest

from goldenami.api.conditions import ConditionType
from goldenami.api.reasons import Outcome, Reason
from goldenami.plan import sharing, whole
from goldenami.plan.actions import Action, DisableImage, EnableImage, RevokeKey, SetTags, UnshareImage, UnshareSnapshot
from goldenami.plan.desired import InstanceSource, Sharing, Version
from goldenami.plan.identity import grant_name
from goldenami.plan.observed import NeedKind, Observed, Recorded
from goldenami.plan.sharing import Shared
from goldenami.plan.values import Grants, Image, KeyGrant, Principals, Problem
from support.plan import (
    ALICE,
    BOB,
    EVE,
    HOME,
    PARIS,
    accounts,
    golden_ami,
    granted,
    home_ami,
    key,
    observed,
    place,
    retagged,
    unused,
    version,
    view,
)

AMI, ARN = golden_ami(), key()
EVERYBODY = Principals(public=True)
FRESH = frozenset({HOME, PARIS})
MINE = KeyGrant("grant-1", grant_name(version().owner, "1.0.0", PARIS, ALICE), ALICE)
TO_ALICE = granted(accounts(ALICE), {"snap-1": accounts(ALICE)}, keys={ARN: (MINE,)})


def gone(shared: Sharing, **changes: Any) -> Version:
    """Paris is not declared any more."""
    return version(HOME, sharing=shared, **{"delete": True, **changes})


def paris(image: Image = AMI, known: Grants | None = TO_ALICE, **changes: Any) -> Observed:
    return observed(view(image, kms_key_arn=ARN), grants={} if known is None else {image.image_id: known}, fresh_snapshots=FRESH, **changes)


def look(of: Version, seen: Observed, *, everything: bool = False) -> Shared | None:
    found = sharing.look_at_leaving(of, seen, everything=everything)
    assert len(found) <= 1
    return found[0] if found else None


def actions(shared: Shared | None) -> tuple[Action, ...]:
    return shared.finding.actions if shared else ()


IMAGE = UnshareImage(place(), "ami-1", accounts(ALICE))
SNAPSHOT = UnshareSnapshot(place(), "snap-1", (ALICE,))
KEY = RevokeKey(place(), ARN, "grant-1", ALICE)
BOTH = granted(accounts(ALICE, EVE), {"snap-1": accounts(ALICE, EVE)}, keys={ARN: (MINE,)})


@pytest.mark.parametrize(
    ("of", "seen", "expected"),
    [
        pytest.param(gone(Sharing(accounts(ALICE))), paris(), (), id="who is declared keeps it"),
        pytest.param(gone(Sharing(accounts(ALICE, BOB))), paris(), (), id="who is declared by now does not get it"),
        pytest.param(gone(Sharing(accounts(BOB))), paris(), (IMAGE, SNAPSHOT, KEY), id="who is declared no longer loses it"),
        pytest.param(
            gone(Sharing(accounts(ALICE), snapshots=False)), paris(), (SNAPSHOT,), id="on the snapshots alone where these are not shared"
        ),
        pytest.param(
            gone(Sharing(remove_foreign=False)), paris(known=BOTH, granted=accounts(ALICE)), (IMAGE, SNAPSHOT, KEY), id="others are kept"
        ),
        pytest.param(
            gone(Sharing(accounts(ALICE))),
            paris(known=BOTH),
            (UnshareImage(place(), "ami-1", accounts(EVE)), UnshareSnapshot(place(), "snap-1", (EVE,))),
            id="or removed",
        ),
        pytest.param(
            gone(Sharing(remove_foreign=False)),
            paris(replace(AMI, public=True), known=None),
            (UnshareImage(place(), "ami-1", EVERYBODY),),
            id="public access goes before anything is read",
        ),
        pytest.param(
            gone(Sharing(EVERYBODY)), paris(replace(AMI, public=True), granted(EVERYBODY, keys={ARN: ()})), (), id="or is declared"
        ),
        pytest.param(
            gone(Sharing()), paris(replace(AMI, state="disabled")), (SNAPSHOT, KEY), id="nobody launches a disabled image: the rest goes"
        ),
        pytest.param(gone(Sharing(), delete=False), paris(), (), id="what is released stays as it is"),
        pytest.param(gone(Sharing(declared=False)), paris(replace(AMI, public=True)), (), id="what nobody declares is left as it is"),
        pytest.param(gone(Sharing()), paris(golden_ami(state="pending")), (), id="a pending copy is nobody's yet"),
        pytest.param(version(PARIS, delete=True), paris(), (), id="a declared region is shared as ever"),
    ],
)
def test_what_is_taken_back(of: Version, seen: Observed, expected: tuple[Action, ...]) -> None:
    assert actions(look(of, seen)) == expected


@pytest.mark.parametrize("of", [version(PARIS, delete=True), gone(Sharing())], ids=["declared", "not declared"])
def test_a_deletion_takes_back_everywhere(of: Version) -> None:
    assert actions(look(of, paris(), everything=True)) == (IMAGE, SNAPSHOT, KEY)
    assert actions(look(replace(of, delete=False), paris(), everything=True)) == ()


@pytest.mark.parametrize("everything", [False, True], ids=["kept as the source", "gone with the object"])
def test_a_home_image_that_is_kept_is_not_leaving(everything: bool) -> None:
    of = version(PARIS, source=InstanceSource("i-1"), delete=True)
    home = home_ami(of=of)
    seen = observed(view(home, region=HOME), grants={home.image_id: granted(accounts(ALICE))}, fresh_snapshots=FRESH)
    assert bool(actions(look(of, seen, everything=everything))) is everything


def test_permissions_are_read_unless_they_are_known_to_be_right() -> None:
    of = gone(Sharing(accounts(ALICE)))
    seen = paris(known=None, recorded={PARIS: Recorded("ami-1", "available", shared_digest=sharing.digest(of, AMI))})
    assert look(of, seen) is None
    for asks in (look(gone(Sharing(accounts(BOB))), seen), look(of, replace(seen, asked=True)), look(of, replace(seen, recorded={}))):
        assert asks is not None
        assert [need.kind for need in asks.finding.needs] == [NeedKind.GRANTS]


def test_a_region_that_cannot_be_read_is_not_done() -> None:
    """Whom we have granted before is forgotten when all is done, and under Keep only that is taken back."""
    shared = look(gone(Sharing()), observed(view(problem=Problem(Reason.REGION_UNREACHABLE, "away"))))
    assert shared is not None
    assert (shared.finding.outcome, shared.finding.reason) == (Outcome.RETRYING, Reason.REGION_UNREACHABLE)


def test_grants_of_others_that_are_kept_are_told_for_as_long_as_the_image_stays() -> None:
    shared = look(gone(Sharing(accounts(ALICE), remove_foreign=False)), paris(known=BOTH))
    assert shared is not None
    assert (shared.finding.outcome, shared.foreign) == (Outcome.DONE, accounts(EVE))


@pytest.mark.parametrize("stage", [None, "Disabled", "Retired"])
def test_it_is_part_of_every_look_and_comes_first(stage: Any) -> None:
    of = version(HOME, sharing=Sharing(accounts(BOB)), delete=True, stage=stage, deprecated=True)
    seen = paris(evidence={"ami-1": unused()}, fresh_grants=frozenset({"ami-1"}))
    for found in (whole.look(of, seen), whole.look_at_leaving(of, seen)):
        there = [action for action in found.actions if action.place.region == PARIS]
        assert there[:3] == [IMAGE, SNAPSHOT, KEY]
        assert [type(action) for action in there[3:]] == [SetTags, DisableImage]
        assert any(finding.region == PARIS for finding in found.concerns[ConditionType.SHARING_READY])


# --- a version at a stage that is kept dark ---

DARK = replace(AMI, state="disabled")


def dark(shared: Sharing, seen: Observed, stage: Any = "Disabled") -> Shared:
    (found,) = whole.look(version(PARIS, sharing=shared, stage=stage), seen).shared
    return found


@pytest.mark.parametrize("stage", ["Disabled", "Retired"])
@pytest.mark.parametrize(
    ("shared", "seen", "expected"),
    [
        pytest.param(Sharing(accounts(BOB)), paris(DARK), (SNAPSHOT, KEY), id="who is declared no longer loses it"),
        pytest.param(Sharing(accounts(ALICE)), paris(DARK), (), id="who is declared keeps it"),
        pytest.param(Sharing(accounts(ALICE, BOB)), paris(DARK), (), id="nobody gets anything"),
        pytest.param(
            Sharing(accounts(BOB), remove_foreign=False), paris(DARK, BOTH, granted=accounts(ALICE)), (SNAPSHOT, KEY), id="others are kept"
        ),
        pytest.param(Sharing(declared=False), paris(DARK), (), id="what nobody declares is left as it is"),
        pytest.param(Sharing(), paris(retagged(DARK, owner=None)), (), id="what is no longer ours is not touched"),
    ],
)
def test_a_version_that_is_disabled_takes_back_what_it_lent(
    shared: Sharing, seen: Observed, expected: tuple[Action, ...], stage: Any
) -> None:
    found = dark(shared, seen, stage)
    assert found.finding.actions == expected
    assert (found.finding.outcome is Outcome.DONE) is not bool(expected)


def test_it_is_read_once_after_an_edit_and_not_again() -> None:
    shared, available = Sharing(accounts(ALICE)), sharing.digest(version(sharing=Sharing(accounts(ALICE))), AMI)
    unknown = paris(DARK, None, recorded={PARIS: Recorded("ami-1", "available", shared_digest=available)})
    just_disabled = dark(shared, unknown)
    assert just_disabled.finding.needs == ()
    noted = replace(unknown, recorded={PARIS: Recorded("ami-1", "disabled", shared_digest=just_disabled.digest)})
    assert (dark(shared, noted).finding.needs, dark(shared, noted).digest) == ((), just_disabled.digest)
    for asks in (dark(Sharing(), noted), dark(shared, replace(noted, asked=True))):
        assert [need.kind for need in asks.finding.needs] == [NeedKind.GRANTS]
        assert asks.digest == ""


def test_what_is_noted_of_a_disabled_image_is_not_believed_of_an_available_one() -> None:
    """Its launch permissions were forgotten."""
    of = version(PARIS, sharing=Sharing(accounts(ALICE)))
    noted = {PARIS: Recorded("ami-1", "disabled", shared_digest=dark(of.sharing, paris(DARK)).digest)}
    enabling = whole.look(of, paris(DARK, None, recorded=noted))
    assert [type(action) for action in enabling.actions] == [EnableImage]
    (enabled,) = whole.look(of, paris(AMI, None, recorded=noted)).shared
    assert [need.kind for need in enabled.finding.needs] == [NeedKind.GRANTS]
