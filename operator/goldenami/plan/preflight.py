"""Preflight: why a region may not be copied to, as far as that can be known before the first byte (traps 9 to 11 of the research)."""

from goldenami.api.reasons import Reason
from goldenami.plan.desired import Replica, Version
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, problem
from goldenami.plan.values import RegionFacts


def look(version: Version, replica: Replica, observed: Observed, *, encrypted: bool) -> Finding | None:
    """None where nothing speaks against a copy. `encrypted`: what is copied is."""
    facts = observed.facts.get(replica.region)
    if facts is None:
        return Finding(replica.region, Reason.PROGRESSING, f"checking {replica.region}", needs=(Need(NeedKind.FACTS, replica.region),))
    if facts.problem:
        return problem(replica.region, facts.problem)
    return _key(replica, facts) or _sharing(version, replica, facts, encrypted=encrypted)


def of_all(version: Version, observed: Observed, *, what: str) -> Finding | None:
    """Before an image is made of an instance or a snapshot: a machine is rebooted for nothing while every region refuses the image.

    `what` is not done then. Regions that cannot be read have no say.
    """
    encrypted = any(part.encrypted for part in observed.source.snapshots) if observed.source else False
    refused: list[Finding] = []
    for replica in version.replicas:
        if observed.regions[replica.region].problem:
            continue
        if replica.region == version.home_region and not replica.kms_key_id:
            return None  # what is made is this region's image already, and no copy
        found = look(version, replica, observed, encrypted=encrypted)
        if found is None:
            return None
        refused.append(found)
    needs = tuple(need for found in refused for need in found.needs)
    if needs:
        return Finding(version.home_region, Reason.PROGRESSING, "checking the regions", needs=needs)
    told = "; ".join(found.message for found in refused)
    return Finding(version.home_region, refused[0].reason, f"{what}: {told}") if refused else None


def _key(replica: Replica, facts: RegionFacts) -> Finding | None:
    region, key = replica.region, replica.kms_key_id
    if not key:
        return None
    if facts.key is None:
        why = f"there is no key {key} in {region}, or it may not be described"
    elif not facts.key.enabled:
        why = f"the key {key} in {region} is disabled or pending deletion"
    elif not facts.key.symmetric:
        why = f"the key {key} in {region} is asymmetric, and EBS takes symmetric keys only"
    else:
        return None
    return Finding(region, Reason.ENCRYPTION_KEY_INVALID, f"{why}; name an enabled symmetric key of {region} in spec.replicas")


def _sharing(version: Version, replica: Replica, facts: RegionFacts, *, encrypted: bool) -> Finding | None:
    """A copy that could not be given to those it is declared for is not made."""
    if not version.grantees:
        return None
    region, encrypted = replica.region, bool(replica.kms_key_id or facts.encrypted_by_default or encrypted)
    key = facts.key if replica.kms_key_id else facts.default_key
    if version.grantees.public and encrypted:
        return Finding(
            region,
            Reason.ENCRYPTED_NOT_PUBLIC,
            f"the copy in {region} would be encrypted, and an encrypted image cannot be public; "
            "take spec.sharing.public back, or use an unencrypted source and switch off encryption by default there",
        )
    if encrypted and key is not None and key.aws_managed:
        return Finding(
            region,
            Reason.DEFAULT_KEY_NOT_SHAREABLE,
            f"the copy in {region} would be encrypted with the AWS-managed key, which cannot be shared; "
            f"set kmsKeyId of {region} in spec.replicas to a key of your own",
        )
    if version.grantees.public and facts.public_sharing_blocked_by:
        return blocked(region, facts.public_sharing_blocked_by, f"a copy in {region}")
    return None


def blocked(region: str, by: str, what: str) -> Finding:
    return Finding(
        region,
        Reason.PUBLIC_BLOCKED,
        f"{what} cannot be public: block public access for AMIs is on in {region}, set by {by}; "
        "have it switched off there, or take spec.sharing.public back",
    )
