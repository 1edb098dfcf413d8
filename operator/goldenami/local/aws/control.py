"""The control path `/_lab/…`: JSON in, JSON out. How tests, the demo and a person with curl steer the local AWS.

Every route is one row of `Control._routes`; errors are 400 or 404 with `{"error": …}` that says what is allowed.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import parse_qsl

from botocore.exceptions import BotoCoreError, ClientError

from goldenami.local.aws import seed, services
from goldenami.local.aws.answers import Answer
from goldenami.local.aws.audit import FILTERS, Audit
from goldenami.local.aws.buckets import Buckets
from goldenami.local.aws.calls import Environ
from goldenami.local.aws.faults import Fault, Faults
from goldenami.local.aws.holds import Holds
from goldenami.local.aws.lab import Lab, Settings

MAX_WAIT_SECONDS = 60.0


class NotFoundError(Exception):
    """No such route, fault or held call."""


@dataclass(frozen=True)
class Request:
    body: Mapping[str, Any]
    query: Mapping[str, str]
    path: tuple[str, ...]  # the variable parts of the path
    host: str  # this server, as the caller reached it


Handler = Callable[[Request], Any]


class Control:
    def __init__(self, lab: Lab, *, audit: Audit, buckets: Buckets, faults: Faults, holds: Holds, exclusive: threading.Lock) -> None:
        self._lab = lab
        self._audit = audit
        self._buckets = buckets
        self._faults = faults
        self._holds = holds
        self._exclusive = exclusive  # held while AWS itself is changed
        self._routes: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "health", lambda _: {"ready": True}),
            ("GET", "settings", lambda _: asdict(lab.settings)),
            ("PUT", "settings", self._set),
            ("GET", "clock", lambda _: self._clock()),
            ("PUT", "clock", self._rescale),
            ("POST", "clock/advance", self._advance),
            ("GET", "faults", lambda _: faults.listed()),
            ("POST", "faults", lambda request: asdict(faults.add(Fault(**request.body)))),
            ("DELETE", "faults", lambda _: {"removed": faults.remove()}),
            ("DELETE", r"faults/(\d+)", self._remove_fault),
            ("GET", "audit", self._calls),
            ("GET", "audit/counts", lambda request: audit.counts(_filters(request))),
            ("DELETE", "audit", lambda _: audit.clear()),
            ("GET", "held", self._held),
            ("POST", r"held/(\d+)/(release|drop)", self._decide),
            ("POST", r"accounts/(\d{12})/reset", lambda request: self._reset(request.path[0])),
            ("POST", "reset", lambda _: self._reset(None)),
            ("POST", "seed", self._seed),
            ("POST", r"accounts/(\d{12})/([a-z0-9-]+)/seed/([a-z]+)", self._seed_one),
            ("POST", r"accounts/(\d{12})/enrol", self._enrol),
            ("GET", r"accounts/(\d{12})/memberships", self._memberships),
        )

    def answer(self, environ: Environ) -> Answer:
        try:
            return _json(200, self._route(environ))
        except NotFoundError as error:
            return _json(404, {"error": str(error)})
        except (ValueError, TypeError, KeyError) as error:
            return _json(400, {"error": f"{type(error).__name__}: {error}"})
        except (BotoCoreError, ClientError) as error:  # sowing calls our own API
            return _json(500, {"error": f"{type(error).__name__}: {error}"})

    def _route(self, environ: Environ) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/_lab/").rstrip("/")
        for route_method, pattern, handler in self._routes:
            found = re.fullmatch(pattern, path)
            if found and method == route_method:
                return handler(_request(environ, found.groups()))
        known = ", ".join(f"{route_method} {pattern}" for route_method, pattern, _ in self._routes)
        raise NotFoundError(f"{method} /_lab/{path} is not a control call; these are: {known}")

    def _set(self, request: Request) -> dict[str, Any]:
        known = {each.name for each in fields(Settings)}
        if unknown := request.body.keys() - known:
            raise ValueError(f"unknown settings {sorted(unknown)}; known: {sorted(known)}")
        for name, value in request.body.items():
            setattr(self._lab.settings, name, _as_type_of(getattr(Settings(), name), value))
        return asdict(self._lab.settings)

    def _clock(self) -> dict[str, Any]:
        return {"now": self._lab.clock.now(), "utc": self._lab.clock.utc().isoformat(), "scale": self._lab.clock.scale}

    def _rescale(self, request: Request) -> dict[str, Any]:
        self._lab.clock.rescale(float(request.body["scale"]))
        return self._clock()

    def _advance(self, request: Request) -> dict[str, Any]:
        with self._exclusive:
            self._lab.clock.advance(float(request.body["seconds"]))
            services.settle()
        return self._clock()

    def _remove_fault(self, request: Request) -> dict[str, int]:
        removed = self._faults.remove(int(request.path[0]))
        if not removed:
            raise NotFoundError(f"there is no fault {request.path[0]}")
        return {"removed": removed}

    def _calls(self, request: Request) -> list[dict[str, Any]]:
        return [record.as_dict() for record in self._audit.select(_filters(request))]

    def _held(self, request: Request) -> list[dict[str, Any]]:
        wait_seconds = min(float(request.query.get("wait_seconds", "0")), MAX_WAIT_SECONDS)
        return [held.as_dict() for held in self._holds.listed(wait_seconds)]

    def _decide(self, request: Request) -> dict[str, str]:
        held_id, verdict = request.path
        if not self._holds.decide(int(held_id), go_on=verdict == "release"):
            raise NotFoundError(f"no call {held_id} is held")
        return {"verdict": verdict}

    def _reset(self, account: str | None) -> dict[str, Any]:
        with self._exclusive:
            services.reset(account)
            self._buckets.forget(account)
        if account is None:
            self._faults.remove()
            self._holds.drop_all()
            self._audit.clear()
        return {"reset": account or "everything"}

    def _seed(self, request: Request) -> dict[str, Any]:
        return seed.sow(self._lab, f"http://{request.host}", **request.body)

    def _seed_one(self, request: Request) -> dict[str, Any]:
        from goldenami.local.aws.ec2.seed import seed as seed_one

        account, region, kind = request.path
        with self._exclusive:
            return seed_one(kind, account, region, request.body)

    def _enrol(self, request: Request) -> list[str]:
        from goldenami.local.aws import organizations

        with self._exclusive:
            return sorted(organizations.enrol(request.path[0], **request.body))

    def _memberships(self, request: Request) -> list[str]:
        from goldenami.local.aws import organizations

        with self._exclusive:
            return sorted(organizations.memberships(request.path[0]))


def _request(environ: Environ, path: tuple[str, ...]) -> Request:
    body = json.loads(environ["wsgi.input"].read() or b"{}")
    if not isinstance(body, dict):
        raise ValueError("a control call's body is a JSON object")
    return Request(body, dict(parse_qsl(environ.get("QUERY_STRING", ""))), path, environ["HTTP_HOST"])


def _filters(request: Request) -> Mapping[str, str]:
    if unknown := request.query.keys() - FILTERS:
        raise ValueError(f"unknown filters {sorted(unknown)}; known: {sorted(FILTERS)}")
    return request.query


def _as_type_of(default: Any, value: Any) -> Any:
    """A JSON value as the type of the setting's default: an unfit one must be refused here, not fail a call later."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ValueError(f"true or false is wanted, {value!r} was given")
        return value
    if isinstance(default, (int, float)):
        return type(default)(value)
    if isinstance(default, tuple):
        return tuple(str(each) for each in value)
    return type(default)(value)


def _json(status: int, value: Any) -> Answer:
    return Answer(status, [("Content-Type", "application/json")], json.dumps(value).encode())
