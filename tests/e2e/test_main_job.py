"""The main job: one manifest becomes AMIs in every region, shared, published, and kept so. Real operator, real API server, local AWS."""

from typing import Any

from support.operator import AWAY, FAR, HOME, Body, World, eventually, snapshots_of, tags_of


def declared(world: World, **spec: Any) -> Body:
    source = spec.pop("source", None) or {"image": {"id": world.seed(name="base")}}
    return world.golden_image(source=source, **spec)


def test_a_manifest_becomes_tagged_shared_and_published_images_in_every_region(world: World) -> None:
    world.apply(
        declared(
            world,
            tags={"team": "platform"},
            sharing={"accounts": [world.partner]},
            aliases=[{"parameter": "/golden/{image}/{channel}"}],
        )
    )

    status = world.ready()["status"]

    assert status["regionsReady"] == "2/2"
    for region in (HOME, AWAY):
        image = world.image(region)
        tags = tags_of(image)
        assert image["State"] == "available"
        assert image["Name"] == "web-1.0.0"
        assert tags["team"] == "platform"
        assert tags["goldenami.dev/owner"] == f"tests/{world.namespace}/web"
        assert tags["goldenami.dev/version"] == "1.0.0"
        assert world.shared_with(image["ImageId"], region) == {world.partner}
        assert [world.snapshot_shared_with(part, region) for part in snapshots_of(image)] == [{world.partner}]
        assert world.parameter("/golden/web/current", region) == image["ImageId"]


def test_a_region_that_is_added_is_copied_and_one_that_is_removed_is_released_under_retain(world: World) -> None:
    manifest = declared(world)
    world.apply(manifest)
    world.ready()
    before = world.image(AWAY)["ImageId"]

    world.patch("goldenimage", "web", {"spec": {"replicas": [{"region": HOME}, {"region": FAR}]}})
    world.ready()

    assert world.image(FAR)["State"] == "available"
    eventually(lambda: world.images(AWAY) == [], "the owner tag replaced", told=world.told)
    left = world.ec2(AWAY).describe_images(ImageIds=[before])["Images"][0]
    assert left["State"] == "available"
    assert tags_of(left)["goldenami.dev/released"] == f"tests/{world.namespace}/web"


def test_a_removed_region_is_deregistered_with_its_snapshots_under_delete(world: World) -> None:
    world.apply(declared(world, deletionPolicy="Delete"))
    world.ready()
    parts = snapshots_of(world.image(AWAY))

    world.patch("goldenimage", "web", {"spec": {"replicas": [{"region": HOME}]}})
    world.ready()

    eventually(lambda: world.images(AWAY) == [], "the image deregistered", told=world.told)
    left = world.ec2(AWAY).describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert [row for row in left if row["SnapshotId"] in parts] == []
    assert world.image(HOME)["State"] == "available"


def test_an_image_in_use_stays_and_says_by_whom_until_its_user_is_gone(world: World) -> None:
    world.apply(declared(world, deletionPolicy="Delete"))
    world.ready()
    image = world.image(AWAY)
    ec2 = world.ec2(AWAY)
    user = ec2.run_instances(ImageId=image["ImageId"], MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"]

    world.delete("goldenimage", "web")

    condition = world.reason("InUse", "web-1.0.0", condition="ReplicasReady", kind="imageversion")
    assert user in condition["message"]
    assert image["ImageId"] in condition["message"]
    assert world.image(AWAY)["State"] == "available"
    ec2.terminate_instances(InstanceIds=[user])
    world.gone()
    assert world.images(AWAY) == []


def test_deletion_under_retain_leaves_everything_and_the_same_manifest_takes_it_back_without_a_copy(world: World) -> None:
    manifest = declared(world, sharing={"accounts": [world.partner]}, aliases=[{"parameter": "/golden/{image}/{channel}"}])
    world.apply(manifest)
    world.ready()
    before = {region: world.image(region)["ImageId"] for region in (HOME, AWAY)}
    world.delete("goldenimage", "web")
    world.gone()
    assert world.images(HOME) == []
    assert world.shared_with(before[HOME], HOME) == {world.partner}
    assert world.parameter("/golden/web/current", HOME) == before[HOME]

    world.apply(manifest)
    world.ready()

    assert {region: world.image(region)["ImageId"] for region in (HOME, AWAY)} == before
    assert len(world.ec2(HOME).describe_images(Owners=["self"])["Images"]) == 2  # the source and the replica


def test_a_principal_removed_from_a_share_list_loses_access_everywhere_and_one_added_gains_it(world: World) -> None:
    third = "777777777777"
    world.apply(world.share_list("partners", world.partner), declared(world, sharing={"shareListRefs": [{"name": "partners"}]}))
    world.ready()

    world.apply(world.share_list("partners", third))

    for region in (HOME, AWAY):
        image = world.image(region)
        eventually(lambda at=region, it=image: world.shared_with(it["ImageId"], at) == {third}, f"moved in {region}", told=world.told)  # type: ignore[misc]
        (part,) = snapshots_of(image)
        assert world.snapshot_shared_with(part, region) == {third}


def test_a_share_list_that_appears_late_is_waited_for_and_nothing_is_copied_before(world: World) -> None:
    world.apply(declared(world, sharing={"shareListRefs": [{"name": "partners"}]}))
    condition = world.reason("DependencyNotReady")
    assert "partners" in condition["message"]
    assert world.images(HOME) == []

    world.apply(world.share_list("partners", world.partner))

    world.ready()
    assert world.shared_with(world.image(HOME)["ImageId"]) == {world.partner}
