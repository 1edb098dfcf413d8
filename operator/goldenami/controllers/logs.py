"""Logs: one line per outcome, as JSON for machines or as text for people; every line says which object and which look it belongs to.

Never bodies, never secrets: what is logged is named field by field.
"""

import contextvars
import datetime
import json
import logging
import sys
from typing import IO, Any, Literal

from goldenami.api.kinds import Key
from goldenami.kube.errors import KubeError

LogFormat = Literal["json", "text"]

FIELDS = (
    *("kind", "namespace", "name", "generation", "reconcileID"),
    *("result", "duration", "nextLookSeconds", "reason"),
    *("action", "account", "region"),
)
"""The only extra fields a line may carry."""

_LOOK: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("look")

# kopf announces every handled event at INFO: with us that is every event of every object; and warns that it gets no signals in its thread.
# botocore tells at INFO where each session's credentials come from. urllib3 warns of every repeated connection: what failed in the end is
# said by whoever asked.
QUIET = {
    "kopf": logging.WARNING,
    "kopf.objects": logging.WARNING,
    "kopf.activities": logging.WARNING,
    "kopf._core.reactor.running": logging.ERROR,
    "botocore": logging.WARNING,
    # A role that cannot be assumed comes with a traceback at every try; the condition says it once.
    "botocore.credentials": logging.ERROR,
    "urllib3": logging.ERROR,
}


def about(key: Key) -> dict[str, Any]:
    """The fields that name an object, for `extra=`."""
    return {"kind": key.kind, "namespace": key.namespace, "name_": key.name}


def begin(key: Key, reconcile_id: str) -> None:
    """From here on every line of this context names the object and the look."""
    _LOOK.set({"kind": key.kind, "namespace": key.namespace, "name": key.name, "reconcileID": reconcile_id})


def observe_generation(generation: int) -> None:
    """A reconciler tells which generation it looks at, once it has read the object; outside a look it does nothing."""
    look = _LOOK.get(None)
    if look is not None:
        look["generation"] = generation


def outcome(
    logger: logging.Logger, *, result: str, seconds: float, next_look_seconds: float | None = None, problem: BaseException | None = None
) -> None:
    """The one line of a look that ended. An expected refusal is a warning; a bug is an error with its traceback."""
    extra = {"result": result, "duration": round(seconds, 3), "nextLookSeconds": next_look_seconds}
    if problem is None:
        logger.info("reconciled", extra=extra)
    elif isinstance(problem, KubeError):
        logger.warning("reconcile failed: %s", problem.message, extra={**extra, "reason": problem.reason})
    else:
        logger.error("reconcile failed unexpectedly", exc_info=problem, extra=extra)


class LookFilter(logging.Filter):
    """Puts the fields of the running look on every record that does not bring its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True; adds `record.look`."""
        own = {field: value for field in FIELDS if (value := getattr(record, field, None)) is not None and field != "name"}
        if (name := getattr(record, "name_", None)) is not None:
            own["name"] = name
        record.look = {**_LOOK.get({}), **own}
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, the object's fields, and the traceback of a bug."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "look", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """The same for people: time, level, object, message, then the other fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, followed by the traceback of a bug."""
        look = dict(getattr(record, "look", {}))
        where = "/".join(part for part in (look.pop("kind", ""), look.pop("namespace", ""), look.pop("name", "")) if part)
        fields = " ".join(f"{name}={value}" for name, value in look.items())
        words = (_moment(record), f"{record.levelname:<7}", where, record.getMessage(), fields)
        line = " ".join(word for word in words if word)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _moment(record: logging.LogRecord) -> str:
    return datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")


def configure(log_format: LogFormat, *, level: int = logging.INFO, stream: IO[str] | None = None) -> None:
    """Make the root logger write to `stream` (standard error by default), replacing what was configured before."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.addFilter(LookFilter())
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name, quiet_level in QUIET.items():
        logging.getLogger(name).setLevel(max(level, quiet_level))
