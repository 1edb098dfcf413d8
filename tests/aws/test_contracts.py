"""The contract as a whole: no operation that the local EC2 answers, or that the operator calls of any service, is without a test in the
modules of rows; and of what the operator calls, no parameter that AWS has is dropped in silence.

Source: the service models of botocore, which are AWS's own.
"""

import ast
import html
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import botocore.model
import botocore.session
import pytest
from botocore import xform_name

import goldenami.aws
from goldenami.aws import models
from goldenami.local.aws import LocalAws, services
from goldenami.local.aws.ec2 import describing, instance_filters, snapshots, templates, usage_reports
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.operations import OPERATIONS
from goldenami.local.aws.services import BESIDE_MOTO, regions
from goldenami.local.aws.unheard import UNHEARD
from support.aws import error_of

BY_THE_CLOUD = {"CopyImage": "copy"}
"""What rows call by `support.ec2.Cloud`."""

VALUES_OF_FILTERS: Mapping[str, set[str]] = {
    "DescribeImages": {"informational", "low", "medium", "high", "critical"},
    "DescribeSnapshots": {"progress", "tag"},  # added call by call, as it goes with the clock; tag:<key>
    "DescribeLaunchTemplates": {"tag"},  # tag:<key>
}
"""What the lists of filters name besides filters."""

SERVICES = ("ec2", "ssm", "kms", "autoscaling", "imagebuilder", "sts")


NAMESAKES = {("autoscaling", "DeleteTags"), ("imagebuilder", "CreateImage"), ("imagebuilder", "ListTagsForResource")}
"""What the operator calls of another service than this one."""

NOTHING_MANAGED = "no other service manages anything here, so there is nothing to leave out"
IGNORED: Mapping[str, Mapping[str, str]] = {
    "ec2.DescribeInstances": {"IncludeManagedResources": NOTHING_MANAGED},
    "ec2.DescribeLaunchTemplateVersions": {"IncludeManagedResources": NOTHING_MANAGED},
    "ec2.DescribeLaunchTemplates": {"IncludeManagedResources": NOTHING_MANAGED},
    "autoscaling.DescribeAutoScalingGroups": {"IncludeManagedResources": NOTHING_MANAGED},
    "kms.CreateGrant": {"GrantTokens": "grants count at once here, so a token adds nothing"},
    "kms.DescribeKey": {"GrantTokens": "grants count at once here, so a token adds nothing"},
}
"""Parameters that are answered as if they had not been given, and why that is true to AWS."""


def trees(folder: Path, pattern: str, but: str = "") -> Iterator[ast.AST]:
    return (ast.parse(path.read_text()) for path in sorted(folder.rglob(pattern)) if path.name != but)


@cache
def names_in_rows() -> frozenset[str]:
    """Every method that the rows call by its name, and every string in them, as tables name operations, too. Comments are neither."""
    nodes = [
        node
        for pattern in ("test_ec2_*.py", "test_shell_*.py")
        for tree in trees(Path(__file__).parent, pattern)
        for node in ast.walk(tree)
    ]
    methods = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return frozenset({*methods, *(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))})


@cache
def called_by_the_operator() -> frozenset[tuple[str, str]]:
    """(service, operation) of every call in the operator's door to AWS: each is a method of a client, whatever the client is called."""
    methods: set[str] = set()
    for tree in trees(Path(goldenami.aws.__file__).parent, "*.py", but="models.py"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                methods.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                methods.add(node.value)
    return frozenset(
        (service, operation)
        for service in SERVICES
        for operation in model(service).operation_names
        if xform_name(operation) in methods and (operation in methods or service == "sts") and (service, operation) not in NAMESAKES
    )


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def answering(service: str, operation: str) -> tuple[type | None, Any]:
    """The class and the function that answer an operation here; classes are moto's, with ours on top."""
    if service in BESIDE_MOTO:
        return None, BESIDE_MOTO[service][operation]
    if service == "ec2" and operation in OPERATIONS:
        return None, OPERATIONS[operation]
    services.application()
    urls = import_module(f"moto.{service}.urls").url_paths
    found = next(path for path in urls if path in {"{0}/", "{0}/$"})
    holder = urls[found].__self__
    return holder, inspect.unwrap(getattr(holder, xform_name(operation)))


def read_by(holder: type | None, function: Any) -> set[str]:
    """Every string in a function and in what it calls, as far as that is the local AWS's or a response class of moto's."""
    words: set[str] = set()
    seen: set[Any] = set()
    waiting: list[Any] = [function]
    while waiting:
        each = inspect.unwrap(waiting.pop())
        if isinstance(each, str):
            words.add(each)
        elif isinstance(each, (Mapping, tuple, frozenset)):
            waiting += [*each, *(each.values() if isinstance(each, Mapping) else ())]
        elif isinstance(each, CodeType):
            waiting += [const for const in each.co_consts if isinstance(const, (str, tuple, frozenset, CodeType))]
        elif isinstance(each, FunctionType) and each not in seen and is_local(each.__module__):
            seen.add(each)
            waiting += [each.__code__, *named_by(each, holder)]
    return words


def is_local(module: str) -> bool:
    return module.startswith("goldenami.local.aws") or ".responses" in module


def named_by(function: FunctionType, holder: type | None) -> Iterator[Any]:
    """What the names in a function may mean: globals, members of modules, and methods of its class, of the bases, and of `Call`."""
    names = {name for code in codes(function.__code__) for name in code.co_names}
    for name in names:
        meant = function.__globals__.get(name)
        if isinstance(meant, ModuleType):
            yield from (getattr(meant, other) for other in names if hasattr(meant, other) and is_local(meant.__name__))
        elif meant is not None:
            yield meant
        yield from (
            getattr(each, name) for each in (*(holder.__mro__ if holder else ()), Call) if isinstance(vars(each).get(name), FunctionType)
        )


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from codes(const)


def documented_filters(operation: str) -> set[str]:
    """The names in the list of filters; the values that some of them list are among them."""
    documentation = model("ec2").operation_model(operation).input_shape.members["Filters"].documentation
    return {html.unescape(name) for name in re.findall(r"<li> <p> *<code>([^<]+)</code>", documentation)}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_of_the_image_core_has_a_row(operation: str) -> None:
    assert BY_THE_CLOUD.get(operation, xform_name(operation)) in names_in_rows()


def test_the_operators_models_hold_exactly_what_it_calls() -> None:
    """More would cost every client time and memory; less would fail at the first call."""
    kept = {(service, operation) for service, operations in models.OPERATIONS.items() for operation in operations}
    assert kept == {(service, operation) for service, operation in called_by_the_operator() if service != "sts"}


@pytest.mark.parametrize(("service", "operation"), sorted(called_by_the_operator()))
def test_what_is_left_of_a_model_describes_its_operations_as_before(service: str, operation: str) -> None:
    """Down to the last member of what goes in and comes out."""
    whole, left = model(service), botocore.model.ServiceModel(models.loader().load_service_model(service, "service-2"), service)
    assert described(left.operation_model(operation)) == described(whole.operation_model(operation))


def described(operation: Any) -> dict[str, Any]:
    shapes: dict[str, Any] = {}
    waiting = [each for each in (operation.input_shape, operation.output_shape, *operation.error_shapes) if each is not None]
    while waiting:
        shape = waiting.pop()
        if shape.name not in shapes:
            shapes[shape.name] = (shape.type_name, shape.serialization, shape.metadata, sorted(getattr(shape, "members", ())))
            waiting += [
                *getattr(shape, "members", {}).values(),
                *(getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)),
            ]
    return {"shapes": shapes, "http": operation.http, "name": operation.wire_name}


@pytest.mark.parametrize(("service", "operation"), sorted(called_by_the_operator()))
def test_every_operation_that_the_operator_calls_has_a_row(service: str, operation: str) -> None:
    assert BY_THE_CLOUD.get(operation, xform_name(operation)) in names_in_rows()


@pytest.mark.parametrize(("service", "operation"), sorted(called_by_the_operator()))
def test_every_parameter_of_what_the_operator_calls_is_read_or_named(service: str, operation: str) -> None:
    """Source: the members of the operation's input in botocore's model. What nothing here reads is refused, or ignored for a reason."""
    shape = model(service).operation_model(operation).input_shape
    unread = set(shape.members if shape else ()) - read_by(*answering(service, operation))
    name = f"{service}.{operation}"
    assert unread == {*UNHEARD.get(name, ()), *IGNORED.get(name, ())}


FILTERS: Mapping[str, Mapping[str, Any]] = {
    "DescribeImages": describing.FIELDS,
    "DescribeSnapshots": snapshots.FIELDS,
    "DescribeInstances": instance_filters.FIELDS,
    "DescribeLaunchTemplates": templates.TEMPLATE_FIELDS,
    "DescribeLaunchTemplateVersions": templates.FIELDS,
    "DescribeImageUsageReports": usage_reports.FIELDS,
    "DescribeImageUsageReportEntries": usage_reports.ENTRY_FIELDS,
    "DescribeRegions": regions.FILTERS,
}


@pytest.mark.parametrize(("operation", "here"), FILTERS.items(), ids=FILTERS)
def test_exactly_the_documented_filters_are_answered(operation: str, here: Mapping[str, Any]) -> None:
    """Source: botocore's documentation of Filters. Tags are apart."""
    documented = documented_filters(operation)
    assert {*here} - documented == set()
    assert documented - {*here} - {"tag-key", "tag:<key>"} == VALUES_OF_FILTERS.get(operation, set())


def test_every_list_of_filters_of_what_the_operator_calls_is_compared() -> None:
    """Source: botocore's documentation of Filters; where there is none, AWS does not say which filters there are."""
    called = [operation for service, operation in called_by_the_operator() if service == "ec2"]
    with_filters = [each for each in called if "Filters" in getattr(model("ec2").operation_model(each).input_shape, "members", {})]
    assert {each for each in with_filters if documented_filters(each)} == {*FILTERS}


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        pytest.param(
            "ec2",
            "create_image",
            {"InstanceId": "i-0123456789abcdef0", "Name": "web", "BootModeOverride": "uefi"},
            "UnsupportedOperation",
            id="CreateImage BootModeOverride",
        ),
        pytest.param(
            "ec2",
            "modify_image_attribute",
            {"ImageId": "ami-0123456789abcdef0", "ProductCodes": ["x"]},
            "UnsupportedOperation",
            id="ModifyImageAttribute ProductCodes",
        ),
        pytest.param(
            "kms",
            "create_grant",
            {"KeyId": "k", "GranteePrincipal": "arn:aws:iam::222222222222:root", "Operations": ["Decrypt"], "DryRun": True},
            "ValidationException",
            id="CreateGrant DryRun",
        ),
        pytest.param(
            "autoscaling", "describe_auto_scaling_groups", {"IncludeInstances": False}, "UnsupportedOperation", id="IncludeInstances"
        ),
    ],
)
def test_a_parameter_that_nothing_here_acts_on_is_refused(
    local_aws: LocalAws, account: str, service: str, operation: str, arguments: dict[str, Any], code: str
) -> None:
    """Local: a call that would do less, or more, than it says must not pass for one that was carried out."""
    assert error_of(getattr(local_aws.client(service, account=account), operation), **arguments) == (code, 400)
