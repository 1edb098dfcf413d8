"""An existing family of images taken into a GoldenImage: what spec.adopt finds becomes versions that are rendered like remembered ones.

It is read once per resync and after an edit, and again only while something new is about to be adopted or is not available yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from goldenami.api.adoption import Adopt
from goldenami.api.conditions import ConcernResult, ConditionType
from goldenami.api.duration import parse_duration
from goldenami.api.golden_image import GoldenImage
from goldenami.api.reasons import Reason
from goldenami.aws.errors import AwsError
from goldenami.controllers import timing, translate
from goldenami.controllers.adoption_told import Adoption, result
from goldenami.controllers.mirror import Children
from goldenami.controllers.remembered import Remembered, origin_of
from goldenami.controllers.subject import Seen
from goldenami.controllers.world import World
from goldenami.plan import identity
from goldenami.plan.actions import AdoptImage
from goldenami.plan.adopted_family import Candidate, Choice, Chosen, Existing, Refused, by_name, outside
from goldenami.plan.candidates import BROKEN
from goldenami.plan.desired import ImageSource
from goldenami.plan.identity import Owner
from goldenami.plan.patterns import PatternError, compiled
from goldenami.plan.values import Account, Image, Place, Problem, RegionView

PENDING_SECONDS = 5.0
"""How old the listing may be while something in it is not available yet."""


@dataclass(frozen=True)
class Search:
    """One look for what is to be adopted."""

    world: World
    seen: Seen[GoldenImage]
    account: Account
    views: Sequence[RegionView]
    children: Children
    known: dict[str, Remembered]

    def find(self, *, fresh: bool) -> Adoption:
        """`fresh`: somebody asked for this look, so everything is read anew."""
        adopt = self.seen.declared.spec.adopt
        if adopt is None:
            return Adoption(self.known)
        try:
            return self._found(adopt, fresh=fresh)
        except PatternError as error:
            why = f"spec.adopt.byName.pattern cannot be used: {error}"
            return Adoption(self.known, (ConcernResult(ConditionType.ADOPTION_READY, Reason.INVALID_SPEC, why),))

    def _found(self, adopt: Adopt, *, fresh: bool) -> Adoption:
        now = self.world.now()
        chosen, unread = self._read(adopt, now if fresh else now - self._age_seconds())
        new = chosen.members.keys() - self.known.keys() - self.children.keys()
        if (new or chosen.pending) and not fresh:
            # A version is new to this look, which has listed the objects: images that went with its object may be in an older listing.
            chosen, unread = self._read(adopt, now if new else now - PENDING_SECONDS)
        known = self._merged(chosen, unread)
        due = [
            AdoptImage(Place(self.account, region), (image.image_id,), name=image.name, version=version)
            for version, images in chosen.members.items()
            for region, image in images.items()
        ]
        observed = self.seen.declared.spec.management_policy == "Observe"
        return Adoption(
            known,
            (result(chosen, unread, due, known.values(), observed=observed),),
            chosen.refused,
            tuple(sorted(action.sentence() for action in due)) if observed else (),
            bool(chosen.pending),
            unread,
        )

    def _age_seconds(self) -> float:
        """How old the listing may be: at rest, as old as the interval."""
        declared = self.seen.declared
        if declared.generation != declared.status.observed_generation:
            return timing.CHANGED_SECONDS
        return timing.AT_REST * (parse_duration(declared.spec.interval) if declared.spec.interval else self.world.interval_seconds)

    @property
    def _owner(self) -> Owner:
        return Owner(self.world.installation, self.seen.declared.namespace, self.seen.declared.name)

    # --- what is read ---

    def _read(self, adopt: Adopt, since: float) -> tuple[Chosen, dict[str, Problem]]:
        existing = {version: self._existing(version) for version in {self.seen.declared.spec.version, *self.known, *self.children}}
        places = [Place(self.account, replica.region) for replica in self.seen.declared.spec.replicas]
        listings = self.world.inventory.at_once(lambda place: self._listing(adopt, place, since), places)
        unread = {place.region: found for place, found in listings.items() if isinstance(found, Problem)}
        images = {place.region: found for place, found in listings.items() if not isinstance(found, Problem)}
        candidates, told = self._named(adopt, images) if adopt.by_name else self._listed(adopt, images)
        # A version that is being deleted by hand is left alone until it is gone; then it is found again.
        leaving = {version for version, child in self.children.items() if child.deleting}
        choice = Choice(self._owner, self.account.account_id, existing, listed=adopt.by_name is None)
        chosen = choice.of([candidate for candidate in candidates if candidate.version not in leaving])
        return replace(chosen, refused=(*chosen.refused, *told)), unread

    def _listing(self, adopt: Adopt, place: Place, since: float) -> tuple[Image, ...] | Problem:
        view = next((view for view in self.views if view.place.region == place.region), None)
        if view is not None and view.problem:
            return view.problem
        try:
            if adopt.by_name:
                return self.world.inventory.images_matching(place, adopt.by_name.pattern, adopt.by_name.tags, not_older_than=since)
            listed = {image.id for version in adopt.versions for image in version.images if image.region == place.region}
            # What is ours is in the shared listing already.
            ours = tuple(image for image in (view.images if view else ()) if image.image_id in listed and self._is_ours(image))
            others = sorted(listed - {image.image_id for image in ours})
            return (*ours, *self.world.inventory.images_listed(place, others, not_older_than=since))
        except AwsError as error:
            return error.problem

    @staticmethod
    def _named(adopt: Adopt, images: Mapping[str, tuple[Image, ...]]) -> tuple[list[Candidate], list[Refused]]:
        assert adopt.by_name is not None
        found = [by_name(compiled(adopt.by_name.pattern), region, listed) for region, listed in images.items()]
        return [one for candidates, _ in found for one in candidates], [one for _, refused in found for one in refused]

    def _listed(self, adopt: Adopt, images: Mapping[str, tuple[Image, ...]]) -> tuple[list[Candidate], list[Refused]]:
        declared = {replica.region for replica in self.seen.declared.spec.replicas}
        there = {(region, image.image_id): image for region, listed in images.items() for image in listed}
        meant = [(version.version, image.region, image.id) for version in adopt.versions for image in version.images]
        return (
            [Candidate(version, region, name, there.get((region, name))) for version, region, name in meant if region in images],
            [outside(*one) for one in meant if one[1] not in declared],
        )

    # --- what there is ---

    def _is_ours(self, image: Image) -> bool:
        return identity.owner_of(image.tags) == self._owner and image.state not in BROKEN | {"lost"}

    def _existing(self, version: str) -> Existing:
        spec, child, memory = self.seen.declared.spec, self.children.get(version), self.known.get(version)
        served = {
            view.place.region: image.image_id
            for view in self.views
            for image in view.images
            if self._is_ours(image) and image.tags.get(identity.VERSION) == version
        }
        known = {region: image.image_id for region, image in memory.adopted.items()} if memory else {}
        adopted = {**({image.region: image.id for image in child.spec.adopt} if child else {}), **known}
        if version == spec.version:
            # Its home image is the source itself.
            return Existing({spec.region: spec.source.id, **served}, adopted, joins=spec.source.adopted)
        if child:
            return Existing(served, adopted, joins=bool(adopted) or child.spec.source.adopted)
        source = memory.source if memory else None
        return Existing(served, adopted, joins=bool(adopted) or (isinstance(source, ImageSource) and source.adopt))

    def _merged(self, chosen: Chosen, unread: Mapping[str, Problem]) -> dict[str, Remembered]:
        """The versions that AWS holds images of, with those that it shall."""
        known = dict(self.known)
        for version, images in chosen.members.items():
            before = known.get(version) or self._new(version, images)
            known[version] = replace(
                before,
                regions=before.regions | images.keys(),
                adopted={**before.adopted, **images},
                made_at=min(before.made_at, *(image.created_epoch_seconds for image in images.values())),
            )
        spec = self.seen.declared.spec
        withheld = unread.keys() | {one.region for one in chosen.pending if one.version == spec.version}
        if spec.source.adopted and withheld - {spec.region}:
            before = known.get(spec.version) or self._new(spec.version, {})
            known[spec.version] = replace(before, withheld=frozenset(withheld - {spec.region} - before.regions))
        return known

    def _new(self, version: str, images: Mapping[str, Image]) -> Remembered:
        """A version that no image says of itself yet, before its images are added."""
        spec, child = self.seen.declared.spec, self.children.get(version)
        if version == spec.version:
            return Remembered(version, "", spec.region, translate.source(spec.source), frozenset(), self.world.now())
        if child:
            return Remembered(
                version, child.spec.name, child.spec.region, translate.source(child.spec.source), frozenset(), self.world.now()
            )
        region = spec.region if spec.region in images else min(images)
        image = images[region]
        released = identity.released_by(image.tags) == self._owner and image.tags.get(identity.VERSION) == version
        # What we had made, and released, is made from what it was made from.
        origin = origin_of(image) if released else None
        home, source = origin or (region, ImageSource(image.image_id, adopt=True))
        deprecated = 0 < image.deprecation_epoch_seconds <= self.world.now()
        return Remembered(version, image.name, home, source, frozenset(), image.created_epoch_seconds, deprecated)
