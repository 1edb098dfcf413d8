"""What the versions of a family say, repeated by their GoldenImage: the worst of each concern, and whether a look asked for is over."""

from dataclasses import replace

from goldenami.api.conditions import ConcernResult, ConditionType
from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.api.reasons import Outcome as Meaning
from goldenami.api.reasons import Reason
from goldenami.controllers import judge
from goldenami.controllers.subject import Seen
from goldenami.plan.retention import GOING

Children = dict[str, ImageVersion]
"""ImageVersions of one family, by version."""

MIRRORED = (ConditionType.SOURCE_READY, ConditionType.REPLICAS_READY, ConditionType.SHARING_READY)
"""Concerns that the versions own; the GoldenImage repeats the worst of them."""

SEVERITY = (Meaning.STALLED, Meaning.RETRYING, Meaning.WAITING, Meaning.PROGRESSING, Meaning.DONE)


def passed_on(seen: Seen[GoldenImage], children: Children) -> bool:
    """Whether every version has been asked already: then they read all anew, and further looks until they are done need not."""
    asked = seen.declared.metadata.reconcile_requested
    return bool(children) and all(child.metadata.reconcile_requested == asked for child in children.values())


def handled(declared: GoldenImage, children: Children) -> str | None:
    """A look that was asked for is one at the versions, too: it is over when theirs are."""
    asked = declared.metadata.reconcile_requested
    done = all(child.status.last_handled_reconcile == asked for child in children.values() if not child.deleting)
    return (asked if done else declared.status.last_handled_reconcile) or None


def is_current(child: ImageVersion) -> bool:
    """Whether its status is about the spec it has now."""
    return child.status.observed_generation == child.generation


def mirrored(kind: ConditionType, declared: GoldenImage, children: Children) -> ConcernResult:
    """The worst that any version says of a concern; of equals, the declared version speaks."""
    order = sorted(children.values(), key=lambda child: child.spec.version != declared.spec.version)
    told = [(child, result) for child in order if not child.deleting for result in _of_child(kind, child)]
    if not told:
        # Somebody deleted the only one that there is.
        return ConcernResult(kind, Reason.DELETING, f"ImageVersion {order[0].name} is being deleted; it is rendered anew once it is gone")
    child, worst = min(told, key=lambda pair: SEVERITY.index(pair[1].outcome))
    if child.spec.version == declared.spec.version:
        return worst
    return replace(worst, message=f"version {child.spec.version}: {worst.message}")


def _of_child(kind: ConditionType, child: ImageVersion) -> tuple[ConcernResult, ...]:
    carried = judge.carried(kind, child.status.conditions) if is_current(child) else ()
    # A version on its way out has no source to mind any more, and says the rest as its stage.
    if carried or child.spec.stage in GOING:
        return carried
    account = judge.carried(ConditionType.ACCOUNTS_READY, child.status.conditions) if is_current(child) else ()
    if account and account[0].outcome is not Meaning.DONE:
        return (ConcernResult(kind, account[0].reason, account[0].message),)
    return (ConcernResult(kind, Reason.PROGRESSING, f"ImageVersion {child.name or child.spec.version} has not been looked at yet"),)
