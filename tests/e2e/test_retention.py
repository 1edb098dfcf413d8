"""Retention end to end: versions that go by a policy, what keeps them, and how they come back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from goldenami.api.kinds import API_VERSION
from support.operator import AWAY, HOME, Body, World, tags_of
from support.questions import newest_call
from support.scenes import calls_since, changed_settings, declared, events_of, images_of, iv, look_again, owner_tag, until

DAY_SECONDS = 86_400.0


def old_image(world: World, days: float = 100.0) -> str:
    """The id of an image that has been there for so long; EC2 tells launches a day late, so nothing young goes."""
    return world.seed(age_seconds=days * DAY_SECONDS)


def family(world: World, name: str, *versions: str, **spec: Any) -> dict[str, str]:
    """Declares these versions one after the other, each an old image that is taken over; their ids."""
    ids = {version: old_image(world) for version in versions}
    for version, image_id in ids.items():
        world.apply(manifest(world, name, version, image_id, **spec))
        world.ready(name)
    return ids


def manifest(world: World, name: str, version: str, image_id: str, **spec: Any) -> Body:
    return declared(world, name, regions=(HOME,), version=version, source={"image": {"id": image_id, "adopt": True}}, **spec)


def retain(world: World, name: str, **policy: Any) -> None:
    world.patch("goldenimage", name, {"spec": {"retention": policy}})


def state(world: World, image_id: str) -> str:
    """EC2's word; `gone` where it is not listed any more."""
    found = world.ec2().describe_images(Filters=[{"Name": "image-id", "Values": [image_id]}], IncludeDisabled=True)["Images"]
    return str(found[0]["State"]) if found else "gone"


def deprecation(world: World, image_id: str) -> str:
    """When it is, or will be, deprecated; empty where it is not."""
    found = world.ec2().describe_images(ImageIds=[image_id], IncludeDisabled=True, IncludeDeprecated=True)["Images"][0]
    return str(found.get("DeprecationTime", ""))


def stage(world: World, name: str, version: str) -> str | None:
    return ((world.get("imageversion", iv(name, version)) or {}).get("spec") or {}).get("stage")


def retention(world: World, name: str) -> Body:
    return world.condition("goldenimage", name, "RetentionReady")


@pytest.fixture
def launched(corner: World) -> Iterator[list[str]]:
    """Instances to be ended after the test."""
    ids: list[str] = []
    yield ids
    if ids:
        corner.ec2().terminate_instances(InstanceIds=ids)


def going(corner: World, name: str) -> list[Body]:
    """What the GoldenImage tells of versions that are not kept."""
    return list((corner.get("goldenimage", name) or {}).get("status", {}).get("retiring", []))


def test_what_no_limit_keeps_is_disabled_and_then_gone_with_its_snapshots_and_its_object(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "1.1.0", "2.0.0")

    retain(corner, name, keepLast=2, keepFor="30d", keepIfLaunchedWithin="30d", retire={"disableFor": "1h"})
    until(corner, lambda: state(corner, ids["1.0.0"]) == "disabled", "the oldest disabled")
    corner.ready(name)

    assert (state(corner, ids["1.1.0"]), state(corner, ids["2.0.0"])) == ("available", "available")
    # The stage is told when it is rendered, its dates once the ImageVersion has reported that the images are disabled.
    row = until(corner, lambda: next((row for row in going(corner, name) if "deregisteredAfter" in row), None), "the dates told")
    assert (row["version"], row["stage"]) == ("1.0.0", "Disabled")
    assert row["deregisteredAfter"] > row["since"]
    assert corner.condition("imageversion", iv(name, "1.0.0"), "RetentionReady")["reason"] == "Disabled"
    (proof,) = corner.get("imageversion", iv(name, "1.0.0"))["status"]["evidence"]  # type: ignore[index]
    assert (proof["imageId"], proof["state"], proof["gatheredAt"] <= row["since"]) == (ids["1.0.0"], "available", True)
    assert {found["verdict"] for found in proof["findings"]} <= {"Unused", "NotAsked"}
    (image,) = [image for image in images_of(corner, name) if image["ImageId"] == ids["1.0.0"]]
    assert image["DeprecationTime"]
    assert tags_of(image)["goldenami.dev/disabled-since"] == row["since"]

    retain(corner, name, retire={"disableFor": "0s"})
    corner.gone(iv(name, "1.0.0"), "imageversion")
    assert state(corner, ids["1.0.0"]) == "gone"
    snapshots = [row["Ebs"]["SnapshotId"] for row in image["BlockDeviceMappings"]]
    assert corner.ec2().describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": snapshots}])["Snapshots"] == []
    until(corner, lambda: (corner.get("goldenimage", name) or {})["status"]["versions"] == 2, "two versions left")
    # It counts for its pass, and is told until that is over.
    until(corner, lambda: going(corner, name) == [], "a new pass")
    told = {
        ("StageChanged", "version 1.0.0 is Disabled from now on: no limit of the policy keeps it"),
        ("VersionRetired", "nothing is left of version 1.0.0"),
    }
    until(corner, lambda: told <= set(events_of(corner, name, "GoldenImage")), "events tell it")


def keep_in_bin(world: World, name: str) -> None:
    """What is deregistered of this family, for five days."""
    mine = [{"ResourceTagKey": "goldenami.dev/owner", "ResourceTagValue": owner_tag(world, name)}]
    period = {"RetentionPeriodValue": 5, "RetentionPeriodUnit": "DAYS"}
    with changed_settings(world.aws, first_rule_seconds=0.0):
        rules = world.aws.client("rbin", region=HOME, account=world.account)
        rules.create_rule(ResourceType="EC2_IMAGE", RetentionPeriod=period, ResourceTags=mine)


def test_what_the_recycle_bin_keeps_of_versions_that_go_at_the_same_time_is_asked_and_told_once(corner: World, name: str) -> None:
    keep_in_bin(corner, name)
    old = ["1.0.0", "1.1.0"]
    ids = family(corner, name, *old, "2.0.0")
    since = newest_call(corner)
    retain(corner, name, keepLast=1, maxPerRun="100%", retire={"disableFor": "0s"}, evidence={"usageReports": "NotRequired"})
    for version in old:
        corner.gone(iv(name, version), "imageversion")
    told = until(corner, lambda: {text for reason, text in events_of(corner, name, "GoldenImage") if reason == "InRecycleBin"}, "an event")
    assert [all(f"{ids[version]} of version {version} in {HOME} until 2" in text for version in old) for text in told] == [True]
    asked = corner.aws.lab.audit_counts(account=corner.account, since=since, operation="ec2.ListImagesInRecycleBin")
    assert asked == {"ec2.ListImagesInRecycleBin": 1}


def test_versions_that_go_at_the_same_time_share_the_listing_of_what_they_left(corner: World, name: str) -> None:
    old = [f"1.{number}.0" for number in range(6)]
    ids = family(corner, name, *old, "2.0.0")
    retain(corner, name, keepLast=1, maxPerRun="100%", retire={"disableFor": "1h"})
    until(corner, lambda: {state(corner, ids[version]) for version in old} == {"disabled"}, "all of them disabled")
    corner.ready(name)

    since = newest_call(corner)
    retain(corner, name, retire={"disableFor": "0s"})
    for version in old:
        corner.gone(iv(name, version), "imageversion")
    listings = corner.aws.lab.audit_counts(account=corner.account, since=since, operation="ec2.DescribeSnapshots")
    assert listings.get("ec2.DescribeSnapshots", 0) < len(old)
    assert {state(corner, ids[version]) for version in old} == {"gone"}


def test_a_running_instance_keeps_its_version_and_nobody_calls_that_a_fault(corner: World, name: str, launched: list[str]) -> None:
    ids = family(corner, name, "1.0.0", "2.0.0")
    launched.append(corner.ec2().run_instances(ImageId=ids["1.0.0"], MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"])

    retain(corner, name, keepLast=1, retire={"disableFor": "0s"})
    until(corner, lambda: retention(corner, name).get("reason") == "StillInUse", "the use told")
    obj = corner.ready(name)

    assert state(corner, ids["1.0.0"]) == "available"
    (row,) = obj["status"]["retiring"]
    assert launched[0] in row["message"]
    corner.ec2().terminate_instances(InstanceIds=launched)
    launched.clear()
    look_again(corner, name)
    corner.gone(iv(name, "1.0.0"), "imageversion")
    assert state(corner, ids["1.0.0"]) == "gone"


def test_no_other_version_begins_to_go_while_it_cannot_be_told_yet_whether_the_first_may(corner: World, name: str) -> None:
    """A report of the use in other accounts takes EC2 minutes: when it is there, only those that are admitted may go dark."""
    with changed_settings(corner.aws, usage_report_seconds=3600.0):
        ids = family(corner, name, "1.0.0", "1.1.0", "1.2.0", "2.0.0", sharing={"accounts": [corner.partner]})
        retain(corner, name, keepLast=1, retire={"disableFor": "1h"})
        first = iv(name, "1.0.0")
        until(corner, lambda: corner.condition("imageversion", first, "RetentionReady").get("reason") == "EvidenceIncomplete", "waiting")
        for _ in range(2):
            look_again(corner, name)
        assert [stage(corner, name, version) for version in ("1.0.0", "1.1.0", "1.2.0")] == ["Disabled", None, None]
        assert {state(corner, image_id) for image_id in ids.values()} == {"available"}


def test_those_in_use_take_turns_and_hold_up_no_other(corner: World, name: str, launched: list[str]) -> None:
    ids = family(corner, name, "1.0.0", "1.1.0", "1.2.0", "2.0.0")
    used = ("1.0.0", "1.1.0")
    made = [corner.ec2().run_instances(ImageId=ids[version], MinCount=1, MaxCount=1)["Instances"] for version in used]
    launched += [instance["InstanceId"] for (instance,) in made]

    retain(corner, name, keepLast=1, retire={"disableFor": "1h"})
    until(corner, lambda: state(corner, ids["1.2.0"]) == "disabled", "the one that nobody uses disabled")
    corner.ready(name)

    told = {row["version"]: row for row in going(corner, name)}
    for version, instance in zip(used, launched, strict=True):
        assert (told[version]["stage"], told[version].get("reason")) == ("Deprecated", "StillInUse")
        assert instance in told[version]["message"]
    assert retention(corner, name)["reason"] == "StillInUse"
    assert {state(corner, ids[version]) for version in used} == {"available"}


def test_a_channel_that_names_a_disabled_version_gets_it_back_as_it_was(corner: World, name: str) -> None:
    parameter = f"/{name}/stable"
    spec = {"sharing": {"accounts": [corner.partner]}, "aliases": [{"parameter": "/{image}/{channel}"}]}
    ids = {version: old_image(corner) for version in ("1.0.0", "2.0.0")}
    for version, image_id in ids.items():
        corner.apply(manifest(corner, name, version, image_id, channels=[{"name": "stable", "version": version}], **spec))
        corner.ready(name)
    retain(corner, name, keepLast=1, retire={"disableFor": "1h"})
    until(corner, lambda: state(corner, ids["1.0.0"]) == "disabled", "the old version disabled")

    since = newest_call(corner)
    corner.patch("goldenimage", name, {"spec": {"channels": [{"name": "stable", "version": "1.0.0"}]}})
    until(corner, lambda: corner.parameter(parameter) == ids["1.0.0"], "the channel back")
    corner.ready(name)

    order = [call.operation for call in calls_since(corner, since, mutating=True)]
    assert order.index("EnableImage") < order.index("ModifyImageAttribute") < order.index("PutParameter")

    assert state(corner, ids["1.0.0"]) == "available"
    assert corner.shared_with(ids["1.0.0"]) == {corner.partner}
    assert stage(corner, name, "1.0.0") == "Active"
    (image,) = [image for image in images_of(corner, name) if image["ImageId"] == ids["1.0.0"]]
    assert "DeprecationTime" not in image
    assert "goldenami.dev/disabled-since" not in tags_of(image)


def test_a_channel_that_names_what_is_retired_stays_and_says_what_there_is(corner: World, name: str) -> None:
    channels = [{"name": "stable", "version": "2.0.0"}]
    spec = {"aliases": [{"parameter": "/{image}/{channel}"}]}
    ids = {version: old_image(corner) for version in ("1.0.0", "1.1.0", "2.0.0")}
    for version, image_id in ids.items():
        corner.apply(manifest(corner, name, version, image_id, channels=[{"name": "stable", "version": version}], **spec))
        corner.ready(name)
    retain(corner, name, keepLast=2, retire={"disableFor": "0s"})
    corner.gone(iv(name, "1.0.0"), "imageversion")

    corner.patch("goldenimage", name, {"spec": {"channels": [{"name": "stable", "version": "1.0.0"}]}})
    condition = corner.reason("UnknownVersion", name)

    assert all(part in condition["message"] for part in ("1.0.0", "is gone", "2.0.0, 1.1.0"))
    stalled = corner.condition("goldenimage", name, "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "UnknownVersion")
    assert corner.parameter(f"/{name}/stable") == ids["2.0.0"]
    assert corner.get("imageversion", iv(name, "1.0.0")) is None
    corner.patch("goldenimage", name, {"spec": {"channels": channels}})
    corner.ready(name)


def test_grants_that_nobody_declared_come_back_with_a_policy_that_is_taken_back(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "2.0.0")
    corner.ec2().modify_image_attribute(ImageId=ids["1.0.0"], LaunchPermission={"Add": [{"UserId": corner.partner}]})

    retain(corner, name, keepLast=1, evidence={"usageReports": "NotRequired"})
    until(corner, lambda: state(corner, ids["1.0.0"]) == "disabled", "the old version disabled")
    assert corner.shared_with(ids["1.0.0"]) == set()
    # It takes a while, in which the stage is rendered more than once.
    fault = corner.aws.lab.add_fault("refuse", operation="ec2.EnableImage", account=corner.account, resource=ids["1.0.0"], times=1000)
    corner.patch("goldenimage", name, {"spec": {"retention": None}})
    until(corner, lambda: corner.condition("imageversion", iv(name, "1.0.0"), "ReplicasReady").get("status") == "False", "it fails")
    look_again(corner, name)
    corner.aws.lab.remove_fault(fault)
    until(corner, lambda: state(corner, ids["1.0.0"]) == "available", "the old version back")
    until(corner, lambda: corner.shared_with(ids["1.0.0"]) == {corner.partner}, "shared as before")
    corner.ready(name)

    (image,) = [image for image in images_of(corner, name) if image["ImageId"] == ids["1.0.0"]]
    assert not [key for key in tags_of(image) if "grants" in key or "disabled" in key]
    until(corner, lambda: not deprecation(corner, ids["1.0.0"]), "no longer deprecated")
    until(corner, lambda: stage(corner, name, "1.0.0") is None, "left alone again")


def test_what_the_policy_deprecates_is_no_longer_deprecated_when_it_says_so_no_more(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "2.0.0", retention={"keepLast": 2, "deprecateAfter": "30d"})
    until(corner, lambda: deprecation(corner, ids["1.0.0"]), "deprecated")
    corner.ready(name)
    assert (stage(corner, name, "1.0.0"), deprecation(corner, ids["2.0.0"])) == ("Deprecated", "")

    retain(corner, name, deprecateAfter="300d")
    until(corner, lambda: not deprecation(corner, ids["1.0.0"]), "no longer deprecated")
    until(corner, lambda: stage(corner, name, "1.0.0") is None, "left alone again")
    # What somebody else deprecates from now on stays so.
    corner.ec2().enable_image_deprecation(ImageId=ids["1.0.0"], DeprecateAt=datetime.now(UTC) + timedelta(days=400))
    look_again(corner, name)
    assert deprecation(corner, ids["1.0.0"])


def test_a_new_version_that_cannot_be_made_pushes_none_out(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "1.1.0", retention={"keepLast": 2})

    missing = {"image": {"id": "ami-0123456789abcdef0"}}
    corner.apply(declared(corner, name, regions=(HOME,), version="2.0.0", source=missing, retention={"keepLast": 2}))
    corner.reason("SourceNotFound", name, condition="SourceReady")
    look_again(corner, name)
    assert (stage(corner, name, "1.0.0"), state(corner, ids["1.0.0"])) == (None, "available")

    corner.apply(declared(corner, name, regions=(HOME,), version="2.0.1", retention={"keepLast": 2}))
    until(corner, lambda: state(corner, ids["1.0.0"]) == "disabled", "a good one pushes it out")


def test_a_version_expires_and_another_is_kept_for_good(corner: World, name: str) -> None:
    settings = [{"version": "1.0.0", "expiresAt": "2026-01-01T00:00:00Z"}, {"version": "1.1.0", "keep": True}]
    ids = family(corner, name, "1.0.0", "1.1.0", "2.0.0")

    corner.patch("goldenimage", name, {"spec": {"versions": settings, "retention": {"keepLast": 1, "retire": {"disableFor": "0s"}}}})
    corner.gone(iv(name, "1.0.0"), "imageversion")
    corner.ready(name)

    assert [state(corner, ids[version]) for version in ids] == ["gone", "available", "available"]


def test_a_policy_that_does_not_exist_yet_is_waited_for_and_its_edit_is_seen(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "2.0.0")

    corner.patch("goldenimage", name, {"spec": {"retentionPolicyRef": {"name": f"{name}-policy"}}})
    corner.reason("DependencyNotReady", name)
    corner.apply({"apiVersion": API_VERSION, "kind": "RetentionPolicy", "metadata": {"name": f"{name}-policy"}, "spec": {"keepLast": 2}})
    corner.ready(name)
    assert state(corner, ids["1.0.0"]) == "available"
    corner.patch("retentionpolicy", f"{name}-policy", {"spec": {"keepLast": 1}})
    until(corner, lambda: state(corner, ids["1.0.0"]) == "disabled", "the old version disabled")


def test_what_the_policy_protects_is_protected_while_it_is_kept_and_freed_when_it_goes(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "2.0.0", retention={"keepLast": 2, "deregistrationProtection": "Enabled"})

    def protection(version: str) -> str:
        found = corner.ec2().describe_images(ImageIds=[ids[version]], IncludeDisabled=True)["Images"][0]
        return str(found["DeregistrationProtection"])

    until(corner, lambda: protection("1.0.0") == "enabled-without-cooldown", "the protection")
    corner.patch("goldenimage", name, {"spec": {"retention": {"keepLast": 1, "retire": {"disableFor": "0s"}}}})
    corner.gone(iv(name, "1.0.0"), "imageversion")
    assert state(corner, ids["1.0.0"]) == "gone"
    assert protection("2.0.0") == "enabled-without-cooldown"


def test_a_copy_that_is_too_young_to_be_known_keeps_its_version_in_all_regions(corner: World, name: str) -> None:
    ids = {version: old_image(corner) for version in ("1.0.0", "2.0.0")}
    for version, image_id in ids.items():
        source = {"image": {"id": image_id, "adopt": True}}
        corner.apply(declared(corner, name, version=version, source=source))
        corner.ready(name)
    (copy,) = [image["ImageId"] for image in images_of(corner, name, AWAY) if tags_of(image)["goldenami.dev/version"] == "1.0.0"]

    retain(corner, name, keepLast=1, retire={"disableFor": "0s"})
    # The copy is a few seconds old, and EC2 tells launches a day late.
    until(corner, lambda: retention(corner, name).get("reason") == "TooYoung", "that nobody can tell yet")
    (row,) = corner.ready(name)["status"]["retiring"]

    assert state(corner, ids["1.0.0"]) == "available"
    assert copy in row["message"]
    assert "48 hours" in row["message"]


def test_an_image_that_somebody_took_over_since_it_was_listed_stays(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "2.0.0", interval="1h")
    taken = {"Key": "goldenami.dev/owner", "Value": "another/images/web"}
    corner.ec2().create_tags(Resources=[ids["1.0.0"]], Tags=[taken])

    # The listing is a few seconds old, which would do for an edited spec.
    retain(corner, name, keepLast=1, retire={"disableFor": "0s"})
    corner.gone(iv(name, "1.0.0"), "imageversion")

    assert state(corner, ids["1.0.0"]) == "available"
    assert corner.aws.lab.audit_counts(account=corner.account, id=ids["1.0.0"], operation="ec2.DisableImage") == {}


def test_an_image_that_somebody_protected_since_it_was_listed_stays(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "2.0.0", interval="1h")
    corner.ec2().enable_image_deregistration_protection(ImageId=ids["1.0.0"])

    retain(corner, name, keepLast=1, retire={"disableFor": "0s"})
    until(corner, lambda: retention(corner, name).get("reason") == "StillInUse", "the protection told")

    assert "protected from deregistration" in corner.ready(name)["status"]["retiring"][0]["message"]
    assert state(corner, ids["1.0.0"]) == "available"


def test_what_would_go_is_told_first_under_observe(corner: World, name: str) -> None:
    ids = family(corner, name, "1.0.0", "2.0.0")

    corner.patch("goldenimage", name, {"spec": {"managementPolicy": "Observe", "retention": {"keepLast": 1}}})
    until(corner, lambda: any("disable" in line for line in (corner.get("goldenimage", name) or {})["status"].get("plan", [])), "the plan")

    assert f"version 1.0.0: {HOME}: disable {ids['1.0.0']}" in corner.get("goldenimage", name)["status"]["plan"]  # type: ignore[index]
    assert state(corner, ids["1.0.0"]) == "available"
    assert "DeprecationTime" not in corner.ec2().describe_images(ImageIds=[ids["1.0.0"]])["Images"][0]
