"""Notes become a description and a tag, and come back from them unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenami.plan import notes


@pytest.mark.parametrize(
    ("line", "description", "tag"),
    [
        pytest.param("OpenSSL 3.0.15", "web 1.0.0: OpenSSL 3.0.15", "OpenSSL 3.0.15", id="plain text is kept in both"),
        pytest.param(
            "CVE-2026-1 (openssl), kernel 6.1; don't pin",
            "web 1.0.0: CVE-2026-1 (openssl), kernel 6.1; don't pin",
            "CVE-2026-1 openssl kernel 6.1 dont pin",
            id="what a tag cannot hold becomes a space there, and quotes vanish",
        ),
        pytest.param("one\n  two\t", "web 1.0.0: one two", "one two", id="several lines become one"),
        pytest.param("a \u2013 b & \u201cc\u201d", "web 1.0.0: a - b + c", "a - b + c", id="typographic signs get their plain form"),
        pytest.param("r\u00e9vis\u00e9, enfin", "web 1.0.0: revise enfin", "r\u00e9vis\u00e9 enfin", id="EC2 describes in ASCII alone"),
        pytest.param("\u66f4\u65b0", "web 1.0.0, kept by goldenami", "\u66f4\u65b0", id="a script without ASCII is told by the tag alone"),
        pytest.param("", "web 1.0.0, kept by goldenami", "", id="without notes it says who keeps it"),
        pytest.param("!?", "web 1.0.0, kept by goldenami", "", id="signs alone are no notes"),
    ],
)
def test_what_becomes_of_notes(line: str, description: str, tag: str) -> None:
    assert notes.description("web", "1.0.0", line) == description
    assert notes.tag_value("web", "1.0.0", line) == tag


@pytest.mark.parametrize(
    ("line", "end"),
    [
        pytest.param("word, " * 80, " word, word...", id="at a word"),
        pytest.param("x" * 400, "xxx...", id="within one that is too long"),
    ],
)
def test_long_notes_are_cut(line: str, end: str) -> None:
    cut = notes.description("web", "1.0.0", line)
    assert 245 <= len(cut) <= 255
    assert cut.endswith(end)
    assert len(notes.tag_value("web", "1.0.0", line)) <= 256


@pytest.mark.parametrize(
    ("tag", "described", "expected"),
    [
        pytest.param("openssl kernel", "web 1.0.0: openssl, kernel", "openssl, kernel", id="a description that goes with the tag has more"),
        pytest.param("openssl kernel", "web 1.0.0: other", "openssl kernel", id="somebody else's description says nothing"),
        pytest.param("openssl kernel", "the declared one", "openssl kernel", id="a declared description says nothing"),
        pytest.param("", "web 1.0.0, kept by goldenami", "", id="without a tag there are none"),
        pytest.param("", "web 1.0.0: made by hand", "", id="a description alone makes none"),
    ],
)
def test_what_is_known_of_a_version_by_its_images(tag: str, described: str, expected: str) -> None:
    assert notes.recalled("web", "1.0.0", tag, described) == expected


@given(st.text(min_size=1, max_size=512), st.booleans())
def test_what_is_read_back_makes_the_same_again(line: str, told: bool) -> None:
    """0 writes in a rebuilt cluster, whether the notes are in the description or another one is declared."""
    described, tag = notes.description("web", "1.0.0", line), notes.tag_value("web", "1.0.0", line)
    again = notes.recalled("web", "1.0.0", tag, described if told else "declared")
    assert notes.tag_value("web", "1.0.0", again) == tag
    assert not told or notes.description("web", "1.0.0", again) == described
    assert described.isascii()
    assert len(described) <= 255
