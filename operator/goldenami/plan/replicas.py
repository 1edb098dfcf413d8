"""Replicas: one image of the version in every region the spec names. Owns the condition ReplicasReady and status.replicas.

Each region is decided alone, from its own view: what is wrong in one never shows in another.
"""

from goldenami.api.reasons import Reason
from goldenami.plan import identity, retirement, tags
from goldenami.plan.actions import Action, CopyImage, DeregisterImage, EnableImage, RemoveTags, SetTags
from goldenami.plan.desired import ImageSource, Replica, Version
from goldenami.plan.identity import HOME_ROLE
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, Recorded, key_arns, ours, problem, progress, released, snapshots_of
from goldenami.plan.source import BROKEN
from goldenami.plan.values import Image, RegionFacts, RegionView

MAX_ATTEMPTS = 5
RETRY_BASE_SECONDS = 10.0
RETRY_CAP_SECONDS = 3600.0


def copies_wanted(version: Version, observed: Observed) -> bool:
    """Whether any readable region still has to be copied, so that the source matters."""
    return any(
        not _alive(view, version, replica) and not _waiting_to_be_taken(view, version)
        for replica in version.replicas
        if not (view := observed.regions[replica.region]).problem
    )


def look(version: Version, observed: Observed, source: Finding) -> tuple[Finding, ...]:
    """One finding for each declared region, in the spec's order. `source` is what `goldenami.plan.source` found."""
    return tuple(_region(version, replica, observed, source) for replica in version.replicas)


def _region(version: Version, replica: Replica, observed: Observed, source: Finding) -> Finding:
    view = observed.regions[replica.region]
    if view.problem:
        return problem(replica.region, view.problem)
    alive = _alive(view, version, replica)
    if alive:
        return _present(version, replica, observed, alive)
    return _absent(version, replica, observed, source)


def _alive(view: RegionView, version: Version, replica: Replica) -> tuple[Image, ...]:
    """Images that are, or will be, this region's replica; the one to keep first: available, then oldest."""
    images = [image for image in ours(view, version) if image.state not in BROKEN and image.state != "lost"]
    images = [image for image in images if image.tags.get(identity.ROLE) != HOME_ROLE or _home_serves(view, replica, image)]
    return tuple(sorted(images, key=lambda image: (image.state != "available", image.tags.get(identity.ROLE) == HOME_ROLE)))


def _home_serves(view: RegionView, replica: Replica, image: Image) -> bool:
    """An image that we made from an instance or a snapshot is the home replica, unless another key is declared for that."""
    if not replica.kms_key_id:
        return True
    keys = key_arns(view, image)
    return bool(keys) and all(_same_key(arn, replica.kms_key_id) is True for arn in keys)


def _same_key(arn: str, reference: str) -> bool | None:
    """None: an alias, which only KMS can resolve."""
    if "alias/" in reference:
        return None
    return arn == reference or arn.rsplit("/", 1)[-1] == reference


def _waiting_to_be_taken(view: RegionView, version: Version) -> bool:
    return any(image.state == "available" for image in released(view, version))


# --- an image is there ---


def _present(version: Version, replica: Replica, observed: Observed, alive: tuple[Image, ...]) -> Finding:
    keep, *doubles = alive
    view = observed.regions[replica.region]
    actions: list[Action] = [_clear(view, image) for image in ours(view, version) if image.state in BROKEN]
    needs: list[Need] = []
    for double in doubles:
        # Two images of one version in one region: an answer was lost for longer than a token lives. The younger goes, with evidence, as any other.
        if double.tags.get(identity.ROLE) != HOME_ROLE:
            step = retirement.step(view, double, observed)
            actions += step.actions
            needs += step.needs
    if keep.state == "disabled":
        return Finding(replica.region, Reason.PROGRESSING, f"{keep.image_id} in {replica.region} is disabled and will be enabled", keep,
                       (*actions, EnableImage(view.place, keep.image_id)), tuple(needs))  # fmt: skip
    if keep.state != "available":
        word = Reason.CREATING if keep.tags.get(identity.ROLE) == HOME_ROLE else Reason.COPYING
        return Finding(replica.region, word, f"{keep.image_id} in {replica.region} is {keep.state}{progress(view, keep)}", keep,
                       tuple(actions), tuple(needs))  # fmt: skip
    return _available(version, replica, observed, keep, actions, needs)


def _available(version: Version, replica: Replica, observed: Observed, keep: Image, actions: list[Action], needs: list[Need]) -> Finding:
    view = observed.regions[replica.region]
    tag_actions, tag_needs = tags.look(version, replica.region, keep, observed)
    actions += tag_actions
    needs += tag_needs
    wrong = sorted(arn for arn in key_arns(view, keep) if replica.kms_key_id and _same_key(arn, replica.kms_key_id) is False)
    unencrypted = replica.kms_key_id and keep.snapshot_ids and not key_arns(view, keep) and not tag_needs
    if wrong or unencrypted:
        return Finding(
            replica.region,
            Reason.KEY_MISMATCH,
            f"{keep.image_id} in {replica.region} is {'encrypted with ' + ', '.join(wrong) if wrong else 'not encrypted'}, and spec.replicas says "
            f"{replica.kms_key_id}; an image's key never changes: declare a new version, or put the key of {replica.region} back",
            keep,
            tuple(actions),
            tuple(needs),
        )
    return Finding(
        replica.region, Reason.SUCCEEDED, f"{keep.image_id} in {replica.region} is available", keep, tuple(actions), tuple(needs)
    )


def _clear(view: RegionView, failed: Image) -> DeregisterImage:
    """A failed copy goes only when its successor is there: its attempt tag is what counts the tries."""
    parts = {*failed.snapshot_ids, *(part.snapshot_id for part in snapshots_of(view, failed))}
    return DeregisterImage(view.place, failed.image_id, tuple(sorted(parts)), why=f"failed: {failed.state_reason or 'EC2 gave no reason'}")


# --- no image is there ---


def _absent(version: Version, replica: Replica, observed: Observed, source: Finding) -> Finding:
    view = observed.regions[replica.region]
    left = [image for image in released(view, version) if image.state == "available"]
    if left:
        return _take_back(version, view, left[0])
    adopted = _adopt(version, replica, source)
    if adopted is not None:
        return adopted
    attempt = _attempt(version, replica.region, observed)
    if not isinstance(attempt, int):
        return attempt
    refusal = _preflight(version, replica, observed, source)
    if refusal is not None:
        return refusal
    origin = source.image or _another(version, observed)
    if origin is None:
        return Finding(replica.region, Reason.DEPENDENCY_NOT_READY, f"{replica.region} waits for the source")
    return _copy(version, replica, observed, origin, attempt)


def _take_back(version: Version, view: RegionView, image: Image) -> Finding:
    role = image.tags.get(identity.ROLE, identity.REPLICA_ROLE)
    resources = (image.image_id, *image.snapshot_ids)
    take = SetTags(view.place, resources, tags.wanted_tags(version, role=role, attempt=identity.attempt_of(image.tags)))
    drop = RemoveTags(view.place, resources, (identity.RELEASED,))
    return Finding(view.place.region, Reason.PROGRESSING, f"{image.image_id} in {view.place.region} was released before and is taken back",
                   image, (take, drop))  # fmt: skip


_FOREIGN_KEEPERS = {
    "aws:backup:": "AWS Backup",
    "aws:dlm:": "Data Lifecycle Manager",
    "dlm:managed": "Data Lifecycle Manager",
}


def _adopt(version: Version, replica: Replica, source: Finding) -> Finding | None:
    """`adopt: true` takes the source AMI itself as the replica of its own region; None where that is not asked for."""
    if not (isinstance(version.source, ImageSource) and version.source.adopt and replica.region == version.home_region):
        return None
    image, region = source.image, replica.region
    if image is None:
        return Finding(region, Reason.DEPENDENCY_NOT_READY, f"{region} waits for the source")
    holder = identity.owner_of(image.tags)
    if image.owner_id != version.account.account_id:
        return Finding(region, Reason.CONFLICT, f"{image.image_id} belongs to account {image.owner_id}: only an own image can be adopted; "
                       "set spec.source.image.adopt to false to copy it", image)  # fmt: skip
    if holder is not None and (holder != version.owner or image.tags.get(identity.VERSION) != version.version):
        return Finding(region, Reason.CONFLICT, f"{image.image_id} in {region} belongs to {holder}, version {image.tags.get(identity.VERSION)}; "
                       "release it there first, or set spec.source.image.adopt to false to copy it", image)  # fmt: skip
    keeper = next((name for prefix, name in _FOREIGN_KEEPERS.items() if any(key.startswith(prefix) for key in image.tags)), None)
    keeper = keeper or ("EC2 Image Builder" if image.tags.get("CreatedBy") == "EC2 Image Builder" else None)
    if keeper:
        return Finding(region, Reason.CONFLICT, f"{image.image_id} in {region} is managed by {keeper}, which may deregister it; "
                       "set spec.source.image.adopt to false to copy it", image)  # fmt: skip
    take = SetTags(version.home, (image.image_id, *image.snapshot_ids), tags.wanted_tags(version, role=identity.REPLICA_ROLE))
    return Finding(region, Reason.PROGRESSING, f"{image.image_id} in {region} is adopted", image, (take,))


def _attempt(version: Version, region: str, observed: Observed) -> int | Finding:
    """Which try comes next, counted from 1; a finding where none may come yet, or ever."""
    view, recorded = observed.regions[region], observed.recorded.get(region, Recorded())
    failed = [image for image in ours(view, version) if image.state in BROKEN and image.tags.get(identity.ROLE) != HOME_ROLE]
    if failed:
        return _after_failure(region, observed.now, max(failed, key=lambda image: identity.attempt_of(image.tags)))
    if any(image.state == "lost" and image.image_id == recorded.image_id for image in view.images):
        return recorded.attempt + 1
    if recorded.image_id and recorded.state == "available":
        return _after_loss(region, observed, recorded)
    return recorded.attempt


def _after_failure(region: str, now: float, last: Image) -> int | Finding:
    attempt, why = identity.attempt_of(last.tags), last.state_reason or "EC2 gave no reason"
    if attempt >= MAX_ATTEMPTS:
        return Finding(region, Reason.COPIES_EXHAUSTED, f"the copy to {region} failed {attempt} times, last: {why}; mend the cause (often the KMS key), "
                       f"then deregister {last.image_id} to start anew")  # fmt: skip
    elapsed = now - last.created_epoch_seconds
    wait = min(RETRY_BASE_SECONDS * 2 ** (attempt - 1), RETRY_CAP_SECONDS)
    # A creation in the future means that the clocks disagree; then the cap on attempts alone has to do.
    if 0 <= elapsed < wait:
        return Finding(
            region, Reason.PROGRESSING_WITH_RETRY, f"the copy {last.image_id} to {region} failed: {why}; attempt {attempt + 1} follows"
        )
    return attempt + 1


def _after_loss(region: str, observed: Observed, recorded: Recorded) -> int | Finding:
    """It was available, and the listing no longer has it: gone, or without its owner tag."""
    image_id = recorded.image_id
    if image_id not in observed.looked_up:
        return Finding(
            region, Reason.PROGRESSING, f"{image_id} is no longer listed in {region}", needs=(Need(NeedKind.IMAGE, region, image_id),)
        )
    found = observed.looked_up[image_id]
    if found is None or found.state == "deregistered":
        # The old token would answer with the image that is gone.
        return recorded.attempt + 1
    return Finding(
        region,
        Reason.CONFLICT,
        f"{image_id} in {region} has lost its tag {identity.OWNER}, so it is not touched, and not copied again beside itself; "
        "put the tag back, or deregister the image to have it copied anew",
    )


def _another(version: Version, observed: Observed) -> Image | None:
    """A replica that can stand in for a source that is gone."""
    for region, view in observed.regions.items():
        for image in ours(view, version):
            if image.state == "available" and region in version.regions:
                return image
    return None


def _copy(version: Version, replica: Replica, observed: Observed, origin: Image, attempt: int) -> Finding:
    place = version.place(replica.region)
    source_region = _where(version, observed, origin)
    token = identity.client_token(version.owner, version.version, version.account.account_id, replica.region, version.source_text, attempt)
    copy = CopyImage(
        place,
        source_image_id=origin.image_id,
        source_region=source_region,
        name=version.name,
        client_token=token,
        attempt=attempt,
        description=version.description,
        kms_key_id=replica.kms_key_id,
        tags=tags.wanted_tags(version, role=identity.REPLICA_ROLE, attempt=attempt),
    )
    return Finding(replica.region, Reason.COPYING, f"copying {origin.image_id} from {source_region} to {replica.region}", actions=(copy,))


def _where(version: Version, observed: Observed, origin: Image) -> str:
    for region, view in observed.regions.items():
        if any(image.image_id == origin.image_id for image in view.images):
            return region
    return version.home_region


# --- before the first byte is copied ---


def _preflight(version: Version, replica: Replica, observed: Observed, source: Finding) -> Finding | None:
    """Why this region may not be copied to, as far as that can be known before; None where nothing speaks against it."""
    if source.image is None and source.reason is not Reason.SUCCEEDED and _another(version, observed) is None:
        return None  # it waits for its source anyway; nothing has to be read for that
    facts = observed.facts.get(replica.region)
    if facts is None:
        return Finding(replica.region, Reason.PROGRESSING, f"checking {replica.region}", needs=(Need(NeedKind.FACTS, replica.region),))
    if facts.problem:
        return problem(replica.region, facts.problem)
    return _key_refusal(replica, facts) or _sharing_refusal(version, replica, facts, observed)


def _key_refusal(replica: Replica, facts: RegionFacts) -> Finding | None:
    if not replica.kms_key_id:
        return None
    if facts.key is None:
        why = f"there is no key {replica.kms_key_id} in {replica.region}, or it may not be described"
    elif not facts.key.enabled:
        why = f"the key {replica.kms_key_id} in {replica.region} is disabled or pending deletion"
    elif not facts.key.symmetric:
        why = f"the key {replica.kms_key_id} in {replica.region} is asymmetric, and EBS takes symmetric keys only"
    else:
        return None
    return Finding(
        replica.region, Reason.ENCRYPTION_KEY_INVALID, f"{why}; name an enabled symmetric key of {replica.region} in spec.replicas"
    )


def _sharing_refusal(version: Version, replica: Replica, facts: RegionFacts, observed: Observed) -> Finding | None:
    """A copy that nobody could be given is not made (traps 9 and 10 of the research)."""
    if not version.grantees:
        return None
    encrypted = bool(replica.kms_key_id or facts.encrypted_by_default or _source_encrypted(observed))
    key = facts.key if replica.kms_key_id else facts.default_key
    if version.grantees.public and encrypted:
        return Finding(replica.region, Reason.ENCRYPTED_NOT_PUBLIC, f"the copy in {replica.region} would be encrypted, and an encrypted image cannot be public; "
                       "take spec.sharing.public back, or use an unencrypted source and switch off encryption by default there")  # fmt: skip
    if encrypted and key is not None and key.aws_managed:
        return Finding(replica.region, Reason.DEFAULT_KEY_NOT_SHAREABLE, f"the copy in {replica.region} would be encrypted with the AWS-managed key, "
                       f"which cannot be shared; set kmsKeyId of {replica.region} in spec.replicas to a key of your own")  # fmt: skip
    return None


def _source_encrypted(observed: Observed) -> bool:
    return observed.source is not None and any(snapshot.encrypted for snapshot in observed.source.snapshots)
