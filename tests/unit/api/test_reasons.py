"""The closed lists of words: CamelCase, explained, no word twice, and no other word anywhere in the code."""

import re
from pathlib import Path

import pytest

from goldenami.api.conditions import ConditionType
from goldenami.api.reasons import EventReason, Outcome, Reason

PACKAGE = Path(__file__).resolve().parents[3] / "operator" / "goldenami"

WORD = re.compile(r"([A-Z][a-z]+|AWS)+")


@pytest.mark.parametrize("reason", [*Reason, *EventReason])
def test_a_reason_is_one_camel_case_word_with_an_explanation(reason: Reason | EventReason) -> None:
    assert WORD.fullmatch(reason.value)
    assert len(reason.value) <= 64
    assert re.fullmatch(r"[A-Za-z].+\.", reason.description)
    assert str(reason) == reason.value
    assert re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=AWS)(?=[A-Z])", "_", reason.value).upper() == reason.name


def test_a_word_is_read_back_as_its_reason() -> None:
    assert Reason("Copying") is Reason.COPYING
    assert Reason.COPYING.outcome is Outcome.PROGRESSING
    assert EventReason("CopyFailed").warning


def test_no_explanation_stands_twice() -> None:
    for words in (Reason, EventReason):
        assert len({member.description for member in words}) == len(words)


def test_every_outcome_has_a_reason() -> None:
    assert {reason.outcome for reason in Reason} == set(Outcome)


def test_what_needs_a_person_is_not_retried() -> None:
    """The rows of the kstatus table, as `docs/reference` lists them."""
    expected = {
        "Succeeded": Outcome.DONE,
        "Progressing": Outcome.PROGRESSING,
        "Copying": Outcome.PROGRESSING,
        "ProgressingWithRetry": Outcome.RETRYING,
        "Throttled": Outcome.RETRYING,
        "DependencyNotReady": Outcome.WAITING,
        "InvalidSpec": Outcome.STALLED,
        "AccessDenied": Outcome.STALLED,
        "QuotaExceeded": Outcome.STALLED,
    }
    assert {word: Reason(word).outcome for word in expected} == expected


@pytest.mark.parametrize("kind", list(ConditionType))
def test_a_condition_type_is_an_adjective_or_participle_and_no_activity(kind: ConditionType) -> None:
    assert WORD.fullmatch(kind.value)
    assert kind.value.endswith("Ready") or kind.value in ("Reconciling", "Stalled")


@pytest.mark.parametrize("words", [Reason, EventReason])
def test_every_word_is_told_by_somebody(words: type[Reason] | type[EventReason]) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert [word.name for word in words if not re.search(rf"\b{words.__name__}\.{word.name}\b", code)] == []


def test_no_other_word_is_used_as_a_reason() -> None:
    """Reasons are written as members of the lists; the few literal ones must be in them."""
    used = {
        word
        for path in PACKAGE.rglob("*.py")
        if "local" not in path.relative_to(PACKAGE).parts
        for word in re.findall(r"(?:\breason=|\bProblem\()\"([A-Za-z]+)\"", path.read_text(encoding="utf-8"))
    }
    assert used - {*Reason, *EventReason} == set()
