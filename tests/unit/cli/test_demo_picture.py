"""What the demo makes of the objects it reads: the table's rows, the lines of a log, and what it would break. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.cli.demo.drift import breakages
from goldenami.cli.demo.picture import Object, Picture, Replica, Retiring, changes, picture, problems, table
from goldenami.local.aws import LocalAws

NOW = "2026-11-21T05:26:00Z"
AMI, OTHER = "ami-00000000000000001", "ami-00000000000000002"
ALIAS = "/golden/web/current"
COPIED = Replica("images", "web", "1.0.0", "eu-west-1", "111111111111", AMI, "available", None, ("222222222222",), True, ALIAS, True)
PENDING = replace(COPIED, state="pending", progress=40, shared=False, published=False)
WAITING = replace(PENDING, image_id="", state="waiting", progress=None)
READY = Object("GoldenImage", "images", "web", True, False, "Succeeded", "as declared")
WORKING = replace(READY, ready=False, reason="Copying", message="is pending")
STALLED = replace(READY, ready=False, stalled=True, reason="SourceNotFound", message="there is no such image")


def golden_image(**status: Any) -> GoldenImage:
    spec = {
        "version": "1.0.0",
        "region": "us-east-1",
        "source": {"image": {"id": AMI}},
        "replicas": [{"region": "eu-west-1"}],
        "aliases": [{"parameter": "/golden/{image}/{channel}"}],
    }
    metadata = {"name": "web", "namespace": "images", "generation": 2}
    return GoldenImage.from_object({"kind": "GoldenImage", "metadata": metadata, "spec": spec, "status": status})


def image_version(*replicas: dict[str, Any], sharing: dict[str, Any] | None = None, stage: str | None = None) -> ImageVersion:
    spec = {
        "goldenImage": "web",
        "version": "1.0.0",
        "name": "web-1.0.0",
        "region": "us-east-1",
        "source": {"image": {"id": AMI}},
        "replicas": [{"region": "eu-west-1"}],
        **({"sharing": sharing} if sharing is not None else {}),
        **({"stage": stage} if stage is not None else {}),
    }
    metadata = {"name": "web-1.0.0", "namespace": "images", "generation": 1}
    return ImageVersion.from_object({"kind": "ImageVersion", "metadata": metadata, "spec": spec, "status": {"replicas": list(replicas)}})


def condition(kind: str, status: str, *, generation: int = 2) -> dict[str, Any]:
    message = {"reason": "Any", "message": "told", "observedGeneration": generation, "lastTransitionTime": NOW}
    return {"type": kind, "status": status, **message}


STATE = {"region": "eu-west-1", "accountId": "111111111111", "imageId": AMI, "state": "available", "shared": True}
SHARED = {"accounts": ["222222222222"]}


@pytest.mark.parametrize(
    ("family", "version", "row"),
    [
        pytest.param(
            golden_image(), image_version(sharing=SHARED), replace(WAITING, account_id=""), id="a region nobody looked at yet waits"
        ),
        pytest.param(
            golden_image(),
            image_version({**STATE, "state": "pending", "progress": 40, "shared": False}, sharing=SHARED),
            PENDING,
            id="a copy has its progress",
        ),
        pytest.param(
            golden_image(aliases=[{"parameter": ALIAS, "region": "eu-west-1", "imageId": AMI, "version": "1.0.0"}]),
            image_version(STATE, sharing=SHARED),
            COPIED,
            id="an alias that names the image is published",
        ),
        pytest.param(
            golden_image(aliases=[{"parameter": ALIAS, "region": "eu-west-1", "imageId": OTHER, "version": "0.9.0"}]),
            image_version(STATE, sharing=SHARED),
            replace(COPIED, published=False),
            id="an alias that still names another image is not",
        ),
        pytest.param(
            golden_image(), image_version(STATE), replace(COPIED, shared_with=(), published=False), id="undeclared sharing names nobody"
        ),
        pytest.param(
            golden_image(),
            image_version({**STATE, "deprecationTime": NOW}, sharing=SHARED, stage="Deprecated"),
            replace(COPIED, published=False, deprecated=True),
            id="a rollback deprecates",
        ),
        pytest.param(
            golden_image(),
            image_version({**STATE, "deprecationTime": NOW}, sharing=SHARED),
            replace(COPIED, published=False),
            id="the time that EC2 gives every public image is no deprecation",
        ),
    ],
)
def test_a_row_is_one_region_of_one_version(family: GoldenImage, version: ImageVersion, row: Replica) -> None:
    assert picture([family], [version], []).replicas == (row,)


def test_a_version_that_goes_is_told_with_what_keeps_it() -> None:
    rows = [{"version": "0.8.0", "stage": "Disabled", "message": "in use"}, {"version": "0.9.0", "stage": "Deprecated"}]
    shown = picture([golden_image(retiring=rows)], [], [])
    assert shown.going == (Retiring("images", "web", "0.8.0", "in use"),)
    assert shown.retiring(("images", "web", "0.8.0")) == shown.going[0]
    assert shown.retiring(("images", "web", "0.9.0")) is None


@pytest.mark.parametrize(
    ("conditions", "ready", "stalled"),
    [
        pytest.param([], False, False, id="nothing said is not ready"),
        pytest.param([condition("Ready", "True")], True, False, id="Ready of this generation"),
        pytest.param([condition("Ready", "True", generation=1)], False, False, id="Ready of an older generation does not count"),
        pytest.param([condition("Ready", "False"), condition("Stalled", "True")], False, True, id="stalled waits for a person"),
    ],
)
def test_an_object_is_what_its_conditions_say(conditions: list[dict[str, Any]], ready: bool, stalled: bool) -> None:
    (shown,) = picture([golden_image(conditions=conditions)], [], []).objects
    assert (shown.ready, shown.stalled) == (ready, stalled)


@pytest.mark.parametrize(
    ("objects", "ready", "hopeless"),
    [
        pytest.param((), False, False, id="nothing at all"),
        pytest.param((READY,), True, False, id="all ready"),
        pytest.param((READY, STALLED), False, True, id="the only one left waits for a person"),
        pytest.param((WORKING, STALLED), False, False, id="another is still worked on"),
    ],
)
def test_hope_ends_when_all_that_is_left_is_stalled(objects: tuple[Object, ...], ready: bool, hopeless: bool) -> None:
    assert (Picture(objects).ready, Picture(objects).hopeless) == (ready, hopeless)


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param(Picture(), Picture((WORKING,), (WAITING,)), [], id="nothing is said before there is an image"),
        pytest.param(
            Picture((WORKING,), (WAITING,)),
            Picture((WORKING,), (PENDING,)),
            [f"web 1.0.0 in eu-west-1: {AMI} is pending"],
            id="an image began",
        ),
        pytest.param(Picture((), (PENDING,)), Picture((), (replace(PENDING, progress=60),)), [], id="progress alone is no line"),
        pytest.param(
            Picture((WORKING,), (PENDING,)),
            Picture((READY,), (COPIED,)),
            [
                f"web 1.0.0 in eu-west-1: {AMI} is available",
                "web 1.0.0 in eu-west-1: shared with 222222222222",
                f"web 1.0.0 in eu-west-1: {ALIAS} names {AMI}",
                "GoldenImage web is Ready: as declared",
            ],
            id="all at once",
        ),
        pytest.param(Picture((), (COPIED,)), Picture((), (WAITING,)), [f"web 1.0.0 in eu-west-1: {AMI} is gone"], id="an image is gone"),
        pytest.param(
            Picture((), (COPIED,)), Picture(), [f"web 1.0.0 in eu-west-1: {AMI} is gone"], id="a version is gone with its last image"
        ),
        pytest.param(
            Picture((), (COPIED,)),
            Picture((), (replace(COPIED, deprecated=True),)),
            [f"web 1.0.0 in eu-west-1: {AMI} is deprecated"],
            id="an image is deprecated",
        ),
        pytest.param(Picture((READY,)), Picture((WORKING,)), ["GoldenImage web is no longer Ready (Copying)"], id="readiness lost"),
        pytest.param(Picture((READY,)), Picture((replace(WORKING, reason=""),)), [], id="an edit alone is no line"),
        pytest.param(
            Picture((WORKING,)),
            Picture((STALLED,)),
            ["GoldenImage web is stalled (SourceNotFound): there is no such image"],
            id="a person must act",
        ),
    ],
)
def test_a_log_has_a_line_for_each_change_and_none_for_rest(before: Picture, after: Picture, lines: list[str]) -> None:
    assert list(changes(before, after)) == lines
    assert list(changes(after, after)) == []


@pytest.mark.parametrize("width", [pytest.param(100, id="100 columns"), pytest.param(80, id="80 columns")])
def test_the_table_keeps_one_line_per_region(width: int) -> None:
    passed_by = replace(COPIED, region="us-west-2", deprecated=True)
    rows = (replace(COPIED, region="ap-southeast-2"), PENDING, replace(WAITING, region="us-east-1"), passed_by)
    console = Console(width=width, no_color=True)
    with console.capture() as drawn:
        console.print(table(Picture((), rows)))
    header, *lines = drawn.get().splitlines()
    assert header.split() == ["image", "region", "AMI", "state", "shared", "with", "alias"]
    assert [words in line for words, line in zip(["✓ available", "━━━━━━ 40", "waiting", "✓ deprecated"], lines, strict=True)] == [True] * 4
    if width == 100:
        assert all(ALIAS in line for line in lines)


def test_what_is_not_ready_is_told_in_one_line_each() -> None:
    assert [line.plain for line in problems(Picture((READY, WORKING, STALLED)))] == ["web: is pending", "web: there is no such image"]


@pytest.mark.parametrize(
    ("replicas", "regions"),
    [
        pytest.param((COPIED,), ["eu-west-1"] * 3, id="one region takes it all"),
        pytest.param(
            (COPIED, replace(COPIED, region="us-east-1"), replace(COPIED, region="us-west-2")),
            ["eu-west-1", "us-east-1", "us-west-2"],
            id="each in a region of its own",
        ),
        pytest.param((PENDING,), [], id="nothing that is not there"),
        pytest.param((replace(COPIED, shared_with=()),), [], id="nothing whose sharing is nobody's business"),
        pytest.param(
            (replace(COPIED, image="base", alias="", region="us-west-1"), COPIED), ["eu-west-1"] * 3, id="an image with an alias first"
        ),
    ],
)
def test_what_would_be_broken(replicas: tuple[Replica, ...], regions: list[str]) -> None:
    aws = LocalAws.__new__(LocalAws)  # no call is made before a breakage acts
    commands = [breakage.command for breakage in breakages(aws, Picture((READY,), replicas))]
    assert [command.split("--region ")[1].split()[0] for command in commands] == regions
