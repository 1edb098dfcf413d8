"""What a sweep concludes from what is known and what is stored."""

from goldenami.api.kinds import Key
from goldenami.kube.seen import How
from goldenami.kube.sweep import missed_deletions, missed_objects

A, B = Key("GoldenImage", "images", "a"), Key("GoldenImage", "images", "b")


def test_what_is_known_and_not_stored_was_deleted() -> None:
    (seen,) = missed_deletions({A: "1", B: "1"}, {B: "1"})
    assert (seen.key, seen.how, seen.signature.uid) == (A, How.DELETED, "1")


def test_what_is_stored_and_not_known_was_missed() -> None:
    assert missed_objects({A: "1"}, {A: "1", B: "1"}) == [B]


def test_a_new_incarnation_is_both() -> None:
    assert [seen.signature.uid for seen in missed_deletions({A: "1"}, {A: "2"})] == ["1"]
    assert missed_objects({A: "1"}, {A: "2"}) == [A]


def test_nothing_differs_nothing_follows() -> None:
    assert (missed_deletions({A: "1"}, {A: "1"}), missed_objects({A: "1"}, {A: "1"})) == ([], [])
