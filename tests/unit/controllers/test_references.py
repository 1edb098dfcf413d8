"""References: read off specs, kept in both directions."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenami.api.kinds import Key
from goldenami.controllers.references import References, references_of

WEB = Key("GoldenImage", "images", "web")
VERSION = Key("ImageVersion", "images", "web-1.0.0")
NAMESPACE = Key("Namespace", "", "images")
BUILD = Key("AWSAccount", "", "build")


def share_list(name: str) -> Key:
    return Key("ShareList", "images", name)


@pytest.mark.parametrize(
    ("user", "spec", "needs"),
    [
        pytest.param(WEB, {}, (), id="an image that names nothing needs nothing"),
        pytest.param(
            WEB,
            {"sharing": {"shareListRefs": [{"name": "b"}, {"name": "a"}]}},
            (share_list("b"), share_list("a")),
            id="share lists of its own namespace",
        ),
        pytest.param(WEB, {"sharing": {"shareListRefs": [{"name": "a"}, {"name": "a"}]}}, (share_list("a"),), id="each once"),
        pytest.param(WEB, {"accountRef": {"name": "build"}}, (BUILD, NAMESPACE), id="an account, and the namespace whose labels it admits"),
        pytest.param(VERSION, {"goldenImage": "web"}, (WEB,), id="a version needs its image"),
        pytest.param(VERSION, {"goldenImage": "web", "accountRef": {"name": "build"}}, (WEB, BUILD, NAMESPACE), id="and its account"),
        pytest.param(BUILD, {"accountId": "111122223333"}, (), id="an account needs nothing"),
        pytest.param(share_list("a"), {"accounts": []}, (), id="a share list needs nothing"),
        pytest.param(WEB, {"sharing": None, "accountRef": "build"}, (), id="what older definitions let through is passed over"),
        pytest.param(WEB, {"sharing": {"shareListRefs": [None, {"name": ""}, {"name": 5}]}}, (), id="names that are none are passed over"),
    ],
)
def test_what_a_spec_refers_to(user: Key, spec: Mapping[str, Any], needs: tuple[Key, ...]) -> None:
    assert references_of(user, spec) == needs


def test_a_user_is_found_before_what_it_needs_exists() -> None:
    references = References()
    references.update(WEB, [share_list("late")])
    assert references.users_of(share_list("late")) == (WEB,)


def test_only_the_last_spec_counts() -> None:
    references = References()
    references.update(WEB, [share_list("a")])
    references.update(WEB, [share_list("b")])
    assert (references.users_of(share_list("a")), references.users_of(share_list("b"))) == ((), (WEB,))


def test_a_forgotten_user_is_nobodys_user_and_keeps_its_own() -> None:
    references = References()
    references.update(WEB, [BUILD])
    references.update(VERSION, [WEB])
    references.forget(WEB)
    assert (references.users_of(BUILD), references.users_of(WEB)) == ((), (VERSION,))


def test_a_version_has_a_parent_and_an_image_has_none() -> None:
    references = References()
    references.update(VERSION, [BUILD, WEB])
    references.update(WEB, [BUILD])
    assert (references.parent_of(VERSION), references.parent_of(WEB), references.parent_of(BUILD)) == (WEB, None, None)


USERS = st.sampled_from([WEB, VERSION, Key("GoldenImage", "images", "api")])
NEEDS = st.lists(st.sampled_from([BUILD, NAMESPACE, share_list("a"), share_list("b")]), unique=True)


@given(st.lists(st.tuples(USERS, st.one_of(st.none(), NEEDS)), max_size=30))
def test_both_directions_always_agree(steps: list[tuple[Key, list[Key] | None]]) -> None:
    references, expected = References(), dict[Key, list[Key]]()
    for user, needs in steps:
        if needs is None:
            references.forget(user)
            expected.pop(user, None)
        else:
            references.update(user, needs)
            expected[user] = needs
    for needed in (BUILD, NAMESPACE, share_list("a"), share_list("b")):
        assert set(references.users_of(needed)) == {user for user, needs in expected.items() if needed in needs}
