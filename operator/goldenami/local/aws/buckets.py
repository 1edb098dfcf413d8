"""Token buckets with AWS's numbers, one per (account, region, operation), refilled by the lab's clock.

EC2's numbers are from "Request throttling for the Amazon EC2 API" (bucket maximum capacity, refill per second), Parameter Store's from its
service quotas, KMS's from "Request quotas". Where a documented category is unclear the smaller bucket is taken.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from goldenami.local.aws.calls import Call
from goldenami.local.aws.lab import Lab


@dataclass(frozen=True, slots=True)
class Rate:
    capacity: float
    refill_per_second: float


@dataclass(frozen=True, slots=True)
class Charge:
    """What one call takes out of one bucket."""

    bucket: str
    rate: Rate
    tokens: float = 1.0


EC2_READ = Rate(100, 20)
EC2_READ_UNFILTERED = Rate(50, 10)
EC2_WRITE = Rate(50, 5)
EC2_RATES: Mapping[str, Rate] = {
    **dict.fromkeys(("CreateTags", "DeleteTags"), Rate(100, 10)),
    **dict.fromkeys(("ModifyImageAttribute", "ModifySnapshotAttribute", "DeregisterImage"), Rate(100, 5)),
    **dict.fromkeys(("CreateSnapshot", "CreateSnapshots", "DeleteSnapshot"), Rate(100, 5)),
    **dict.fromkeys(("CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "TerminateInstances"), Rate(100, 5)),
    **dict.fromkeys(("CreateStoreImageTask", "CreateRestoreImageTask"), Rate(50, 0.1)),
    **dict.fromkeys(("EnableImageBlockPublicAccess", "DisableImageBlockPublicAccess"), Rate(1, 0.1)),
    **dict.fromkeys(("EnableFastLaunch", "DisableFastLaunch"), Rate(5, 2)),
    "CopyImage": Rate(100, 1),
    "DescribeStoreImageTasks": Rate(50, 0.5),
    "RunInstances": Rate(5, 2),
}
UNFILTERED = ("DescribeSnapshots", "DescribeInstances", "DescribeInstanceStatus")
# Instances have a bucket of their own beside the one of the requests.
RUN_RATE = Rate(1000, 2)
TERMINATE_RATE = Rate(1000, 20)

# Parameter Store's default throughput; the three reads share one bucket.
PARAMETER_RATE = Rate(40, 40)
PARAMETER_READS = ("GetParameter", "GetParameters", "GetParametersByPath")
KMS_RATES: Mapping[str, Rate] = {
    "CreateGrant": Rate(50, 50),
    "RevokeGrant": Rate(50, 50),
    "ListGrants": Rate(100, 100),
    "ListAliases": Rate(500, 500),
    "DescribeKey": Rate(2000, 2000),
}


def charges(call: Call) -> tuple[Charge, ...]:
    """What this call takes, and from where. Empty for services without a documented quota."""
    if call.service == "ec2":
        return _ec2_charges(call)
    if call.service == "ssm" and call.operation in PARAMETER_READS:
        return (Charge("ssm.GetParameter*", PARAMETER_RATE),)
    if call.service == "ssm" and call.operation == "PutParameter":
        return (Charge("ssm.PutParameter", PARAMETER_RATE),)
    if call.service == "kms" and call.operation in KMS_RATES:
        return (Charge(call.name, KMS_RATES[call.operation]),)
    return ()


def _ec2_charges(call: Call) -> tuple[Charge, ...]:
    request = Charge(call.name, EC2_RATES.get(call.operation) or (EC2_READ if call.reading else EC2_WRITE))
    if call.operation in UNFILTERED and not any(name.startswith(("Filter.", "MaxResults")) for name in call.flat):
        return (Charge(f"{call.name}:unfiltered", EC2_READ_UNFILTERED),)
    if call.operation == "RunInstances":
        return (request, Charge("ec2.RunInstances:instances", RUN_RATE, _number(call.flat.get("MaxCount", "1"))))
    if call.operation == "TerminateInstances":
        instances = sum(name.startswith("InstanceId.") for name in call.flat)
        return (request, Charge("ec2.TerminateInstances:instances", TERMINATE_RATE, max(instances, 1)))
    return (request,)


def _number(text: str) -> float:
    return float(text) if text.isdigit() else 1.0


# A second of epoch time is known to a quarter of a microsecond, so a full token may come out as a little less.
TOLERANCE = 0.001


class Buckets:
    """All buckets of all accounts. Safe to use from several threads."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._lock = threading.Lock()
        self._levels: dict[tuple[str, str, str], tuple[float, float]] = {}  # tokens, and when that was

    def take(self, call: Call) -> bool:
        """Takes what the call costs from every bucket it draws on, or nothing at all where one is too empty."""
        if not self._lab.settings.throttling:
            return True
        now = self._lab.clock.now()
        with self._lock:
            levels = {self._key(call, charge): self._level(call, charge, now) - charge.tokens for charge in charges(call)}
            if any(level < -TOLERANCE for level in levels.values()):
                return False
            self._levels.update({key: (level, now) for key, level in levels.items()})
            return True

    def forget(self, account: str | None) -> None:
        """Fills the buckets of one account again, or all."""
        with self._lock:
            self._levels = {key: level for key, level in self._levels.items() if account not in {None, key[0]}}

    def _key(self, call: Call, charge: Charge) -> tuple[str, str, str]:
        return call.account, call.region, charge.bucket

    def _level(self, call: Call, charge: Charge, now: float) -> float:
        override = self._lab.settings.buckets.get(charge.bucket)
        rate = Rate(*override) if override else charge.rate
        tokens, then = self._levels.get(self._key(call, charge), (rate.capacity, now))
        return min(rate.capacity, tokens + (now - then) * rate.refill_per_second)
