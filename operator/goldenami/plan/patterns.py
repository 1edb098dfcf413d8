"""Regular expressions, matched in time that grows with the text and not with what somebody has written into the expression.

Python's `re` tries every way, which for (a+)+ is 2 to the length of the name, and holds the interpreter meanwhile: one object would stop
the operator for all. This takes what RE2 takes, as far as names need it, and visits each place of expression and text once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

MAX_STEPS = 4096
"""Of a compiled expression: (.{100}){100} would have ten thousand."""
GROUP = "version"


class PatternError(ValueError):
    """What is wrong with an expression, in a sentence."""


@dataclass(frozen=True)
class _Step:
    """One step: a character that must fit, a choice of two ways (the first is tried first), a mark of the group, or an anchor."""

    kind: str
    fits: Callable[[str], object] | None = None
    ways: tuple[int, ...] = ()


@dataclass(frozen=True)
class Pattern:
    """An expression for whole names."""

    steps: tuple[_Step, ...]

    def version_in(self, name: str) -> str | None:
        """What the group finds in a name that the expression matches as a whole; None where it does not match."""
        seen: set[tuple[int, int]] = set()
        waiting: list[tuple[int, int, int, int]] = [(0, 0, -1, -1)]
        while waiting:
            at, place, begin, end = waiting.pop()
            if (at, place) in seen:
                continue
            seen.add((at, place))
            if at == len(self.steps):
                if place == len(name):
                    return name[begin:end] if 0 <= begin <= end else None
                continue
            step = self.steps[at]
            match step.kind:
                case "one" if place < len(name) and step.fits and step.fits(name[place]):
                    waiting.append((at + 1, place + 1, begin, end))
                case "way":
                    waiting += [(way, place, begin, end) for way in reversed(step.ways)]
                case "begin":
                    waiting.append((at + 1, place, place, end))
                case "end":
                    waiting.append((at + 1, place, begin, place))
                case "^" if place == 0:
                    waiting.append((at + 1, place, begin, end))
                case "$" if place == len(name):
                    waiting.append((at + 1, place, begin, end))
        return None


@lru_cache(maxsize=256)
def compiled(expression: str) -> Pattern:
    """Raises PatternError for what is no expression, has no group `version`, or is beyond what is supported."""
    parser = _Parser(expression)
    steps = parser.whole()
    if not parser.named:
        raise PatternError(f"it has no group (?P<{GROUP}>...)")
    return Pattern(tuple(steps))


_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*\]")
_REPEAT = re.compile(r"\{(\d{1,4})(?:(,)(\d{0,4}))?\}")
_POSIX = {
    "[:alnum:]": "0-9A-Za-z",
    "[:alpha:]": "A-Za-z",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:upper:]": "A-Z",
    "[:word:]": r"\w",
    "[:xdigit:]": "0-9A-Fa-f",
    "[:punct:]": r"!-/:-@\[-`{-~",
    "[:space:]": r"\s",
}
_ESCAPES = frozenset("dDsSwW")


class _Parser:
    """Expression to steps. Parts are lists of steps whose ways are relative to the step that has them, so that they can be joined."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.named = text, 0, False

    def whole(self) -> list[_Step]:
        steps = self._alternatives()
        if self.at < len(self.text):
            raise PatternError("it closes a group that it does not open")
        return [_Step(s.kind, s.fits, tuple(position + way for way in s.ways)) for position, s in enumerate(steps)]

    def _peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def _alternatives(self) -> list[_Step]:
        found = [self._sequence()]
        while self._peek() == "|":
            self.at += 1
            found.append(self._sequence())
        steps = found.pop()
        while found:
            first = found.pop()
            # A way into the first, and behind it one around the rest.
            steps = [_Step("way", ways=(1, len(first) + 2)), *first, _Step("way", ways=(len(steps) + 1,)), *steps]
        return steps

    def _sequence(self) -> list[_Step]:
        steps: list[_Step] = []
        while self._peek() not in ("", "|", ")"):
            steps += self._repeated(self._atom())
            if len(steps) > MAX_STEPS:
                raise PatternError("it repeats too much")
        return steps

    def _atom(self) -> list[_Step]:
        character = self._peek()
        self.at += 1
        match character:
            case "(":
                return self._group()
            case "[":
                return [_Step("one", self._class())]
            case "\\":
                return [self._escape()]
            case ".":
                return [_Step("one", lambda _: True)]
            case "^" | "$":
                return [_Step(character)]
            case "*" | "+" | "?":
                raise PatternError(f"there is nothing that {character} could repeat")
        return [_Step("one", character.__eq__)]

    def _group(self) -> list[_Step]:
        named = False
        if self._peek() == "?":
            head = re.compile(r"\?(?::|P?<([A-Za-z_][A-Za-z0-9_]*)>)").match(self.text, self.at)
            if head is None:
                raise PatternError(f"`({self._peek(3)}` is not supported")
            self.at, named = head.end(), head.group(1) == GROUP
        if named and self.named:
            raise PatternError(f"it has two groups {GROUP}")
        self.named = self.named or named
        inner = self._alternatives()
        if self._peek() != ")":
            raise PatternError("it does not close a group")
        self.at += 1
        return [_Step("begin"), *inner, _Step("end")] if named else inner

    def _class(self) -> Callable[[str], object]:
        found = _CLASS.match(self.text, self.at - 1)
        if found is None:
            raise PatternError("it does not close a class [...]")
        self.at = found.end()
        text = found.group()
        for name, characters in _POSIX.items():
            text = text.replace(name, characters)
        if any(escape.isalnum() and escape not in _ESCAPES for escape in re.findall(r"\\(.)", text)):
            raise PatternError(f"`{found.group()}` is not supported")
        # What Python warns of, as the [ in [a[b], is a character for RE2.
        head = 2 if text.startswith("[^") else 1
        body = re.sub(r"\\.|[\[&~|]", lambda part: part.group() if len(part.group()) > 1 else f"\\{part.group()}", text[head:-1])
        try:
            return re.compile(f"{text[:head]}{body}]", re.ASCII).fullmatch
        except re.error as error:
            raise PatternError(f"`{found.group()}` is not supported") from error

    def _escape(self) -> _Step:
        character = self._peek()
        self.at += 1
        if character in ("A", "z"):
            return _Step("^" if character == "A" else "$")
        if character and character in _ESCAPES:
            return _Step("one", re.compile(f"\\{character}", re.ASCII).fullmatch)
        if not character or character.isalnum():
            raise PatternError(f"`\\{character}` is not supported")
        return _Step("one", character.__eq__)

    def _repeated(self, steps: list[_Step]) -> list[_Step]:
        while True:
            bounds = self._bounds()
            if bounds is None:
                return steps
            lazy = self._peek() == "?"
            self.at += lazy
            steps = _repeat(steps, *bounds, lazy=lazy)

    def _bounds(self) -> tuple[int, int | None] | None:
        character = self._peek()
        if character in ("*", "+", "?") and character:
            self.at += 1
            return (int(character == "+"), 1 if character == "?" else None)
        found = _REPEAT.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        least = int(found.group(1))
        most = least if not found.group(2) else int(found.group(3)) if found.group(3) else None
        if most is not None and most < least:
            raise PatternError(f"`{found.group()}` asks for less than nothing")
        return least, most


def _repeat(steps: list[_Step], least: int, most: int | None, *, lazy: bool) -> list[_Step]:
    if len(steps) * max(least, most or 0, 1) > MAX_STEPS:
        raise PatternError("it repeats too much")

    def ways(first: int, second: int) -> _Step:
        return _Step("way", ways=(second, first) if lazy else (first, second))

    needed = steps * least
    if most is None:
        return [*needed, ways(1, len(steps) + 2), *steps, _Step("way", ways=(-len(steps) - 1,))]
    optional: list[_Step] = []
    for _ in range(most - least):
        optional = [ways(1, len(steps) + len(optional) + 1), *steps, *optional]
    return [*needed, *optional]
