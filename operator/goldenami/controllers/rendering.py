"""Rendering: a family's ImageVersions written as they shall be, each only where it differs from what is stored."""

from collections.abc import Mapping
from dataclasses import dataclass

from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import Grants, ImageVersion
from goldenami.api.kinds import IMAGE_VERSION
from goldenami.api.meta import InvalidObjectError
from goldenami.api.reasons import EventReason, Reason
from goldenami.controllers import family, unfit
from goldenami.controllers.family import Course
from goldenami.controllers.mirror import Children
from goldenami.controllers.remembered import Remembered
from goldenami.controllers.retained import Retained
from goldenami.controllers.subject import Seen
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.kube.errors import KubeInvalid
from goldenami.kube.status import without_absent
from goldenami.plan.values import Problem


@dataclass(frozen=True)
class Rendering:
    """What all versions of one look have in common."""

    world: World
    seen: Seen[GoldenImage]
    sharing: Grants | None
    known: Mapping[str, Remembered]
    """The versions that AWS holds images of."""
    versions: "Versions"
    """As they were listed in this look."""

    def all(self, children: Children, course: Course, retained: Retained) -> dict[str, Problem]:
        """Renders every version that shall be, into `children`; by version, why one is not. The others are none the worse for it."""
        refused = dict(self.versions.unfit)
        for version, spec in family.render(self.seen.declared, self.sharing, children, self.known, course, retained).items():
            if version in self.versions.unfit:
                continue
            rendered = self._one(family.body(self.seen.declared, spec), restored=version in self.known and version not in children)
            if isinstance(rendered, Problem):
                refused[version] = rendered
                continue
            self._tell_stage(children.get(version), rendered, retained)
            children[version] = rendered
        return refused

    def _tell_stage(self, before: ImageVersion | None, after: ImageVersion, retained: Retained) -> None:
        """Of a version that was rendered before: what it is declared to be at first is no news."""
        if before is None or before.spec.stage == after.spec.stage:
            return
        verdict = retained.verdicts.get(after.spec.version)
        why = f": {verdict.why}" if verdict and verdict.why else ""
        what = after.spec.stage or "left as it is"
        self.world.events.record(self.seen.obj, EventReason.STAGE_CHANGED, f"version {after.spec.version} is {what} from now on{why}")

    def _one(self, wanted: Body, *, restored: bool) -> ImageVersion | Problem:
        """The ImageVersion as stored, written only where it differs; a Problem where the name belongs to another family."""
        name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
        # One that is not among those of the family may still be there: another family's, or one that lost its label.
        stored = self.versions.stored.get(name) or self.world.kubernetes.get(IMAGE_VERSION, namespace, name)
        if stored is not None and stored["spec"].get("goldenImage") != self.seen.declared.name:
            return Problem(
                Reason.CONFLICT,
                f"ImageVersion {name} belongs to GoldenImage {stored['spec'].get('goldenImage')}; rename one of the two images",
                stalled=True,
            )
        if stored is not None and _same(stored, wanted):
            return ImageVersion.from_object(stored)
        try:
            applied = self.world.kubernetes.apply(IMAGE_VERSION, wanted)
        except KubeInvalid as error:
            return Problem(
                Reason.INVALID_SPEC, f"what spec makes of version {wanted['spec']['version']} is refused: {error.message}", stalled=True
            )
        self.versions.stored[name] = applied
        if stored is None:
            reason = EventReason.VERSION_RESTORED if restored else EventReason.VERSION_CREATED
            self.world.events.record(self.seen.obj, reason, f"ImageVersion {name}")
        return ImageVersion.from_object(applied)


@dataclass(frozen=True)
class Versions:
    """The ImageVersions of a family, as stored."""

    children: Children
    unfit: Mapping[str, Problem]
    """Those that cannot be read, by version; by name where they say none."""
    stored: dict[str, Body]
    """What was listed of them, and written since, by name: what is read once for all of a family is not read again for each."""


def versions_of(world: World, declared: GoldenImage) -> Versions:
    children: Children = {}
    unreadable: dict[str, Problem] = {}
    stored: dict[str, Body] = {}
    for obj in world.kubernetes.list(IMAGE_VERSION, declared.namespace, label_selector=f"{family.FAMILY_LABEL}={declared.name}"):
        if obj["spec"].get("goldenImage") != declared.name:
            continue
        stored[obj["metadata"]["name"]] = obj
        try:
            child = ImageVersion.from_object(obj)
            children[child.spec.version] = child
        except InvalidObjectError as error:
            said = obj["spec"].get("version")
            unreadable[said if isinstance(said, str) else obj["metadata"]["name"]] = unfit.of_version(obj, error)
    return Versions(children, unreadable, stored)


def _same(stored: Body, wanted: Body) -> bool:
    """Whether the stored ImageVersion says what is wanted already: the API server's additions to metadata do not count."""
    metadata = stored["metadata"]
    return (
        without_absent(stored["spec"]) == without_absent(wanted["spec"])
        and wanted["metadata"]["labels"].items() <= metadata.get("labels", {}).items()
        and wanted["metadata"]["annotations"].items() <= metadata.get("annotations", {}).items()
        and {owner["uid"] for owner in wanted["metadata"]["ownerReferences"]}
        <= {owner["uid"] for owner in metadata.get("ownerReferences", [])}
    )
