"""Expressions that find the version in an image's name: what they find, what is refused, and that none of them takes long."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenami.plan.patterns import PatternError, compiled


@pytest.mark.parametrize(
    ("expression", "name", "version"),
    [
        pytest.param("web-(?P<version>.+)", "web-1.0.0", "1.0.0", id="what follows a prefix"),
        pytest.param("web-(?P<version>.+)", "my-web-1.0.0", None, id="the whole name has to match"),
        pytest.param("^web-(?P<version>.+)$", "web-1.0.0", "1.0.0", id="anchors change nothing"),
        pytest.param(r"web-(?P<version>\d+\.\d+\.\d+)-\d{8}", "web-1.2.3-20260101", "1.2.3", id="a date behind it"),
        pytest.param(r"web-(?P<version>\d+(\.\d+){2}(-rc\.\d+)?)(-x86_64|-arm64)?", "web-1.2.3-rc.1-arm64", "1.2.3-rc.1", id="groups"),
        pytest.param("web-(?P<version>[^_]+)_.*", "web-1.0.0_a_b", "1.0.0", id="a class that is negated"),
        pytest.param("(?:app|web)-(?P<version>.*?)(-final)?", "web-1.0.0-final", "1.0.0", id="a lazy group takes the least"),
        pytest.param("(?<version>[[:digit:].]+)", "1.0.0", "1.0.0", id="RE2's other spelling, and a class by its name"),
        pytest.param(r"[\]a-]\(x\)(?P<version>.)", "](x)1", "1", id="escapes in and outside of classes"),
        pytest.param("web-(?P<version>1.0.0|)", "web-", "", id="an empty group is found empty"),
        pytest.param("(?P<version>a)|b", "b", None, id="a way around the group finds nothing"),
        pytest.param("(?P<version>a{2,3}){1,2}", "aaaa", "aa", id="the last turn of a repeated group counts"),
    ],
)
def test_what_is_found(expression: str, name: str, version: str | None) -> None:
    assert compiled(expression).version_in(name) == version


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        pytest.param("web-.*", "no group", id="no group"),
        pytest.param("(?P<version>a)(?P<version>b)", "two groups", id="two groups"),
        pytest.param("(?P<version>a", "does not close a group", id="an open group"),
        pytest.param("(?P<version>a))", "does not open", id="a group closed twice"),
        pytest.param("[a(?P<version>b)", "does not close a class", id="an open class"),
        pytest.param("(?i)(?P<version>a)", "`(?i)` is not supported", id="flags"),
        pytest.param(r"(?P<version>a)\b", r"`\b` is not supported", id="word boundaries"),
        pytest.param(r"(?P<version>a)[\pN]", "is not supported", id="Unicode classes"),
        pytest.param(r"(?P<version>a)\1", r"`\1` is not supported", id="back references"),
        pytest.param("*(?P<version>a)", "nothing that * could repeat", id="a repetition of nothing"),
        pytest.param("(?P<version>(.{100}){100})", "repeats too much", id="ten thousand steps"),
        pytest.param("(?P<version>a{3,2})", "less than nothing", id="bounds the wrong way round"),
    ],
)
def test_what_is_refused(expression: str, says: str) -> None:
    with pytest.raises(PatternError) as refused:
        compiled(expression)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "expression", ["(?P<version>(a+)+)b", "(?P<version>(a|a)*)b", "(?P<version>" + ".*" * 60 + ")b", "(?P<version>(a*)*)b"]
)
def test_an_expression_that_would_take_for_ever_takes_no_time(expression: str) -> None:
    before = time.process_time()
    assert compiled(expression).version_in("a" * 128) is None
    assert time.process_time() - before < 1.0


_atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", "1", "(a|b1)", "(?:ab)?", "(1*)"])
_parts = st.tuples(_atoms, st.sampled_from(["", "*", "+", "?", "{2}", "{1,3}", "*?", "+?"])).map(lambda part: f"(?:{part[0]}){part[1]}")
_pieces = st.lists(_parts, max_size=4).map("".join)


@given(_pieces, _pieces, _pieces, st.text("ab1", max_size=8))
def test_it_finds_what_re_finds(before: str, inside: str, after: str, name: str) -> None:
    expression = f"{before}(?P<version>{inside}){after}"
    expected = re.fullmatch(expression, name)
    assert compiled(expression).version_in(name) == (expected.group("version") if expected else None)
