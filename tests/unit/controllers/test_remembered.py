"""What tags tell of a family's versions: what the API would refuse is told with image, region and way out, and keeps no other version."""

import pytest

from goldenami.api.reasons import Reason
from goldenami.controllers.remembered import remembered
from goldenami.plan.desired import ImageSource
from goldenami.plan.identity import ADOPTED_ROLE
from goldenami.plan.values import Image
from support.plan import HOME, OWNER, PARIS, STRANGER, golden_ami, released, retagged, version, view

SOURCE = "ami-0a1b2c3d4e5f60718"
OLD = version(source=ImageSource(SOURCE))
GOOD = golden_ami("ami-good", version(source=ImageSource(SOURCE), version="2.0.0", name="web-2.0.0"))
BOOT = "snapshot/us-east-1/snap-0a1b2c3d4e5f60718 architecture=x86_64 boot=bios root=/dev/xvda ena=true"


def edited(**tags: str | None) -> Image:
    return retagged(golden_ami("ami-edited", OLD), **tags)


def told(*images: Image, known: tuple[str, ...] = ()) -> tuple[set[str], list[str]]:
    memory = remembered(OWNER, [view(*images, GOOD)])
    problems = memory.problems(known)
    assert {problem.reason for problem in problems} <= {Reason.TAGS_UNREADABLE}
    return set(memory.versions), [problem.message for problem in problems]


@pytest.mark.parametrize(
    ("image", "says"),
    [
        pytest.param(edited(version="banana"), "is tagged goldenami.dev/version=banana, but a version follows SemVer 2.0", id="no version"),
        pytest.param(edited(version="1.0.0-" + "a" * 90), "a version follows SemVer 2.0", id="a version longer than the API admits"),
        pytest.param(edited(version=None), "lacks the tag goldenami.dev/version", id="a version tag that is gone"),
        pytest.param(edited(source=None), "lacks the tag goldenami.dev/source", id="a source tag that is gone"),
        pytest.param(edited(source="somewhere"), "cannot be rendered (it is not written as image/us-east-1/ami-", id="no source"),
        pytest.param(edited(source="image/us-east-1/ami-none"), "an image id is ami- and 8 or 17", id="a source with another id"),
        pytest.param(edited(source=f"image/frankfurt/{SOURCE}"), "a region is written as us-east-1", id="a source in no region"),
        pytest.param(edited(source=BOOT), "'legacy-bios', 'uefi' or 'uefi-preferred'", id="a snapshot that boots in no way"),
    ],
)
def test_tags_that_no_version_could_have_are_told_and_the_other_versions_stay_known(image: Image, says: str) -> None:
    versions, messages = told(image)
    assert versions == {"2.0.0"}
    (message,) = messages
    assert message.startswith(f"ami-edited in {PARIS} ")
    assert says in message
    assert "put the tag right, or remove goldenami.dev/owner to let the image go" in message


def test_a_version_that_is_rendered_anyway_puts_the_source_tag_right_itself() -> None:
    assert told(edited(source="somewhere"), known=("1.0.0",)) == ({"2.0.0"}, [])


def test_one_image_whose_source_tag_is_whole_is_enough() -> None:
    assert told(edited(source="somewhere"), golden_ami("ami-whole", OLD)) == ({"1.0.0", "2.0.0"}, [])


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(retagged(edited(version="banana"), owner=str(STRANGER)), id="another family's"),
        pytest.param(released(edited(version="banana")), id="released"),
        pytest.param(edited(version="banana", owner=None), id="nobody's"),
    ],
)
def test_what_is_not_ours_is_nothing_to_tell(image: Image) -> None:
    assert told(image) == ({"2.0.0"}, [])


def test_a_failed_copy_has_nothing_to_tell() -> None:
    failed = retagged(golden_ami("ami-failed", OLD, state="failed"), version="banana")
    assert told(failed) == ({"2.0.0"}, [])
    assert remembered(OWNER, [view(failed, region=HOME)]).versions == {}


@pytest.mark.parametrize(
    ("images", "name"),
    [
        pytest.param((golden_ami("ami-made", OLD),), "web-1.0.0", id="by an image that was made"),
        pytest.param((golden_ami(SOURCE, OLD, name="base"),), "web-1.0.0", id="by the tag where the source itself was taken over"),
        pytest.param((golden_ami("ami-made", OLD), golden_ami(SOURCE, OLD, name="base")), "web-1.0.0", id="whichever comes last"),
        pytest.param((golden_ami("ami-old", OLD, role=ADOPTED_ROLE, name="theirs"),), "theirs", id="by its own where it was adopted"),
    ],
)
def test_a_version_keeps_the_name_it_was_declared_with(images: tuple[Image, ...], name: str) -> None:
    assert remembered(OWNER, [view(*images)]).versions["1.0.0"].name == name
