"""Versions of one image: a new one beside the older ones, which stay, follow sharing and tags, and go and come under the same rules."""

from support.operator import AWAY, FAR, HOME, World, snapshots_of, tags_of
from support.scenes import declared, events_of, image_of, images_of, iv, look_again, made, until


def by_version(world: World, name: str, region: str = HOME) -> dict[str, str]:
    return {tags_of(image)["goldenami.dev/version"]: image["ImageId"] for image in images_of(world, name, region)}


def test_a_new_version_is_made_beside_the_older_which_stays_and_follows_sharing(corner: World, name: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)
    before = by_version(corner, name)

    corner.apply(declared(corner, name, version="1.1.0", sharing={"accounts": [corner.partner]}))
    status = corner.ready(name)["status"]

    after = by_version(corner, name)
    assert after["1.0.0"] == before["1.0.0"]
    assert (status["version"], status["versions"], sorted(after)) == ("1.1.0", 2, ["1.0.0", "1.1.0"])
    assert {version: corner.shared_with(image) for version, image in after.items()} == {
        "1.0.0": {corner.partner},
        "1.1.0": {corner.partner},
    }


def test_a_region_added_with_a_new_version_is_not_copied_for_the_older(corner: World, name: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)

    corner.apply(declared(corner, name, version="1.1.0", regions=(HOME, AWAY, FAR)))
    corner.ready(name)

    assert sorted(by_version(corner, name, FAR)) == ["1.1.0"]
    assert sorted(by_version(corner, name, AWAY)) == ["1.0.0", "1.1.0"]


def test_an_older_version_that_is_deleted_goes_with_its_images_and_stays_away(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, deletionPolicy="Delete"))
    corner.ready(name)
    old = image_of(corner, name, AWAY)
    corner.apply(declared(corner, name, version="1.1.0", deletionPolicy="Delete"))
    corner.ready(name)

    corner.delete("imageversion", iv(name, "1.0.0"))
    corner.gone(iv(name, "1.0.0"), "imageversion")
    look_again(corner, name)

    status = corner.ready(name)["status"]
    assert status["versions"] == 1
    assert corner.get("imageversion", iv(name, "1.0.0")) is None
    assert sorted(by_version(corner, name, AWAY)) == ["1.1.0"]
    filters = [{"Name": "snapshot-id", "Values": snapshots_of(old)}]
    assert corner.ec2(AWAY).describe_snapshots(Filters=filters)["Snapshots"] == []


def test_an_older_version_in_use_stays_until_its_user_is_gone(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, regions=(HOME,), deletionPolicy="Delete"))
    corner.ready(name)
    old, ec2 = image_of(corner, name), corner.ec2()
    user = ec2.run_instances(ImageId=old["ImageId"], MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"]
    corner.apply(declared(corner, name, version="1.1.0", regions=(HOME,), deletionPolicy="Delete"))
    corner.ready(name)

    corner.delete("imageversion", iv(name, "1.0.0"))
    condition = corner.reason("InUse", iv(name, "1.0.0"), condition="ReplicasReady", kind="imageversion")

    assert user in condition["message"]
    until(corner, lambda: "DeregistrationBlocked" in [reason for reason, _ in events_of(corner, iv(name, "1.0.0"))], "an event")
    ec2.terminate_instances(InstanceIds=[user])
    look_again(corner, name)
    corner.gone(iv(name, "1.0.0"), "imageversion")
    assert sorted(by_version(corner, name)) == ["1.1.0"]


def test_the_declared_version_comes_back_when_it_is_deleted(corner: World, name: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)
    before, uid = by_version(corner, name), corner.get("imageversion", iv(name))["metadata"]["uid"]  # type: ignore[index]

    corner.delete("imageversion", iv(name))
    until(corner, lambda: (corner.get("imageversion", iv(name)) or {}).get("metadata", {}).get("uid", uid) != uid, "a new object")
    corner.ready(iv(name), "imageversion")
    corner.ready(name)

    # Released under Retain, and taken back.
    assert by_version(corner, name) == before
    assert made(corner, name) == ["ec2.CopyImage"] * 2


def test_a_version_that_is_used_again_for_another_source_stalls_and_nothing_changes(corner: World, name: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)
    corner.apply(declared(corner, name, version="1.1.0"))
    corner.ready(name)
    before = by_version(corner, name)

    other = corner.seed()
    corner.apply(declared(corner, name, version="1.0.0", source={"image": {"id": other}}))
    condition = corner.reason("VersionReused", name)

    assert "declare a new version" in condition["message"]
    assert other in condition["message"]
    assert by_version(corner, name) == before
    corner.apply(declared(corner, name, version="1.2.0", source={"image": {"id": other}}))
    corner.ready(name)


def test_a_version_whose_object_and_family_were_thrown_away_is_still_known_by_its_images(corner: World, name: str) -> None:
    manifest = declared(corner, name, managementPolicy="Observe")
    corner.apply({**manifest, "spec": {**manifest["spec"], "managementPolicy": "Enforce"}})
    corner.ready(name)
    corner.apply(manifest)
    until(corner, lambda: corner.get("imageversion", iv(name))["spec"].get("managementPolicy") == "Observe", "observed")  # type: ignore[index]
    corner.delete("goldenimage", name)
    corner.gone(name)
    assert len(images_of(corner, name)) == 1

    corner.apply(declared(corner, name, source={"image": {"id": corner.seed()}}))
    condition = corner.reason("VersionReused", name)

    assert "was made from" in condition["message"]
    assert len(images_of(corner, name)) == 1
