"""moto's services as this local AWS offers them: some stacked with closer semantics, the rest as they are.

Each module here subclasses one of moto's response classes; a method named like an operation in snake case is that operation. EC2's
images are the image core's (`goldenami.local.aws.ec2`). Services that moto lacks are tables of functions (`rest`).
"""

import io
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from botocore.model import OperationNotFoundError
from moto.backend_index import backend_url_patterns
from moto.core import responses
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.utils import method_names_from_class
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from goldenami.local.aws import ec2, lab
from goldenami.local.aws.calls import Call, Environ, forget_sessions
from goldenami.local.aws.services import auto_scaling, image_builder, kms, parameters, recycle_bin, regions, rest, sts

BESIDE_MOTO: Mapping[str, rest.Operations] = {"rbin": recycle_bin.OPERATIONS, "imagebuilder": image_builder.OPERATIONS}
"""Services that moto lacks, by their signing names."""

UNKNOWN_OPERATION = (NotImplementedError, OperationNotFoundError)


@cache
def application() -> Callable[[Environ, Any], Any]:
    """moto as one WSGI application, with our services in place. Its state belongs to the process, so there is one per process."""
    ec2.install()
    regions.install()  # on top of whatever answers EC2
    auto_scaling.install()
    kms.install()
    parameters.install()
    sts.install()
    # moto looks through its class for each call's method.
    vars(responses)["method_names_from_class"] = cache(method_names_from_class)
    app: Callable[[Environ, Any], Any] = _Dispatcher(create_backend_app)
    return rest.beside(app, BESIDE_MOTO)


class _Dispatcher(DomainDispatcherApplication):
    """Remembers whose a host is. moto looks through its own folder for each call: two hundred questions to the file system."""

    def __init__(self, create_app: Callable[..., Any]) -> None:
        super().__init__(create_app)
        self._known = lru_cache(maxsize=1024)(super().get_backend_for_host)

    def get_backend_for_host(self, host: str | None) -> Any:
        return self._known(host)


def settle() -> None:
    """Lets what is due by the lab's clock happen. Called before each call, so that its time is the time of the effect."""
    parameters.settle(lab.current())


def is_unknown(error: Exception, call: Call) -> bool:
    """Whether moto failed because it has no such service at all."""
    host = f"http://{call.service}.{call.region}.amazonaws.com"
    return not any(pattern.match(host) for _, pattern in backend_url_patterns) and isinstance(
        error, (LookupError, AttributeError, ImportError, TypeError)
    )


def reset(account: str | None) -> None:
    """Forgets all resources of one account, or of all. Settings and clock stay."""
    forget_sessions()
    for forget in lab.reset_hooks():
        forget(account)
    instances: list[Any] = vars(BackendDict)["_instances"]
    if account is None:
        # BackendDict.reset makes each region's backend anew, default VPC and all, to drop it then: a second for what a table of tests left.
        for backends in instances:
            for backend in [each for regions in backends.values() for each in regions.values()]:
                if type(backend).reset is not BaseBackend.reset:  # it has files to close, or threads to end
                    backend.reset()
            backends.clear()
        instances.clear()
        _master_accounts().clear()
        return
    for backends in list(instances):
        if account in backends.keys():  # noqa: SIM118 - moto's dictionaries make what they are asked for with `in`
            backends[account].reset()
            del backends[account]
    _master_accounts().pop(account, None)


def _master_accounts() -> dict[str, tuple[str, str]]:
    from moto.organizations.models import organizations_backends

    members: dict[str, tuple[str, str]] = organizations_backends.master_accounts
    return members


def environ_of(body: bytes, *, authorization: str) -> Environ:
    """A Query call as it would arrive over HTTP."""
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "RAW_URI": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": authorization,
        "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
    }
