"""Stages: an ImageVersion that shall be Disabled or Retired, image by image. Owns its condition RetentionReady.

Deprecated, and, where evidence says that nobody uses it, its protection taken off and disabled; when that has lasted long enough, and
evidence says so once more, deregistered with its snapshots. Each step but the last is undone by another stage. A version that is used in
one region stays in all of them: half a version helps nobody who has to go back to it.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

from goldenami.api.reasons import Outcome, Reason
from goldenami.plan import deprecation, protection, retirement, undo
from goldenami.plan.actions import Action, EnableImage, SetTags, UnprotectImage
from goldenami.plan.candidates import BROKEN, is_home, lost
from goldenami.plan.desired import Version
from goldenami.plan.evidence import Objection, objection
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, ours
from goldenami.plan.retirement import UNUSABLE
from goldenami.plan.values import Image, RegionView


class Rank(IntEnum):
    """How far an image is. What takes one away waits until no other region is behind: half a version helps nobody."""

    PROTECTED = 0
    """Its protection is taken off next."""
    AVAILABLE = 1
    """It is disabled next."""
    WAITING = 2
    OVER = 3
    """It is removed next, which cannot be undone."""
    GONE = 4


@dataclass(frozen=True)
class Step:
    """What is done next about one image, or all images of a region."""

    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    needs: tuple[Need, ...] = ()
    outcome: Outcome | None = None
    """Where it is another than the reason's own."""
    away: tuple[Action, ...] = ()
    """What takes the image, or what protects it, away from those who launch it: only where no region objects."""
    rank: Rank = Rank.WAITING


def look(version: Version, observed: Observed) -> tuple[Finding, ...]:
    """One finding for each region; none while the version shall be kept."""
    if not version.going:
        return ()
    # What is left behind is looked for once, at the end: until then each look would list snapshots for it.
    sweeping = version.stage == "Retired" and not any(_images(version, view) for view in observed.regions.values())
    found = {region: _region(version, view, observed, sweeping=sweeping) for region, view in sorted(observed.regions.items())}
    objecting = {region: step.reason for region, (_, step) in found.items() if step.reason not in _UNDERWAY}
    ranks = {region: step.rank for region, (_, step) in found.items()}
    unread = any(step.needs for _, step in found.values())
    return tuple(
        _finding(region, image, step, objecting, [other for other, rank in ranks.items() if rank < step.rank], unread=unread)
        for region, (image, step) in found.items()
    )


_UNDERWAY = (Reason.RETIRING, Reason.DISABLED, Reason.RETIRED)
_NO_USE = {Reason.TOO_YOUNG, Reason.COOLING_DOWN}


def _finding(region: str, image: Image | None, step: Step, objecting: dict[str, Reason], behind: list[str], *, unread: bool) -> Finding:
    told = Finding(region, step.reason, step.message, image, step.actions, step.needs, outcome_override=step.outcome)
    if not step.away or unread:
        return told
    if objecting:
        # The regions that object say why.
        reasons = set(objecting.values())
        reason = reasons.pop() if len(reasons) == 1 and reasons <= _NO_USE else Reason.STILL_IN_USE
        return replace(told, reason=reason, message=f"{step.message} once {', '.join(objecting)} lets the version go")
    if behind:
        reason = Reason.DISABLED if step.rank is Rank.OVER else Reason.RETIRING
        return replace(told, reason=reason, message=f"{step.message} when {', '.join(behind)} has come so far")
    return replace(told, actions=(*step.actions, *step.away))


def _images(version: Version, view: RegionView) -> tuple[Image, ...]:
    """Of the version, in the regions it is declared for. Others are cleared or released as ever (`goldenami.plan.retirement`), but for what
    was made at home."""
    return tuple(image for image in ours(view, version) if view.place.region in version.regions or is_home(image))


def _region(version: Version, view: RegionView, observed: Observed, *, sweeping: bool) -> tuple[Image | None, Step]:
    region = view.place.region
    if view.problem:
        return None, Step(view.problem.reason, view.problem.message)
    images = _images(version, view)
    missing = lost(version, view, observed) if any(image.state == "lost" for image in images) else None
    if missing and missing.needs:
        return None, Step(Reason.RETIRING, f"an image that was made in {region} is not listed", needs=missing.needs)
    if missing and missing.found:
        return None, Step(Reason.RETIRING, f"{missing.found[0].image_id} in {region} exists and is not listed yet")
    there = [image for image in images if image.state != "lost"]
    if not there:
        left = retirement.leftovers(version, view, observed, everything=True) if sweeping else None
        return None, _swept(left) if left else Step(Reason.RETIRED, f"nothing is left in {region}", rank=Rank.GONE)
    return there[0], _together([step(version, view, image, observed) for image in there])


def _swept(left: Finding) -> Step:
    return Step(Reason.RETIRING, left.message, needs=left.needs, away=left.actions, rank=Rank.OVER)


def _together(steps: list[Step]) -> Step:
    """What keeps an image is told before what is still going on, and that before what is done."""
    order = (Reason.RETIRING, Reason.DISABLED, Reason.RETIRED)
    worst = min(steps, key=lambda one: order.index(one.reason) + 1 if one.reason in order else 0)
    return replace(
        worst,
        message="; ".join(one.message for one in steps),
        actions=tuple(action for one in steps for action in one.actions),
        needs=tuple(need for one in steps for need in one.needs),
        away=tuple(action for one in steps for action in one.away),
        rank=min(one.rank for one in steps),
    )


def step(version: Version, view: RegionView, image: Image, observed: Observed) -> Step:
    """The next step of one image."""
    name = f"{image.image_id} in {view.place.region}"
    if image.state in UNUSABLE | BROKEN:
        # As anywhere else: cleared where nobody can have launched it.
        cleared = retirement.step(version, image, observed)
        return Step(Reason.RETIRING, cleared.message, cleared.actions, cleared.needs)
    if image.state == "available":
        marked = deprecation.look(version, view.place.region, image, observed.now)
        return _barred(version, image, name, marked) or _available(version, view, image, observed, marked)
    if image.state != "disabled":
        return Step(Reason.RETIRING, f"{name} is {image.state}; it goes when it is available or disabled")
    if not undo.disabled_since(image):
        # By somebody else, or by a process that died before it was known: the time begins now.
        return Step(Reason.RETIRING, f"{name} is disabled", (_now(view, image, observed),))
    if version.stage == "Disabled" or observed.now - undo.disabled_since(image) < version.disable_for_seconds:
        return Step(Reason.DISABLED, f"{name} is disabled")
    return _barred(version, image, name, ()) or _last(version, view, image, observed)


def _barred(version: Version, image: Image, name: str, marked: tuple[Action, ...]) -> Step | None:
    """What somebody else protects stays; and so does, for a day, what the policy protected with a cooldown."""
    rank = Rank.AVAILABLE if image.state == "available" else Rank.WAITING
    if protection.is_on(image) and version.protection is None:
        told = f"{name} stays: it is protected from deregistration; switch its deregistration protection off to let it go"
        return Step(Reason.STILL_IN_USE, told, marked, rank=rank)
    if protection.is_cooling_down(image):
        told = f"{name} stays until the cooldown of its deregistration protection is over, 24 hours after it was switched off"
        return Step(Reason.DISABLED if image.state == "disabled" else Reason.COOLING_DOWN, told, marked, rank=rank)
    return None


def _freed(view: RegionView, image: Image, name: str, marked: tuple[Action, ...], rank: Rank) -> Step:
    return Step(Reason.RETIRING, f"{name} is no longer protected", marked, away=(UnprotectImage(view.place, image.image_id),), rank=rank)


def _available(version: Version, view: RegionView, image: Image, observed: Observed, marked: tuple[Action, ...]) -> Step:
    name, region = f"{image.image_id} in {view.place.region}", view.place.region
    evidence, guarded = observed.evidence.get(image.image_id), protection.is_on(image)
    needs = () if evidence is not None else (Need(NeedKind.EVIDENCE, region, image.image_id),)
    grants = observed.grants.get(image.image_id)
    if not guarded and undo.needs_grants(version) and (grants is None or image.image_id not in observed.fresh_grants):
        # Read in this look: whom it is shared with is about to be forgotten by EC2.
        needs = (*needs, Need(NeedKind.GRANTS, region, image.image_id))
    if needs or evidence is None:
        return Step(Reason.RETIRING, f"looking for users of {name}", marked, needs, rank=Rank.AVAILABLE)
    if why := objection(evidence, observed.now):
        # In use a day after its protection was taken off: it is protected again.
        again = protection.look(version, region, image) if why.reason is Reason.IN_USE and version.protection != "Disabled" else ()
        return _kept(name, why, (*marked, *again))
    if guarded:
        return _freed(view, image, name, marked, Rank.PROTECTED)
    taken = undo.disable(version, view.place, image, observed)
    if taken is None:
        told = f"{name} is not disabled: its tags leave no room to remember whom it is shared with; declare them in spec.sharing"
        return Step(Reason.TOO_MANY_TAGS, told, marked)
    return Step(Reason.RETIRING, f"{name} is disabled", marked, away=taken, rank=Rank.AVAILABLE)


def _last(version: Version, view: RegionView, image: Image, observed: Observed) -> Step:
    """What cannot be undone, with evidence of this very look."""
    name = f"{image.image_id} in {view.place.region}"
    evidence = observed.evidence.get(image.image_id)
    if evidence is None:
        return Step(Reason.RETIRING, f"looking for users of {name}", needs=(Need(NeedKind.EVIDENCE, view.place.region, image.image_id),))
    if why := objection(evidence, observed.now):
        # Somebody refers to what cannot be launched: it can be again, and shared as before.
        back = (EnableImage(view.place, image.image_id),) if why.reason is Reason.IN_USE else ()
        return _kept(name, why, back)
    if protection.is_on(image):
        return _freed(view, image, name, (), Rank.WAITING)
    found = retirement.removal(version, view, image, observed)
    return Step(Reason.RETIRING, found.message, needs=found.needs, away=found.actions, rank=Rank.OVER)


def _kept(name: str, why: Objection, actions: tuple[Action, ...]) -> Step:
    """That a version which may go is in use is no fault: it stays."""
    if why.reason is Reason.IN_USE:
        return Step(Reason.STILL_IN_USE, f"{name} stays: {why.message}", actions)
    outcome = None if why.outcome is Outcome.RETRYING else why.outcome
    return Step(why.reason, f"{name} stays: {why.message}", actions, outcome=outcome)


def _now(view: RegionView, image: Image, observed: Observed) -> SetTags:
    return SetTags(view.place, (image.image_id,), undo.since(observed.now))
