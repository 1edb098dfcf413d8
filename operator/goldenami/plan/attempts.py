"""Attempts: which try of a copy comes next, and when. Each further one needs a new client token, so its number has to survive everything.

It is kept in a tag of the image, and in the status from the moment before the call. Attempts come in series of five: the wait grows
within a series, after its last failure a person has to look, and an image that was there and is gone starts a new one.
"""

from goldenami.api.reasons import Reason
from goldenami.plan import identity
from goldenami.plan.candidates import BROKEN, SETTLED, is_home, is_ours
from goldenami.plan.desired import Version
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, Recorded, ours
from goldenami.plan.values import Image

MAX_ATTEMPTS = 5
RETRY_BASE_SECONDS = 60.0
RETRY_FACTOR = 4.0
RETRY_CAP_SECONDS = 3600.0
"""What makes copies fail, as a key that is disabled, lasts minutes to hours: a series spans more than an hour."""


def place_in_series(attempt: int) -> int:
    """From 1 to MAX_ATTEMPTS."""
    return (attempt - 1) % MAX_ATTEMPTS + 1


def new_series(attempt: int) -> int:
    """The first attempt of the next series."""
    return attempt - place_in_series(attempt) + MAX_ATTEMPTS + 1


def wait_seconds(now: float, failed: Image) -> float:
    """Until the next attempt may come, 0 if at once. Counted from the creation of what failed, as EC2 does not tell when it did: a copy
    that took an hour to fail has waited.
    """
    elapsed = now - failed.created_epoch_seconds
    earlier = place_in_series(identity.attempt_of(failed.tags)) - 1
    wait = min(RETRY_BASE_SECONDS * RETRY_FACTOR**earlier, RETRY_CAP_SECONDS)
    # A creation in the future means that the clocks disagree; then the cap on attempts alone has to do.
    return max(0.0, wait - elapsed) if elapsed >= 0 else 0.0


def may_retry(now: float, failed: Image) -> bool:
    return wait_seconds(now, failed) == 0


def last_failed(images: tuple[Image, ...]) -> Image | None:
    return max(images, key=lambda image: identity.attempt_of(image.tags), default=None)


def following(version: Version, region: str, observed: Observed, lost: tuple[Image, ...]) -> int | Finding:
    """The number of the next copy to a region; a finding where none may come yet, or ever.

    `lost`: images that EC2 answered to earlier calls and that do not exist.
    """
    recorded = observed.recorded.get(region, Recorded())
    failed = last_failed(tuple(i for i in ours(observed.regions[region], version) if i.state in BROKEN and not is_home(i)))
    spent = max((identity.attempt_of(image.tags) for image in lost), default=0)
    if failed is not None:
        after = _after_failure(region, observed.now, failed)
        return after if isinstance(after, Finding) else max(after, spent + 1, recorded.attempt)
    # A recorded image that is listed is a home image that another key is declared for since: it does not serve, and is not lost.
    listed = any(image.image_id == recorded.image_id for image in observed.regions[region].images)
    if recorded.image_id and recorded.state in SETTLED | BROKEN and not listed:
        after = _after_loss(version, region, observed, recorded)
        return after if isinstance(after, Finding) else max(after, spent + 1)
    return max(recorded.attempt, spent + 1)


def reason_of(failed: Image) -> str:
    return failed.state_reason or "EC2 gave no reason"


def _after_failure(region: str, now: float, last: Image) -> int | Finding:
    attempt, why = identity.attempt_of(last.tags), reason_of(last)
    if place_in_series(attempt) == MAX_ATTEMPTS:
        return Finding(
            region,
            Reason.COPIES_EXHAUSTED,
            f"the copy to {region} failed {MAX_ATTEMPTS} times, last: {why}; mend the cause (often the KMS key), "
            f"then deregister {last.image_id} to start anew",
            last,
        )
    if not may_retry(now, last):
        number = place_in_series(attempt) + 1
        return Finding(
            region,
            Reason.COPY_FAILED,
            f"the copy {last.image_id} to {region} failed: {why}; attempt {number} of {MAX_ATTEMPTS} follows",
            last,
        )
    return attempt + 1


def _after_loss(version: Version, region: str, observed: Observed, recorded: Recorded) -> int | Finding:
    """It was there, and the listing no longer has it: gone, or without its owner tag."""
    image_id = recorded.image_id
    if image_id not in observed.looked_up:
        need = Need(NeedKind.IMAGE, region, image_id)
        return Finding(region, Reason.PROGRESSING, f"{image_id} is no longer listed in {region}", needs=(need,))
    found = observed.looked_up[image_id]
    if found is None or found.state == "deregistered":
        # The old token would answer with the image that is gone.
        return new_series(recorded.attempt)
    if is_ours(version, found):
        return Finding(region, Reason.PROGRESSING, f"{image_id} in {region} exists and is not listed; it is looked for again", found)
    return untagged(region, found)


def untagged(region: str, image: Image) -> Finding:
    """An image that was ours and does not say so any more."""
    holder = identity.owner_of(image.tags)
    now = f"belongs to {holder}, version {image.tags.get(identity.VERSION)}, now" if holder else f"has lost its tag {identity.OWNER}"
    return Finding(
        region,
        Reason.CONFLICT,
        f"{image.image_id} in {region} {now}, so it is not touched, and not copied again beside itself; "
        "put the tag back, or deregister the image to have it copied anew",
    )
