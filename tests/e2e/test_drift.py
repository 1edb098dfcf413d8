"""Tags, names and descriptions: kept in step on images and snapshots, put back where somebody changed them, never at others' expense."""

from support.operator import AWAY, HOME, Body, World, snapshots_of, tags_of
from support.scenes import calls_since, declared, events_of, image_of, images_of, iv, look_again, newest_call, owner_tag, until


def resources(world: World, name: str, region: str = AWAY) -> dict[str, dict[str, str]]:
    """The tags of the family's image there and of each of its snapshots, by id."""
    image = image_of(world, name, region)
    parts = world.ec2(region).describe_snapshots(SnapshotIds=snapshots_of(image))["Snapshots"]
    return {image["ImageId"]: tags_of(image), **{part["SnapshotId"]: tags_of(part) for part in parts}}


def description(world: World, name: str, region: str = AWAY) -> str:
    return str(image_of(world, name, region).get("Description", ""))


def tagged(tags: dict[str, str]) -> list[Body]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def test_tags_name_and_description_are_on_image_and_snapshots_from_the_creating_call(corner: World, name: str) -> None:
    since = newest_call(corner)

    corner.apply(declared(corner, name, tags={"team": "platform"}, description="The web tier", nameTemplate="golden/{image}/{version}"))
    corner.ready(name)

    for region in (HOME, AWAY):
        assert image_of(corner, name, region)["Name"] == f"golden/{name}/1.0.0"
        assert description(corner, name, region) == "The web tier"
        found = resources(corner, name, region)
        assert len(found) == 2
        for tags in found.values():
            assert tags["team"] == "platform"
            assert tags["Name"] == f"golden/{name}/1.0.0"
            assert tags["goldenami.dev/owner"] == owner_tag(corner, name)
            assert tags["goldenami.dev/version"] == "1.0.0"
    assert {call.name for call in calls_since(corner, since, mutating=True)} == {"ec2.CopyImage"}


def test_tags_and_description_follow_the_spec_and_a_tag_that_is_no_longer_declared_goes(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, tags={"team": "platform", "tier": "web"}, description="first"))
    corner.ready(name)

    corner.patch("goldenimage", name, {"spec": {"tags": {"team": "network", "tier": None, "cost": "42"}, "description": "second"}})
    corner.ready(name)
    corner.ready(iv(name), "imageversion")

    for region in (HOME, AWAY):
        for tags in resources(corner, name, region).values():
            assert (tags["team"], tags["cost"]) == ("network", "42")
            assert "tier" not in tags
        assert description(corner, name, region) == "second"


def test_what_others_tagged_is_left_alone_and_what_they_changed_is_put_back(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, tags={"team": "platform", "tier": "web"}, description="The web tier"))
    corner.ready(name)
    image = image_of(corner, name, AWAY)
    (part,) = snapshots_of(image)
    ec2 = corner.ec2(AWAY)

    ec2.create_tags(Resources=[image["ImageId"], part], Tags=tagged({"scanner": "clean", "team": "somebody"}))
    ec2.delete_tags(Resources=[part], Tags=[{"Key": "tier"}, {"Key": "Name"}])
    ec2.modify_image_attribute(ImageId=image["ImageId"], Description={"Value": "mine now"})
    look_again(corner, name)
    corner.ready(name)

    for tags in resources(corner, name).values():
        assert (tags["scanner"], tags["team"], tags["tier"], tags["Name"]) == ("clean", "platform", "web", f"{name}-1.0.0")
    assert description(corner, name) == "The web tier"
    told = until(corner, lambda: [text for reason, text in events_of(corner, iv(name)) if reason == "DriftRepaired"], "an event")
    assert any(image["ImageId"] in text for text in told)


def test_what_could_not_be_put_back_is_not_told_to_be_repaired(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, tags={"team": "platform"}, description="The web tier"))
    corner.ready(name)
    image, ec2 = image_of(corner, name, AWAY)["ImageId"], corner.ec2(AWAY)
    refused = {"operation": "ec2.CreateTags", "account": corner.account, "region": AWAY, "resource": image}
    ec2.create_tags(Resources=[image], Tags=tagged({"team": "somebody"}))
    ec2.modify_image_attribute(ImageId=image, Description={"Value": "mine now"})
    fault = corner.aws.lab.add_fault("refuse", code="UnauthorizedOperation", message="You are not authorized.", times=1000, **refused)

    look_again(corner, name)
    corner.reason("AccessDenied", name)
    assert description(corner, name) == "mine now"
    corner.aws.lab.remove_fault(fault)
    look_again(corner, name)
    corner.ready(name)

    assert description(corner, name) == "The web tier"
    # It was not Ready when that was done, so nobody is told that it was drift; a false event would be there by now.
    assert [text for reason, text in events_of(corner, iv(name)) if reason == "DriftRepaired"] == []


def test_a_snapshot_that_lost_its_owner_tag_gets_it_back(corner: World, name: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)
    (part,) = snapshots_of(image_of(corner, name, AWAY))

    corner.ec2(AWAY).delete_tags(Resources=[part], Tags=[{"Key": "goldenami.dev/owner"}])
    look_again(corner, name)
    corner.ready(name)

    assert resources(corner, name)[part]["goldenami.dev/owner"] == owner_tag(corner, name)


def test_a_name_template_counts_for_versions_declared_from_then_on(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, regions=(HOME,)))
    corner.ready(name)

    corner.patch("goldenimage", name, {"spec": {"nameTemplate": "other-{version}"}})
    corner.ready(name)
    corner.apply(declared(corner, name, regions=(HOME,), version="2.0.0+build.7", nameTemplate=f"{name}/{{version}}"))
    corner.ready(name)

    names = sorted(image["Name"] for image in corner.images(HOME) if tags_of(image)["goldenami.dev/owner"] == owner_tag(corner, name))
    assert names == [f"{name}-1.0.0", f"{name}/2.0.0_build.7"]


def test_tags_that_no_longer_fit_beside_those_of_others_are_told_and_set_once_there_is_room(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, regions=(HOME,), tags={f"tag-{number}": "x" for number in range(39)}))
    corner.ready(name)
    image = image_of(corner, name)["ImageId"]

    corner.ec2().create_tags(Resources=[image], Tags=tagged({f"theirs-{number}": "x" for number in range(5)}))
    corner.patch("goldenimage", name, {"spec": {"tags": {"one-more": "x"}}})
    look_again(corner, name)
    condition = corner.reason("TooManyTags", name)

    assert image in condition["message"]
    assert HOME in condition["message"]
    corner.ec2().delete_tags(Resources=[image], Tags=[{"Key": "theirs-0"}])
    look_again(corner, name)
    corner.ready(name)
    assert tags_of(image_of(corner, name))["one-more"] == "x"


def test_all_tags_are_replaced_while_one_region_refuses_new_ones(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, tags={f"old-{number}": "x" for number in range(39)}))
    corner.ready(name)
    fault = corner.aws.lab.add_fault(
        "refuse", operation="CreateTags", account=corner.account, region=AWAY, code="UnauthorizedOperation", times=1000
    )

    corner.apply(declared(corner, name, source=source_of(corner, name), tags={f"new-{number}": "x" for number in range(39)}))
    condition = corner.reason("AccessDenied", name)

    assert AWAY in condition["message"]
    corner.aws.lab.remove_fault(fault)
    look_again(corner, name)
    corner.ready(name)
    for region in (HOME, AWAY):
        for tags in resources(corner, name, region).values():
            assert not any(key.startswith("old-") for key in tags)


def source_of(world: World, name: str) -> Body:
    obj = world.get("goldenimage", name)
    assert obj is not None
    return dict(obj["spec"]["source"])


def test_a_version_tag_that_is_no_version_is_told_and_holds_up_nothing_else(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    corner.apply(declared(corner, name, version="1.1.0", sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    old = next(image["ImageId"] for image in images_of(corner, name) if tags_of(image)["goldenami.dev/version"] == "1.0.0")
    others = {image["ImageId"]: region for region in (HOME, AWAY) for image in images_of(corner, name, region) if image["ImageId"] != old}

    corner.ec2().create_tags(Resources=[old], Tags=tagged({"goldenami.dev/version": "banana"}))
    look_again(corner, name)
    corner.patch("goldenimage", name, {"spec": {"sharing": {"accounts": []}}})
    condition = corner.reason("TagsUnreadable", name, condition="SourceReady")

    assert f"{old} in {HOME} is tagged goldenami.dev/version=banana" in condition["message"]
    assert "put the tag right, or remove goldenami.dev/owner" in condition["message"]
    until(corner, lambda: not any(corner.shared_with(image, region) for image, region in others.items()), "grants revoked")
    assert corner.shared_with(old) == {corner.partner}
    corner.ec2().create_tags(Resources=[old], Tags=tagged({"goldenami.dev/version": "1.0.0"}))
    look_again(corner, name)
    corner.ready(name)
    until(corner, lambda: not corner.shared_with(old), "its grants revoked, too")
