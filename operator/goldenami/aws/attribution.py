"""Whose each parameter is: DescribeParameters filters by the values of a tag, up to fifty at once, and tells no tag. Pure.

Asking for each owner alone would take a call an owner. Instead every owner of a batch gets a word, half of eight questions, and a question
asks for all owners at once that have it in their word; in which answers a parameter shows up spells its owner. All words are of one length,
so what was tagged or untagged between two questions spells none.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

OWNERS_A_CALL = 50
"""Values that a filter takes (SSM API reference, ParameterStringFilter)."""
Word = frozenset[int]


def batches(owners: Sequence[str]) -> list[list[str]]:
    """As many as a filter takes each."""
    return [list(owners[start : start + OWNERS_A_CALL]) for start in range(0, len(owners), OWNERS_A_CALL)]


def words(size: int) -> list[Word]:
    """One for each owner of a batch of this size; a single owner needs no question."""
    questions = next(count for count in range(OWNERS_A_CALL) if math.comb(count, count // 2) >= size)
    return [frozenset(word) for word, _ in zip(combinations(range(questions), questions // 2), range(size), strict=False)]


def questions(owners: Sequence[str]) -> list[list[str]]:
    """The owners that each question asks for, over all batches."""
    spelled = [(owner, word) for batch in batches(owners) for owner, word in zip(batch, words(len(batch)), strict=True)]
    count = 1 + max((number for _, word in spelled for number in word), default=-1)
    return [[owner for owner, word in spelled if number in word] for number in range(count)]


def calls(owners: Sequence[str]) -> int:
    """How many the questions take, at one page each."""
    return sum(len(batches(asked)) for asked in questions(owners))


def spelled(owners: Sequence[str], batch_of: Mapping[str, int], answers: Sequence[Iterable[str]]) -> dict[str, str]:
    """The owner of each name; one that spells nobody is absent. `batch_of`: the batch that listed it; `answers`: names by question."""
    said: dict[str, set[int]] = {name: set() for name in batch_of}
    for number, names in enumerate(answers):
        for name in names:
            if name in said:
                said[name].add(number)
    readers = [dict(zip(words(len(batch)), batch, strict=True)) for batch in batches(owners)]
    found = {name: readers[batch_of[name]].get(frozenset(heard)) for name, heard in said.items()}
    return {name: owner for name, owner in found.items() if owner}
