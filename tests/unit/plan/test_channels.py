"""Channels: when one moves, what it names meanwhile, what a rollback is, and what the past says."""

from dataclasses import replace
from itertools import pairwise

import pytest

from goldenami.api.fields import Stage
from goldenami.plan import channels, deprecation
from goldenami.plan.actions import Action, DeprecateImage, UndeprecateImage
from goldenami.plan.channels import Channel, Named, Offer, Standing
from goldenami.plan.values import Image, Past
from support.plan import HOME, NOW, PARIS, golden_ami, place, version

REGIONS = (HOME, PARIS)
EARLIER, MOMENT = "2026-11-20T00:00:00Z", "2026-11-21T06:00:00Z"
OLD = {HOME: Named("ami-h1", "1.0.0"), PARIS: Named("ami-p1", "1.0.0")}
NEW = {HOME: Named("ami-h2", "2.0.0"), PARIS: Named("ami-p2", "2.0.0")}
ON_ONE = Standing("1.0.0", EARLIER, images=OLD)
STABLE = Channel("stable", "2.0.0")
LATE = Offer(why_not="there is no available image in eu-west-3 yet")


def offers(*, paris: Offer | None = None) -> dict[str, dict[str, Offer]]:
    """1.0.0 is everywhere; 2.0.0 at home, and in Paris unless something else is said."""
    return {
        "1.0.0": {HOME: Offer("ami-h1"), PARIS: Offer("ami-p1")},
        "2.0.0": {HOME: Offer("ami-h2"), PARIS: paris or Offer("ami-p2")},
    }


@pytest.mark.parametrize(
    ("channel", "before", "given", "standing", "targets"),
    [
        pytest.param(
            STABLE, None, offers(), Standing("2.0.0", MOMENT, "", NEW), ("ami-h2", "ami-p2"), id="a new channel names its version"
        ),
        pytest.param(
            STABLE,
            ON_ONE,
            offers(),
            Standing("2.0.0", MOMENT, "1.0.0", NEW),
            ("ami-h2", "ami-p2"),
            id="one whose version is everywhere moves, and remembers what it named",
        ),
        pytest.param(STABLE, ON_ONE, offers(paris=LATE), ON_ONE, ("", ""), id="it waits for the slowest region in all of them"),
        pytest.param(STABLE, None, offers(paris=LATE), Standing("2.0.0"), ("", ""), id="one that named nothing names nothing until then"),
        pytest.param(
            replace(STABLE, all_regions=False),
            ON_ONE,
            offers(paris=LATE),
            Standing("2.0.0", MOMENT, "1.0.0", {HOME: NEW[HOME], PARIS: OLD[PARIS]}),
            ("ami-h2", ""),
            id="region by region it moves where it can, and names the old one elsewhere",
        ),
        pytest.param(
            replace(STABLE, all_regions=False),
            Standing("2.0.0", MOMENT, "1.0.0", {HOME: NEW[HOME], PARIS: OLD[PARIS]}),
            offers(),
            Standing("2.0.0", MOMENT, "1.0.0", NEW),
            ("ami-h2", "ami-p2"),
            id="the late region follows, and since stays",
        ),
        pytest.param(
            STABLE,
            Standing("2.0.0", EARLIER, "1.0.0", NEW),
            offers(paris=LATE),
            Standing("2.0.0", EARLIER, "1.0.0", NEW),
            ("ami-h2", ""),
            id="once moved, a region that is lost or added holds up no other",
        ),
        pytest.param(
            replace(STABLE, version="1.0.0"),
            Standing("2.0.0", EARLIER, "1.0.0", NEW),
            offers(),
            Standing("1.0.0", MOMENT, "2.0.0", OLD),
            ("ami-h1", "ami-p1"),
            id="back is a move like any other",
        ),
        pytest.param(
            STABLE,
            Standing("1.0.0", EARLIER),
            offers(paris=LATE),
            ON_ONE,
            ("", ""),
            id="what was recalled without its images is told with those that its version has",
        ),
        pytest.param(replace(STABLE, version="9.0.0"), ON_ONE, offers(), ON_ONE, ("", ""), id="a version that is not there moves nothing"),
        pytest.param(
            STABLE,
            replace(ON_ONE, images={**OLD, "eu-north-1": Named("ami-n1", "1.0.0")}),
            offers(paris=LATE),
            ON_ONE,
            ("", ""),
            id="a region that is no longer declared is not told",
        ),
    ],
)
def test_where_a_channel_stands(
    channel: Channel, before: Standing | None, given: dict[str, dict[str, Offer]], standing: Standing, targets: tuple[str, str]
) -> None:
    found = channels.decide(channel, before, given, REGIONS, MOMENT)

    assert (found.standing, tuple(found.targets[region].image_id for region in REGIONS)) == (standing, targets)
    assert found.unknown is (channel.version not in given)
    assert bool(found.waiting) is ("" in targets)
    assert found.moved_from == (before.version if before and standing.version != before.version else "")
    assert channels.decide(channel, found.standing, given, REGIONS, "later").standing == found.standing


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param((), None, id="nothing was ever named"),
        pytest.param(("ami-a",), ("1.0.0", 0.0, ""), id="one value has nothing before it"),
        pytest.param(("ami-a", "ami-b"), ("2.0.0", 1.0, "1.0.0"), id="the last value counts"),
        pytest.param(("ami-a", "ami-b", "ami-b"), ("2.0.0", 1.0, "1.0.0"), id="the same again moves nothing"),
        pytest.param(("ami-b", "ami-a", "ami-b"), ("2.0.0", 2.0, "1.0.0"), id="there and back"),
        pytest.param(("ami-a", "ami-x", "ami-b"), ("2.0.0", 2.0, "1.0.0"), id="an image that is not known is passed over"),
        pytest.param(("ami-x",), None, id="and says nothing alone"),
    ],
)
def test_what_the_past_says(values: tuple[str, ...], expected: tuple[str, float, str] | None) -> None:
    past = [Past(value, float(at)) for at, value in enumerate(values)]
    assert channels.recall(past, {"ami-a": "1.0.0", "ami-b": "2.0.0"}) == expected


CARES = Channel("stable", "1.0.0", deprecate_on_rollback=True)
BACK = {"stable": Standing("1.0.0", MOMENT, "2.0.0")}


@pytest.mark.parametrize(
    ("of", "channel", "standings", "before", "expected"),
    [
        pytest.param("2.0.0", CARES, BACK, None, "Deprecated", id="what a rollback leaves"),
        pytest.param("2.0.0", replace(CARES, deprecate_on_rollback=False), BACK, None, None, id="not unless it is asked for"),
        pytest.param("1.0.0", CARES, BACK, None, "Active", id="what a channel that deprecates names is not"),
        pytest.param("1.0.0", replace(CARES, deprecate_on_rollback=False), BACK, None, None, id="any other is left as it is"),
        pytest.param(
            "1.0.0",
            replace(CARES, version="2.0.0"),
            {"stable": Standing("2.0.0", MOMENT, "1.0.0")},
            None,
            None,
            id="what a promotion leaves is left as it is",
        ),
        pytest.param("2.0.0", CARES, {"stable": Standing("2.0.0", EARLIER)}, None, "Active", id="not while the channel still names it"),
        pytest.param("3.0.0", CARES, BACK, "Deprecated", "Deprecated", id="a rollback before the last one stays deprecated"),
        pytest.param("1.0.0", replace(CARES, deprecate_on_rollback=False), BACK, "Deprecated", "Active", id="until it is named again"),
        pytest.param("2.0.0", replace(CARES, version="2.0.0"), BACK, "Deprecated", "Active", id="which is before it has moved"),
        pytest.param(
            "1.0.5",
            replace(CARES, version="2.0.0"),
            {"stable": Standing("2.0.0", MOMENT, "1.0.5")},
            None,
            "Deprecated",
            id="a higher version that was made before is a rollback for those who take the newest",
        ),
        pytest.param("0.9.0", CARES, BACK, None, None, id="a version that no channel had is left as it is"),
        pytest.param(
            "2.0.0",
            replace(CARES, all_regions=False),
            {"stable": Standing("1.0.0", MOMENT, "2.0.0", {HOME: OLD[HOME], PARIS: NEW[PARIS]})},
            None,
            "Active",
            id="what a late region still names is not left yet",
        ),
    ],
)
def test_the_stage_of_a_version(
    of: str, channel: Channel, standings: dict[str, Standing], before: Stage | None, expected: Stage | None
) -> None:
    made_at = {"1.0.0": 1.0, "2.0.0": 2.0, "1.0.5": 3.0}
    assert channels.stage(of, (channel,), standings, made_at, before, left_before=before == "Deprecated") == expected


def test_a_deprecation_that_no_rollback_made_is_not_the_channels_to_keep() -> None:
    assert channels.stage("3.0.0", (CARES,), BACK, {}, "Deprecated", left_before=False) is None
    assert channels.stage("3.0.0", (CARES,), BACK, {}, "Disabled", left_before=True) == "Deprecated"


LATE_IN_PARIS = Standing("2.0.0", MOMENT, "1.0.0", {HOME: NEW[HOME], PARIS: OLD[PARIS]})


@pytest.mark.parametrize(
    ("standing", "named"),
    [
        pytest.param(Standing("1.0.0"), {"2.0.0"}, id="one that names nothing yet names what it is declared for"),
        pytest.param(ON_ONE, {"1.0.0", "2.0.0"}, id="while it waits it names both"),
        pytest.param(Standing("2.0.0", MOMENT, "1.0.0", NEW), {"2.0.0"}, id="what it has left in every region it no longer names"),
        pytest.param(LATE_IN_PARIS, {"1.0.0", "2.0.0"}, id="what it has not left in one region it names"),
    ],
)
def test_what_channels_name_is_never_removed(standing: Standing, named: set[str]) -> None:
    assert channels.named_versions((STABLE,), (standing,)) == named
    assert {version for version in ("1.0.0", "2.0.0") if channels.names_of(version, (STABLE,), {"stable": standing})} == named


def test_versions_are_ordered_as_semver_says() -> None:
    ordered = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.2.0",
        "1.10.0",
    ]
    assert all(channels.precedence(lower) < channels.precedence(higher) for lower, higher in pairwise(ordered))
    assert channels.precedence("1.0.0+build.7") == channels.precedence("1.0.0")
    assert channels.precedence("1.0.0-rc-1") < channels.precedence("1.0.0")


MINUTE = deprecation.next_minute(NOW)
TWO_YEARS = 2 * 365 * 86_400.0


@pytest.mark.parametrize(
    ("wanted", "image", "expected"),
    [
        pytest.param(None, golden_ami(deprecation_epoch_seconds=NOW - 5), (), id="nobody decided: left as it is"),
        pytest.param(True, golden_ami("ami-1"), (DeprecateImage(place(), "ami-1", MINUTE),), id="deprecated at the next minute"),
        pytest.param(True, golden_ami(deprecation_epoch_seconds=MINUTE), (), id="being so within the minute is enough"),
        pytest.param(True, golden_ami(deprecation_epoch_seconds=NOW - 1e6), (), id="and so is being so for long"),
        pytest.param(
            True,
            golden_ami("ami-1", deprecation_epoch_seconds=NOW + 1e6),
            (DeprecateImage(place(), "ami-1", MINUTE),),
            id="later is too late",
        ),
        pytest.param(False, golden_ami(), (), id="what is not deprecated stays so"),
        pytest.param(
            False,
            golden_ami("ami-1", deprecation_epoch_seconds=NOW + 1e6),
            (UndeprecateImage(place(), "ami-1"),),
            id="what will be is undone",
        ),
        pytest.param(
            False,
            golden_ami(public=True, deprecation_epoch_seconds=NOW - 1000 + TWO_YEARS),
            (),
            id="nobody can undo what EC2 does with public images",
        ),
    ],
)
def test_deprecation(wanted: bool | None, image: Image, expected: tuple[Action, ...]) -> None:
    assert deprecation.look(version(deprecated=wanted), PARIS, image, NOW) == expected


@pytest.mark.parametrize("now", [NOW, NOW + 19, NOW + 39.5, NOW + 59.9])
def test_the_next_minute_is_a_whole_one_that_lies_ahead(now: float) -> None:
    at = deprecation.next_minute(now)
    assert at % 60 == 0
    assert 20 <= at - now < 80
