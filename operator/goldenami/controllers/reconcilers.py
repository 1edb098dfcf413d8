"""Puts the reconcilers together: one way to AWS for all of them, and what it notices wakes the object concerned."""

import threading
import time
from collections.abc import Callable, Mapping

from goldenami.api.kinds import AWS_ACCOUNT, GOLDEN_IMAGE, IMAGE_VERSION, Key
from goldenami.aws.calls import Calls
from goldenami.aws.effects import Effects
from goldenami.aws.inventory import Inventory
from goldenami.aws.pacing import Pacer
from goldenami.aws.sessions import Sessions
from goldenami.controllers.accounts import Accounts
from goldenami.controllers.aws_account import AWSAccounts
from goldenami.controllers.caretaker import Reconciler
from goldenami.controllers.dependents import Dependents
from goldenami.controllers.golden_image import GoldenImages
from goldenami.controllers.image_version import ImageVersions
from goldenami.controllers.operator import Engine
from goldenami.controllers.world import World
from goldenami.plan.identity import Owner, image_version_name

AUDIT_SECONDS, AUDIT_CALLS = 60.0, 10
"""The budget of the audit of permissions, by account and region: so many calls a round, and a round a minute (`audit_seconds`)."""


def build(engine: Engine) -> Mapping[str, Reconciler]:
    """Called once, while this process does not know yet whether it is the active one: nobody is asked anything."""
    sessions = Sessions(workers=engine.settings.workers * 2)
    threading.Thread(target=sessions.preload, name="preload", daemon=True).start()
    calls = Calls(sessions, Pacer())
    inventory = Inventory(
        calls,
        on_change=_waker(engine),
        audit_calls=AUDIT_CALLS,
        audit_seconds=audit_seconds(engine.settings.interval_seconds),
        imports_seconds=engine.settings.interval_seconds,
    )
    effects = Effects(calls, inventory, active=engine.active)
    threading.Thread(target=_close_at_the_end, args=(engine.stopping, effects), name="no-new-writes", daemon=True).start()
    world = World(
        kubernetes=engine.kubernetes,
        events=engine.events,
        accounts=Accounts(engine.kubernetes, sessions, engine.seen),
        inventory=inventory,
        effects=effects,
        installation=engine.settings.installation,
        dependents=Dependents(engine.kubernetes, engine.settings.namespaces, time.time),
        interval_seconds=engine.settings.interval_seconds,
        wake=engine.wake,
        judged=engine.metrics.set_conditions,
        measured=engine.metrics.set_sizes,
    )
    return {
        GOLDEN_IMAGE.kind: GoldenImages(world),
        IMAGE_VERSION.kind: ImageVersions(world),
        AWS_ACCOUNT.kind: AWSAccounts(world),
    }


def audit_seconds(interval_seconds: float) -> float:
    """Between two rounds. Whoever compares more often than once a minute wants permissions compared as often, and pays for it."""
    return min(AUDIT_SECONDS, interval_seconds)


def _waker(engine: Engine) -> Callable[[Owner, str], None]:
    def wake(owner: Owner, version: str) -> None:
        """Something of this owner is not as it was; its ImageVersion looks. Other installations' images are theirs to mind."""
        if owner.installation == engine.settings.installation:
            engine.wake(Key(IMAGE_VERSION.kind, owner.namespace, image_version_name(owner.name, version)))

    return wake


def _close_at_the_end(stopping: threading.Event, effects: Effects) -> None:
    stopping.wait()
    effects.close()
