"""The stories that the crash sweep plays. Another one is another tuple of acts, added to STORIES."""

from collections.abc import Mapping

from e2e.states import State
from e2e.sweep import PARTNERS, Act, Run, Story
from support.operator import AWAY, FAR, HOME, Body

OWNER, RELEASED = "goldenami.dev/owner", "goldenami.dev/released"
ALIAS = {"parameter": "/golden/{image}/{channel}"}


def settled(run: Run, state: State) -> bool:
    """Every object has seen its newest spec and is Ready."""
    return all(each["observed"] and each["conditions"].get("Ready", [""])[0] == "True" for each in state["objects"].values())


def gone(run: Run, state: State) -> bool:
    return not state["objects"]


# --- the main job ---


def apply(run: Run) -> None:
    """Three regions, one with a key of its own, two shares, an alias."""
    run.world.apply(
        run.world.golden_image(
            source={"image": {"id": run.eyes.source}},
            replicas=[{"region": HOME}, {"region": AWAY, "kmsKeyId": "alias/golden"}, {"region": FAR}],
            sharing={"accounts": list(PARTNERS[:2])},
            aliases=[ALIAS],
            tags={"team": "platform"},
            deletionPolicy="Delete",
        )
    )


def edit(run: Run) -> None:
    """A region and a share go, a share and a tag come."""
    change = {
        "replicas": [{"region": HOME}, {"region": AWAY, "kmsKeyId": "alias/golden"}],
        "sharing": {"accounts": [PARTNERS[0], PARTNERS[2]]},
        "tags": {"team": None, "squad": "images"},
    }
    run.world.patch("goldenimage", "web", {"spec": change})


def delete(run: Run) -> None:
    run.world.delete("goldenimage", "web")


def main_job_done(states: Mapping[str, State]) -> None:
    nothing: State = {"images": [], "snapshots without an image": [], "parameters": {}, "grants": []}
    one = [["available", list(PARTNERS[:2])]]
    for region in states["applied"]["aws"].values():
        assert [[image["state"], image["shared with"]] for image in region["images"]] == one
        assert [parameter["value"] for parameter in region["parameters"].values()] == ["image of web-1.0.0"]
        assert region["snapshots without an image"] == []
    assert len(states["applied"]["aws"][AWAY]["grants"]) == len(PARTNERS[:2])
    assert states["edited"]["aws"][FAR] == nothing
    assert states["deleted"]["aws"] == dict.fromkeys((HOME, AWAY, FAR), nothing)


MAIN_JOB = Story(
    "main job", (Act("applied", apply, settled), Act("edited", edit, settled), Act("deleted", delete, gone)), main_job_done, days=3
)


# --- a promotion and a rollback ---


def stable(version: str) -> list[Body]:
    return [{"name": "stable", "version": version, "deprecateOnRollback": True}]


def release(run: Run) -> None:
    run.world.apply(
        run.world.golden_image(
            source={"image": {"id": run.eyes.source}},
            sharing={"accounts": [PARTNERS[0]]},
            channels=stable("1.0.0"),
            aliases=[ALIAS],
            publish={"configMap": {"name": "web"}},
        )
    )


def release_another(run: Run) -> None:
    run.world.patch("goldenimage", "web", {"spec": {"version": "2.0.0"}})


def promote(run: Run) -> None:
    run.world.patch("goldenimage", "web", {"spec": {"channels": stable("2.0.0")}})


def roll_back(run: Run) -> None:
    run.world.patch("goldenimage", "web", {"spec": {"channels": stable("1.0.0")}})


def deprecated(run: Run, state: State) -> bool:
    """Every image of the version that was left."""
    left = [image for region in (HOME, AWAY) for image in state["aws"][region]["images"] if image["name"] == "web-2.0.0"]
    return settled(run, state) and all(image["deprecated"] for image in left)


def rolled_back_and_forth(states: Mapping[str, State]) -> None:
    old, new = {"image of web-1.0.0"}, {"image of web-2.0.0"}
    for act, named in (("released another", old), ("promoted", new), ("rolled back", old), ("promoted again", new)):
        assert set(states[act]["id map"].values()) == named
        parameters = [each for region in (HOME, AWAY) for each in states[act]["aws"][region]["parameters"].values()]
        assert {each["value"] for each in parameters} == named
        left = {image["name"]: image["deprecated"] for image in states[act]["aws"][AWAY]["images"]}
        assert left == {"web-1.0.0": False, "web-2.0.0": act == "rolled back"}


ROLLBACK = Story(
    "rollback",
    (
        Act("released", release, settled, swept=False),
        Act("released another", release_another, settled, swept=False),
        Act("promoted", promote, settled),
        Act("rolled back", roll_back, deprecated),
        Act("promoted again", promote, settled),
    ),
    rolled_back_and_forth,
)


# --- a retirement ---

OLD_SECONDS = 100 * 86_400.0
"""EC2 tells launches a day late, so that no young image goes by a policy."""


def declare_version(run: Run, version: str) -> None:
    """An image that is there, and has been for long, is taken over; one region is enough."""
    source = run.world.seed(name=f"source of {version}", age_seconds=OLD_SECONDS)
    image = {"id": source, "adopt": True}
    sharing = {"accounts": [PARTNERS[0]]}
    run.world.apply(run.world.golden_image(version=version, source={"image": image}, replicas=[{"region": HOME}], sharing=sharing))


def declare_first(run: Run) -> None:
    declare_version(run, "1.0.0")


def declare_second(run: Run) -> None:
    declare_version(run, "2.0.0")


def retire(run: Run) -> None:
    """The older one goes at once; use in other accounts is not asked about, because that report takes EC2 a minute."""
    retention = {"keepLast": 1, "retire": {"disableFor": "0s"}, "evidence": {"usageReports": "NotRequired"}}
    run.world.patch("goldenimage", "web", {"spec": {"retention": retention}})


def retired(run: Run, state: State) -> bool:
    return settled(run, state) and "ImageVersion web-1.0.0" not in state["objects"]


def only_the_newer_is_left(states: Mapping[str, State]) -> None:
    names = {act: [image["name"] for image in state["aws"][HOME]["images"]] for act, state in states.items()}
    assert sorted(names["declared another"]) == ["source of 1.0.0", "source of 2.0.0"]
    assert names["retired"] == ["source of 2.0.0"]
    assert states["retired"]["aws"][HOME]["snapshots without an image"] == []


RETIREMENT = Story(
    "retirement",
    (
        Act("declared", declare_first, settled, swept=False),
        Act("declared another", declare_second, settled, swept=False),
        Act("retired", retire, retired),
    ),
    only_the_newer_is_left,
)

# --- released, and taken back ---

HERE, THERE = {"region": HOME}, {"region": AWAY, "kmsKeyId": "alias/golden"}


def declare_retained(run: Run) -> None:
    run.world.apply(
        run.world.golden_image(
            source={"image": {"id": run.eyes.source}},
            replicas=[HERE, THERE],
            sharing={"accounts": [PARTNERS[0]]},
            aliases=[ALIAS],
            deletionPolicy="Retain",
        )
    )


def give_region_up(run: Run) -> None:
    run.world.patch("goldenimage", "web", {"spec": {"replicas": [HERE]}})


def add_region_back(run: Run) -> None:
    run.world.patch("goldenimage", "web", {"spec": {"replicas": [HERE, THERE]}})


def claims(state: State) -> dict[str, list[str]]:
    """By region, the tag by which each image, snapshot and parameter says whose it is, or was."""
    found: dict[str, list[str]] = {}
    for region in (HOME, AWAY):
        images = state["aws"][region]["images"]
        tags = [each["tags"] for image in images for each in (image, *image["snapshots"])]
        tags += [each["tags"] for each in state["aws"][region]["parameters"].values()]
        found[region] = sorted({key for each in tags for key in (OWNER, RELEASED) if each.get(key) == "ours"})
    return found


def region_released(run: Run, state: State) -> bool:
    return settled(run, state) and claims(state)[AWAY] == [RELEASED]


def nothing_is_lost(states: Mapping[str, State]) -> None:
    ours, left = [OWNER], [RELEASED]
    assert {act: claims(state) for act, state in states.items()} == {
        "declared": {HOME: ours, AWAY: ours},
        "given up": {HOME: ours, AWAY: left},
        "added back": {HOME: ours, AWAY: ours},
        "deleted": {HOME: left, AWAY: left},
        "declared again": {HOME: ours, AWAY: ours},
    }
    for state in states.values():
        assert [[image["state"], image["shared with"]] for image in state["aws"][AWAY]["images"]] == [["available", [PARTNERS[0]]]]


RETAINED = Story(
    "retained",
    (
        Act("declared", declare_retained, settled, swept=False),
        Act("given up", give_region_up, region_released),
        Act("added back", add_region_back, settled),
        Act("deleted", delete, gone),
        Act("declared again", declare_retained, settled),
    ),
    nothing_is_lost,
)

STORIES = (MAIN_JOB, ROLLBACK, RETIREMENT, RETAINED)
