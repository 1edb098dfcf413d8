"""What is declared, and how much of it can be told again from a tag."""

import pytest

from goldenami.plan import identity, tags
from goldenami.plan.actions import Volume
from goldenami.plan.desired import ImageSource, InstanceSource, SnapshotSource, Source, parse_source
from support.plan import ACCOUNT, ALICE, HOME, PARIS, accounts, version


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(ImageSource("ami-1"), id="an image"),
        pytest.param(ImageSource("ami-1", adopt=True), id="an adopted image"),
        pytest.param(InstanceSource("i-1"), id="an instance"),
        pytest.param(InstanceSource("i-1", reboot=True), id="an instance that is rebooted"),
        pytest.param(
            InstanceSource("i-1", volumes=(Volume("/dev/sdf", 20, "gp3", "snap-0123456789abcdef0"), Volume("/dev/sdg", 5), Volume("xvdh"))),
            id="an instance with volumes",
        ),
        pytest.param(SnapshotSource("snap-1", "arm64", "uefi", "/dev/xvda"), id="a snapshot"),
        pytest.param(
            SnapshotSource(
                "snap-1", "x86_64", "uefi", "/dev/sda1", ena_support=False, imds_support="v2.0", tpm_support="v2.0", volume_type="gp3"
            ),
            id="a snapshot with everything said",
        ),
    ],
)
def test_a_source_is_read_back_from_the_tag_of_what_was_made_from_it(source: Source) -> None:
    carried = tags.wanted_tags(version(source=source), role=identity.REPLICA_ROLE)[identity.SOURCE]
    assert parse_source(carried) == (HOME, source)
    assert len(carried) <= 256


def test_of_more_volumes_than_a_tag_holds_none_is_told() -> None:
    volumes = tuple(Volume(f"/dev/sd{letter}", 100, "gp3", "snap-0123456789abcdef0") for letter in "fghijk")
    carried = tags.wanted_tags(version(source=InstanceSource("i-1", volumes=volumes)), role=identity.HOME_ROLE)[identity.SOURCE]
    assert parse_source(carried) == (HOME, InstanceSource("i-1"))


@pytest.mark.parametrize("tag", ["", "image", "image/us-east-1", "image//ami-1", "disk/us-east-1/x", "snapshot/us-east-1/snap-1"])
def test_a_tag_that_we_did_not_write_is_no_source(tag: str) -> None:
    assert parse_source(tag) is None


def test_the_owning_account_is_no_grantee() -> None:
    assert version(shared=accounts(ALICE, ACCOUNT.account_id)).grantees == accounts(ALICE)


def test_regions_and_places() -> None:
    of = version(HOME, PARIS)
    assert of.regions == {HOME, PARIS}
    assert of.home == of.place(HOME)
