"""Principals that AWS does not accept: told apart from the others in the same call, remembered for a while, and named.

EC2 refuses a call with hundreds of principals because of a single one, an account that was closed or mistyped. The others must not wait for
it, and nobody gains from asking for the same one at every look at every image.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from goldenami.api.reasons import Reason
from goldenami.aws.errors import AwsError, FixTheSpec, problem, where
from goldenami.plan import actions as do
from goldenami.plan.values import Place, Principals

CHANGES_A_CALL = 500
"""Of one ModifySnapshotAttribute (EC2 API reference); the same for images keeps a request small."""
MOST_CALLS = 24
"""For one action. To find one among 500 takes 19; what is not tried then is left to the next look."""
REMEMBERED_SECONDS = 300.0
"""How long nobody asks again: as long as an object whose look failed waits at most."""
_NAMED = 10
"""Principals that a message names."""

_SURE = frozenset({"InvalidAMIAttributeItemValue", "InvalidUserID.Malformed", "InvalidUserID.NotFound"})
_LIKELY = frozenset({"InvalidParameterValue"})
"""Also said of other things than principals: never of the next image, too."""
_CODES = {
    "ModifyImageAttribute": _SURE | _LIKELY,
    "ModifySnapshotAttribute": _SURE | _LIKELY,
    "CreateGrant": frozenset({"InvalidArnException"}),
}


class Deed(StrEnum):
    GIVE = "share with"
    TAKE = "stop sharing with"


_ADVICE = {
    Deed.GIVE: "Nobody else is held up. Correct it in spec.sharing or its ShareLists, or take it out.",
    Deed.TAKE: "Nobody else is held up. Take that permission back by hand.",
}


class PrincipalsRefused(FixTheSpec):
    """Some of an action's principals. For all others it was done, but for `untried`: those are for the next look."""

    def __init__(self, place: Place, deed: Deed, refused: Mapping[str, str], untried: Iterable[str] = ()) -> None:
        """`refused`: by principal, AWS's words."""
        self.place = place
        self.deed = deed
        self.refused = dict(refused)
        self.untried = frozenset(untried)
        super().__init__(problem(Reason.PRINCIPAL_REFUSED, self._told()), code="PrincipalsRefused", operation="Share")

    @property
    def left(self) -> frozenset[str]:
        """Principals for whom it was not done."""
        return self.untried | self.refused.keys()

    def __or__(self, other: "PrincipalsRefused") -> "PrincipalsRefused":
        return PrincipalsRefused(self.place, self.deed, self.refused | other.refused, self.untried | other.untried)

    def _told(self) -> str:
        names = sorted(self.refused)
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        later = f" {len(self.untried)} are left to the next look." if self.untried else ""
        said = f" ({self.refused[names[0]]})" if names and self.refused[names[0]] else ""
        return f"AWS refuses to {self.deed} {', '.join(names[:_NAMED])}{more} in {where(self.place)}{said}. {_ADVICE[self.deed]}{later}"


@dataclass(frozen=True)
class Doing:
    """What is asked for: one call that changes one resource, for many principals at once."""

    place: Place
    operation: str
    resource: str
    deed: Deed

    def refuses_principals(self, error: AwsError) -> bool:
        return error.code in _CODES[self.operation]


@dataclass(frozen=True)
class _Refusal:
    at: float
    words: str


class Refusals:
    """Of one place, in this process. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, Deed, str, str], _Refusal] = {}

    def note(self, doing: Doing, principal: str, error: AwsError) -> None:
        resource = doing.resource if error.code in _LIKELY else ""
        with self._lock:
            self._known[doing.operation, doing.deed, resource, principal] = _Refusal(self._clock(), error.words)

    def recent(self, doing: Doing, principals: Iterable[str]) -> dict[str, str]:
        """Those of them that were refused a moment ago, with AWS's words."""
        since = self._clock() - REMEMBERED_SECONDS
        return {name: known.words for name in principals if (known := self._of(doing, name)) and known.at > since}

    def suspects(self, doing: Doing, principals: Iterable[str]) -> frozenset[str]:
        """Those of them that were ever refused: they come last, so that they are in nobody's way."""
        return frozenset(name for name in principals if self._of(doing, name))

    def forget(self) -> None:
        """Somebody asked for a look at everything."""
        with self._lock:
            self._known.clear()

    def _of(self, doing: Doing, principal: str) -> _Refusal | None:
        found = (self._known.get((doing.operation, doing.deed, resource, principal)) for resource in ("", doing.resource))
        return next((refusal for refusal in found if refusal), None)


def each(doing: Doing, refusals: Refusals, principals: Sequence[str], call: Callable[[Sequence[str]], None]) -> None:
    """Has `call` do it for as many at once as one call may carry, and halves what is refused because of one of them.

    Raises PrincipalsRefused when it was done for the others, and any other error at once.
    """
    refused, untried = refusals.recent(doing, principals), list[str]()
    suspects = refusals.suspects(doing, principals)
    groups = ([name for name in principals if name not in suspects], [name for name in principals if name in suspects - refused.keys()])
    queue = [group[start : start + CHANGES_A_CALL] for group in groups for start in range(0, len(group), CHANGES_A_CALL)]
    calls = 0
    while queue:
        part = queue.pop(0)
        if calls >= MOST_CALLS:
            untried += part
            continue
        calls += 1
        try:
            call(part)
        except AwsError as error:
            if not doing.refuses_principals(error):
                raise
            if len(part) > 1:
                queue[:0] = [part[: len(part) // 2], part[len(part) // 2 :]]
            else:
                refused[part[0]] = error.words
                refusals.note(doing, part[0], error)
    if refused or untried:
        raise PrincipalsRefused(doing.place, doing.deed, refused, untried)


GIVING = (do.GrantKey, do.ShareSnapshot, do.ShareImage)


def principals_of(action: do.Action) -> frozenset[str]:
    """Whom it gives something to, or takes something from."""
    match action:
        case do.GrantKey():
            return frozenset({action.grantee})
        case do.ShareSnapshot():
            return frozenset(action.accounts)
        case do.UnshareSnapshot():
            return frozenset((*action.accounts, *(("all",) if action.public else ())))
        case do.ShareImage() | do.UnshareImage():
            return frozenset(action.principals.names())
    return frozenset()


def narrowed(action: do.Action, to: frozenset[str]) -> do.Action | None:
    """The same for these principals only; None where none of them is left. What is about no principals stays as it is."""
    if not principals_of(action):
        return action
    match action:
        case do.ShareSnapshot():
            narrow: do.Action = replace(action, accounts=tuple(name for name in action.accounts if name in to))
        case do.UnshareSnapshot():
            narrow = replace(action, accounts=tuple(name for name in action.accounts if name in to), public="all" in to and action.public)
        case do.ShareImage() | do.UnshareImage():
            narrow = replace(action, principals=action.principals & Principals.named(to))
        case _:
            narrow = action
    return narrow if principals_of(narrow) & to else None
