"""An existing family of images: which of them become which versions, which are refused and why. Owns the condition AdoptionReady.

It only chooses. That a version is made so by its own ImageVersion, image by image, is in `goldenami.plan.adoption`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from goldenami.api.fields import SEMVER
from goldenami.api.reasons import Reason
from goldenami.plan import adoption, identity
from goldenami.plan.identity import Owner
from goldenami.plan.patterns import Pattern
from goldenami.plan.values import Image


@dataclass(frozen=True)
class Candidate:
    """An image that spec.adopt means as the replica of a version. `image` is None where a listed id is nothing that the account sees."""

    version: str
    region: str
    image_id: str
    image: Image | None


@dataclass(frozen=True)
class Refused:
    """`stalls`: somebody asked for this very image, or another claims it. Otherwise a pattern met it, and it is told and left alone."""

    region: str
    image_id: str
    reason: Reason
    message: str
    stalls: bool = True


@dataclass(frozen=True)
class Existing:
    """What there is of a version already."""

    served: Mapping[str, str] = field(default_factory=dict)
    """By region, an image of it that is ours."""
    adopted: Mapping[str, str] = field(default_factory=dict)
    """By region, the image that it adopts, or has adopted."""
    joins: bool = True
    """It is made of adopted images, so others may join it. False: its images are copies of its own source."""


@dataclass(frozen=True)
class Chosen:
    members: Mapping[str, Mapping[str, Image]] = field(default_factory=dict)
    """By version and region: the images to adopt, those included that are being adopted."""
    refused: tuple[Refused, ...] = ()
    pending: tuple[Candidate, ...] = ()
    """Not available yet."""


def by_name(pattern: Pattern, region: str, images: Iterable[Image]) -> tuple[tuple[Candidate, ...], tuple[Refused, ...]]:
    """Those whose name says a version, and those whose name says something else in its place."""
    found, refused = [], []
    for image in images:
        text = pattern.version_in(image.name)
        if text is None:
            continue
        version = text.replace("_", "+", 1)  # EC2 names know no plus: goldenami.controllers.family writes it so
        if SEMVER.fits(version):
            found.append(Candidate(version, region, image.image_id, image))
            continue
        why = f"{image.image_id} in {region} is named {image.name}, and `{text}` is no version by SemVer 2.0"
        refused.append(Refused(region, image.image_id, Reason.ADOPTION_REFUSED, why, stalls=False))
    return tuple(found), tuple(refused)


@dataclass(frozen=True)
class Choice:
    """Everything that a choice depends on besides the images."""

    owner: Owner
    account_id: str
    existing: Mapping[str, Existing]
    listed: bool
    """The images are named one by one; otherwise a pattern finds them."""

    def of(self, candidates: Sequence[Candidate]) -> Chosen:
        """Of several images for one place the one that is being adopted, or was released before; else none of them."""
        places: dict[tuple[str, str], list[Candidate]] = {}
        for candidate in candidates:
            places.setdefault((candidate.version, candidate.region), []).append(candidate)
        twice = {image for image, count in Counter((c.region, c.image_id) for c in candidates).items() if count > 1}
        members: dict[str, dict[str, Image]] = {}
        refused: list[Refused] = []
        for (version, region), found in sorted(places.items()):
            kept, told = self._one(version, region, found, {image_id for where, image_id in twice if where == region})
            refused += told
            if kept is not None:
                members.setdefault(version, {})[region] = kept
        pending = {(one.region, one.image_id) for one in refused if one.reason is Reason.SOURCE_PENDING}
        return Chosen(members, tuple(refused), tuple(c for c in candidates if (c.region, c.image_id) in pending))

    def _one(self, version: str, region: str, found: list[Candidate], twice: set[str]) -> tuple[Image | None, list[Refused]]:
        """The image for one version in one region, and what is refused."""
        known = self.existing.get(version, Existing())
        ours = known.served.get(region)
        if ours is not None or not (known.joins or self._back(version, found)):
            return None, [one for candidate in found if (one := self._not_needed(candidate, ours))]
        for candidate in found:
            # Its ImageVersion has it in hand, and says what is wrong with it.
            if candidate.image and known.adopted.get(region) == candidate.image_id:
                return candidate.image, []
        told = [one for candidate in found if (one := self._unfit(candidate, twice))]
        names = {one.image_id for one in told}
        fit = [c for c in found if c.image and c.image_id not in names and identity.owner_of(c.image.tags) != self.owner]
        back = self._back(version, fit)
        fit = back if len(back) == 1 or not known.joins else fit
        if len(fit) > 1:
            return None, [*told, *_ambiguous(fit)]
        return next((candidate.image for candidate in fit), None), told

    def _back(self, version: str, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those that were ours, as this version, before they were released."""
        tagged = ((candidate, candidate.image.tags) for candidate in candidates if candidate.image)
        return [one for one, tags in tagged if identity.released_by(tags) == self.owner and tags.get(identity.VERSION) == version]

    def _not_needed(self, candidate: Candidate, ours: str | None) -> Refused | None:
        """The version is there, by a copy or another image. Only who has named an image is told so."""
        if not self.listed or candidate.image_id == ours:
            return None
        there = f"has {ours} there already" if ours else "is made from a source of its own"
        why = f"{candidate.image_id} in {candidate.region} is not needed: version {candidate.version} {there}; take it out of spec.adopt"
        return self._refusal(candidate, Reason.ADOPTION_REFUSED, why)

    def _unfit(self, candidate: Candidate, twice: set[str]) -> Refused | None:
        image, region = candidate.image, candidate.region
        if candidate.image_id in twice:
            why = f"{candidate.image_id} in {region} is listed for several versions, and is one image"
            return self._refusal(candidate, Reason.ADOPTION_REFUSED, why)
        if image is None:
            why = f"{candidate.image_id} is not in {region}, or account {self.account_id} may not see it; correct spec.adopt.versions"
            return self._refusal(candidate, Reason.SOURCE_NOT_FOUND, why)
        if identity.owner_of(image.tags) == self.owner:
            why = f"{candidate.image_id} in {region} is version {image.tags.get(identity.VERSION)} of this family already"
            return self._refusal(candidate, Reason.ADOPTION_REFUSED, why) if self.listed else None
        found = adoption.unfit(image, region, self.owner, self.account_id)
        return self._refusal(candidate, *found) if found else None

    def _refusal(self, candidate: Candidate, reason: Reason, message: str) -> Refused:
        # What a pattern meets by the way, and nobody else claims, is no reason to call for a person.
        return Refused(candidate.region, candidate.image_id, reason, message, stalls=self.listed or reason is Reason.CONFLICT)


def outside(version: str, region: str, image_id: str) -> Refused:
    why = f"{image_id} of version {version} is not touched: {region} is not among spec.replicas"
    return Refused(region, image_id, Reason.ADOPTION_REFUSED, why, stalls=False)


def _ambiguous(candidates: Sequence[Candidate]) -> list[Refused]:
    version, region = candidates[0].version, candidates[0].region
    ids = sorted(candidate.image_id for candidate in candidates)
    why = f"{' and '.join(ids[:5])} in {region} both are version {version}; let one of them match, or name it in spec.adopt.versions"
    return [Refused(region, image_id, Reason.CONFLICT, why) for image_id in ids]
