"""What there is in AWS, read once for everybody: the shared listings of each place, and the reads that concern one thing.

Everything here may block on the network and belongs into a worker thread. Freshness is asked for by the caller, in epoch seconds of the
clock the inventory was made with; what this process wrote itself is folded in (`goldenami.aws.effects` does that).
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from goldenami.api.reasons import Reason
from goldenami.aws import evidence, left_behind
from goldenami.aws.calls import Calls
from goldenami.aws.errors import AwsError
from goldenami.aws.evidence import Asked
from goldenami.aws.facts import Facts
from goldenami.aws.holding import Holding
from goldenami.aws.imports import Imports
from goldenami.aws.lanes import Lanes
from goldenami.aws.parameters import Parameters
from goldenami.aws.permissions import Permissions
from goldenami.plan.evidence import Evidence, Rules
from goldenami.plan.identity import VERSION, Owner, owner_of
from goldenami.plan.values import Grants, Image, ImportTask, KeyFacts, Parameter, Past, Place, Problem, RegionFacts, RegionView, Snapshot

T = TypeVar("T")
OnChange = Callable[[Owner, str], None]

PATIENCE_SECONDS = 10.0
"""Longer than a listing of thousands takes, and shorter than the half minute until a region that hangs is given up."""


def ignore(owner: Owner, version: str) -> None:
    """Wakes nobody."""


def slow(place: Place) -> Problem:
    """A place that others do not wait for."""
    told = f"{place.region} has not answered for {PATIENCE_SECONDS:.0f} s; the other regions go on, and it is looked at again"
    return Problem(Reason.REGION_UNREACHABLE, told)


@dataclass
class _Place:
    """What is kept of one place."""

    holding: Holding
    permissions: Permissions
    parameters: Parameters
    listings: evidence.Listings
    imports: Imports
    audited_at: float = 0.0
    auditing: threading.Lock = field(default_factory=threading.Lock)


class Inventory:
    """Safe to use from several threads.

    `on_change(owner, version)` is called, in the thread that read, when a listing or the audit shows that an owner's images, snapshots or
    permissions are not as they were, or are known for the first time. After a listing, at most every `audit_seconds`, the audit reads
    permissions in about `audit_calls` calls: those that are relied on and were never read by this process, then those read longest ago.
    A few of them go to a listing of imports, where the last one is older than `imports_seconds`.
    """

    def __init__(
        self,
        calls: Calls,
        *,
        clock: Callable[[], float] = time.time,
        on_change: OnChange = ignore,
        audit_calls: int = 10,
        audit_seconds: float = 60.0,
        imports_seconds: float = 600.0,
        lanes: Lanes | None = None,
    ) -> None:
        self.on_change = on_change
        self._calls = calls
        self._clock = clock
        self._audit_calls = audit_calls
        self._audit_seconds = audit_seconds
        self._imports_seconds = imports_seconds
        self._lanes = lanes or Lanes()
        self._lock = threading.Lock()
        self._places: dict[Place, _Place] = {}
        self._facts = Facts(calls, clock)

    # Shared listings.

    def region(
        self,
        place: Place,
        *,
        not_older_than: float,
        snapshots_not_older_than: float | None = None,
        owner: Owner | None = None,
        version: str | None = None,
    ) -> RegionView:
        """Images and snapshots of everybody, or of one owner (and version), which stays cheap however much the place holds.

        Snapshots are as fresh as the images unless said otherwise. A problem instead of an exception.
        """
        kept = self._at(place)
        snapshots = not_older_than if snapshots_not_older_than is None else snapshots_not_older_than
        try:
            kept.holding.read(not_older_than, snapshots)
        except AwsError as error:
            return RegionView(place, read_epoch_seconds=self._clock(), problem=error.problem)
        view = kept.holding.view(owner, version)
        self._tell(kept.holding.take_changes())
        self._audit(kept)
        return view

    def holder_of_name(self, place: Place, name: str, other_than: Owner) -> Image | None:
        """An image of another owner of ours that has this name there, in the listing as it was last read."""
        images = self._at(place).holding.view().images
        named = (image for image in images if image.name == name and image.state not in ("failed", "error", "invalid", "lost"))
        return next((image for image in named if (owner := owner_of(image.tags)) and owner != other_than), None)

    def regions(
        self,
        places: Iterable[Place],
        *,
        not_older_than: float,
        snapshots_not_older_than: float | Mapping[Place, float] | None = None,
        owner: Owner | None = None,
        version: str | None = None,
    ) -> Mapping[Place, RegionView]:
        """Several places at the same time; a slow one does not delay the others' reads, only this answer.

        `snapshots_not_older_than` is one moment for all of them, or one for each.
        """

        def since(place: Place) -> float | None:
            return snapshots_not_older_than[place] if isinstance(snapshots_not_older_than, Mapping) else snapshots_not_older_than

        def read(place: Place) -> RegionView:
            snapshots = since(place)
            return self.region(place, not_older_than=not_older_than, snapshots_not_older_than=snapshots, owner=owner, version=version)

        def at_hand(place: Place) -> bool:
            snapshots, kept = since(place), self._at(place)
            fresh = kept.holding.is_fresh(not_older_than, not_older_than if snapshots is None else snapshots)
            return fresh and not self._audit_is_due(kept)

        def late(place: Place) -> RegionView:
            return RegionView(place, read_epoch_seconds=self._clock(), problem=slow(place))

        return self._lanes.map_patiently(read, places, PATIENCE_SECONDS, late, at_hand)

    def at_once(
        self, work: Callable[[Place], T], places: Iterable[Place], *, late: Callable[[Place], T] | None = None
    ) -> Mapping[Place, T]:
        """What `work` answers for each place, all asked at the same time. It may read, and must not come back here.

        With `late`, that is the answer for a place that takes longer than PATIENCE_SECONDS, and until it answers.
        """
        return self._lanes.map(work, places) if late is None else self._lanes.map_patiently(work, places, PATIENCE_SECONDS, late)

    def own_image(self, place: Place, image_id: str, *, not_older_than: float) -> Image | None:
        """One of ours, by its id and with our own writes, as every view has it from then on; None where it is not ours. Raises AwsError.

        Many that are asked for at the same time are read together.
        """
        holding = self._at(place).holding
        image = holding.read_image(image_id, not_older_than)
        self._tell(holding.take_changes())
        return image

    # Permissions.

    def grants(self, place: Place, image: Image, *, not_older_than: float, key_arns: Iterable[str] = ()) -> Grants:
        """What is permitted on the image, its snapshots and those keys. Raises AwsError.

        Our own writes are folded in and renew the date: asking for "not older than my write" reads nothing, a later moment reads again.
        """
        return self._at(place).permissions.get(image, key_arns, not_older_than)

    def cached_grants(self, place: Place, image_id: str, *, relied_on: bool = False) -> Grants | None:
        """What was last read or written of the image, its snapshots and their keys; None when any of it is unknown. Nothing is read.

        `relied_on`: it matters to the caller, who believes what was written down before. The audit then reads what is unknown.
        """
        kept = self._at(place)
        image = kept.holding.image(image_id)
        return kept.permissions.cached(image, kept.holding.key_arns(image), relied_on=relied_on) if image else None

    # Single things.

    def facts(
        self,
        place: Place,
        *,
        kms_key_id: str | None = None,
        needs_default_encryption: bool = False,
        needs_default_key: bool = False,
        needs_public: bool = False,
        not_older_than: float | None = None,
    ) -> RegionFacts:
        """The preflight of a place, kept for ten minutes unless asked for anew. A problem instead of an exception."""
        return self._facts.facts(
            place,
            kms_key_id=kms_key_id,
            needs_default_encryption=needs_default_encryption,
            needs_default_key=needs_default_key,
            needs_public=needs_public,
            not_older_than=not_older_than,
            is_open=self._at(place).holding.answers,
        )

    def key(self, place: Place, key_id: str) -> KeyFacts:
        """Raises AwsError: FixTheSpec when there is no such key, FixTheAccess when it may not be seen."""
        return self._facts.key(place, key_id)

    def image(self, place: Place, image_id: str) -> Image | None:
        """Own, shared or public, by id and now. Raises AwsError."""
        return self._facts.image(place, image_id)

    def image_named(self, place: Place, name: str) -> Image | None:
        """Of this account, by name and now. Raises AwsError."""
        return self._facts.image_named(place, name)

    def existing_images(self, place: Place, image_ids: Sequence[str]) -> tuple[Image, ...]:
        """Those of them that this account sees now, whatever their tags. Raises AwsError."""
        return left_behind.existing(self._calls, place, image_ids) if image_ids else ()

    def binned_images(self, place: Place, image_ids: Sequence[str]) -> Mapping[str, float]:
        """Those of them that are in the Recycle Bin now, and until when, in epoch seconds. Raises AwsError."""
        return left_behind.binned(self._calls, place, image_ids) if image_ids else {}

    def naming_images(self, place: Place, snapshot_ids: Sequence[str]) -> Mapping[str, str]:
        """An image of this account for each of those snapshots that one names now, whatever its tags. Raises AwsError."""
        return left_behind.naming(self._calls, place, snapshot_ids) if snapshot_ids else {}

    def imports(self, place: Place, owner: Owner, *, fresh: bool = False) -> tuple[ImportTask, ...] | None:
        """Of this owner, as the audit listed them last, or as of now; None while that is unknown."""
        kept = self._at(place).imports
        if fresh:
            kept.refresh(self._clock())
        return kept.of(owner)

    def imports_forbidden(self, place: Place) -> Problem | None:
        """Why they cannot be listed there, where a person has to do something about it. Nothing is read."""
        problem = self._at(place).imports.problem
        return problem if problem is not None and problem.stalled else None

    def images_matching(self, place: Place, pattern: str, tags: Mapping[str, str], *, not_older_than: float) -> tuple[Image, ...]:
        """Anybody's of this account whose name and tags match; what we wrote since is not folded in. Raises AwsError, and PatternError."""
        return self._facts.images_matching(place, pattern, tags, not_older_than)

    def images_listed(self, place: Place, image_ids: Sequence[str], *, not_older_than: float) -> tuple[Image, ...]:
        """Own, shared or public, by id, as far as they exist; what we wrote since is not folded in. Raises AwsError."""
        return self._facts.images_listed(place, tuple(image_ids), not_older_than)

    def snapshot(self, place: Place, snapshot_id: str) -> Snapshot | None:
        """Raises AwsError."""
        return self._facts.snapshot(place, snapshot_id)

    def snapshots(self, place: Place, snapshot_ids: Sequence[str]) -> tuple[Snapshot, ...]:
        """Those of them that this account may see. Raises AwsError."""
        return self._facts.snapshots(place, tuple(snapshot_ids)) if snapshot_ids else ()

    def instance(self, place: Place, instance_id: str) -> Image | None:
        """What can rule an instance out as a source, in an image's words (state, root device, product codes ...). Raises AwsError."""
        return self._facts.instance(place, instance_id)

    def evidence(self, place: Place, image: Image, asked: Asked) -> Evidence:
        """What every source in AWS says of the image's users; with a problem where it could not be read."""
        return evidence.gather(evidence.Question(self._at(place).listings, image, asked, self._clock()))

    def expect_evidence(self, place: Place, image_ids: Collection[str], rules: Rules) -> None:
        """These images are asked about in a moment, so that what others read meanwhile is read for them as well. Nothing is read."""
        kept = self._at(place)
        kept.holding.by_id.expect(image_ids)
        evidence.expect(kept.listings, image_ids, rules.template_versions)

    def awaited_evidence(self, place: Place, image: Image, asked: Asked) -> Evidence | None:
        """Where a report of the use in other accounts is all that was waited for, and still is: that. It allows nothing."""
        return evidence.awaited(evidence.Question(self._at(place).listings, image, asked, self._clock()))

    # Aliases.

    def parameters(self, place: Place, owner: Owner, *, not_older_than: float) -> tuple[Parameter, ...]:
        """Those that carry this owner's tag, without values; from one listing for all owners. Raises AwsError."""
        return self._at(place).parameters.of(owner, not_older_than)

    def parameter_values(self, place: Place, names: Sequence[str]) -> Mapping[str, str]:
        """Values by name, of those that exist, read now. Raises AwsError."""
        return self._at(place).parameters.values(names)

    def parameter_sent(self, place: Place, name: str) -> tuple[float, str] | None:
        """When this process last wrote a value to it, and which; what SSM makes of that shows a little later. Nothing is read."""
        return self._at(place).parameters.sent(name)

    def parameter_history(self, place: Place, name: str) -> tuple[Past, ...]:
        """Every value that SSM still knows (the last hundred), oldest first, read now. Raises AwsError."""
        return self._at(place).parameters.history(name)

    def parameter(self, place: Place, name: str) -> Parameter | None:
        """Anybody's, with its tags, read now; None when there is none. Raises AwsError."""
        return self._at(place).parameters.one(name)

    # What the effects tell.

    def now(self) -> float:
        """Epoch seconds."""
        return self._clock()

    def holding(self, place: Place) -> Holding:
        return self._at(place).holding

    def permissions(self, place: Place) -> Permissions:
        return self._at(place).permissions

    def imports_of(self, place: Place) -> Imports:
        return self._at(place).imports

    def parameters_of(self, place: Place) -> Parameters:
        return self._at(place).parameters

    def _at(self, place: Place) -> _Place:
        # Asked for tens of times by each look: threads that wait for each other here change places more than they do anything else.
        if kept := self._places.get(place):
            return kept
        with self._lock:
            if place not in self._places:
                holding = Holding(place, self._calls, self._clock)
                self._places[place] = _Place(
                    holding,
                    Permissions(place, self._calls, self._clock),
                    # Who has images there has parameters there.
                    Parameters(place, self._calls, self._clock, expected=holding.owners),
                    evidence.Listings(place, self._calls, self._clock),
                    Imports(place, self._calls, self._clock),
                    # Not right away: who looks first reads what has to be known at once.
                    audited_at=self._clock(),
                )
            return self._places[place]

    def _audit_is_due(self, kept: _Place) -> bool:
        return self._clock() - kept.audited_at >= self._audit_seconds

    def _audit(self, kept: _Place) -> None:
        if not self._audit_is_due(kept) or not kept.auditing.acquire(blocking=False):
            return
        try:
            kept.audited_at = self._clock()
            images = {image.image_id: image for image in kept.holding.view().images}
            left = self._audit_calls - kept.imports.audit(self._imports_seconds)
            told = kept.permissions.audit(images, kept.holding.key_arns, left)
        finally:
            kept.auditing.release()
        self._tell({(owner, image.tags.get(VERSION, "")) for image in told if (owner := owner_of(image.tags))})

    def _tell(self, changed: Iterable[tuple[Owner, str]]) -> None:
        for owner, version in sorted(changed):
            self.on_change(owner, version)
