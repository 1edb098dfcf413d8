"""Channels: promotion, waiting for slow regions, rollback and what it costs, deprecation, what is remembered, and the id map."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from support.operator import AWAY, FAR, HOME, Body, World, eventually, tags_of
from support.scenes import calls_since, declared, events_of, iv, look_again, made, newest_call, replica, until

ALIAS = "/{image}/{channel}"


def channel(version: str, name: str = "stable", **fields: Any) -> Body:
    return {"name": name, "version": version, **fields}


def released(world: World, name: str, *channels: Body, version: str = "2.0.0", **spec: Any) -> None:
    """Versions 1.0.0 and `version`, both in every region, with the channels on 1.0.0 first."""
    start = [{**each, "version": "1.0.0"} for each in channels]
    world.apply(declared(world, name, aliases=[{"parameter": ALIAS}], channels=start, **spec))
    world.ready(name)
    world.apply(declared(world, name, version=version, aliases=[{"parameter": ALIAS}], channels=start, **spec))
    world.ready(name)


def move(world: World, name: str, *channels: Body) -> None:
    world.patch("goldenimage", name, {"spec": {"channels": list(channels)}})


def names(world: World, name: str, channel_name: str = "stable", regions: tuple[str, ...] = (HOME, AWAY)) -> set[str]:
    """The versions that the channel's parameters lead to."""
    found = set()
    for region in regions:
        image_id = world.parameter(f"/{name}/{channel_name}", region)
        found.add(version_of(world, image_id, region) if image_id else "")
    return found


def version_of(world: World, image_id: str, region: str) -> str:
    (image,) = world.ec2(region).describe_images(ImageIds=[image_id], IncludeDeprecated=True)["Images"]
    return tags_of(image)["goldenami.dev/version"]


def row(world: World, name: str, channel_name: str = "stable") -> Body:
    """The channel's row in the status."""
    rows = (world.get("goldenimage", name) or {}).get("status", {}).get("channels", [])
    return next((each for each in rows if each["name"] == channel_name), {})


def deprecated(world: World, name: str, version: str, region: str = HOME) -> bool:
    """Whether EC2 has a deprecation time for the version's image."""
    (image,) = [
        image
        for image in world.images(region)
        if (tags_of(image)["goldenami.dev/version"], image["Name"]) == (version, f"{name}-{version}")
    ]
    return bool(image.get("DeprecationTime"))


def config_map(world: World, name: str) -> Body | None:
    return world.kubernetes.config_map(world.namespace, name)


def mapped(world: World, name: str) -> dict[str, str]:
    """The version that the id map has for `stable` in each region."""
    data = (config_map(world, name) or {}).get("data", {})
    return {key.partition(".")[2]: version_of(world, image_id, key.partition(".")[2]) for key, image_id in data.items()}


def put(calls: list[Any]) -> list[tuple[str, str]]:
    return [(call.region, call.arguments["Name"]) for call in calls if call.name == "ssm.PutParameter"]


# --- promotion and rollback ---


def test_a_channel_stays_when_a_version_is_declared_and_moves_when_it_is_named(corner: World, name: str) -> None:
    released(corner, name, channel("1.0.0"), channel("1.0.0", "candidate"))
    assert names(corner, name) == {"1.0.0"}

    move(corner, name, channel("1.0.0"), channel("2.0.0", "candidate"))
    corner.ready(name)

    assert (names(corner, name), names(corner, name, "candidate")) == ({"1.0.0"}, {"2.0.0"})
    candidate, stable = row(corner, name, "candidate"), row(corner, name)
    assert (candidate["version"], candidate["previousVersion"], stable["version"]) == ("2.0.0", "1.0.0", "1.0.0")
    assert candidate["since"] >= stable["since"]
    assert "previousVersion" not in stable
    at = {image["region"]: image["imageId"] for image in candidate["images"]}
    assert at == {region: replica(corner, region, name, "2.0.0")["imageId"] for region in (HOME, AWAY)}

    def told() -> set[str]:
        return {message for reason, message in events_of(corner, name, "GoldenImage") if reason == "ChannelMoved"}

    until(corner, told, "an event tells it")
    assert told() == {"candidate names 2.0.0, and no longer 1.0.0"}


def test_going_back_is_one_parameter_write_per_region_and_no_copy(corner: World, name: str) -> None:
    released(corner, name, channel("1.0.0"))
    move(corner, name, channel("2.0.0"))
    corner.ready(name)
    before, copies = newest_call(corner), made(corner, name)

    move(corner, name, channel("1.0.0"))
    until(corner, lambda: names(corner, name) == {"1.0.0"}, "moved back")
    corner.ready(name)
    told = corner.condition("goldenimage", name)["message"]

    # What is published is not the declared version.
    assert told == "version 2.0.0 is available in 2 regions; stable names 1.0.0"
    calls = calls_since(corner, before, mutating=True)
    assert [call.name for call in calls if call.service == "ec2"] == []
    assert sorted(put(calls)) == sorted((region, f"/{name}/stable") for region in (HOME, AWAY))
    assert made(corner, name) == copies
    assert (row(corner, name)["version"], row(corner, name)["previousVersion"]) == ("1.0.0", "2.0.0")
    quiet = newest_call(corner)
    look_again(corner, name)
    assert calls_since(corner, quiet, mutating=True) == []


@pytest.mark.parametrize(
    ("rollout", "meanwhile"),
    [
        pytest.param(None, {HOME: "1.0.0", AWAY: "1.0.0"}, id="a channel waits for the slowest region, and moves everywhere at once"),
        pytest.param(
            "PerRegion", {HOME: "2.0.0", AWAY: "1.0.0"}, id="PerRegion moves it where its version is, and not where it is not yet"
        ),
    ],
)
def test_a_slow_region(corner: World, name: str, rollout: str | None, meanwhile: dict[str, str]) -> None:
    how = {"rollout": rollout} if rollout else {}
    spec: dict[str, Any] = {
        "aliases": [{"parameter": ALIAS}],
        "publish": {"configMap": {"name": name}},
        "retention": {"keepLast": 1},
    }
    corner.apply(declared(corner, name, channels=[channel("1.0.0", **how)], **spec))
    corner.ready(name)
    fault = corner.aws.lab.add_fault(
        "refuse", operation="ec2.CopyImage", account=corner.account, region=AWAY, resource=f"{name}-2", times=1000
    )
    try:
        corner.apply(declared(corner, name, version="2.0.0", channels=[channel("2.0.0", **how)], **spec))
        until(corner, lambda: replica(corner, HOME, name, "2.0.0").get("state") == "available", "one region done")
        look_again(corner, name)

        def settled() -> bool:
            return all(names(corner, name, regions=(region,)) == {version} for region, version in meanwhile.items())

        until(corner, settled, "the parameters")
        waits = corner.condition("goldenimage", name, "ChannelsReady")
        assert (waits["status"], waits["reason"]) == ("Unknown", "ChannelPending")
        assert AWAY in waits["message"]
        until(corner, lambda: mapped(corner, name) == meanwhile, "the id map")
        look_again(corner, name)
        old = corner.get("imageversion", iv(name))["spec"]  # type: ignore[index]
        assert (old.get("stage") in (None, "Active"), old["channels"]) == (True, ["stable"])
    finally:
        corner.aws.lab.remove_fault(fault)

    look_again(corner, name)
    corner.ready(name)
    assert names(corner, name) == {"2.0.0"}
    assert {image.get("version") for image in row(corner, name)["images"]} == {None}


def test_a_region_added_gets_every_version_that_a_channel_names_and_no_other(corner: World, name: str) -> None:
    released(corner, name, channel("1.0.0"))
    corner.apply(
        declared(corner, name, version="3.0.0", aliases=[{"parameter": ALIAS}], channels=[channel("1.0.0"), channel("3.0.0", "candidate")])
    )
    corner.ready(name)

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": region} for region in (HOME, AWAY, FAR)]}})
    corner.ready(name)

    there = {tags_of(image)["goldenami.dev/version"] for image in corner.images(FAR) if image["Name"].startswith(f"{name}-")}
    assert there == {"1.0.0", "3.0.0"}
    assert names(corner, name, regions=(HOME, AWAY, FAR)) == {"1.0.0"}


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_a_version_that_a_channel_names_comes_back_when_its_object_is_deleted(corner: World, name: str, policy: str) -> None:
    released(corner, name, channel("1.0.0"), deletionPolicy=policy)
    before, copies = {region: replica(corner, region, name)["imageId"] for region in (HOME, AWAY)}, made(corner, name)
    uid = corner.get("imageversion", iv(name))["metadata"]["uid"]  # type: ignore[index]

    corner.delete("imageversion", iv(name))
    until(corner, lambda: (corner.get("imageversion", iv(name)) or {}).get("metadata", {}).get("uid", uid) != uid, "a new object")
    corner.ready(iv(name), "imageversion")
    corner.ready(name)

    assert {region: replica(corner, region, name)["imageId"] for region in (HOME, AWAY)} == before
    assert made(corner, name) == copies
    assert names(corner, name) == {"1.0.0"}


# --- deprecation ---


def test_a_rollback_deprecates_what_it_leaves_and_a_promotion_takes_that_back(corner: World, name: str) -> None:
    def settled(version: str, *, is_so: bool) -> None:
        until(corner, lambda: all(deprecated(corner, name, version, region) is is_so for region in (HOME, AWAY)), f"{version}: {is_so}")

    released(corner, name, channel("1.0.0", deprecateOnRollback=True))
    move(corner, name, channel("2.0.0", deprecateOnRollback=True))
    corner.ready(name)
    settled("1.0.0", is_so=False)

    move(corner, name, channel("1.0.0", deprecateOnRollback=True))
    settled("2.0.0", is_so=True)
    corner.ready(name)

    assert corner.get("imageversion", iv(name, "2.0.0"))["spec"]["stage"] == "Deprecated"  # type: ignore[index]
    settled("1.0.0", is_so=False)
    quiet = newest_call(corner)
    look_again(corner, name)
    assert calls_since(corner, quiet, mutating=True) == []

    move(corner, name, channel("2.0.0", deprecateOnRollback=True))
    settled("2.0.0", is_so=False)
    corner.ready(name)
    assert names(corner, name) == {"2.0.0"}
    settled("1.0.0", is_so=False)


def test_without_it_a_rollback_changes_no_image(corner: World, name: str) -> None:
    released(corner, name, channel("1.0.0"))
    move(corner, name, channel("2.0.0"))
    corner.ready(name)

    move(corner, name, channel("1.0.0"))
    corner.ready(name)
    look_again(corner, name)

    assert not deprecated(corner, name, "2.0.0")


# --- versions that are not there ---


def test_a_version_that_never_was_stalls_its_channel_and_no_other(corner: World, name: str) -> None:
    released(corner, name, channel("1.0.0"), channel("1.0.0", "candidate"))

    move(corner, name, channel("9.9.9"), channel("2.0.0", "candidate"))
    condition = corner.reason("UnknownVersion", name)

    assert "9.9.9" in condition["message"]
    assert "2.0.0, 1.0.0" in condition["message"]
    assert corner.condition("goldenimage", name, "Stalled")["reason"] == "UnknownVersion"
    until(corner, lambda: names(corner, name, "candidate") == {"2.0.0"}, "the other channel moves")
    assert names(corner, name) == {"1.0.0"}
    assert row(corner, name)["version"] == "1.0.0"
    move(corner, name, channel("2.0.0"), channel("2.0.0", "candidate"))
    corner.ready(name)
    assert names(corner, name) == {"2.0.0"}


# --- a cluster that was thrown away ---


def test_a_rebuilt_cluster_knows_since_when_and_what_was_before(corner: World, name: str) -> None:
    released(corner, name, channel("1.0.0", deprecateOnRollback=True))
    move(corner, name, channel("2.0.0", deprecateOnRollback=True))
    corner.ready(name)
    move(corner, name, channel("1.0.0", deprecateOnRollback=True))
    until(corner, lambda: deprecated(corner, name, "2.0.0") and deprecated(corner, name, "2.0.0", AWAY), "deprecated")
    corner.ready(name)
    manifest, written = corner.get("goldenimage", name), row(corner, name)["since"]
    assert manifest is not None
    before = newest_call(corner)

    throw_away(corner, name)
    corner.apply({**manifest, "metadata": {"name": name}, "status": {}})
    corner.ready(name)

    after = row(corner, name)
    assert (after["version"], after["previousVersion"]) == ("1.0.0", "2.0.0")
    assert abs(seconds(after["since"]) - seconds(written)) <= 30
    assert len(after["images"]) == 2
    assert corner.get("imageversion", iv(name, "2.0.0"))["spec"]["stage"] == "Deprecated"  # type: ignore[index]
    assert calls_since(corner, before, mutating=True) == []
    history = calls_since(corner, before, operation="GetParameterHistory")
    assert len(history) == 1
    look_again(corner, name)
    assert len(calls_since(corner, before, operation="GetParameterHistory")) == 1


def throw_away(world: World, name: str) -> None:
    """As etcd lost: nobody cleans up. The finalizers go while the operator is told to leave it alone."""
    world.patch("goldenimage", name, {"spec": {"suspend": True}})
    versions = [iv(name, version) for version in ("1.0.0", "2.0.0")]
    for each in versions:
        until(world, lambda at=each: world.get("imageversion", at)["spec"].get("suspend"), "suspended")  # type: ignore[index, misc]
    world.delete("goldenimage", name)
    world.gone(name)
    for each in versions:
        world.gone(each, "imageversion")


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


# --- the id map ---


def test_the_id_map_holds_the_image_of_each_channel_in_each_region_and_goes_with_its_owner(corner: World, name: str) -> None:
    released(corner, name, channel("1.0.0"), channel("1.0.0", "candidate"), publish={"configMap": {"name": name}})
    move(corner, name, channel("1.0.0"), channel("2.0.0", "candidate"))
    corner.ready(name)

    expected = {
        f"{channel_name}.{region}": replica(corner, region, name, version)["imageId"]
        for channel_name, version in (("stable", "1.0.0"), ("candidate", "2.0.0"))
        for region in (HOME, AWAY)
    }
    stored = config_map(corner, name) or {}
    assert stored["data"] == expected
    look_again(corner, name)
    assert (config_map(corner, name) or {})["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]

    corner.patch("goldenimage", name, {"spec": {"publish": {"configMap": {"name": f"{name}-ids"}}}})
    until(corner, lambda: (config_map(corner, f"{name}-ids") or {}).get("data") == expected, "under its new name")
    assert config_map(corner, name) is None
    corner.delete("goldenimage", name)
    corner.gone(name)
    eventually(lambda: config_map(corner, f"{name}-ids") is None, "collected", told=corner.told)


def test_a_config_map_of_somebody_else_is_left_alone(corner: World, name: str) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"theirs": "yes"}}
    corner.kubernetes.call("POST", f"/api/v1/namespaces/{corner.namespace}/configmaps", body=theirs)

    corner.apply(declared(corner, name, aliases=[{"parameter": ALIAS}], publish={"configMap": {"name": name}}))
    condition = corner.reason("Conflict", name, condition="ChannelsReady")

    assert f"ConfigMap {name}" in condition["message"]
    assert (config_map(corner, name) or {})["data"] == {"theirs": "yes"}
    until(corner, lambda: corner.parameter(f"/{name}/current"), "the alias goes on")
