"""Filters of Describe calls: which names there are, and whether a record passes.

Filters of one call are joined with AND, the values of one filter with OR; `*` and `?` are wildcards, a backslash takes a wildcard's meaning
away, and case matters. Limits: 50 filters, 200 values each.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from goldenami.local.aws.ec2 import errors

T = TypeVar("T")
Fields = Mapping[str, Callable[[T], Iterable[Any]]]
Passes = Callable[[str], bool]

FILTERS_AT_MOST = 50
VALUES_AT_MOST = 200


def compiled(raw: Sequence[Mapping[str, Any]] | None, fields: "Fields[T]", tags: Callable[[T], Mapping[str, str]]) -> Callable[[T], bool]:
    """A test for records. Raises InvalidParameterValue for a filter that this call does not have."""
    filters = list(raw or ())
    if len(filters) > FILTERS_AT_MOST:
        raise errors.Refused("FilterLimitExceeded", f"The maximum number of filters is {FILTERS_AT_MOST}.")
    tests = [_test(each, fields, tags) for each in filters]
    return lambda record: all(test(record) for test in tests)


def _test(raw: Mapping[str, Any], fields: "Fields[T]", tags: Callable[[T], Mapping[str, str]]) -> Callable[[T], bool]:
    name = str(raw.get("Name") or "null")
    values = [str(value) for value in raw.get("Values") or ()]
    if len(values) > VALUES_AT_MOST:
        raise errors.Refused("FilterLimitExceeded", f"The maximum number of values of the filter '{name}' is {VALUES_AT_MOST}.")
    passes = _any_of(values)
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda record: key in tags(record) and passes(tags(record)[key])
    if name == "tag-key":
        return lambda record: any(map(passes, tags(record)))
    if name not in fields:
        raise errors.invalid_value(f"The filter '{name}' is invalid")
    field = fields[name]
    return lambda record: any(map(passes, words(field(record))))


def words(values: Iterable[Any]) -> Iterable[str]:
    """Values as filters compare them: booleans in lower case, absent ones not at all."""
    return [("true" if value else "false") if isinstance(value, bool) else str(value) for value in values if value is not None]


def _any_of(values: Sequence[str]) -> Passes:
    exact = frozenset(value for value in values if not _has_wildcard(value))
    patterns = [_pattern(value) for value in values if _has_wildcard(value)]
    return lambda word: word in exact or any(pattern.fullmatch(word) for pattern in patterns)


def _has_wildcard(value: str) -> bool:
    return any(character in value for character in "*?\\")


@lru_cache(maxsize=1024)
def _pattern(value: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|[*?]|.", value, re.DOTALL)
    meaning = {"*": ".*", "?": "."}
    return re.compile("".join(meaning.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)
