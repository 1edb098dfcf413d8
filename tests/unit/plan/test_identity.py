"""Who owns what: tags that are read back as they were written, names and tokens that are equal for equal things only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenami.plan import identity
from goldenami.plan.identity import Owner
from support.plan import ALICE, OWNER, PARIS, STRANGER

PART = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1)


@given(owner=st.builds(Owner, PART, PART, PART))
def test_an_owner_is_read_back_as_it_was_written(owner: Owner) -> None:
    assert Owner.parse(str(owner)) == owner


@pytest.mark.parametrize("text", ["", "web", "images/web", "main//web", "a/b/c/d", "/", "//"])
def test_what_no_installation_wrote_is_no_owner(text: str) -> None:
    assert Owner.parse(text) is None


def test_an_image_with_both_tags_is_owned_and_not_released() -> None:
    tags = {identity.OWNER: str(OWNER), identity.RELEASED: str(OWNER)}
    assert (identity.owner_of(tags), identity.released_by(tags)) == (OWNER, None)
    assert identity.released_by({identity.RELEASED: str(OWNER)}) == OWNER


WORD = st.text(st.characters(exclude_characters="/ ", exclude_categories=["C", "Z"]), min_size=1)


@given(owner=st.builds(Owner, PART, WORD, WORD), version=WORD, source=st.sampled_from(["image/us-east-1/ami-1 adopt=true", "x"]))
def test_one_tag_tells_all_that_has_to_be_known_of_what_was_released(owner: Owner, version: str, source: str) -> None:
    tags = {identity.RELEASED: identity.packed(owner, version, identity.ADOPTED_ROLE, source), "team": "web"}
    told = identity.unpacked(tags)
    assert {key: told[key] for key in tags} == tags
    assert (told[identity.VERSION], told[identity.ROLE], told[identity.SOURCE]) == (version, identity.ADOPTED_ROLE, source)
    assert identity.released_by(told) == identity.released_by(tags) == owner


def test_it_tells_nothing_where_there_is_an_owner_again_or_nothing_was_packed() -> None:
    packed = identity.packed(OWNER, "1.0.0", "adopted", "image/us-east-1/ami-1")
    for tags in ({identity.OWNER: str(OWNER), identity.RELEASED: packed}, {identity.RELEASED: str(OWNER)}, {"team": "web"}):
        assert identity.unpacked(tags) is tags


@pytest.mark.parametrize(("text", "attempt"), [("3", 3), (None, 1), ("x", 1), ("-2", 1), ("", 1)])
def test_an_attempt_that_cannot_be_read_is_the_first(text: str | None, attempt: int) -> None:
    assert identity.attempt_of({} if text is None else {identity.ATTEMPT: text}) == attempt


def test_tokens_and_grant_names_fit_and_differ() -> None:
    tokens = {
        identity.client_token(owner, version, account, region, source, attempt)
        for owner in (OWNER, STRANGER)
        for version in ("1.0.0", "1.0.1")
        for account in ("1", "2")
        for region in (PARIS, "us-east-1")
        for source in ("a", "b")
        for attempt in (1, 2)
    }
    assert len(tokens) == 64
    assert all(len(token) == 64 for token in tokens)
    assert len(identity.grant_name(OWNER, "1.0.0", PARIS, ALICE)) <= 256


@pytest.mark.parametrize(
    ("principal", "account"),
    [
        (f"arn:aws:iam::{ALICE}:root", ALICE),
        (f"arn:aws-cn:iam::{ALICE}:role/x", ALICE),
        (ALICE, ALICE),
        ("ec2.amazonaws.com", "ec2.amazonaws.com"),
    ],
)
def test_the_account_of_a_principal(principal: str, account: str) -> None:
    assert identity.account_of(principal) == account


@pytest.mark.parametrize(
    ("image", "version", "name"),
    [
        pytest.param("web", "1.4.2", "web-1.4.2", id="a plain version is part of the name as it is"),
        pytest.param("web", "1.4.2-rc.1", "web-1.4.2-rc.1", id="so is a pre-release"),
    ],
)
def test_object_names(image: str, version: str, name: str) -> None:
    assert identity.image_version_name(image, version) == name


def test_two_versions_never_meet_in_one_object_name() -> None:
    versions = ["1.0.0+a", "1.0.0-a", "1.0.0-A", "1.0.0+A", "1.0.0-" + "a" * 300, "1.0.0-" + "a" * 301]
    names = {identity.image_version_name("web", version) for version in versions}
    assert len(names) == len(versions)
    assert all(len(name) <= 253 and name == name.lower() and "+" not in name for name in names)
