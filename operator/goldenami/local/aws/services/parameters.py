"""Parameter Store's image aliases: `aws:ec2:image` values are checked after the answer, and DescribeParameters pages.

Sources: Systems Manager API reference (PutParameter: "a successful HTTP 200 response does not guarantee that your parameter was
successfully created or updated"; DescribeParameters: MaxResults 1 to 50) and user guide ("Native parameter support for Amazon Machine
Image IDs").
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ssm import urls
from moto.ssm.exceptions import ParameterAlreadyExists
from moto.ssm.models import ssm_backends
from moto.ssm.responses import SimpleSystemManagerResponse

from goldenami.local.aws import lab
from goldenami.local.aws.answers import RefusedError
from goldenami.local.aws.lab import Lab

IMAGE = "aws:ec2:image"
PAGE = 10  # DescribeParameters without MaxResults
MAX_PAGE = 50


@dataclass(frozen=True)
class Pending:
    """A PutParameter that was answered and is not checked yet."""

    account: str
    region: str
    due_epoch: float
    arguments: dict[str, Any] = field(repr=False)


_pending: list[Pending] = []
_lock = threading.Lock()


def install() -> None:
    urls.url_paths["{0}/$"] = ParameterStore.dispatch
    lab.on_reset(_forget)


def _forget(account: str | None) -> None:
    with _lock:
        _pending[:] = [each for each in _pending if account not in {None, each.account}]


def settle(current: Lab) -> None:
    """Checks every value that is due: a visible, available image becomes the parameter's value; anything else leaves it as it was."""
    if not _pending:
        return
    now = current.clock.now()
    with _lock:
        due = [each for each in _pending if each.due_epoch <= now]
        _pending[:] = [each for each in _pending if each.due_epoch > now]
    for each in due:
        if lab.image_visible(each.account, each.region, str(each.arguments["value"])):
            _write(each)


def _write(pending: Pending) -> None:
    try:
        parameter = ssm_backends[pending.account][pending.region].put_parameter(**pending.arguments)
    except ServiceException:
        return  # what was true when the call was answered is no longer: the parameter exists by now, or its versions are full
    _stamp(parameter)


def _stamp(parameter: Any) -> None:
    parameter.last_modified_date = lab.current().clock.utc()


def _selector(name: str) -> dict[str, str]:
    selector = name.rpartition(":parameter")[2].partition(":")[2]
    return {"Selector": f":{selector}"} if selector else {}


def refused(message: str) -> RefusedError:
    return RefusedError("ValidationException", message)


class ParameterStore(SimpleSystemManagerResponse):
    def put_parameter(self) -> ActionResult:
        name = str(self._get_param("Name"))
        parameters = self.ssm_backend._parameters
        versions = parameters[name] if name in parameters else []  # noqa: SIM401 - `get` does not see `/name` and `name` as one
        arguments = self._arguments(name, versions[-1] if versions else None)
        if arguments["data_type"] == IMAGE:
            return self._put_image(arguments, versions)
        parameter = self.ssm_backend.put_parameter(**arguments)
        _stamp(parameter)
        return ActionResult({"Version": parameter.version, "Tier": parameter.tier})

    def _arguments(self, name: str, existing: Any) -> dict[str, Any]:
        data_type = self._get_param("DataType") or (existing.data_type if existing else "text")
        if existing and data_type != existing.data_type:
            raise refused(f"The data type of {name} is {existing.data_type} and cannot be changed to {data_type}.")
        return {
            "name": name,
            "description": self._get_param("Description"),
            "value": self._get_param("Value"),
            "parameter_type": self._get_param("Type"),
            "allowed_pattern": self._get_param("AllowedPattern"),
            "keyid": self._get_param("KeyId"),
            "overwrite": self._get_param("Overwrite", False),
            "tags": self._get_param("Tags"),
            "data_type": data_type,
            "tier": self._get_param("Tier"),
            "policies": self._get_param("Policies"),
        }

    def _put_image(self, arguments: dict[str, Any], versions: list[Any]) -> ActionResult:
        """Answers at once with the version it would be; the value is checked later."""
        self._refuse_at_once(arguments, versions)
        current = lab.current()
        due = current.clock.now() + current.settings.image_parameter_seconds
        with _lock:
            waiting = sum(
                each.account == self.current_account and each.region == self.region and each.arguments["name"] == arguments["name"]
                for each in _pending
            )
            _pending.append(Pending(self.current_account, self.region, due, arguments))
        settle(current)
        latest = versions[-1].version if versions else 0
        return ActionResult({"Version": latest + waiting + 1, "Tier": arguments["tier"] or "Standard"})

    def _refuse_at_once(self, arguments: dict[str, Any], versions: list[Any]) -> None:
        if not versions and not arguments["overwrite"] and not arguments["parameter_type"]:
            raise refused("A parameter type is required when you create a parameter.")
        if arguments["parameter_type"] not in {None, "String"}:
            raise refused(f"The data type {IMAGE} is supported for parameters of type String only.")
        if arguments["overwrite"] and arguments["tags"]:
            raise refused(
                "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite "
                "flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource."
            )
        if versions and not arguments["overwrite"]:
            raise ParameterAlreadyExists
        if len(versions) >= 100:
            self.ssm_backend._check_for_parameter_version_limit_exception(arguments["name"])

    def get_parameters(self) -> ActionResult:
        """A version or label that was asked for comes back as a selector beside the name (API reference, Parameter)."""
        names, plain = self._get_param("Names"), self._get_param("WithDecryption")
        found = self.ssm_backend.get_parameters(names)
        rows = [{**each.response_object(plain, self.region), **_selector(name)} for name, each in found.items()]
        return ActionResult({"Parameters": rows, "InvalidParameters": [name for name in names if name not in found]})

    def describe_parameters(self) -> ActionResult:
        filters, limit = self._get_param("ParameterFilters") or [], int(self._get_param("MaxResults") or PAGE)
        if not 1 <= limit <= MAX_PAGE:
            raise refused(
                f"1 validation error detected: Value '{limit}' at 'maxResults' failed to satisfy constraint: "
                f"Member must have value less than or equal to {MAX_PAGE}"
            )
        backend = self.ssm_backend
        # moto knows no filter by data type, and refuses it.
        types = [each for each in filters if each["Key"] == "DataType"]
        filters = [each for each in filters if each["Key"] != "DataType"]
        backend._validate_parameter_filters(filters, by_path=False)
        # One filter at a time: moto takes a tag filter without values as the whole answer.
        found = [
            parameter
            for parameter in backend.describe_parameters(self._get_param("Filters"), filters[:1])
            if all(backend._match_filters(parameter, [each]) for each in filters[1:])
            and all(parameter.data_type in each["Values"] for each in types)
        ]
        start = self._start()
        answer: dict[str, Any] = {"Parameters": [self._description(each) for each in found[start : start + limit]]}
        if start + limit < len(found):
            answer["NextToken"] = str(start + limit)
        return ActionResult(answer)

    def get_parameter_history(self) -> ActionResult:
        self._start()
        return super().get_parameter_history()

    def get_parameters_by_path(self) -> ActionResult:
        self._start()
        return super().get_parameters_by_path()

    def _start(self) -> int:
        """The offset that the call's token stands for. moto fails at one that it did not give."""
        token = str(self._get_param("NextToken") or "").strip() or "0"
        if not token.isdecimal():
            raise RefusedError("InvalidNextToken", "The specified token isn't valid.")
        return int(token)

    def _description(self, parameter: Any) -> dict[str, Any]:
        described: dict[str, Any] = parameter.describe_response_object(False)
        path = parameter.name if parameter.name.startswith("/") else f"/{parameter.name}"
        described["ARN"] = f"arn:{self.partition}:ssm:{self.region}:{self.current_account}:parameter{path}"
        return described
