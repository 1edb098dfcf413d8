"""A look asked for by annotation: one look with fresh reads, passed on to the versions, recorded; the same value again is no request."""

from __future__ import annotations

from functools import partial
from operator import itemgetter

from goldenami.api.kinds import GOLDEN_IMAGE, IMAGE_VERSION
from support.operator import AWAY, HOME, SharedOperator, World, eventually
from support.questions import calls, declared, fence, looks, newest_call

REQUESTED = "goldenami.dev/reconcile-requested"


def ask(world: World, value: str) -> None:
    world.patch("goldenimage", "web", {"metadata": {"annotations": {REQUESTED: value}}})


def handled(world: World, kind: str = "goldenimage", name: str = "web") -> str:
    return str((world.get(kind, name) or {}).get("status", {}).get("lastHandledReconcile", ""))


def heard(world: World, value: str) -> bool:
    """Whether the version has dealt with it."""
    return handled(world, "imageversion", "web-1.0.0") == value


def listings(world: World) -> dict[str, int]:
    """How often images were listed, by region."""
    asked = world.aws.lab.audit_calls(account=world.account, operation="ec2.DescribeImages")
    return {region: sum(call.region == region for call in asked) for region in (HOME, AWAY)}


RESOURCES = (("goldenimages", "web"), ("imageversions", "web-1.0.0"))
ASKED = ("patch by kubectl", "goldenimages", "web")


def requests(world: World) -> list[tuple[str, str, str]]:
    """What was asked of the API server about named objects of the namespace, in the order in which it was asked."""
    return [
        (
            f"{entry['verb']} by kubectl" if "fieldManager=kubectl" in entry["requestURI"] else entry["verb"],
            "/".join(filter(None, (entry["resource"], entry["subresource"]))),
            entry["name"],
        )
        for entry in sorted(world.plane.audit(world.namespace), key=itemgetter("received"))
        if entry["namespace"] == world.namespace and entry["name"]
    ]


def recorded(world: World) -> dict[str, str]:
    """The request that each object has handled last, but for the fence."""
    rows = [row for kind in (GOLDEN_IMAGE, IMAGE_VERSION) for row in world.kubernetes.list(kind, world.namespace)]
    names = {row["metadata"]["name"]: str(row.get("status", {}).get("lastHandledReconcile", "")) for row in rows}
    return {name: value for name, value in names.items() if name in dict(RESOURCES).values()}


def test_a_request_is_one_look_with_fresh_reads_recorded_by_the_image_and_its_versions(world: World) -> None:
    world.apply(declared(world, interval="1h", sharing={"accounts": [world.partner]}))
    world.ready()
    world.ready("web-1.0.0", "imageversion")
    image = world.image(AWAY)["ImageId"]
    world.ec2(AWAY).modify_image_attribute(ImageId=image, LaunchPermission={"Remove": [{"UserId": world.partner}]})
    before = listings(world)

    ask(world, "first")

    eventually(lambda: handled(world) == "first", "handled", told=world.told)
    eventually(lambda: handled(world, "imageversion", "web-1.0.0") == "first", "handled by the version", told=world.told)
    assert world.shared_with(image, AWAY) == {world.partner}
    assert all(listings(world)[region] > before[region] for region in before)


def test_the_same_value_again_is_no_request_and_another_one_is(world: World, shared_operator: SharedOperator) -> None:
    world.apply(declared(world, interval="1h"))
    world.ready()
    world.ready("web-1.0.0", "imageversion")
    ask(world, "first")
    eventually(lambda: handled(world) == "first", "handled", told=world.told)
    fence(world)
    before, seen = looks(shared_operator, world), listings(world)

    ask(world, "first")
    world.patch("goldenimage", "web", {"metadata": {"annotations": {"note": "a write that asks for nothing"}}})
    fence(world, "another")
    assert (looks(shared_operator, world), listings(world)) == (before, seen)

    ask(world, "second")
    eventually(lambda: handled(world) == "second", "handled again", told=world.told)
    after = listings(world)
    # One by the look at the image, one by that at its version; what the image looks for meanwhile is not read again.
    assert all(1 <= after[region] - seen[region] <= 2 for region in seen), (seen, after)


def test_a_request_longer_than_a_status_can_repeat_is_one_and_freezes_nothing(world: World) -> None:
    world.apply(declared(world, interval="1h"))
    world.ready()
    ask(world, "x" * 300)
    world.patch("awsaccount", world.account_ref, {"metadata": {"annotations": {REQUESTED: "y" * 300}}})

    eventually(lambda: handled(world) == "x" * 256, "handled", told=world.told)
    assert handled(world, "imageversion", "web-1.0.0") == "x" * 256
    eventually(lambda: handled(world, "awsaccount", world.account_ref) == "y" * 256, "handled by the account", told=world.told)
    world.patch("goldenimage", "web", {"spec": {"tags": {"team": "web"}}})
    world.ready()


def test_a_request_heals_what_backs_off_at_once(world: World) -> None:
    fault = world.aws.lab.add_fault("refuse", operation="CopyImage", account=world.account, code="UnauthorizedOperation", times=1000)
    world.apply(declared(world, interval="1h"))
    world.reason("AccessDenied")
    world.aws.lab.remove_fault(fault)
    ask(world, "permission was given")
    world.ready()


def test_twenty_looks_that_fail_alike_are_told_by_one_event(world: World) -> None:
    world.aws.lab.add_fault("refuse", operation="CopyImage", account=world.account, code="UnauthorizedOperation", times=1000)
    world.apply(declared(world, interval="1h"))
    world.reason("AccessDenied")
    since = newest_call(world)
    for number in range(20):
        ask(world, f"{number}")
        eventually(partial(heard, world, f"{number}"), "handled by the version", told=world.told)

    assert calls(world, since).count("ec2.CopyImage") >= 20
    listed = world.kubernetes.call("GET", f"/api/v1/namespaces/{world.namespace}/events")["items"]
    warned = [(row["involvedObject"]["kind"], row["reason"], row["count"]) for row in listed if row["type"] == "Warning"]
    assert sorted(warned) == [("GoldenImage", "Stalled", 1), ("ImageVersion", "Stalled", 1)]


def test_a_look_begins_with_reading_the_object(world: World) -> None:
    world.apply(declared(world, interval="1h"))
    world.ready()
    world.ready("web-1.0.0", "imageversion")
    fence(world)
    since = len(requests(world))

    ask(world, "first")
    # Listed, as the API server's audit could not tell our reading of one object from the operator's.
    eventually(lambda: recorded(world) == {"web": "first", "web-1.0.0": "first"}, "handled by both", told=world.told)

    begun = [request for request in requests(world)[since:] if request[2] in dict(RESOURCES).values() and request != ASKED]
    of_image, of_version = ([request for request in begun if request[2] == name] for _, name in RESOURCES)
    assert of_image[0] == ("get", "goldenimages", "web")
    # The image has listed its versions, with one request for all of them, and passes the request on; the version's own look reads it after
    # that, whether or not it had looked already because its image changed.
    passed_on, told = (of_version.index(("patch", f"imageversions{part}", "web-1.0.0")) for part in ("", "/status"))
    assert ("get", "imageversions", "web-1.0.0") in of_version[passed_on:told]


def test_a_version_is_read_by_its_own_looks_alone(world: World, shared_operator: SharedOperator) -> None:
    """A family of a hundred versions is one listing a look, not a hundred requests."""
    world.apply(declared(world, interval="1h"))
    world.ready()
    for team in ("web", "api", "db"):
        world.patch("goldenimage", "web", {"spec": {"tags": {"team": team}}})
        world.ready()
    fence(world)

    read = requests(world).count(("get", "imageversions", "web-1.0.0"))
    own = looks(shared_operator, world, "ImageVersion", "web-1.0.0")
    # Once before it was made, and a look that is under way is not logged yet.
    assert own <= read <= own + 2
    assert looks(shared_operator, world) >= 5


def test_an_account_is_read_when_it_changes_and_not_at_each_look(world: World, shared_operator: SharedOperator) -> None:
    def counted() -> tuple[int, int, int]:
        """How often the AWSAccount was read; looks at it, which begin so; and looks at its users."""
        read = [entry for entry in world.plane.audit(world.account_ref) if (entry["verb"], entry["name"]) == ("get", world.account_ref)]
        about = {"kind": "AWSAccount", "name": world.account_ref}
        own = sum("result" in line and about.items() <= line.items() for line in shared_operator.lines())
        return len(read), own, looks(shared_operator, world) + looks(shared_operator, world, "ImageVersion", "web-1.0.0")

    world.apply(declared(world, interval="1h"))
    world.ready()
    before = counted()
    for team in ("web", "api", "db"):
        world.patch("goldenimage", "web", {"spec": {"tags": {"team": team}}})
        world.ready()
    read, own, users = (now - then for now, then in zip(counted(), before, strict=True))
    assert users >= 6
    assert read <= own + 1  # a look at it that is under way is not logged yet

    world.patch("awsaccount", world.account_ref, {"spec": {"namespaces": {"matchLabels": {"team": "nobody"}}}})
    world.reason("AccountNotAllowed", condition="AccountsReady")
