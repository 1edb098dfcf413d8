"""DescribeInstances: moto's instances, EC2's filters, pages and refusals."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from goldenami.local.aws.ec2 import errors, filters, paging
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.instance_filters import FIELDS, Listed
from goldenami.local.aws.ec2.shell import Original, answer_of


def describe_instances(call: Call) -> Original:
    """Reservations, in the order they were made, with those of their instances that pass. Ids exclude MaxResults; without either,
    everything is listed.
    """
    by_id = call.texts("InstanceIds")
    if by_id and call.number("MaxResults") is not None:
        raise errors.invalid_combination("The parameter instancesSet cannot be used with the parameter maxResults")
    passes = filters.compiled(call.params.get("Filters"), FIELDS, lambda listed: _tags(call, listed))
    call.confirm()
    # Numbered before anything is left out: what no longer passes by the next page would shift all that comes after it.
    numbered = enumerate(_passing(call.shell.reservations(by_id), passes), start=1)
    shown, token = paging.page(call, numbered, sequence=lambda each: each[0], passes=lambda each: bool(each[1].instances), minimum=5)
    return answer_of({"Reservations": [reservation for _, reservation in shown], "NextToken": token})


def _tags(call: Call, listed: Listed) -> Mapping[str, str]:
    return call.shell.tags_of(listed[1].id)


def _passing(reservations: list[Any], passes: Callable[[Listed], bool]) -> Iterator[Any]:
    """Each reservation, with nothing but its instances that pass."""
    for reservation in reservations:
        narrowed = copy.copy(reservation)
        narrowed.instances = [instance for instance in reservation.instances if passes((reservation, instance))]
        yield narrowed
