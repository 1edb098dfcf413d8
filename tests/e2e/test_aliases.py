"""Aliases: parameters are written when their image may be launched, never over somebody else's, and not once more than needed."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.operator import AWAY, HOME, World
from support.scenes import calls_since, changed_settings, declared, image_of, look_again, newest_call, owner_tag, replica, until


def with_alias(world: World, name: str, *parameters: str, **spec: Any) -> dict[str, Any]:
    return declared(world, name, aliases=[{"parameter": parameter} for parameter in parameters or (f"/{name}/{{channel}}",)], **spec)


def test_a_parameter_is_written_after_the_image_is_available_and_shared_and_read_back(corner: World, name: str) -> None:
    since = newest_call(corner)

    corner.apply(with_alias(corner, name, regions=(HOME,), sharing={"accounts": [corner.partner]}))
    status = corner.ready(name)["status"]

    image, parameter = image_of(corner, name)["ImageId"], f"/{name}/current"
    assert status["aliases"] == [{"parameter": parameter, "region": HOME, "imageId": image, "version": "1.0.0"}]
    found = corner.ssm().get_parameter(Name=parameter)["Parameter"]
    assert (found["Value"], found["DataType"], found["Version"]) == (image, "aws:ec2:image", 1)
    assert owner_of(corner, parameter) == owner_tag(corner, name)
    # The account is others' too, who may be publishing theirs only now.
    calls = [call for call in calls_since(corner, since) if call.effect]
    shared = next(call for call in calls if call.name == "ec2.ModifyImageAttribute" and call.arguments["ImageId"] == image)
    published = next(call for call in calls if call.name == "ssm.PutParameter" and call.arguments["Name"] == parameter)
    read = [call for call in calls if call.name == "ssm.GetParameters" and parameter in call.arguments["Names"]]
    assert shared.sequence < published.sequence < read[-1].sequence


def test_nothing_is_published_while_the_image_cannot_be_shared(corner: World, name: str) -> None:
    refused = {"operation": "ec2.ModifyImageAttribute", "code": "UnauthorizedOperation", "message": "You are not authorized."}
    corner.aws.lab.add_fault("refuse", account=corner.account, region=AWAY, times=1000, **refused)

    corner.apply(with_alias(corner, name, sharing={"accounts": [corner.partner]}))
    until(corner, lambda: corner.parameter(f"/{name}/current", HOME), "published at home")

    corner.reason("AccessDenied", name)
    assert corner.parameter(f"/{name}/current", AWAY) is None
    assert "is not shared as declared yet" in corner.condition("goldenimage", name, "AliasesReady")["message"]
    corner.aws.lab.clear_faults()
    look_again(corner, name)
    corner.ready(name)
    assert corner.parameter(f"/{name}/current", AWAY) == image_of(corner, name, AWAY)["ImageId"]


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        pytest.param([], "exists without the tag goldenami.dev/owner", id="that nobody tagged"),
        pytest.param([("goldenami.dev/owner", "tests/elsewhere/other")], "belongs to tests/elsewhere/other", id="of another owner"),
    ],
)
def test_a_parameter_stays_untouched(corner: World, name: str, tags: list[tuple[str, str]], words: str) -> None:
    parameter = f"/{name}/current"
    wire = [{"Key": key, "Value": value} for key, value in tags]
    corner.ssm(AWAY).put_parameter(Name=parameter, Value="theirs", Type="String", Tags=wire)

    corner.apply(with_alias(corner, name))
    condition = corner.reason("AliasConflict", name)

    assert words in condition["message"]
    assert f"{parameter} in {AWAY}" in condition["message"]
    found = corner.ssm(AWAY).get_parameter(Name=parameter)["Parameter"]
    assert (found["Value"], found["Version"]) == ("theirs", 1)
    assert until(corner, lambda: corner.parameter(parameter, HOME), "the other region is published") == image_of(corner, name)["ImageId"]
    corner.ssm(AWAY).delete_parameter(Name=parameter)
    look_again(corner, name)
    corner.ready(name)
    assert corner.parameter(parameter, AWAY) == image_of(corner, name, AWAY)["ImageId"]


def test_a_parameter_of_its_own_that_neither_status_nor_images_tell_of_is_found_and_set(corner: World, name: str) -> None:
    """It is not listed before the first write, which is refused where there is one."""
    parameter, before = f"/{name}/current", corner.seed(region=AWAY)
    wire = [{"Key": "goldenami.dev/owner", "Value": owner_tag(corner, name)}]
    corner.ssm(AWAY).put_parameter(Name=parameter, Value=before, Type="String", DataType="aws:ec2:image", Tags=wire)

    corner.apply(with_alias(corner, name))
    corner.ready(name)

    image = image_of(corner, name, AWAY)["ImageId"]
    assert corner.parameter(parameter, AWAY) == image
    assert corner.ssm(AWAY).get_parameter(Name=parameter)["Parameter"]["Version"] == 2


def test_the_mark_of_a_release_beside_the_owner_goes_however_the_parameter_is_found(corner: World, name: str) -> None:
    """A process died between the two calls that take one back. One is met by its name, the other in a listing."""
    met, listed, before = f"/{name}/met", f"/{name}/listed", corner.seed(region=AWAY)
    wire = [{"Key": f"goldenami.dev/{key}", "Value": owner_tag(corner, name)} for key in ("owner", "released")]
    for parameter in (met, listed):
        corner.ssm(AWAY).put_parameter(Name=parameter, Value=before, Type="String", DataType="aws:ec2:image", Tags=wire)
    corner.apply(with_alias(corner, name, met))
    corner.ready(name)
    corner.patch("goldenimage", name, {"spec": {"aliases": [{"parameter": met}, {"parameter": listed}]}})
    corner.ready(name)

    tags = {one: [tag_of(corner, one, f"goldenami.dev/{key}", AWAY) for key in ("owner", "released")] for one in (met, listed)}
    assert tags == {met: [owner_tag(corner, name), None], listed: [owner_tag(corner, name), None]}


def test_looks_at_what_is_right_make_no_new_parameter_version(corner: World, name: str) -> None:
    corner.apply(with_alias(corner, name))
    corner.ready(name)

    for _ in range(2):
        look_again(corner, name)
    corner.patch("goldenimage", name, {"spec": {"tags": {"team": "platform"}}})
    corner.ready(name)

    assert [version_of(corner, f"/{name}/current", region) for region in (HOME, AWAY)] == [1, 1]


def test_a_value_that_was_changed_by_hand_is_put_back_and_a_parameter_that_was_deleted_comes_back(corner: World, name: str) -> None:
    corner.apply(with_alias(corner, name))
    corner.ready(name)
    parameter, other = f"/{name}/current", corner.seed(region=AWAY)

    corner.ssm(HOME).delete_parameter(Name=parameter)
    corner.ssm(AWAY).put_parameter(Name=parameter, Value=other, Type="String", DataType="aws:ec2:image", Overwrite=True)
    until(corner, lambda: corner.parameter(parameter, AWAY) == other, "changed by hand")
    # A listing that follows the operator's own write within five seconds is not trusted, so one look may be too early.
    images = {region: image_of(corner, name, region)["ImageId"] for region in (HOME, AWAY)}

    def right() -> bool:
        return bool(look_again(corner, name)) and {region: corner.parameter(parameter, region) for region in images} == images

    until(corner, right, "right again")

    corner.ready(name)
    assert [version_of(corner, parameter, region) for region in (HOME, AWAY)] == [1, 3]


def test_an_alias_is_not_ready_before_its_value_can_be_read_back(corner: World, name: str) -> None:
    with changed_settings(corner.aws, image_parameter_seconds=4.0):
        corner.apply(with_alias(corner, name, regions=(HOME,)))
        until(corner, lambda: [call for call in corner.aws.lab.audit_calls(account=corner.account) if put(call, name)], "PutParameter")
        condition = corner.reason("AliasPending", name, condition="AliasesReady")

        assert f"/{name}/current in {HOME}" in condition["message"]
    corner.ready(name)
    assert version_of(corner, f"/{name}/current", HOME) == 1


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_an_alias_that_is_no_longer_declared_goes_by_the_policy(corner: World, name: str, policy: str) -> None:
    corner.apply(with_alias(corner, name, f"/{name}/kept", f"/{name}/dropped", deletionPolicy=policy))
    corner.ready(name)
    image = image_of(corner, name, AWAY)["ImageId"]

    corner.patch("goldenimage", name, {"spec": {"aliases": [{"parameter": f"/{name}/kept"}]}})
    if policy == "Delete":
        until(corner, lambda: corner.parameter(f"/{name}/dropped", AWAY) is None, "deleted")
    else:
        until(corner, lambda: owner_of(corner, f"/{name}/dropped", AWAY) is None, "released")
        assert corner.parameter(f"/{name}/dropped", AWAY) == image
        assert tag_of(corner, f"/{name}/dropped", "goldenami.dev/released", AWAY) == owner_tag(corner, name)

    status = corner.ready(name)["status"]
    assert {row["parameter"] for row in status["aliases"]} == {f"/{name}/kept"}
    assert corner.parameter(f"/{name}/kept", AWAY) == image


def test_the_alias_of_a_region_that_goes_is_taken_out_of_use(corner: World, name: str) -> None:
    corner.apply(with_alias(corner, name, deletionPolicy="Delete"))
    corner.ready(name)

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})

    until(corner, lambda: corner.parameter(f"/{name}/current", AWAY) is None, "deleted")
    corner.ready(name)
    assert corner.parameter(f"/{name}/current", HOME) is not None


def test_a_parameter_that_may_not_be_deleted_is_told_and_not_forgotten(corner: World, name: str) -> None:
    corner.apply(with_alias(corner, name, deletionPolicy="Delete"))
    corner.ready(name)
    refused = {"code": "AccessDeniedException", "message": "You are not authorized.", "operation": "ssm.DeleteParameter"}
    corner.aws.lab.add_fault("refuse", account=corner.account, region=AWAY, resource=f"/{name}/", times=1000, **refused)

    corner.patch("goldenimage", name, {"spec": {"aliases": []}})
    condition = corner.reason("AccessDenied", name)

    assert f"/{name}/current" in condition["message"]
    assert AWAY in condition["message"]
    corner.aws.lab.clear_faults()
    look_again(corner, name)
    until(corner, lambda: corner.parameter(f"/{name}/current", AWAY) is None, "deleted")
    corner.ready(name)


def test_a_new_version_moves_the_alias_once_its_images_are_shared(corner: World, name: str) -> None:
    corner.apply(with_alias(corner, name, sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    before = corner.parameter(f"/{name}/current", AWAY)

    corner.apply(with_alias(corner, name, sharing={"accounts": [corner.partner]}, version="2.0.0"))
    corner.ready(name)

    moved = corner.parameter(f"/{name}/current", AWAY)
    assert moved == replica(corner, AWAY, name, "2.0.0")["imageId"] != before
    assert corner.shared_with(str(moved), AWAY) == {corner.partner}
    assert version_of(corner, f"/{name}/current", AWAY) == 2
    source = corner.get("imageversion", f"{name}-1.0.0")["spec"]["source"]  # type: ignore[index]
    corner.apply(with_alias(corner, name, sharing={"accounts": [corner.partner]}, version="1.0.0", source=source))
    until(corner, lambda: corner.parameter(f"/{name}/current", AWAY) == before, "moved back")
    corner.ready(name)


def test_two_aliases_that_come_out_as_one_parameter_are_one(corner: World, name: str) -> None:
    corner.apply(with_alias(corner, name, f"/both/{name}/current", "/both/{image}/current"))

    status = corner.ready(name)["status"]

    rows = [(row["parameter"], row["region"]) for row in status["aliases"]]
    assert sorted(rows) == [(f"/both/{name}/current", region) for region in sorted((HOME, AWAY))]
    assert version_of(corner, f"/both/{name}/current", AWAY) == 1


def test_two_images_that_want_one_parameter_do_not_overwrite_each_other(corner: World, name: str) -> None:
    second, parameter = f"{name}-second", f"/{name}/shared"
    corner.apply(with_alias(corner, name, parameter, regions=(HOME,)))
    corner.ready(name)

    corner.apply(with_alias(corner, second, parameter, regions=(HOME,)))
    condition = corner.reason("AliasConflict", second)

    assert f"belongs to {owner_tag(corner, name)}" in condition["message"]
    assert corner.parameter(parameter) == image_of(corner, name)["ImageId"]
    assert version_of(corner, parameter) == 1
    corner.patch("goldenimage", name, {"spec": {"aliases": []}})
    until(corner, lambda: owner_of(corner, parameter) is None, "released")


def test_deletion_takes_the_parameters_along_by_the_policy(corner: World, name: str) -> None:
    corner.apply(with_alias(corner, name, deletionPolicy="Delete"))
    corner.ready(name)

    corner.delete("goldenimage", name)
    corner.gone(name)

    assert [corner.parameter(f"/{name}/current", region) for region in (HOME, AWAY)] == [None, None]


# --- questions ---


def put(call: Any, name: str) -> bool:
    return bool(call.name == "ssm.PutParameter" and call.arguments.get("Name") == f"/{name}/current" and call.effect)


def version_of(world: World, parameter: str, region: str = HOME) -> int:
    return int(world.ssm(region).get_parameter(Name=parameter)["Parameter"]["Version"])


def tag_of(world: World, parameter: str, key: str, region: str = HOME) -> str | None:
    try:
        listed = world.ssm(region).list_tags_for_resource(ResourceType="Parameter", ResourceId=parameter)["TagList"]
    except ClientError:
        return None
    return next((tag["Value"] for tag in listed if tag["Key"] == key), None)


def owner_of(world: World, parameter: str, region: str = HOME) -> str | None:
    return tag_of(world, parameter, "goldenami.dev/owner", region)
