"""Stages: how a version goes, step by step, what keeps it, and how it comes back as it was."""

from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Any

import pytest

from goldenami.api.fields import Stage
from goldenami.api.reasons import Outcome, Reason
from goldenami.plan import deprecation, identity, sharing, stages, undo, whole
from goldenami.plan.actions import (
    Action,
    DeprecateImage,
    DeregisterImage,
    DisableImage,
    EnableImage,
    ProtectImage,
    RemoveTags,
    SetTags,
    ShareImage,
    UndeprecateImage,
    UnprotectImage,
)
from goldenami.plan.desired import Replica, Sharing, Version
from goldenami.plan.evidence import Source, Testimony
from goldenami.plan.observed import DARK as DARK_DIGEST
from goldenami.plan.observed import Finding, NeedKind, Observed, Recorded
from goldenami.plan.values import NOBODY, Image, Principals, Problem
from support.plan import (
    ACCOUNT,
    ALICE,
    BOB,
    EVE,
    HOME,
    NOW,
    ORGANIZATION,
    PARIS,
    accounts,
    evidence,
    golden_ami,
    granted,
    home_ami,
    observed,
    unused,
    used,
    version,
    view,
)

GOING: tuple[Stage, ...] = ("Disabled", "Retired")
WEEK = 7 * 86_400.0
DEPRECATED: dict[str, Any] = {"deprecation_epoch_seconds": NOW - 60}
UNUSED = {"ami-1": unused()}
USED = {"ami-1": used("ami-1", "instance i-1")}


def going(stage: Stage = "Disabled", **changes: Any) -> Version:
    return version(stage=stage, deprecated=True, **changes)


def dark(seconds: float = 60.0, image: Image | None = None, **changes: Any) -> Image:
    """Disabled, and deprecated, so long ago."""
    made = replace(image or golden_ami(), state="disabled", **{**DEPRECATED, **changes})
    return replace(made, tags={**made.tags, **undo.since(NOW - seconds)})


def paris(*images: Image, **changes: Any) -> Observed:
    """With the snapshots of both regions just listed."""
    return observed(view(*images), fresh_snapshots=frozenset({HOME, PARIS}), **changes)


def finding(of: Version, seen: Observed, region: str = PARIS) -> Finding:
    return next(found for found in stages.look(of, seen) if found.region == region)


def kinds(actions: tuple[Action, ...]) -> list[type[Action]]:
    return [type(action) for action in actions]


AMI = golden_ami(**DEPRECATED)
PROTECTED = golden_ami(deregistration_protection="enabled-without-cooldown", **DEPRECATED)
COOLING = golden_ami(deregistration_protection="disabled after 2026-11-22T06:00:00Z", **DEPRECATED)
FORBIDDEN = Testimony(Source.INSTANCES, problem=Problem(Reason.ACCESS_DENIED, "allow it", stalled=True))


@pytest.mark.parametrize(
    ("of", "seen", "reason", "does"),
    [
        pytest.param(going(), paris(), Reason.RETIRED, [], id="where nothing is there is nothing to do"),
        pytest.param(
            going(),
            paris(golden_ami(), evidence=UNUSED),
            Reason.RETIRING,
            [DeprecateImage, SetTags, DisableImage],
            id="an unused image is deprecated, and disabled",
        ),
        pytest.param(going(), paris(AMI, evidence=UNUSED), Reason.RETIRING, [SetTags, DisableImage], id="a deprecated one is disabled"),
        pytest.param(going(), paris(AMI, evidence=USED), Reason.STILL_IN_USE, [], id="one in use stays"),
        pytest.param(
            going(),
            paris(golden_ami(), evidence=USED),
            Reason.STILL_IN_USE,
            [DeprecateImage],
            id="and is deprecated all the same: nobody new shall choose it",
        ),
        pytest.param(
            going(), paris(AMI, evidence={"ami-1": evidence("ami-1", FORBIDDEN)}), Reason.EVIDENCE_INCOMPLETE, [], id="the unknown keeps it"
        ),
        pytest.param(
            going(), paris(AMI, evidence={"ami-1": evidence("ami-1", at=NOW - 600)}), Reason.EVIDENCE_INCOMPLETE, [], id="so does the stale"
        ),
        pytest.param(going(), paris(PROTECTED), Reason.STILL_IN_USE, [], id="what somebody protects stays, whoever uses it"),
        pytest.param(
            going(protection="Enabled"),
            paris(PROTECTED, evidence=UNUSED),
            Reason.RETIRING,
            [UnprotectImage],
            id="what the policy protects is freed before it is disabled",
        ),
        pytest.param(
            going(protection="Enabled"),
            paris(PROTECTED, evidence=USED),
            Reason.STILL_IN_USE,
            [],
            id="unless it is in use: then it stays so",
        ),
        pytest.param(
            going(protection="Enabled"),
            paris(PROTECTED, evidence={"ami-1": evidence("ami-1", FORBIDDEN)}),
            Reason.EVIDENCE_INCOMPLETE,
            [],
            id="or nobody knows",
        ),
        pytest.param(
            going(protection="Enabled"),
            paris(AMI, evidence=USED),
            Reason.STILL_IN_USE,
            [ProtectImage],
            id="one that is used since is again",
        ),
        pytest.param(
            going(protection="Disabled"),
            paris(PROTECTED, evidence=USED),
            Reason.STILL_IN_USE,
            [],
            id="nor is it taken off one in use by a policy that wants none",
        ),
        pytest.param(going(protection="Enabled"), paris(COOLING), Reason.COOLING_DOWN, [], id="a cooldown is waited for"),
        pytest.param(
            going(),
            paris(dark(deregistration_protection="enabled-without-cooldown")),
            Reason.DISABLED,
            [],
            id="a disabled one may be protected",
        ),
        pytest.param(
            going("Retired"),
            paris(dark(WEEK, deregistration_protection="enabled-without-cooldown")),
            Reason.STILL_IN_USE,
            [],
            id="until it would go",
        ),
        pytest.param(
            going("Retired", protection="Enabled"),
            paris(dark(WEEK, deregistration_protection="enabled-without-cooldown"), evidence=UNUSED),
            Reason.RETIRING,
            [UnprotectImage],
            id="then what the policy protects is freed where nobody uses it",
        ),
        pytest.param(going(), paris(golden_ami(state="transient")), Reason.RETIRING, [], id="one between two states is waited for"),
        pytest.param(
            going(), paris(golden_ami(state="invalid")), Reason.RETIRING, [], id="one that broke, and may have been launched, stays"
        ),
        pytest.param(going(), paris(dark()), Reason.DISABLED, [], id="a disabled image is what the stage says"),
        pytest.param(going(), paris(dark(WEEK + 1)), Reason.DISABLED, [], id="for as long as the stage says so"),
        pytest.param(
            going(),
            paris(replace(AMI, state="disabled")),
            Reason.RETIRING,
            [SetTags],
            id="one that somebody else disabled is counted from now",
        ),
        pytest.param(going("Retired"), paris(AMI, evidence=UNUSED), Reason.RETIRING, [SetTags, DisableImage], id="retired: disabled first"),
        pytest.param(going("Retired"), paris(dark(WEEK - 1), evidence=UNUSED), Reason.DISABLED, [], id="retired: waits out its time"),
        pytest.param(going("Retired"), paris(dark(WEEK), evidence=UNUSED), Reason.RETIRING, [DeregisterImage], id="then it goes"),
        pytest.param(
            going("Retired"), paris(dark(WEEK), evidence=USED), Reason.STILL_IN_USE, [EnableImage], id="one that is used again comes back"
        ),
        pytest.param(
            going("Retired"),
            paris(dark(WEEK), evidence={"ami-1": evidence("ami-1", FORBIDDEN)}),
            Reason.EVIDENCE_INCOMPLETE,
            [],
            id="one of which nobody knows stays disabled",
        ),
        pytest.param(
            going("Retired", disable_for_seconds=0.0),
            paris(dark(0), evidence=UNUSED),
            Reason.RETIRING,
            [DeregisterImage],
            id="without a wait it goes at the next look",
        ),
    ],
)
def test_the_next_step(of: Version, seen: Observed, reason: Reason, does: list[type[Action]]) -> None:
    found = finding(of, seen)
    assert (found.reason, kinds(found.actions), found.needs) == (reason, does, ())


def test_a_version_that_is_kept_has_no_stage_to_look_at() -> None:
    assert stages.look(version(), paris(AMI)) == ()
    assert stages.look(version(stage="Deprecated", deprecated=True), paris(AMI)) == ()


@pytest.mark.parametrize(
    ("of", "seen", "needs"),
    [
        pytest.param(going(), paris(AMI), {NeedKind.EVIDENCE}, id="before it is disabled"),
        pytest.param(going("Retired"), paris(dark(WEEK)), {NeedKind.EVIDENCE}, id="and again before it is deregistered"),
        pytest.param(
            going(protection="Enabled", sharing=Sharing(declared=False)), paris(PROTECTED), {NeedKind.EVIDENCE}, id="and before it is freed"
        ),
        pytest.param(going(), paris(dark(), evidence={}), set(), id="in between nobody is asked"),
        pytest.param(
            going(sharing=Sharing(declared=False)),
            paris(AMI),
            {NeedKind.EVIDENCE, NeedKind.GRANTS},
            id="and whom it is shared with",
        ),
        pytest.param(
            going(sharing=Sharing(declared=False)),
            paris(AMI, evidence=UNUSED, grants={"ami-1": granted()}),
            {NeedKind.GRANTS},
            id="grants that were read some time ago are read again",
        ),
    ],
)
def test_what_has_to_be_known(of: Version, seen: Observed, needs: set[NeedKind]) -> None:
    assert {need.kind for need in finding(of, seen).needs} == needs


BOTH = (HOME, PARIS)
IN_BOTH = {"ami-h": unused("ami-h"), "ami-1": unused()}
OPEN, DARK = golden_ami("ami-h", **DEPRECATED), dark(WEEK, golden_ami("ami-h"))
DISABLES: list[type[Action]] = [SetTags, DisableImage]


@pytest.mark.parametrize(
    ("stage", "at_home", "in_paris", "known", "does"),
    [
        pytest.param("Disabled", OPEN, AMI, IN_BOTH, [DISABLES, DISABLES], id="all agree"),
        pytest.param("Disabled", OPEN, AMI, IN_BOTH | USED, [[], []], id="one that is used keeps the other"),
        pytest.param("Disabled", OPEN, AMI, UNUSED, [[], []], id="nothing is done while one is still asked about"),
        pytest.param("Retired", DARK, dark(WEEK), IN_BOTH, [[DeregisterImage], [DeregisterImage]], id="all have come so far"),
        pytest.param("Retired", DARK, dark(WEEK), IN_BOTH | USED, [[], [EnableImage]], id="none is deregistered while another is used"),
        pytest.param("Retired", DARK, dark(1), IN_BOTH, [[], []], id="nor while another waits out its time"),
        pytest.param("Retired", DARK, AMI, IN_BOTH, [[], DISABLES], id="nor while another is still to be disabled"),
    ],
)
def test_regions_go_together(stage: Stage, at_home: Image, in_paris: Image, known: Any, does: list[list[type[Action]]]) -> None:
    seen = observed(view(at_home, region=HOME), view(in_paris), evidence=known, fresh_snapshots=frozenset(BOTH))
    of = going(stage, replicas=tuple(map(Replica, BOTH)))
    assert [kinds(finding(of, seen, region).actions) for region in BOTH] == does


SAFE, COOL = replace(PROTECTED, image_id="ami-h"), replace(COOLING, image_id="ami-h")


@pytest.mark.parametrize(
    ("at_home", "known", "does", "reasons"),
    [
        pytest.param(
            SAFE, IN_BOTH, [[UnprotectImage], []], [Reason.RETIRING] * 2, id="none is disabled before all of them may be deregistered"
        ),
        pytest.param(SAFE, IN_BOTH | USED, [[], []], [Reason.STILL_IN_USE] * 2, id="none is freed while another is used"),
        pytest.param(COOL, IN_BOTH, [[], []], [Reason.COOLING_DOWN] * 2, id="a cooldown of one is everybody's"),
        pytest.param(OPEN, IN_BOTH, [DISABLES, DISABLES], [Reason.RETIRING] * 2, id="then they go together"),
    ],
)
def test_regions_are_freed_before_any_goes(at_home: Image, known: Any, does: list[list[type[Action]]], reasons: list[Reason]) -> None:
    seen = observed(view(at_home, region=HOME), view(AMI), evidence=known, fresh_snapshots=frozenset(BOTH))
    found = [finding(going(replicas=tuple(map(Replica, BOTH)), protection="Enabled"), seen, region) for region in BOTH]
    assert [each.reason for each in found] == reasons
    assert [[kind for kind in kinds(each.actions) if kind is not ProtectImage] for each in found] == does


def test_the_last_region_goes_where_the_others_are_gone() -> None:
    of = going("Retired", replicas=tuple(map(Replica, BOTH)))
    assert kinds(finding(of, paris(dark(WEEK), evidence=UNUSED)).actions) == [DeregisterImage]


def test_one_that_is_too_young_keeps_the_others_without_anybody_being_at_fault() -> None:
    young = evidence("ami-h", Testimony(Source.LAST_LAUNCHED, problem=Problem(Reason.TOO_YOUNG, "made a moment ago")))
    seen = observed(view(OPEN, region=HOME), view(AMI), evidence={"ami-h": young} | UNUSED, fresh_snapshots=frozenset(BOTH))
    of = going(replicas=tuple(map(Replica, BOTH)))
    found = [finding(of, seen, region) for region in BOTH]
    assert [(each.reason, each.outcome, each.actions) for each in found] == [(Reason.TOO_YOUNG, Outcome.DONE, ())] * 2


def test_a_region_that_cannot_be_read_keeps_the_version_in_all() -> None:
    seen = observed(view(AMI), view(region=HOME, problem=Problem(Reason.REGION_UNREACHABLE, "away")), evidence=UNUSED)
    of = going(replicas=tuple(map(Replica, BOTH)))
    found = [finding(of, seen, region) for region in BOTH]
    assert [(each.reason, each.actions) for each in found] == [(Reason.REGION_UNREACHABLE, ()), (Reason.STILL_IN_USE, ())]
    assert "once us-east-1 lets the version go" in found[1].message


def test_a_home_image_that_is_no_replica_goes_as_well() -> None:
    spare = home_ami(**DEPRECATED)
    seen = observed(view(spare, region=HOME), evidence={"ami-home": unused("ami-home")})
    assert kinds(finding(going(), seen, HOME).actions) == [SetTags, DisableImage]


def test_a_region_that_is_not_declared_is_somebody_elses_business() -> None:
    seen = observed(view(AMI, region=HOME), evidence=UNUSED)
    assert finding(going(), seen, HOME).reason is Reason.RETIRED
    assert finding(going(), seen, HOME).actions == ()


def test_nothing_is_copied_or_enabled_for_a_version_on_its_way_out() -> None:
    right = Recorded("ami-1", "disabled", shared_digest=DARK_DIGEST + sharing.digest(going(), dark()))
    looks = [whole.look(going(stage), seen) for stage in GOING for seen in (paris(), paris(dark(), recorded={PARIS: right}))]
    assert [kinds(look.actions) for look in looks] == [[], [], [], []]
    assert [need for look in looks for need in look.needs if need.kind is not NeedKind.SNAPSHOTS] == []


# --- whom it was shared with ---

KEEPS = Sharing(accounts(ALICE), remove_foreign=False)
UNDECLARED = Sharing(declared=False)
EVERYONE = Principals(frozenset({ALICE, BOB}), frozenset({ORGANIZATION}), public=True)


def disabled_by(of: Version, launch: Principals, image: Image = AMI) -> Image:
    """The image as it is after the step that disables it."""
    seen = paris(image, evidence=UNUSED, grants={"ami-1": granted(launch)}, fresh_grants=frozenset({"ami-1"}))
    tagged, disabled = finding(of, seen).actions
    assert isinstance(tagged, SetTags)
    assert isinstance(disabled, DisableImage)
    return replace(image, state="disabled", public=False, tags={**image.tags, **tagged.tags})


@pytest.mark.parametrize(
    ("sharing", "launch", "restored"),
    [
        pytest.param(Sharing(accounts(ALICE)), accounts(ALICE, EVE), NOBODY, id="declared grants come from the spec, foreign ones do not"),
        pytest.param(KEEPS, accounts(ALICE, EVE), accounts(EVE), id="foreign grants that are kept come back"),
        pytest.param(UNDECLARED, EVERYONE, EVERYONE, id="undeclared grants come back, all of them"),
        pytest.param(UNDECLARED, accounts(ALICE, ACCOUNT.account_id), accounts(ALICE), id="the owner needs none"),
        pytest.param(UNDECLARED, NOBODY, NOBODY, id="nobody stays nobody"),
    ],
)
def test_grants_come_back_as_they_were(sharing: Sharing, launch: Principals, restored: Principals) -> None:
    gone = disabled_by(going(sharing=sharing), launch)
    back = replace(gone, state="available")
    look = whole.look(version(sharing=sharing, stage="Active", deprecated=False), paris(back))

    shares = [action.principals for action in look.actions if isinstance(action, ShareImage)]
    (forgotten,) = [action for action in look.actions if isinstance(action, RemoveTags)]
    assert reduce(or_, shares, NOBODY) == restored
    assert set(forgotten.keys) == {key for key in back.tags if key == identity.DISABLED_SINCE or key.startswith(identity.GRANTS)}


def test_many_grants_take_several_tags_and_none_is_cut() -> None:
    many = accounts(*(f"{100000000000 + number}" for number in range(60)))
    gone = disabled_by(going(sharing=UNDECLARED), many)
    assert sum(key.startswith(identity.GRANTS) for key in gone.tags) == 4
    assert max(len(value) for value in gone.tags.values()) <= 256
    assert undo.remembered(gone.tags) == many


def test_what_does_not_fit_into_tags_keeps_the_image() -> None:
    many = accounts(*(f"{100000000000 + number}" for number in range(1000)))
    seen = paris(AMI, evidence=UNUSED, grants={"ami-1": granted(many)}, fresh_grants=frozenset({"ami-1"}))
    found = finding(going(sharing=UNDECLARED), seen)
    assert (found.reason, kinds(found.actions)) == (Reason.TOO_MANY_TAGS, [])
    assert "declare them in spec.sharing" in found.message


def test_an_enabled_image_is_undeprecated_and_shared_again() -> None:
    of = version(stage="Active", deprecated=False, shared=accounts(ALICE))
    look = whole.look(of, paris(dark(), recorded={PARIS: Recorded("ami-1", "disabled")}))
    assert kinds(look.actions) == [EnableImage]
    look = whole.look(of, paris(replace(dark(), state="available")))
    assert UndeprecateImage in kinds(look.actions)
    assert RemoveTags in kinds(look.actions)


# --- protection ---


@pytest.mark.parametrize(
    ("wanted", "word", "does"),
    [
        pytest.param(None, "enabled-with-cooldown", [], id="nothing declared leaves it"),
        pytest.param("Enabled", "disabled", [ProtectImage], id="what shall be protected is"),
        pytest.param("Enabled", "enabled-without-cooldown", [], id="what is protected is left"),
        pytest.param("EnabledWithCooldown", "enabled-without-cooldown", [ProtectImage], id="with a cooldown is another protection"),
        pytest.param("Enabled", "disabled after 2026-11-22T06:00:00Z", [ProtectImage], id="during a cooldown it is protected again"),
        pytest.param("Disabled", "enabled-without-cooldown", [UnprotectImage], id="what shall not be protected is not"),
        pytest.param("Disabled", "disabled", [], id="nor written again"),
    ],
)
def test_protection_of_what_is_kept(wanted: Any, word: str, does: list[type[Action]]) -> None:
    look = whole.look(version(protection=wanted), paris(golden_ami(deregistration_protection=word)))
    assert [kind for kind in kinds(look.actions) if kind in (ProtectImage, UnprotectImage)] == does


def test_deprecation_of_a_version_on_its_way_out_is_not_postponed() -> None:
    late = golden_ami(deprecation_epoch_seconds=NOW + WEEK)
    found = finding(going(), paris(late, evidence=UNUSED))
    (deprecated,) = [action for action in found.actions if isinstance(action, DeprecateImage)]
    assert deprecated.at_epoch_seconds == deprecation.next_minute(NOW)
