"""Conditions: what a concern says, and the summary that kubectl, Argo CD and Flux understand. Pure; the time comes in as an argument.

kstatus reads `Reconciling` and `Stalled` as abnormal-true: they are present only while they are true.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from goldenami.api.fields import MESSAGE_LENGTH, Message, text
from goldenami.api.meta import Model
from goldenami.api.reasons import Outcome, Reason

ConditionStatus = Literal["True", "False", "Unknown"]


class ConditionType(StrEnum):
    """Every condition the operator writes, in the order they are shown."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    ACCOUNTS_READY = "AccountsReady"
    ADOPTION_READY = "AdoptionReady"
    SOURCE_READY = "SourceReady"
    REPLICAS_READY = "ReplicasReady"
    SHARING_READY = "SharingReady"
    CHANNELS_READY = "ChannelsReady"
    ALIASES_READY = "AliasesReady"
    RETENTION_READY = "RetentionReady"


class Condition(Model):
    """One aspect of the object's state, in the standard form of Kubernetes."""

    type: Annotated[str, text(64), Field(pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """What it is about: Ready, Reconciling, Stalled, or the concern, as ReplicasReady."""
    status: ConditionStatus
    """True: it is so. False: it is not, and somebody or time must act. Unknown: work is under way."""
    reason: Annotated[str, text(64), Field(pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """One word from the operator's closed list of reasons."""
    message: Message
    """For people: region, account, image and next step."""
    observed_generation: Annotated[int, Field(ge=0)]
    """The metadata.generation this was said about."""
    last_transition_time: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
    """When `status` last changed from one value to another."""


@dataclass(frozen=True)
class ConcernResult:
    """What one concern has to say. `outcome` is the reason's own unless the concern knows better."""

    type: ConditionType
    reason: Reason
    message: str
    outcome_override: Outcome | None = None
    generation: int | None = None
    """The metadata.generation it was said about; None: the one that is looked at now."""

    @property
    def outcome(self) -> Outcome:
        return self.outcome_override or self.reason.outcome


LAST_SECOND = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()

_STATUS: dict[Outcome, ConditionStatus] = {
    Outcome.DONE: "True",
    Outcome.PROGRESSING: "Unknown",
    Outcome.RETRYING: "False",
    Outcome.WAITING: "False",
    Outcome.STALLED: "False",
}

# Worst first. What needs a person comes before what passes on its own: nobody would look at it while an eternal retry hides it.
_SEVERITY = (Outcome.STALLED, Outcome.RETRYING, Outcome.WAITING, Outcome.PROGRESSING, Outcome.DONE)

_RECONCILING = {
    Outcome.PROGRESSING: Reason.PROGRESSING,
    Outcome.RETRYING: Reason.PROGRESSING_WITH_RETRY,
    Outcome.WAITING: Reason.DEPENDENCY_NOT_READY,
}


def cut(message: str, length: int = MESSAGE_LENGTH) -> str:
    """The message within its bound; an ellipsis says that there was more."""
    return message if len(message) <= length else message[: length - 1] + "…"


def timestamp(now: datetime) -> str:
    """RFC 3339 in UTC, whole seconds: `2026-11-21T05:26:00Z`."""
    # strftime writes the year 987 with three digits.
    return now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def timestamp_of(epoch_seconds: float) -> str:
    """As `timestamp`. What is beyond the year 9999, as a date that lies some thousand weeks off, is told as the end of that year."""
    return timestamp(datetime.fromtimestamp(min(epoch_seconds, LAST_SECOND), UTC))


def summarize(
    results: Sequence[ConcernResult], generation: int, previous: Iterable[Condition], now: datetime, *, done: str = ""
) -> tuple[Condition, ...]:
    """The whole `status.conditions`: Ready, then Reconciling or Stalled while true, then one condition per concern.

    `done` is Ready's message when everything is; without it the concerns' own messages are joined. A result's type occurs once.
    Stalled and Reconciling exclude each other: whoever waits for the object shall learn at once that waiting is useless, even while
    other regions still copy.
    """
    stamp = _Stamp({condition.type: condition for condition in previous}, generation, timestamp(now))
    worst = next((outcome for outcome in _SEVERITY if any(result.outcome is outcome for result in results)), Outcome.PROGRESSING)
    culprits = [result for result in results if result.outcome is worst]
    message = _message(worst, culprits, done)
    return (
        stamp(ConditionType.READY, _STATUS[worst], _ready_reason(worst, culprits), message),
        *_abnormal(stamp, worst, culprits, message),
        *(stamp(result.type, _STATUS[result.outcome], result.reason, result.message, result.generation) for result in results),
    )


def suspended(generation: int, previous: Iterable[Condition], now: datetime) -> tuple[Condition, ...]:
    """Conditions of a suspended object: the last values stay, and nothing is reconciling or stalled any more."""
    before = {condition.type: condition for condition in previous}
    stamp = _Stamp(before, generation, timestamp(now))
    kept = [condition for condition in before.values() if condition.type not in (ConditionType.RECONCILING, ConditionType.STALLED)]
    if ConditionType.READY not in before:
        # No condition at all would read as Current.
        return (
            stamp(ConditionType.READY, "Unknown", Reason.SUSPENDED, "suspended before anything was done; spec.suspend: false begins"),
            *kept,
        )
    return tuple(condition.model_copy(update={"observed_generation": generation}) for condition in kept)


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    condition = find(conditions, kind)
    return condition is not None and condition.status == "True"


@dataclass(frozen=True)
class _Stamp:
    """Makes conditions of one pass; the transition time moves only when the status does."""

    previous: dict[str, Condition]
    generation: int
    now: str

    def __call__(self, kind: str, status: ConditionStatus, reason: str, message: str, generation: int | None = None) -> Condition:
        before = self.previous.get(kind)
        return Condition(
            type=str(kind),
            status=status,
            reason=str(reason),
            message=cut(message),
            observed_generation=self.generation if generation is None else generation,
            last_transition_time=before.last_transition_time if before is not None and before.status == status else self.now,
        )


def _ready_reason(worst: Outcome, culprits: Sequence[ConcernResult]) -> Reason:
    if worst is Outcome.DONE:
        return Reason.SUCCEEDED
    return culprits[0].reason if culprits else Reason.PROGRESSING


def _message(worst: Outcome, culprits: Sequence[ConcernResult], done: str) -> str:
    if worst is Outcome.DONE and done:
        return done
    messages = dict.fromkeys(result.message for result in culprits if result.message)
    return "; ".join(messages) or "not looked at yet"


def _abnormal(stamp: _Stamp, worst: Outcome, culprits: Sequence[ConcernResult], message: str) -> tuple[Condition, ...]:
    if worst is Outcome.DONE:
        return ()
    if worst is Outcome.STALLED:
        return (stamp(ConditionType.STALLED, "True", culprits[0].reason, message),)
    return (stamp(ConditionType.RECONCILING, "True", _RECONCILING[worst], message),)
