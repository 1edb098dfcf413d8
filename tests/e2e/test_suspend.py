"""spec.suspend: neither read nor changed while it is true, whatever else happens; afterwards all of it is caught up with."""

from __future__ import annotations

from support.operator import AWAY, FAR, HOME, World, eventually
from support.questions import calls, declared, fence, newest_call, noted, wait_noted

REQUESTED = "goldenami.dev/reconcile-requested"


def handled(world: World) -> str:
    return str((world.get("goldenimage", "web") or {}).get("status", {}).get("lastHandledReconcile", ""))


def suspended(world: World) -> None:
    """Waits until both the image and its version have taken note."""

    def inherited() -> bool:
        version = noted(world, "imageversion", "web-1.0.0")
        return version is not None and version["spec"].get("suspend") is True and noted(world) is not None

    eventually(inherited, "both have taken note", told=world.told)


def test_nothing_is_read_or_changed_while_suspended_and_resuming_catches_up(world: World) -> None:
    world.apply(declared(world, sharing={"accounts": [world.partner]}))
    world.ready()
    world.patch("goldenimage", "web", {"spec": {"suspend": True}})
    suspended(world)
    image = world.image(HOME)["ImageId"]
    world.ec2(HOME).modify_image_attribute(ImageId=image, LaunchPermission={"Remove": [{"UserId": world.partner}]})
    since = newest_call(world)

    # An edit, and somebody who asks for a look: neither is a reason.
    replicas = [{"region": region} for region in (HOME, AWAY, FAR)]
    world.patch("goldenimage", "web", {"spec": {"replicas": replicas}, "metadata": {"annotations": {REQUESTED: "please"}}})
    wait_noted(world)
    fence(world)
    assert calls(world, since) == []
    assert handled(world) == ""

    world.patch("goldenimage", "web", {"spec": {"suspend": False}})
    world.ready()
    eventually(lambda: handled(world) == "please", "the request that was made meanwhile is handled", told=world.told)
    assert world.shared_with(image) == {world.partner}
    assert len([row for row in world.images(FAR) if row["Name"] == "web-1.0.0"]) == 1
    child = world.get("imageversion", "web-1.0.0")
    assert child is not None
    assert not child["spec"].get("suspend")


def test_one_that_is_suspended_from_the_start_does_nothing_and_says_so(world: World) -> None:
    world.apply(declared(world, suspend=True))
    condition = world.reason("Suspended")
    assert condition["status"] == "Unknown"
    assert "spec.suspend" in condition["message"]
    assert world.get("imageversion", "web-1.0.0") is None
    obj = world.get("goldenimage", "web")
    assert obj is not None
    assert "finalizers" not in obj["metadata"]
    assert calls(world) == []

    world.patch("goldenimage", "web", {"spec": {"suspend": None}})
    world.ready()


def test_deletion_while_suspended_touches_nothing_in_aws_and_leaves_no_object_behind(world: World) -> None:
    world.apply(declared(world, deletionPolicy="Delete", aliases=[{"parameter": "/golden/{image}/{channel}"}]))
    world.ready()
    world.patch("goldenimage", "web", {"spec": {"suspend": True}})
    suspended(world)
    since = newest_call(world)

    world.delete("goldenimage", "web")

    world.gone()
    world.gone("web-1.0.0", "imageversion")
    assert calls(world, since) == []
    assert world.parameter("/golden/web/current", AWAY) == world.image(AWAY)["ImageId"]
