"""The door to AWS, opened on a local AWS for one account: what the operator would hold, with the lab's clock."""

import itertools
import threading
import time
from dataclasses import dataclass, field, fields
from typing import Any

import pytest

from goldenami.aws.calls import Calls
from goldenami.aws.effects import Effects
from goldenami.aws.inventory import Inventory
from goldenami.aws.pacing import Pacer
from goldenami.aws.sessions import Sessions
from goldenami.local.aws import LocalAws, lab
from goldenami.local.aws.lab import Settings
from goldenami.plan import identity
from goldenami.plan.identity import Owner
from goldenami.plan.values import Account, Place
from support.ec2 import AWAY, HOME, Cloud

OWNER = Owner("test", "images", "web")
VERSION = "1.4.2"
TAGS = identity.identity_tags(OWNER, VERSION, "image/us-east-1/ami-1")


@dataclass
class Door:
    cloud: Cloud
    account: Account
    sessions: Sessions
    calls: Calls
    inventory: Inventory
    effects: Effects
    woken: list[tuple[Owner, str]] = field(default_factory=list)
    """What `on_change` was called with."""

    @property
    def home(self) -> Place:
        return Place(self.account, HOME)

    @property
    def away(self) -> Place:
        return Place(self.account, AWAY)

    @property
    def now(self) -> float:
        return self.cloud.now

    def counts(self, **filters: Any) -> dict[str, int]:
        """Calls of this account by service.operation, as the local AWS saw them."""
        return self.cloud.aws.lab.audit_counts(account=self.account.account_id, **filters)

    def fault(self, form: str, **fields: Any) -> int:
        return self.cloud.aws.lab.add_fault(form, account=self.account.account_id, **fields)

    def forget_audit(self) -> None:
        self.cloud.aws.lab.clear_audit()


class _Waiting:
    """The pacing's time: a turn that is waited for has come at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waited_seconds = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._waited_seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._waited_seconds += seconds


_accounts = itertools.count(500_000_000_001)


def fresh_cloud(aws: LocalAws) -> Cloud:
    """Accounts that nobody used before, no faults, and settings as they come, but that no call is throttled."""
    defaults = Settings(throttling=False)
    for each in fields(Settings):
        setattr(lab.current().settings, each.name, getattr(defaults, each.name))
    aws.lab.clear_faults()
    return Cloud(aws, str(next(_accounts)), str(next(_accounts)))


def open_door(aws: LocalAws, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Door:
    """`options` go to the Inventory. Credentials come the way an operator gets them: from the environment."""
    cloud = fresh_cloud(aws)
    for name, value in aws.environment(cloud.account).items():
        monkeypatch.setenv(name, value)
    sessions = Sessions(clock=lab.current().clock.now)
    woken: list[tuple[Owner, str]] = []
    waiting = _Waiting()
    pacer = Pacer(monotonic=waiting.monotonic, sleep=waiting.sleep)
    calls = Calls(sessions, pacer, clock=lab.current().clock.now)
    inventory = Inventory(calls, clock=lab.current().clock.now, on_change=lambda owner, version: woken.append((owner, version)), **options)
    return Door(cloud, sessions.resolve(), sessions, calls, inventory, Effects(calls, inventory), woken)
