"""What the local AWS is set to: its clock, its delays, its quotas. One `Lab` per server process, shared by the shell and the image core."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from goldenami.local.aws.clock import Clock


@dataclass
class Settings:
    """Times are seconds of the lab's clock. Every field can be changed while the server runs (`PUT /_lab/settings`)."""

    image_seconds: float = 5.0  # CreateImage, RegisterImage: pending -> available
    copy_seconds: float = 20.0  # CopyImage, CopySnapshot: each draws between this and `copy_spread` times as much, by region pair and seed
    copy_spread: float = 1.5
    list_lag_seconds: float = 0.0  # a new id is NotFound, and absent from lists, this long after its creation
    throttling: bool = True  # token buckets with AWS's numbers
    share_quota: int = 1000  # launch-permission entities of one image
    public_images_quota: int = 5  # per account and region
    unknown_accounts: tuple[str, ...] = ()  # ids that no account has: nothing can be shared with them
    concurrent_copies_quota: int = 300  # AMI copies in flight per destination region
    concurrent_snapshot_copies_quota: int = 20  # CopySnapshot in flight per destination region
    fail_copies: dict[str, int] = field(default_factory=dict)  # region: how many of the next AMI copies into it end as failed
    deregistered_empty_seconds: float = 60.0  # a deregistered id answers with an empty list this long, then NotFound
    snapshot_in_use_seconds: float = 0.0  # DeleteSnapshot still says InUse this long after its last image was deregistered
    launched_seconds: float = 86400.0  # LastLaunchedTime shows a launch this much later
    terminated_seconds: float = 3600.0  # a terminated instance is listed this long
    usage_reports_quota: int = 2000  # image usage reports of an account and region, for as long as they are kept
    usage_report_seconds: float = 60.0  # an image usage report: pending -> available
    usage_instances_lag_seconds: float = 86400.0  # instances younger than this are not in a usage report
    usage_templates_lag_seconds: float = 3 * 86400.0  # nor are template versions and recipes younger than this
    fail_usage_reports: dict[str, int] = field(default_factory=dict)  # region: how many of the next that are asked for there end in error
    import_seconds: float = 60.0  # ImportSnapshot, ImportImage: active -> completed
    import_cancel_seconds: float = 5.0  # a cancelled import: deleting -> deleted
    fail_imports: dict[str, int] = field(default_factory=dict)  # region: how many of the next that are asked for there fail
    first_rule_seconds: float = 1800.0  # a region's first Recycle Bin rule keeps nothing for so long
    seed: int = 1
    regions_not_opted_in: tuple[str, ...] = ("af-south-1", "me-south-1")
    default_account: str = "123456789012"  # of access keys that name no account (moto's own default)
    buckets: dict[str, tuple[float, float]] = field(default_factory=dict)  # "ec2.CopyImage": (capacity, refill per second) instead of AWS's
    latency_seconds: float = 0.0  # real seconds, added to every call
    image_parameter_seconds: float = (
        1.0  # an `aws:ec2:image` parameter's new value is checked, and becomes readable, this long after the call
    )
    roles: dict[str, str] = field(default_factory=dict)  # role ARN: the external id AssumeRole must bring ("" = none)
    strict_roles: bool = False  # a role that is not in `roles` cannot be assumed


def doomed(ordered: dict[str, int], region: str) -> bool:
    """Whether what is asked for now is one of the next that shall fail there, by one of the orders above, and counts it.

    Known when it is asked for: who orders that the next one fails does not mean an older one that happens to end first.
    """
    if ordered.get(region, 0) <= 0:
        return False
    ordered[region] -= 1
    return True


@dataclass
class Lab:
    clock: Clock = field(default_factory=Clock)
    settings: Settings = field(default_factory=Settings)

    def draw(self, *identity: str) -> float:
        """A number in [0, 1) that depends on the seed and the identity only, so that a run can be repeated."""
        return random.Random("/".join((str(self.settings.seed), *identity))).random()  # noqa: S311 - a repeatable draw, not a secret


ResetHook = Callable[[str | None], None]
ImageVisible = Callable[[str, str, str], bool]

_current: Lab | None = None
_reset_hooks: list[ResetHook] = []
_image_visible: ImageVisible | None = None


def on_reset(forget: ResetHook) -> None:
    """Registers a store that lives outside moto: it forgets one account's resources, or everything when called with None."""
    _reset_hooks.append(forget)


def reset_hooks() -> tuple[ResetHook, ...]:
    return tuple(_reset_hooks)


def answer_image_visible(visible: ImageVisible) -> None:
    """Registers who knows whether (account, region) can see an image id as available; Parameter Store asks this for `aws:ec2:image`."""
    global _image_visible
    _image_visible = visible


def image_visible(account: str, region: str, image_id: str) -> bool:
    if _image_visible is None:
        raise RuntimeError("nobody knows about images in this process: goldenami.local.aws.ec2.install comes first")
    return _image_visible(account, region, image_id)


def install(lab: Lab) -> None:
    """Makes this the lab of the process. moto builds its response classes itself, so they can only find it here."""
    global _current
    _current = lab


def current() -> Lab:
    if _current is None:
        raise RuntimeError("no lab is installed in this process: goldenami.local.aws.lab.install comes first")
    return _current
