"""Services that moto lacks, answered beside it: REST-JSON operations as functions over the image core's store.

A service is a table from its operations' names to functions; whatever is not in the table is an operation that is not offered. Requests are
read by botocore's model of the service; answers are plain JSON under the model's names.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import HTTPException

from goldenami.local.aws import lab
from goldenami.local.aws.answers import RefusedError
from goldenami.local.aws.calls import Environ
from goldenami.local.aws.ec2.store import STORE, Place, Store, settled

_SCOPE = re.compile(r"Credential=[^/\s]+/\d{8}/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True)
class RestCall:
    """`params` are parsed by the service's model: from the path, the query and the body alike."""

    account: str
    region: str
    params: Mapping[str, Any]
    now: float
    store: Store

    @property
    def place(self) -> Place:
        return self.account, self.region


Operations = Mapping[str, Callable[[RestCall], Mapping[str, Any]]]
Application = Callable[[Environ, Any], Iterable[bytes]]


def beside(application: Application, services: Mapping[str, Operations]) -> Application:
    """An application that answers these services' calls itself and leaves the rest to the one given."""

    def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        service = scope[2].lower() if scope else ""
        if scope is None or service not in services:
            return application(environ, start_response)
        return _answer(service, services[service], scope[1], environ, start_response)

    return answer


def _answer(service: str, operations: Operations, region: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
    model, params = _parsed(service, Request(environ))
    operation = operations.get(model.name)
    if operation is None:
        raise NotImplementedError(f"{service}.{model.name}")
    with STORE.lock:
        result = operation(RestCall(environ["HTTP_X_MOTO_ACCOUNT_ID"], region, params, lab.current().clock.now(), settled()))
    status = int(model.http.get("responseCode", 200))
    start_response(f"{status} OK", [("Content-Type", "application/json")])
    return [b"" if status == 204 else json.dumps(result).encode()]


def _parsed(service: str, request: Request) -> tuple[Any, Mapping[str, Any]]:
    """The operation's model and the request's parameters. Raises NotImplementedError for a path that the service does not have."""
    try:
        model, uri = get_service_router(service).match(request)
    except HTTPException as error:
        raise NotImplementedError(f"{service} has no {request.method} {request.path}") from error
    parts: Any = {
        "method": request.method, "values": request.values, "headers": request.headers, "body": request.get_data(),
        "url_path": request.path, "url_params": uri,
    }  # fmt: skip
    try:
        return model, PROTOCOL_PARSERS["rest-json"](model, map_type=dict).parse(parts)
    except (ValueError, TypeError) as error:
        raise RefusedError("ValidationException", f"The request cannot be read: {error}") from error
