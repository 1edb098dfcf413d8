"""What a line of the log holds, and what it never does."""

import contextvars
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from goldenami.api.kinds import Key
from goldenami.controllers import logs
from goldenami.kube.errors import KubeConflict

WEB = Key("GoldenImage", "images", "web")
LOG = logging.getLogger("goldenami.test")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, {name: logging.getLogger(name).level for name in logs.QUIET})
    yield io.StringIO()
    root.handlers[:], root.level = before[0], before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def one_look(**told: Any) -> None:
    logs.begin(WEB, "abcd1234")
    logs.observe_generation(3)
    logs.outcome(LOG, result="error" if told.get("problem") else "success", seconds=0.12345, **told)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_line_of_a_look_names_its_object_and_its_result(stream: io.StringIO) -> None:
    logs.configure("json", stream=stream)
    contextvars.Context().run(one_look)
    (line,) = lines(stream)
    line.pop("time")
    assert line == {
        "level": "info",
        "logger": "goldenami.test",
        "message": "reconciled",
        "kind": "GoldenImage",
        "namespace": "images",
        "name": "web",
        "generation": 3,
        "reconcileID": "abcd1234",
        "result": "success",
        "duration": 0.123,
    }


def test_a_refusal_is_a_warning_without_a_traceback(stream: io.StringIO) -> None:
    logs.configure("json", stream=stream)
    contextvars.Context().run(one_look, problem=KubeConflict("Conflict", "it changed meanwhile"))
    (line,) = lines(stream)
    assert (line["level"], line["reason"], line["message"]) == ("warning", "Conflict", "reconcile failed: it changed meanwhile")
    assert "traceback" not in line


def test_a_bug_is_an_error_with_its_traceback_on_the_same_line(stream: io.StringIO) -> None:
    logs.configure("json", stream=stream)
    contextvars.Context().run(one_look, problem=ZeroDivisionError("by nothing"))
    (line,) = lines(stream)
    assert line["level"] == "error"
    assert "ZeroDivisionError: by nothing" in line["traceback"]


def test_fields_nobody_listed_are_not_written(stream: io.StringIO) -> None:
    logs.configure("json", stream=stream)
    LOG.info("hello", extra={"body": {"spec": "secret"}, **logs.about(WEB)})
    (line,) = lines(stream)
    assert (line["name"], "body" in line, "secret" in stream.getvalue()) == ("web", False, False)


def test_lines_for_people(stream: io.StringIO) -> None:
    logs.configure("text", stream=stream)
    contextvars.Context().run(one_look)
    assert "INFO    GoldenImage/images/web reconciled reconcileID=abcd1234 generation=3 result=success duration=0.123" in stream.getvalue()


def test_libraries_are_quiet(stream: io.StringIO) -> None:
    logs.configure("json", stream=stream)
    logging.getLogger("kopf.objects").info("Handler 'x' succeeded.")
    logging.getLogger("kopf._core.reactor.running").warning("OS signals are ignored")
    assert stream.getvalue() == ""
