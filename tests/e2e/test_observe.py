"""managementPolicy: Observe says in sentences what would be done, and does nothing at all, neither in AWS nor to the object's life."""

from __future__ import annotations

from collections.abc import Sequence

from support.operator import AWAY, HOME, World, eventually, snapshots_of
from support.questions import declared, mutations, newest_call


def plan(world: World, name: str = "web", kind: str = "goldenimage") -> list[str]:
    return list((world.get(kind, name) or {}).get("status", {}).get("plan", []))


def holds(lines: Sequence[str], *words: str) -> bool:
    """Whether one line has all the words."""
    return any(all(word in line for word in words) for line in lines)


def test_nothing_is_done_and_the_plan_says_what_would_be_until_enforce_does_exactly_that(world: World) -> None:
    source = world.seed(name="base")
    parameter = "/golden/web/current"
    manifest = declared(
        world,
        source={"image": {"id": source}},
        sharing={"accounts": [world.partner]},
        aliases=[{"parameter": "/golden/{image}/{channel}"}],
        managementPolicy="Observe",
    )
    since = newest_call(world)
    world.apply(manifest)
    condition = world.reason("Observing")

    assert "status.plan" in condition["message"]
    copies = [f"{region}: copy {source} from {HOME} as web-1.0.0" for region in (AWAY, HOME)]
    for lines in (plan(world), plan(world, "web-1.0.0", "imageversion")):
        assert sorted(line for line in lines if ": copy " in line) == copies
    for kind, name in (("goldenimage", "web"), ("imageversion", "web-1.0.0")):
        obj = world.get(kind, name)
        assert obj is not None
        assert "finalizers" not in obj["metadata"]
    assert mutations(world, since) == []
    assert world.parameter(parameter) is None

    world.patch("goldenimage", "web", {"spec": {"managementPolicy": "Enforce"}})
    status = world.ready()["status"]

    assert "plan" not in status
    assert sorted(name for name in mutations(world, since) if name == "ec2.CopyImage") == ["ec2.CopyImage"] * 2
    for region in (HOME, AWAY):
        assert world.shared_with(world.image(region)["ImageId"], region) == {world.partner}
        assert world.parameter(parameter, region) == world.image(region)["ImageId"]


def test_what_drifts_under_observe_is_planned_and_left_and_deletion_leaves_all_of_aws_alone(world: World) -> None:
    world.apply(
        declared(
            world,
            sharing={"accounts": [world.partner]},
            tags={"team": "platform"},
            aliases=[{"parameter": "/golden/{image}/{channel}"}],
            deletionPolicy="Delete",
        )
    )
    world.ready()
    image = world.image(HOME)
    world.patch("goldenimage", "web", {"spec": {"managementPolicy": "Observe"}})
    assert world.ready()["status"].get("plan") is None

    world.ec2(HOME).modify_image_attribute(ImageId=image["ImageId"], LaunchPermission={"Remove": [{"UserId": world.partner}]})
    world.ec2(HOME).delete_tags(Resources=[image["ImageId"]], Tags=[{"Key": "team"}])
    since = newest_call(world)
    world.patch("goldenimage", "web", {"metadata": {"annotations": {"goldenami.dev/reconcile-requested": "now"}}})

    eventually(lambda: holds(plan(world), HOME, "share", image["ImageId"], world.partner), "the share is planned", told=world.told)
    assert holds(plan(world), HOME, "set tags team", image["ImageId"])
    assert world.shared_with(image["ImageId"]) == set()

    world.delete("goldenimage", "web")
    world.gone()
    world.gone("web-1.0.0", "imageversion")
    assert mutations(world, since) == []
    assert world.image(HOME)["ImageId"] == image["ImageId"]
    assert world.parameter("/golden/web/current", AWAY) == world.image(AWAY)["ImageId"]
    assert snapshots_of(world.image(AWAY))
