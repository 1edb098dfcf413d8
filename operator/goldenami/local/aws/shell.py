"""The shell around moto: identifies each call, writes the audit, charges the token buckets, carries out faults, and then lets moto answer.

A WSGI application. Knows protocols, accounts and regions; knows nothing of any service's semantics.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from goldenami.local.aws import answers, services, unheard
from goldenami.local.aws.answers import Answer, DroppedConnectionError, Headers, Refusal, RefusedError, refuse
from goldenami.local.aws.audit import Audit, Outcome, Record
from goldenami.local.aws.buckets import Buckets
from goldenami.local.aws.calls import Call, Environ, identify
from goldenami.local.aws.control import Control
from goldenami.local.aws.faults import Fault, Faults
from goldenami.local.aws.holds import Holds
from goldenami.local.aws.lab import Lab

logger = logging.getLogger(__name__)
StartResponse = Callable[[str, Headers], Any]
CONTROL_PATH = "/_lab/"


class InjectedBugError(Exception):
    """What a fault of the form `bug` raises where a bug of the local AWS would."""


class Shell:
    """One local AWS. `lab` must be the process's installed lab."""

    def __init__(self, lab: Lab, *, audit_file: Path | None = None) -> None:
        self.lab = lab
        self.audit = Audit(file=audit_file)
        self.buckets = Buckets(lab)
        self.faults = Faults()
        self.holds = Holds()
        self._moto = services.application()
        # moto's backends and the image core are not made for threads; calls are short and share one interpreter anyway.
        self._one_at_a_time = threading.Lock()
        self._control = Control(
            lab, audit=self.audit, buckets=self.buckets, faults=self.faults, holds=self.holds, exclusive=self._one_at_a_time
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Raises DroppedConnectionError where the client shall get no answer."""
        if environ.get("PATH_INFO", "").startswith(CONTROL_PATH):
            return _send(self._control.answer(environ), start_response)
        call = identify(environ, default_account=self.lab.settings.default_account)
        record = self.audit.begin(call, self.lab.clock.now())
        try:
            outcome, answer = self._answer(call, environ, record)
        except DroppedConnectionError:
            self.audit.finish(record, "lost" if record.effect else "dropped", None)
            raise
        self.audit.finish(record, outcome, answer)
        return _send(answer, start_response)

    def warm_up(self) -> None:
        """Loads EC2's model and moto's EC2, which would make the first call a second slow."""
        scope = "AWS4-HMAC-SHA256 Credential=AKIA0000000000000000/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0"
        environ = services.environ_of(b"Action=DescribeRegions&Version=2016-11-15", authorization=scope)
        call = identify(environ, default_account=self.lab.settings.default_account)
        self._dispatch(call, environ)

    def close(self) -> None:
        self.holds.close()
        self.audit.close()

    def _answer(self, call: Call, environ: Environ, record: Record) -> tuple[Outcome, Answer]:
        for fault in self.faults.struck_by(call, region_down=True):
            return "refused", _down(call, fault)
        if self.lab.settings.latency_seconds:
            time.sleep(self.lab.settings.latency_seconds)
        if refusal := self._credentials(call):
            return "refused", refuse(call, refusal)
        if not self.buckets.take(call):
            return "throttled", refuse(call, answers.throttled(call))
        faults = self.faults.struck_by(call, region_down=False)
        if refused := self._before(call, record, faults):
            return "refused", refused
        if unknown := unheard.refusal(call):
            return "refused", refuse(call, unknown)
        answer = self._dispatch(call, environ, broken=any(fault.form == "bug" for fault in faults))
        record.effect = True
        return self._after(call, record, faults, answer)

    def _credentials(self, call: Call) -> Refusal | None:
        if call.region in self.lab.settings.regions_not_opted_in or call.region not in known_regions():
            return answers.region_closed(call)
        if not call.account:
            return answers.unknown_credentials(call)
        return None

    def _before(self, call: Call, record: Record, faults: list[Fault]) -> Answer | None:
        """What the faults do before the effect: an answer that replaces it, or None."""
        for fault in faults:
            if fault.form == "slow":
                time.sleep(fault.seconds)
            elif fault.form == "refuse":
                return refuse(call, Refusal(fault.code, fault.message, fault.http_status))
            elif fault.form == "credentials_expired":
                return refuse(call, answers.expired_credentials(call))
            elif fault.form == "hold" and fault.when == "before" and not self.holds.hold(record, "before"):
                raise DroppedConnectionError
        return None

    def _after(self, call: Call, record: Record, faults: list[Fault], answer: Answer) -> tuple[Outcome, Answer]:
        """What the faults do after the effect."""
        for fault in faults:
            if fault.form == "hold" and fault.when == "after" and not self.holds.hold(record, "after"):
                raise DroppedConnectionError
            if fault.form == "lose" and fault.answer == "drop":
                raise DroppedConnectionError
            if fault.form == "lose":
                return "lost", refuse(call, answers.lost_answer(call))
        return "answered", answer

    def _dispatch(self, call: Call, environ: Environ, *, broken: bool = False) -> Answer:
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = call.account
        try:
            with self._one_at_a_time:
                services.settle()
                if broken:
                    raise InjectedBugError
                answer = _collect(self._moto, environ)
        except RefusedError as error:
            return refuse(call, error.refusal)
        except services.UNKNOWN_OPERATION:
            return refuse(call, answers.unknown_operation(call))
        except Exception as error:
            if services.is_unknown(error, call):
                return refuse(call, answers.unknown_operation(call))
            logger.exception("the local AWS failed at %s", call.name)
            return refuse(call, answers.internal_error(call, error))
        if not answer.ok and _is_html(answer):
            return refuse(call, answers.unknown_operation(call))
        return answer


@cache
def known_regions() -> frozenset[str]:
    """Every region of every partition that EC2 is in, and the pseudo-region of the global endpoints."""
    import botocore.session

    session = botocore.session.get_session()
    partitions = ("aws", "aws-cn", "aws-us-gov")
    return frozenset({"aws-global", *(region for each in partitions for region in session.get_available_regions("ec2", each))})


def _down(call: Call, fault: Fault) -> Answer:
    if fault.answer == "drop":
        raise DroppedConnectionError
    return refuse(call, Refusal("ServiceUnavailable", "The service is unavailable. Please try again shortly.", 503))


def _collect(application: Any, environ: Environ) -> Answer:
    """Runs a WSGI application to its end."""
    started: list[tuple[str, Headers]] = []

    def start_response(status: str, headers: Headers, exc_info: Any = None) -> None:  # noqa: ARG001 - WSGI's signature
        started.append((status, headers))

    chunks = application(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, headers = started[-1]
    number = int(status.split(" ", 1)[0])
    return Answer(number, headers, body, answers.code_of(number, headers, body))


def _is_html(answer: Answer) -> bool:
    return any(name.lower() == "content-type" and value.startswith("text/html") for name, value in answer.headers) and (
        answer.body[:9].lower().startswith((b"<!doctype", b"<html"))
    )


def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    start_response(f"{answer.status} {'OK' if answer.ok else 'Error'}", answer.headers)
    return [answer.body]
