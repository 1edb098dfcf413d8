"""A family of images that was there before becomes versions of a GoldenImage: found or listed, planned first, let go, taken back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.operator import AWAY, FAR, HOME, Body, World, snapshots_of, tags_of
from support.questions import newest_call
from support.scenes import calls_since, events_of, images_of, iv, look_again, made, owner_tag, replica, until

EXAMPLE = Path(__file__).parents[2] / "examples" / "adoption" / "adopt-family.yaml"
PATTERN = r"{name}-(?P<version>\d+\.\d+\.\d+.*?)(-\d{{8}})?"
Ids = Mapping[tuple[str, str], str]


def family(world: World, name: str, *versions: str, regions: tuple[str, ...] = (HOME, AWAY), **traits: Any) -> dict[tuple[str, str], str]:
    """Images as somebody's scripts have made them: ids by version and region."""
    tags = {"Name": f"their {name}", "family": name, **traits.pop("tags", {})}
    return {
        (version, region): world.seed(region=region, name=f"{name}-{version}-20260101", tags=tags, **traits)
        for version in versions
        for region in regions
    }


def by_name(name: str, **tags: str) -> Body:
    return {"byName": {"pattern": PATTERN.format(name=name), "tags": {"family": name, **tags}}}


def listed(ids: Ids) -> Body:
    """The same family, image by image."""
    versions = sorted({version for version, _ in ids})
    return {
        "versions": [
            {"version": version, "images": [{"region": where, "id": name} for (of, where), name in ids.items() if of == version]}
            for version in versions
        ]
    }


def adopting(world: World, name: str, adopt: Body, **spec: Any) -> Body:
    """Version 9.0.0 of its own in the home region, beside what it adopts."""
    source = spec.pop("source", None) or {"image": {"id": world.seed()}}
    return world.golden_image(name, **{"version": "9.0.0", "source": source, "adopt": adopt, **spec})


def ours(world: World, name: str) -> dict[tuple[str, str], str]:
    """Ids of what carries the family's owner tag, by version and region."""
    return {
        (tags_of(image)["goldenami.dev/version"], region): image["ImageId"]
        for region in (HOME, AWAY, FAR)
        for image in images_of(world, name, region)
    }


def adopted(world: World, name: str) -> dict[tuple[str, str], str]:
    return {place: image for place, image in ours(world, name).items() if place[0] != "9.0.0"}


def read(world: World, image_id: str, region: str = HOME) -> Body:
    (image,) = world.ec2(region).describe_images(ImageIds=[image_id], IncludeDisabled=True)["Images"]
    return dict(image)


def snapshot_tags(world: World, image: Body, region: str = HOME) -> list[dict[str, str]]:
    parts = world.ec2(region).describe_snapshots(SnapshotIds=snapshots_of(image))["Snapshots"]
    return [tags_of(part) for part in parts]


def refused(world: World, name: str) -> dict[str, str]:
    """Messages by image id."""
    status = (world.get("goldenimage", name) or {}).get("status", {})
    return {row["imageId"]: row["message"] for row in status.get("refusedImages", [])}


def test_the_example_plans_a_family_and_adopts_it(world: World) -> None:
    ids = {
        (version, region): world.seed(region=region, name=f"web-{version}-20261121", tags={"team": "web"})
        for version in ("1.0.0", "1.1.0", "1.2.0")
        for region in (HOME, AWAY)
    }
    (example,) = [obj for obj in yaml.safe_load_all(EXAMPLE.read_text()) if obj["kind"] == "GoldenImage"]
    del example["metadata"]["namespace"]
    example["spec"] |= {"accountRef": {"name": world.account_ref}, "source": {"image": {"id": ids["1.2.0", HOME], "adopt": True}}}
    world.apply(example)
    world.reason("Observing", condition="AdoptionReady")
    assert sum(": adopt " in line for line in (world.get("goldenimage", "web") or {})["status"]["plan"]) == 5

    world.patch("goldenimage", "web", {"spec": {"managementPolicy": "Enforce"}})
    world.ready()
    assert ours(world, "web") == ids
    assert made(world, "web") == []


def test_tags_say_when_a_version_expires_unless_the_spec_does(corner: World, name: str) -> None:
    family(corner, name, "1.0.0", tags={"DeleteOn": "2099-12-31"})
    family(corner, name, "1.1.0", tags={"ExpirationDate": "2099-01-01T12:00:00+02:00", "DeleteOn": "soon"})
    family(corner, name, "1.2.0", tags={"DeleteOn": "2099-12-31"})
    corner.apply(adopting(corner, name, by_name(name), versions=[{"version": "1.2.0", "keep": True}]))
    corner.ready(name)

    until_when = {
        version: (corner.get("imageversion", iv(name, version)) or {})["spec"].get("expiresAt") for version in ("1.0.0", "1.1.0", "1.2.0")
    }
    assert until_when == {"1.0.0": "2099-12-31T23:59:59Z", "1.1.0": "2099-01-01T10:00:00Z", "1.2.0": None}
    assert "is tagged DeleteOn=soon, which is no time" in corner.condition("goldenimage", name, "AdoptionReady")["message"]


def test_what_had_expired_before_it_was_adopted_goes_by_the_policy_unless_it_is_used(corner: World, name: str) -> None:
    """Without a policy it is a candidate as well, and is deregistered after a week."""
    old = 100 * 86_400.0
    ids = family(corner, name, "1.0.0", "1.1.0", tags={"DeleteOn": "2020-01-01"}, age_seconds=old)
    user = corner.ec2(AWAY).run_instances(ImageId=ids["1.1.0", AWAY], MinCount=1, MaxCount=1, InstanceType="t3.micro")
    corner.apply(adopting(corner, name, by_name(name)))
    corner.ready(name)
    look_again(corner, name)
    assert set(ours(corner, name)) >= set(ids)

    retention = {"keepLast": 10, "maxPerRun": "100%", "retire": {"disableFor": "0s"}}
    corner.patch("goldenimage", name, {"spec": {"retention": retention}})

    until(corner, lambda: ("1.0.0", HOME) not in ours(corner, name) and ("1.0.0", AWAY) not in ours(corner, name), "the unused one is gone")
    until(
        corner,
        lambda: corner.condition("imageversion", iv(name, "1.1.0"), "RetentionReady").get("reason") == "StillInUse",
        "the used stays",
    )
    assert {image["State"] for image in images_of(corner, name, AWAY) if image["ImageId"] == ids["1.1.0", AWAY]} == {"available"}
    corner.ec2(AWAY).terminate_instances(InstanceIds=[user["Instances"][0]["InstanceId"]])


def why(world: World, name: str, version: str) -> str:
    return str(world.condition("imageversion", iv(name, version), "RetentionReady").get("reason"))


@pytest.mark.parametrize("how", ["found by name", "listed"])
def test_a_family_is_planned_first_and_then_taken_over_without_a_copy(corner: World, name: str, how: str) -> None:
    ids = family(corner, name, "1.0.0", "1.1.0", "2.0.0-rc.1")
    adopt = by_name(name) if how == "found by name" else listed(ids)
    since = newest_call(corner)
    corner.apply(adopting(corner, name, adopt, managementPolicy="Observe", tags={"team": "platform"}))
    condition = corner.reason("Observing", name, condition="AdoptionReady")

    assert condition["message"].startswith("6 images would be adopted; status.plan names them")
    plan = (corner.get("goldenimage", name) or {})["status"]["plan"]
    assert plan[:6] == sorted(
        f"{region}: adopt {image} ({name}-{version}-20260101) as version {version}" for (version, region), image in ids.items()
    )
    until(corner, lambda: (corner.get("imageversion", iv(name)) or {}).get("status", {}).get("plan"), "a plan of the version")
    assert written(corner, since, name, ids) == []

    corner.patch("goldenimage", name, {"spec": {"managementPolicy": "Enforce"}})
    status = corner.ready(name)["status"]

    assert adopted(corner, name) == ids
    assert (status["versions"], status.get("plan")) == (4, None)
    assert made(corner, name) == ["ec2.CopyImage"] * 2
    condition = corner.condition("goldenimage", name, "AdoptionReady")
    assert (condition["reason"], condition["message"]) == ("Succeeded", "3 versions in 6 images adopted")
    for (version, region), image_id in ids.items():
        image = read(corner, image_id, region)
        tags = tags_of(image)
        assert (tags["goldenami.dev/role"], tags["goldenami.dev/version"]) == ("adopted", version)
        assert (tags["Name"], tags["team"], tags["family"]) == (f"their {name}", "platform", name)
        assert all(part["goldenami.dev/owner"] == owner_tag(corner, name) for part in snapshot_tags(corner, image, region))
    assert "kept by goldenami" not in read(corner, ids["1.0.0", HOME]).get("Description", "")
    until(corner, lambda: "Adopted" in dict(events_of(corner, iv(name))), "an event tells it")


def test_what_cannot_be_adopted_is_said_and_the_others_are_adopted(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0")
    tags = {"family": name}
    latest = corner.seed(name=f"{name}-1.2.3.4", tags=tags)
    disabled = corner.seed(name=f"{name}-1.3.0", tags=tags)
    corner.ec2().disable_image(ImageId=disabled)
    backup = corner.seed(name=f"{name}-1.4.0", tags={**tags, "CreatedBy": "EC2 Image Builder"})
    held = corner.seed(name=f"{name}-1.5.0", tags={**tags, "goldenami.dev/owner": "tests/other/base", "goldenami.dev/version": "1.5.0"})
    twice = [corner.seed(name=f"{name}-1.6.0-2026010{day}", tags=tags) for day in (1, 2)]
    built = corner.seed(name=f"{name}-1.7.0_build.7", tags=tags)
    untagged = corner.seed(name=f"{name}-1.8.0", tags={"family": "other"})
    corner.apply(adopting(corner, name, by_name(name)))

    condition = corner.reason("Conflict", name, condition="AdoptionReady")
    until(corner, lambda: adopted(corner, name).keys() == {("1.0.0", HOME), ("1.0.0", AWAY), ("1.7.0+build.7", HOME)}, "the others adopted")

    assert adopted(corner, name) == {**ids, ("1.7.0+build.7", HOME): built}
    told = refused(corner, name)
    assert told.keys() == {latest, disabled, backup, held, *twice}
    assert told[latest] == f"{latest} in {HOME} is named {name}-1.2.3.4, and `1.2.3.4` is no version by SemVer 2.0"
    assert told[disabled] == f"{disabled} in {HOME} is disabled, and only what is available is adopted"
    assert told[backup] == f"{backup} in {HOME} is managed by EC2 Image Builder, which may deregister it"
    assert told[held] == f"{held} in {HOME} belongs to tests/other/base, version 1.5.0; release it there first"
    assert told[twice[0]] == told[twice[1]]
    assert all(image in told[twice[0]] for image in twice)
    assert "both are version 1.6.0" in told[twice[0]]
    assert held in condition["message"]
    assert corner.condition("goldenimage", name).get("reason") == "Conflict"
    for image in (latest, disabled, backup, *twice, untagged):
        assert not any(key.startswith("goldenami.dev/") for key in tags_of(read(corner, image)))

    # What has become of the trouble is seen at the next look.
    corner.ec2().delete_tags(Resources=[held], Tags=[{"Key": "goldenami.dev/owner"}])
    corner.ec2().deregister_image(ImageId=twice[0])
    corner.ec2().deregister_image(ImageId=backup)
    look_again(corner, name)
    corner.ready(name)
    assert adopted(corner, name).keys() >= {("1.5.0", HOME), ("1.6.0", HOME)}
    assert refused(corner, name).keys() == {latest, disabled}
    assert "left alone: " in corner.condition("goldenimage", name, "AdoptionReady")["message"]


def test_listed_images_that_are_not_there_not_ours_or_elsewhere_are_refused_one_by_one(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", regions=(HOME,))
    foreign = corner.seed(account=corner.partner)
    corner.ec2(account=corner.partner).modify_image_attribute(ImageId=foreign, LaunchPermission={"Add": [{"UserId": corner.account}]})
    missing, far = "ami-0123456789abcdef0", corner.seed(region=FAR)
    wrong = {("1.1.0", HOME): foreign, ("1.2.0", HOME): missing, ("1.0.0", FAR): far}
    corner.apply(adopting(corner, name, listed({**ids, **wrong})))

    corner.reason("Conflict", name, condition="AdoptionReady")
    until(corner, lambda: adopted(corner, name) == ids, "the one that can be")

    told = refused(corner, name)
    assert told[foreign] == f"{foreign} in {HOME} belongs to account {corner.partner}: only an own image can be adopted"
    assert told[missing].startswith(f"{missing} is not in {HOME}, or account {corner.account} may not see it")
    assert told[far] == f"{far} of version 1.0.0 is not touched: {FAR} is not among spec.replicas"
    assert corner.get("imageversion", iv(name, "1.1.0")) is None

    corner.apply(adopting(corner, name, listed(ids), source=(corner.get("goldenimage", name) or {})["spec"]["source"]))
    corner.ready(name)
    assert refused(corner, name) == {}


def test_an_image_that_two_of_them_want_is_the_first_ones_and_the_other_conflicts(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "1.1.0")
    corner.apply(adopting(corner, name, by_name(name)))
    corner.ready(name)

    other = f"{name}-b"
    corner.apply(adopting(corner, other, listed({("1.0.0", HOME): ids["1.0.0", HOME]})))
    condition = corner.reason("Conflict", other)

    assert ids["1.0.0", HOME] in condition["message"]
    assert owner_tag(corner, name) in condition["message"]
    assert corner.condition("goldenimage", other, "Stalled").get("status") == "True"
    look_again(corner, name)
    assert corner.condition("goldenimage", name).get("status") == "True"
    assert adopted(corner, name) == ids


def test_what_is_pending_is_waited_for(corner: World, name: str) -> None:
    family(corner, name, "1.0.0", regions=(HOME,))
    source = corner.seed()
    pending = corner.ec2(AWAY).copy_image(Name=f"{name}-1.0.0", SourceImageId=source, SourceRegion=HOME)["ImageId"]
    corner.ec2(AWAY).create_tags(Resources=[pending], Tags=[{"Key": "family", "Value": name}])
    corner.apply(adopting(corner, name, by_name(name)))
    until(corner, lambda: adopted(corner, name).get(("1.0.0", AWAY)) == pending, "the pending image adopted")
    corner.ready(name)


def test_the_declared_version_takes_its_other_regions_images_when_it_adopts_its_source(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "1.1.0")
    source = {"image": {"id": ids["1.1.0", HOME], "adopt": True}}
    corner.apply(
        adopting(corner, name, by_name(name), version="1.1.0", source=source, aliases=[{"parameter": "/golden/{image}/{channel}"}])
    )
    corner.ready(name)

    assert ours(corner, name) == ids
    assert made(corner, name) == []
    assert corner.parameter(f"/golden/{name}/current", AWAY) == ids["1.1.0", AWAY]


def test_a_region_without_an_image_stays_without_until_a_channel_names_the_version(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", regions=(AWAY,))
    corner.apply(adopting(corner, name, by_name(name)))
    corner.ready(name)
    assert adopted(corner, name) == ids
    assert (corner.get("imageversion", iv(name)) or {})["spec"]["region"] == AWAY

    corner.patch("goldenimage", name, {"spec": {"channels": [{"name": "stable", "version": "1.0.0"}]}})
    until(corner, lambda: ("1.0.0", HOME) in adopted(corner, name), "a copy")
    corner.ready(name)
    (copy,) = [
        call
        for call in corner.aws.lab.audit_calls(account=corner.account, operation="CopyImage")
        if call.arguments["SourceImageId"] == ids["1.0.0", AWAY]
    ]
    assert copy.arguments["SourceRegion"] == AWAY


def test_an_adopted_image_keeps_its_key_and_its_grants(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", regions=(HOME,))
    corner.ec2().modify_image_attribute(ImageId=ids["1.0.0", HOME], LaunchPermission={"Add": [{"UserId": corner.partner}]})
    key = corner.aws.client("kms", region=HOME, account=corner.account).create_key()["KeyMetadata"]["Arn"]
    corner.apply(adopting(corner, name, by_name(name), replicas=[{"region": HOME, "kmsKeyId": key}]))
    corner.ready(name)

    assert adopted(corner, name) == ids
    assert corner.shared_with(ids["1.0.0", HOME]) == {corner.partner}
    assert replica(corner, HOME, name)["encrypted"] is False


def test_a_family_that_is_let_go_is_as_it_was_found_and_the_same_manifest_takes_it_back(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "1.1.0", tags={"team": "web"})
    before = {place: tags_of(read(corner, image, place[1])) for place, image in ids.items()}
    manifest = adopting(corner, name, by_name(name), tags={"team": "web", "cost": "42"})
    corner.apply(manifest)
    corner.ready(name)
    copies = made(corner, name)
    assert all(tags_of(read(corner, image, place[1])).items() >= {**before[place], "cost": "42"}.items() for place, image in ids.items())

    corner.delete("goldenimage", name)
    corner.gone(name)
    assert ours(corner, name) == {}
    for place, image_id in ids.items():
        image = read(corner, image_id, place[1])
        tags = tags_of(image)
        released = tags.pop("goldenami.dev/released")
        assert tags == before[place]
        assert released.startswith(f"{owner_tag(corner, name)} {place[0]} adopted image/")
        assert snapshot_tags(corner, image, place[1]) == [{"goldenami.dev/released": released}]

    corner.apply(manifest)
    corner.ready(name)
    assert adopted(corner, name) == ids
    assert made(corner, name) == copies
    assert all("goldenami.dev/released" not in tags_of(read(corner, image, place[1])) for place, image in ids.items())


def test_a_version_whose_images_went_with_its_object_is_not_found_again(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "1.1.0", regions=(HOME,))
    corner.apply(adopting(corner, name, by_name(name), deletionPolicy="Delete"))
    corner.ready(name)

    corner.delete("imageversion", iv(name))
    corner.gone(iv(name), "imageversion")
    look_again(corner, name)
    corner.ready(name)

    assert corner.get("imageversion", iv(name)) is None
    assert adopted(corner, name) == {("1.1.0", HOME): ids["1.1.0", HOME]}


def test_what_is_no_longer_declared_to_be_adopted_stays_adopted(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0")
    corner.apply(adopting(corner, name, by_name(name)))
    corner.ready(name)
    since = newest_call(corner)

    corner.patch("goldenimage", name, {"spec": {"adopt": None}})
    corner.ready(name)
    look_again(corner, name)

    assert adopted(corner, name) == ids
    assert written(corner, since, name, ids) == []
    assert corner.condition("goldenimage", name, "AdoptionReady") == {}


def test_a_pattern_that_is_beyond_what_is_supported_is_said(corner: World, name: str) -> None:
    corner.apply(adopting(corner, name, {"byName": {"pattern": r"web-(?P<version>.+)\b"}}))
    condition = corner.reason("InvalidSpec", name)
    assert condition["message"] == r"spec.adopt.byName.pattern cannot be used: `\b` is not supported"


def written(world: World, since: int, name: str, ids: Mapping[tuple[str, str], str]) -> list[str]:
    """The calls that changed something of this family: those before it in the same account may still be on their way out."""
    calls = calls_since(world, since, mutating=True)
    return [call.name for call in calls if any(one in str(call.arguments) for one in (name, *ids.values()))]
