"""Parameters that AWS has and this local AWS does not act on: a call that gives one is refused, instead of being answered as if it had not.

Operations are those that the operator calls. `tests/aws/test_contracts.py` compares them with the service models of botocore.
"""

import json
from collections.abc import Iterable, Mapping

from goldenami.local.aws.answers import Refusal
from goldenami.local.aws.calls import Call

_ELSEWHERE = "there are no Local Zones and no Outposts here"
_SERVICE_PRINCIPALS = "grants are for accounts and their roles here"

UNHEARD: Mapping[str, Mapping[str, str]] = {
    "autoscaling.DescribeAutoScalingGroups": {"IncludeInstances": "a group is always shown with its instances here"},
    "ec2.CopyImage": {
        "DestinationAvailabilityZone": _ELSEWHERE,
        "DestinationAvailabilityZoneId": _ELSEWHERE,
        "DestinationOutpostArn": _ELSEWHERE,
    },
    "ec2.CreateImage": {"BootModeOverride": "an image keeps its instance's boot mode here", "SnapshotLocation": _ELSEWHERE},
    "ec2.ModifyImageAttribute": {"ProductCodes": "product codes come with the image here"},
    "kms.CreateGrant": {
        "DryRun": "KMS has no dry runs here",
        "GranteeServicePrincipal": _SERVICE_PRINCIPALS,
        "RetiringServicePrincipal": _SERVICE_PRINCIPALS,
    },
    "kms.ListGrants": {"GranteeServicePrincipal": _SERVICE_PRINCIPALS},
    "kms.RevokeGrant": {"DryRun": "KMS has no dry runs here"},
    "ssm.DescribeParameters": {"Shared": "parameters are not shared between accounts here"},
}
"""Of each operation, the parameters and why they are refused."""

_ON_THE_WIRE = {"ProductCode": "ProductCodes"}


def refusal(call: Call) -> Refusal | None:
    unheard = UNHEARD.get(call.name)
    if unheard is None:
        return None
    given = next((name for name in _given(call) if name in unheard), None)
    if given is None:
        return None
    code = "ValidationException" if call.protocol == "json" else "UnsupportedOperation"
    return Refusal(code, f"This local AWS does not know the parameter {given} of {call.operation}: {unheard[given.partition('.')[0]]}.")


def _given(call: Call) -> Iterable[str]:
    if call.flat:
        names = [name.partition(".")[0] for name in call.flat]
        return [_ON_THE_WIRE.get(name, name) for name in names]
    try:
        body = json.loads(call.body or b"{}")
    except ValueError:
        return ()
    return body if isinstance(body, dict) else ()
