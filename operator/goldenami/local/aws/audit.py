"""The audit: every call with its arguments and answer, in memory and, if wanted, as JSON lines in a file.

Records are cheap to take (raw bytes are kept) and are spelled out when somebody reads them. Secrets never reach a report: headers are
not kept, and arguments and answers are redacted by name.
"""

import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, TextIO
from xml.etree import ElementTree

from goldenami.local.aws.answers import Answer
from goldenami.local.aws.calls import Call, arguments_of

Outcome = Literal["running", "held", "answered", "throttled", "refused", "lost", "dropped"]
LIMIT = 100_000  # calls kept in memory
_READ_BYTES = 16_384  # of what a read answers, searched for ids
_MAX_IDS = 50  # of what a read answers
_XML_BYTES = 4_096  # of an answer that is read for its plain members: a listing has none, and parsing it costs
HIDDEN = "HIDDEN"
_SECRETS = frozenset(
    {
        "SecretAccessKey",
        "SessionToken",
        "Password",
        "SecretString",
        "SecretBinary",
        "Plaintext",
        "CiphertextBlob",
        "WebIdentityToken",
        "SAMLAssertion",
        "UserData",
        "KeyMaterial",
        "PrivateKey",
        "GrantToken",
        "GrantTokens",
        "Credentials",
        "TokenCode",
        "PresignedUrl",
    }
)
_ID = re.compile(rb"\b(?:ami|snap|i|vol|lt|vpc|subnet|sg|eni|import-ami|import-snap|fleet|r|replacevol)-[0-9a-f]{8,17}\b")
_IMAGE_ID = re.compile(r"ami-[0-9a-f]{8,17}")


@dataclass(slots=True)
class Record:
    sequence: int
    call: Call
    at_epoch: float  # the lab's clock
    started: float = field(default_factory=time.perf_counter)
    outcome: Outcome = "running"
    effect: bool = False  # whether the call reached the service
    status: int = 0
    code: str = ""
    duration_seconds: float = 0.0
    ids: tuple[str, ...] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)  # the plain members of a short one

    def as_dict(self) -> dict[str, Any]:
        call = self.call
        return {
            "sequence": self.sequence,
            "at": self.at_epoch,
            "service": call.service,
            "operation": call.operation,
            "account": call.account,
            "region": call.region,
            "arguments": redacted(call),
            "mutating": call.mutating,
            "outcome": self.outcome,
            "effect": self.effect,
            "status": self.status,
            "code": self.code,
            "duration_seconds": round(self.duration_seconds, 6),
            "ids": list(self.ids),
            "answer": dict(self.answer),
        }


def redacted(call: Call) -> dict[str, Any]:
    """The call's arguments without secrets."""
    arguments: dict[str, Any] = _hide(arguments_of(call))
    # A parameter's value is shown only where it cannot be a SecureString: the type may be left out when one is overwritten.
    if call.name == "ssm.PutParameter" and "Value" in arguments:
        plain = arguments.get("Type") in {"String", "StringList"} or _IMAGE_ID.fullmatch(str(arguments["Value"]))
        arguments["Value"] = arguments["Value"] if plain else HIDDEN
    return arguments


def _hide(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: HIDDEN if name.rpartition(".")[2] in _SECRETS else _hide(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_hide(member) for member in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


class Audit:
    """Safe to use from several threads."""

    def __init__(self, *, file: Path | None = None, limit: int = LIMIT) -> None:
        self._records: deque[Record] = deque(maxlen=limit)
        self._lock = threading.Lock()
        self._sequence = 0
        self._forgotten: dict[str, int] = {}  # account: its last call that is no longer in memory, and was not cleared
        self._file: TextIO | None = file.open("a", encoding="utf-8", buffering=1) if file else None

    def begin(self, call: Call, at_epoch: float) -> Record:
        with self._lock:
            self._sequence += 1
            record = Record(self._sequence, call, at_epoch)
            if len(self._records) == self._records.maxlen:
                oldest = self._records[0]
                self._forgotten[oldest.call.account] = oldest.sequence
            self._records.append(record)
            return record

    def finish(self, record: Record, outcome: Outcome, answer: Answer | None) -> None:
        record.duration_seconds = time.perf_counter() - record.started
        record.outcome = outcome
        if answer is not None:
            record.status = answer.status
            record.code = answer.code
            record.ids = _ids(answer, whole=record.call.mutating)
            record.answer = _scalars(record.call, answer)
        if self._file is not None:
            line = json.dumps(record.as_dict(), sort_keys=True)
            with self._lock:
                self._file.write(line + "\n")

    def clear(self) -> None:
        """Forgets the calls; the sequence goes on."""
        with self._lock:
            self._records.clear()
            self._forgotten.clear()

    def select(self, wanted: Mapping[str, str]) -> list[Record]:
        """The calls in memory that match, oldest first. Raises ValueError for those since a call that is no longer in memory.

        Filters: operation (with wildcards and service), service, account, region, outcome, code, id (in the arguments or the answer),
        mutating (true or false), since (a sequence number, exclusive). Of what a read answers, only the first 50 ids are known.
        """
        with self._lock:
            records = list(self._records)
            forgotten = max((last for account, last in self._forgotten.items() if wanted.get("account", account) == account), default=0)
        if int(wanted.get("since", forgotten)) < forgotten:
            raise ValueError(
                f"calls up to number {forgotten} are no longer in memory, which holds the last {self._records.maxlen}: what is asked for "
                "would lack them. Ask since a later one, clear the audit before what is counted, or read the audit file."
            )
        return [record for record in records if _matches(record, wanted)]

    def counts(self, wanted: Mapping[str, str]) -> dict[str, int]:
        """How many calls of each service.operation. Raises ValueError once calls that may count are no longer in memory."""
        return dict(sorted(Counter(record.call.name for record in self.select({"since": "0", **wanted})).items()))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


FILTERS = frozenset({"service", "operation", "account", "region", "outcome", "code", "id", "mutating", "since"})


def _matches(record: Record, wanted: Mapping[str, str]) -> bool:
    call = record.call
    exact = {"service": call.service, "account": call.account, "region": call.region, "outcome": record.outcome, "code": record.code}
    operation = wanted.get("operation", "*")
    return (
        all(exact[name] == value for name, value in wanted.items() if name in exact)
        and fnmatchcase(call.name if "." in operation else call.operation, operation)
        and ("mutating" not in wanted or call.mutating == (wanted["mutating"] == "true"))
        and record.sequence > int(wanted.get("since", "0"))
        and ("id" not in wanted or wanted["id"] in record.ids or call.mentions(wanted["id"]))
    )


def _ids(answer: Answer, *, whole: bool) -> tuple[str, ...]:
    """Of a read only the first ones: a listing may be megabytes, and what it names was made by another call."""
    found: Iterable[bytes] = dict.fromkeys(_ID.findall(answer.body if whole else answer.body[:_READ_BYTES]))
    return tuple(each.decode() for each in (found if whole else list(found)[:_MAX_IDS]))


def _scalars(call: Call, answer: Answer) -> dict[str, Any]:
    """The plain members of a short answer, under the names of the service's model."""
    if not answer.ok or len(answer.body) > _READ_BYTES:
        return {}
    members = _json_members(answer.body) if answer.body.startswith(b"{") else _xml_members(call, answer.body)
    return {name: value for name, value in members.items() if name not in _SECRETS and isinstance(value, (str, int, float, bool))}


def _json_members(body: bytes) -> Mapping[str, Any]:
    try:
        members: Mapping[str, Any] = json.loads(body)
    except ValueError:
        return {}
    return members


def _xml_members(call: Call, body: bytes) -> Mapping[str, str]:
    """As text, which is all that XML tells. EC2 begins names in lower case; the Query services wrap the members in a result."""
    if call.protocol not in {"ec2", "query"} or len(body) > _XML_BYTES:
        return {}
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - it was written here
    except ElementTree.ParseError:
        return {}
    members = {_local(each): each for each in root}
    inside = members.get(f"{call.operation}Result", root)
    found = {_local(each): each.text for each in inside if len(each) == 0 and each.text}
    return {name[0].upper() + name[1:]: text for name, text in found.items() if name != "requestId"}


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
