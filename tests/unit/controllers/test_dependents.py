"""Evidence from Kubernetes: the base image of another GoldenImage stays, and a listing without the image's own family is not believed."""

from dataclasses import replace
from typing import Any

import pytest

from goldenami.controllers.dependents import family, named
from goldenami.plan.evidence import Rules
from goldenami.plan.values import Image
from support.plan import OWNER, PARIS, version

BASE = "ami-1"
IMAGE = Image(BASE, "web-1.0.0", "available", snapshot_ids=("snap-1",))
OF = version(delete=True)


def golden_image(name: str = OWNER.name, source: str = "ami-else", *, namespace: str = OWNER.namespace, deleting: bool = False) -> Any:
    going = {"deletionTimestamp": "2026-11-27T10:00:00Z"} if deleting else {}
    return {"metadata": {"namespace": namespace, "name": name, **going}, "spec": {"source": {"image": {"id": source}}}}


def of_source(**source: Any) -> Any:
    obj = golden_image("app")
    obj["spec"]["source"] = source
    return obj


def image_version(of: str, source: str, *, deleting: bool = False) -> Any:
    obj = golden_image(f"{of}-1.0.0", source, deleting=deleting)
    obj["spec"]["goldenImage"] = of
    return obj


OWN = golden_image()


@pytest.mark.parametrize(
    ("golden_images", "image_versions", "users"),
    [
        pytest.param([OWN], [], (), id="nobody is made from it"),
        pytest.param([OWN, golden_image("app", BASE)], [], ("GoldenImage images/app",), id="another GoldenImage keeps its base"),
        pytest.param([OWN, golden_image("app", BASE, namespace="other")], [], ("GoldenImage other/app",), id="in whatever namespace"),
        pytest.param([OWN, golden_image("app", BASE, deleting=True)], [], (), id="one that is being deleted does not"),
        pytest.param([OWN, golden_image("app")], [image_version("app", BASE)], ("GoldenImage images/app",), id="an older version does"),
        pytest.param([OWN, golden_image("app")], [image_version("app", BASE, deleting=True)], (), id="until it is being deleted"),
        pytest.param([golden_image(source=BASE)], [image_version(OWNER.name, BASE)], (), id="its own family does not: it may be adopted"),
        pytest.param([OWN, golden_image("app", BASE)], [image_version("app", BASE)], ("GoldenImage images/app",), id="both are one user"),
        pytest.param(
            [OWN, of_source(snapshot={"id": "snap-1"})],
            [],
            ("GoldenImage images/app",),
            id="one made from its snapshot, which goes with it",
        ),
        pytest.param(
            [OWN, of_source(instance={"id": "i-1", "volumes": [{"deviceName": "/dev/sdf", "snapshotId": "snap-1"}]})],
            [],
            ("GoldenImage images/app",),
            id="or with a volume of it",
        ),
        pytest.param([OWN, of_source(snapshot={"id": "snap-2"})], [], (), id="not one of another snapshot"),
    ],
)
def test_who_is_made_from_it(golden_images: list[Any], image_versions: list[Any], users: tuple[str, ...]) -> None:
    found = family(OF, IMAGE, golden_images, image_versions)
    assert (found.testimony.users, found.testimony.problem, found.goes) == (users, None, False)


def test_what_anybody_is_made_from_but_for_who_goes() -> None:
    """Of whatever family: an orphan that is somebody's source stays."""
    listed = [OWN, of_source(snapshot={"id": "snap-1"}), golden_image("late", "ami-2", deleting=True), image_version("app", BASE)]
    assert named(listed) == {"ami-else", "snap-1", BASE}


def test_a_listing_that_lacks_its_own_family_is_not_believed() -> None:
    found = family(OF, IMAGE, [golden_image("app", "ami-else")], []).testimony
    assert found.problem is not None
    assert (found.problem.reason, found.users) == ("EvidenceIncomplete", ())


def test_whether_its_own_family_goes_is_told_too() -> None:
    assert family(OF, IMAGE, [golden_image(deleting=True)], []).goes


@pytest.mark.parametrize(
    ("spec", "looked_at", "users", "pending"),
    [
        pytest.param({"version": "2.0.0"}, True, (), False, id="neither declared nor named"),
        pytest.param(
            {"version": OF.version}, True, ("its GoldenImage, which declares it",), False, id="declared again since it was rendered"
        ),
        pytest.param(
            {"version": "2.0.0", "channels": [{"name": "stable", "version": OF.version}]},
            True,
            ("channel stable",),
            False,
            id="named again since it was rendered",
        ),
        pytest.param({"version": "2.0.0"}, False, (), True, id="an edit that was not looked at yet may keep it"),
    ],
)
def test_what_its_own_family_says_by_now(spec: Any, looked_at: bool, users: tuple[str, ...], pending: bool) -> None:
    """A channel that moved to a version which was just told to go would have named a deregistered image."""
    mine = golden_image()
    mine["spec"] |= spec
    mine["metadata"]["generation"], mine["status"] = 7, {"observedGeneration": 7 if looked_at else 6}
    found = family(OF, IMAGE, [mine], []).named(replace(OF, rules=Rules(policy=True)))
    assert (found.users, found.pending) == (users, pending)


@pytest.mark.parametrize(
    ("about", "pending"),
    [
        pytest.param((7, 7), False, id="a look that came to its end"),
        pytest.param((7, 6), True, id="one that was stopped, and left said what was said of the spec before"),
    ],
)
def test_a_look_that_was_stopped_does_not_cover_the_edit(about: tuple[int, ...], pending: bool) -> None:
    mine = golden_image()
    mine["metadata"]["generation"] = 7
    mine["status"] = {"observedGeneration": 7, "conditions": [{"observedGeneration": generation} for generation in about]}
    found = family(OF, IMAGE, [mine], []).named(replace(OF, rules=Rules(policy=True)))
    assert found.pending == pending


@pytest.mark.parametrize(
    ("image_id", "users"),
    [
        pytest.param(BASE, ("channel current",), id="this image"),
        pytest.param("ami-else", (), id="another one"),
    ],
)
def test_what_a_channel_names_in_a_region_that_has_not_followed_stays(image_id: str, users: tuple[str, ...]) -> None:
    """The channel as a whole has moved on, and whoever reads the id map of that region still launches the image."""
    mine = golden_image() | {"status": {"observedGeneration": 7, "channels": [{"name": "current", "version": "2.0.0", "images": []}]}}
    mine["status"]["channels"][0]["images"] = [{"region": "us-east-1", "imageId": "ami-2"}, {"region": PARIS, "imageId": image_id}]
    found = family(OF, IMAGE, [mine], []).named(replace(OF, rules=Rules(policy=True)))
    assert (found.users, found.pending) == (users, False)
