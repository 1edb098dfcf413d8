"""Systems Manager parameters that stand for images: `resolve:ssm:` references, and the parameters of type `aws:ec2:image`.

Reads moto's Parameter Store and writes nothing.
Source: EC2 user guide ("Use a Systems Manager parameter instead of an AMI ID"): `resolve:ssm:name`, with `:version` or `:label`, or a
parameter's ARN, which may be another account's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from goldenami.local.aws.ec2 import errors

PREFIX = "resolve:ssm:"
IMAGE_TYPE = "aws:ec2:image"
_ARN = re.compile(r"arn:aws[\w-]*:ssm:(?P<region>[\w-]+):(?P<account>\d{12}):parameter(?P<name>/.+)")


@dataclass(frozen=True)
class Alias:
    """A parameter's present value, or the one of the version or label that was asked for."""

    arn: str
    value: str
    data_type: str


def is_alias(reference: str) -> bool:
    return reference.startswith(PREFIX)


def image_of(account: str, region: str, reference: str) -> str:
    """The image id that a reference stands for now; an id stands for itself. Raises InvalidParameterValue for an unknown parameter."""
    return alias_of(account, region, reference).value if is_alias(reference) else reference


def alias_of(account: str, region: str, reference: str) -> Alias:
    """The parameter behind `resolve:ssm:…`. Raises InvalidParameterValue where there is none."""
    from moto.ssm.exceptions import ParameterVersionNotFound
    from moto.ssm.models import ssm_backends

    name = reference.removeprefix(PREFIX)
    found = _ARN.fullmatch(name)
    if found:
        account, region, name = found["account"], found["region"], found["name"]
    backend = ssm_backends[account][region]
    try:
        # An ARN does not tell whether the name began with a slash.
        parameter = backend.get_parameter(name) or (backend.get_parameter(name.removeprefix("/")) if found else None)
    except ParameterVersionNotFound:
        parameter = None
    if parameter is None:
        raise errors.invalid_value(f"The parameter {name} does not exist")
    return Alias(_arn(account, region, parameter.name), str(parameter.value), str(parameter.data_type))


def image_parameters(account: str, region: str) -> Iterable[Alias]:
    """The account's own parameters of type `aws:ec2:image`, in the order they were made, each with its present value."""
    from moto.ssm.models import ssm_backends

    parameters = [versions[-1] for versions in ssm_backends[account][region]._parameters.values() if versions]
    return [
        Alias(_arn(account, region, each.name), str(each.value), IMAGE_TYPE)
        for each in parameters
        if each.data_type == IMAGE_TYPE and not each.name.startswith("/aws/service/")
    ]


def _arn(account: str, region: str, name: str) -> str:
    return f"arn:aws:ssm:{region}:{account}:parameter{name if name.startswith('/') else f'/{name}'}"
