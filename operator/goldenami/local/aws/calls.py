"""One AWS call as the shell sees it: who calls which operation of which service, in which account and region, with what arguments.

Reads the HTTP request alone; the only thing it asks moto is which account an assumed role's credentials belong to.
"""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from goldenami.local.aws.access import account_of_access_key

Environ = dict[str, Any]
Protocol = Literal["ec2", "query", "json", "rest-json", "rest-xml"]

_CREDENTIAL = re.compile(r"Credential=([^/\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_UNSIGNED_STS = ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")
_READS = ("Describe", "Get", "List", "Head", "Search", "Lookup", "BatchGet", "GET ", "HEAD ", "Decode")
# These leave nothing behind either.
_HARMLESS = ("AssumeRole", "Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateMac", "Sign", "Verify")


@dataclass(frozen=True, slots=True)
class Call:
    service: str  # the signing name: ec2, ssm, kms, sts, autoscaling, …
    operation: str  # CopyImage; for REST services without a known operation, "GET /path"
    account: str  # empty for session credentials that nobody issued
    region: str
    access_key: str
    protocol: Protocol
    body: bytes = field(repr=False)
    flat: Mapping[str, str] = field(repr=False)  # query arguments as sent: {"ImageId.1": "ami-…"}; empty for JSON services

    @property
    def name(self) -> str:
        return f"{self.service}.{self.operation}"

    @property
    def dry_run(self) -> bool:
        return self.flat.get("DryRun", "").lower() == "true"

    @property
    def reading(self) -> bool:
        return self.operation.startswith(_READS)

    @property
    def mutating(self) -> bool:
        """Whether the call is meant to change something in AWS."""
        return not self.dry_run and not self.operation.startswith((*_READS, *_HARMLESS))

    def mentions(self, resource: str) -> bool:
        """Whether an argument contains this text: a resource id, a name, a tag's value."""
        if self.flat:
            return any(resource in value for value in self.flat.values())
        return resource in self.body.decode("utf-8", "replace") or resource in self.operation


def identify(environ: Environ, *, default_account: str) -> Call:
    """Reads the request's body (and leaves it readable) and its SigV4 scope."""
    body = _take_body(environ)
    access_key, region, service = _scope(environ)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    flat = {} if target else _flat(environ, body)
    action = target.rpartition(".")[2] or flat.get("Action", "")
    if not service and action in _UNSIGNED_STS:
        service = "sts"
    service = service or "s3"  # as moto decides for anything unsigned
    protocol = _protocol(service, target=target, action=action)
    return Call(
        service=service,
        operation=action or _rest_operation(environ, service),
        account=environ.get("HTTP_X_MOTO_ACCOUNT_ID") or _account(access_key, default_account),
        region=region or "us-east-1",
        access_key=access_key,
        protocol=protocol,
        body=b"" if flat else body,  # kept once: the audit holds many calls
        flat=flat,
    )


def _take_body(environ: Environ) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _scope(environ: Environ) -> tuple[str, str, str]:
    """Access key, region, service; empty strings for an unsigned call."""
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found is None and "X-Amz-Credential" in environ.get("QUERY_STRING", ""):  # a presigned URL
        presigned = dict(parse_qsl(environ["QUERY_STRING"]))
        found = _CREDENTIAL.search(f"Credential={presigned.get('X-Amz-Credential', '')}")
    return (found[1], found[2], found[3].lower()) if found else ("", "", "")


def _flat(environ: Environ, body: bytes) -> dict[str, str]:
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    query = environ.get("QUERY_STRING", "")
    return dict(parse_qsl(query, keep_blank_values=True)) if "Action=" in query else {}


def _protocol(service: str, *, target: str, action: str) -> Protocol:
    if target:
        return "json"
    if service == "ec2":
        return "ec2"
    if action:
        return "query"
    return "rest-xml" if service in {"s3", "cloudfront", "route53"} else "rest-json"


def _rest_operation(environ: Environ, service: str) -> str:
    """The operation of a REST call, from botocore's model of the service; its method and path where the model has none."""
    from botocore.exceptions import UnknownServiceError
    from moto.core.request import Request
    from moto.core.routing import get_service_router
    from werkzeug.exceptions import HTTPException

    try:
        operation, _ = get_service_router(service).match(Request(environ.copy()))
        return str(operation.name)
    except (HTTPException, NotImplementedError, UnknownServiceError):
        pass
    return f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '/')}"


_assumed: dict[str, str] = {}


def _account(access_key: str, default_account: str) -> str:
    named = account_of_access_key(access_key)
    if named:
        return named
    if not access_key.startswith("ASIA"):
        return default_account
    if access_key not in _assumed and (issued_for := _issued_for(access_key)):
        _assumed[access_key] = issued_for
    return _assumed.get(access_key, "")


def _issued_for(access_key: str) -> str:
    """The account moto issued session credentials for; empty where it did not issue them."""
    from moto.iam.models import iam_backends

    backends = [(account, backend) for account, partitions in list(iam_backends.items()) for backend in list(partitions.values())]
    return next((account for account, backend in backends if access_key in backend.access_keys), "")


def forget_sessions() -> None:
    """After a reset nobody's session credentials are known any more."""
    _assumed.clear()


def arguments_of(call: Call) -> dict[str, Any]:
    """The call's arguments as its service's model names them; the flat ones where no model fits. For reports: it may load a model."""
    if call.flat:
        return _query_arguments(call)
    try:
        parsed = json.loads(call.body or b"{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _query_arguments(call: Call) -> dict[str, Any]:
    from botocore.model import OperationNotFoundError
    from moto.core.parse import PROTOCOL_PARSERS
    from moto.core.utils import get_service_model
    from werkzeug.datastructures import MultiDict

    flat = {name: value for name, value in call.flat.items() if name not in {"Action", "Version"}}
    try:
        model = get_service_model(call.service).operation_model(call.operation)
        request: Any = {
            "method": "POST",
            "values": MultiDict(call.flat),
            "headers": {},
            "body": call.body,
            "url_path": "/",
            "url_params": {},
        }
        return dict(PROTOCOL_PARSERS[call.protocol](model, map_type=dict).parse(request))
    except (OperationNotFoundError, LookupError, ValueError):
        return dict(flat)
