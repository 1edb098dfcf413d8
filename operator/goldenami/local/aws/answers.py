"""Answers the shell gives itself: errors in each service's own protocol, never an HTML page.

Shapes: EC2 wraps errors in <Response><Errors>, Query services in <ErrorResponse>, JSON services name them in `__type`, S3 sends a bare
<Error>.
"""

import json
import re
import uuid
from dataclasses import dataclass
from xml.sax.saxutils import escape

from goldenami.local.aws.calls import Call

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Headers
    body: bytes
    code: str = ""  # the AWS error code, where it is one

    @property
    def ok(self) -> bool:
        return self.status < 400


class DroppedConnectionError(Exception):
    """The server closes the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error to answer with, not yet in any protocol."""

    code: str
    message: str
    status: int = 400


class RefusedError(Exception):
    """Raised by a service to answer with a refusal, in whatever protocol it speaks."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.refusal = Refusal(code, message, status)


def refuse(call: Call, refusal: Refusal) -> Answer:
    """The refusal in the protocol of the call's service."""
    request_id = str(uuid.uuid4())
    if call.protocol in {"json", "rest-json"}:
        return _json_error(refusal, request_id)
    code, message = escape(refusal.code), escape(refusal.message)
    if call.protocol == "ec2":
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        text = f"<Response><Errors>{error}</Errors><RequestID>{request_id}</RequestID></Response>"
    elif call.protocol == "query":
        fault = "Sender" if refusal.status < 500 else "Receiver"
        text = (
            f"<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    else:
        text = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return Answer(refusal.status, [("Content-Type", "text/xml;charset=UTF-8"), ("x-amzn-RequestId", request_id)], body, refusal.code)


def _json_error(refusal: Refusal, request_id: str) -> Answer:
    headers = [
        ("Content-Type", "application/x-amz-json-1.1"),
        ("x-amzn-ErrorType", refusal.code),
        ("x-amzn-RequestId", request_id),
    ]
    return Answer(refusal.status, headers, json.dumps({"__type": refusal.code, "message": refusal.message}).encode(), refusal.code)


_XML_CODE = re.compile(rb"<Code>([^<]+)</Code>")


def code_of(status: int, headers: Headers, body: bytes) -> str:
    """The AWS error code of an answer in any protocol; empty for a success."""
    if status < 400:
        return ""
    named = next((value for name, value in headers if name.lower() == "x-amzn-errortype"), "")
    if named:
        return named.split(":")[0].rpartition("#")[2]
    if found := _XML_CODE.search(body):
        return found[1].decode()
    try:
        members = json.loads(body)
    except ValueError:
        return ""
    return str(members.get("__type", "")).rpartition("#")[2] if isinstance(members, dict) else ""


def throttled(call: Call) -> Refusal:
    """Over a request quota, in the words of each service.

    Sources: "Request throttling for the Amazon EC2 API"; KMS "Throttling"; the Query services' common errors.
    """
    if call.service == "ec2":
        return Refusal("RequestLimitExceeded", "Request limit exceeded.", 503)
    if call.service == "kms":
        return Refusal("ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
    if call.protocol == "query":
        return Refusal("Throttling", "Rate exceeded")
    if call.service == "s3":
        return Refusal("SlowDown", "Please reduce your request rate.", 503)
    return Refusal("ThrottlingException", "Rate exceeded")


def region_closed(call: Call) -> Refusal:
    """A region the account has not opted in to: indistinguishable from broken credentials, as in AWS."""
    if call.service == "ec2":
        return Refusal("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    return _bad_token(call, "The security token included in the request is invalid.")


def unknown_credentials(call: Call) -> Refusal:
    """An access key that looks like a session's and belongs to none."""
    return region_closed(call)


def expired_credentials(call: Call) -> Refusal:
    """Session credentials past their end. EC2 answers RequestExpired, the others ExpiredToken or its JSON name."""
    message = "The security token included in the request is expired"
    if call.service == "ec2":
        return Refusal("RequestExpired", "Request has expired.")
    if call.protocol in {"json", "rest-json"}:
        return Refusal("ExpiredTokenException", message)
    return Refusal("ExpiredToken", message, 403)


def unknown_operation(call: Call) -> Refusal:
    """The operation does not exist, or this local AWS does not have it: one code for both, so that callers meet only real codes."""
    detail = f"The action {call.operation} is not valid for this web service, or the local AWS does not offer it."
    if call.protocol in {"json", "rest-json"}:
        return Refusal("UnknownOperationException", detail)
    return Refusal("InvalidAction", detail)


def internal_error(call: Call, error: Exception) -> Refusal:
    """A fault of the local AWS itself. 500, as AWS has it, so that callers retry."""
    return _internal(call, f"The local AWS failed at {call.name}: {type(error).__name__}: {error}")


def lost_answer(call: Call) -> Refusal:
    """What a caller may see though the effect was there."""
    return _internal(call, "An internal error has occurred")


def _internal(call: Call, message: str) -> Refusal:
    return Refusal("InternalServerError" if call.protocol in {"json", "rest-json"} else "InternalError", message, 500)


def _bad_token(call: Call, message: str) -> Refusal:
    if call.protocol in {"json", "rest-json"}:
        return Refusal("UnrecognizedClientException", message)
    return Refusal("InvalidClientTokenId", message, 403)
