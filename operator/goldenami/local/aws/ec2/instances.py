"""DescribeInstances: moto's instances and filters, EC2's pages and refusals."""

from collections.abc import Mapping
from typing import Any

from goldenami.local.aws.ec2 import errors, paging
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.shell import Original, answer_of


def describe_instances(call: Call) -> Original:
    """Reservations, in the order they were made. Ids exclude MaxResults; without either, everything is listed."""
    by_id = call.texts("InstanceIds")
    if by_id and call.number("MaxResults") is not None:
        raise errors.invalid_combination("The parameter instancesSet cannot be used with the parameter maxResults")
    call.confirm()
    numbered = list(enumerate(_reservations(call, by_id), start=1))
    shown, token = paging.page(call, numbered, sequence=lambda each: each[0], minimum=5)
    return answer_of({"Reservations": [reservation for _, reservation in shown], "NextToken": token})


def _reservations(call: Call, by_id: list[str]) -> list[Any]:
    wanted: Mapping[str, list[str]] = {str(each.get("Name")): list(each.get("Values") or ()) for each in call.params.get("Filters") or ()}
    try:
        return call.shell.reservations(by_id, wanted)
    except NotImplementedError as error:  # moto's way of saying that it does not know a filter
        raise errors.invalid_value(f"A filter of {', '.join(sorted(wanted))} is invalid") from error
