"""The family of a GoldenImage: which ImageVersions shall be, each rendered complete. Pure.

The declared version always is one. The others are those that exist as objects already, and those that AWS still holds images of: a version
declared once is remembered by its tags, so a new cluster renders it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from goldenami.api.fields import Stage
from goldenami.api.golden_image import DEFAULT_CHANNEL, GoldenImage, Sharing
from goldenami.api.image_version import Grants, ImageVersion, ImageVersionSpec
from goldenami.api.kinds import API_VERSION, GROUP, IMAGE_VERSION, RECONCILE_REQUESTED
from goldenami.api.reasons import Reason
from goldenami.api.share_list import ShareList, ShareListSpec
from goldenami.api.sharing import Replica
from goldenami.controllers import adopted_spec
from goldenami.controllers.remembered import Remembered, declared_source, source_id
from goldenami.controllers.retained import Retained
from goldenami.kube.client import Body
from goldenami.plan import channels as plan
from goldenami.plan import identity
from goldenami.plan.channels import Channel, Standing
from goldenami.plan.sharing import SHARE_QUOTA
from goldenami.plan.values import Problem

FAMILY_LABEL = f"{GROUP}/golden-image"


@dataclass(frozen=True)
class Course:
    """What the channels make of the versions."""

    channels: tuple[Channel, ...]
    standings: Mapping[str, Standing]
    made_at: Mapping[str, float]
    """By version, in epoch seconds."""

    @property
    def named(self) -> frozenset[str]:
        """No version that a channel names is ever removed."""
        return plan.named_versions(self.channels, self.standings.values())

    def has_everywhere(self, version: str) -> bool:
        """Whether it is copied to regions that are added."""
        return any(channel.version == version for channel in self.channels)


def merged_sharing(image: GoldenImage, lists: Sequence[ShareList]) -> Grants | Problem | None:
    """The principals of the spec and of its ShareLists together; None where the spec says nothing about sharing."""
    declared = image.spec.sharing
    if declared is None:
        return None
    parts: list[Sharing | ShareListSpec] = [declared, *(share_list.spec for share_list in lists)]
    accounts = {account for part in parts for account in part.accounts}
    organizations = {arn for part in parts for arn in part.organization_arns}
    units = {arn for part in parts for arn in part.organizational_unit_arns}
    count = len(accounts) + len(organizations) + len(units)
    if count > SHARE_QUOTA:
        return _too_many(count, lists)
    return Grants(
        accounts=tuple(sorted(accounts)),
        organization_arns=tuple(sorted(organizations)),
        organizational_unit_arns=tuple(sorted(units)),
        public=declared.public,
        snapshots=declared.snapshots,
        foreign_grants=declared.foreign_grants,
    )


def _too_many(count: int, lists: Sequence[ShareList]) -> Problem:
    where = f"spec.sharing and ShareList {', '.join(share_list.name for share_list in lists)}" if lists else "spec.sharing"
    return Problem(
        Reason.SHARE_QUOTA_EXCEEDED,
        f"{where} name {count} principals together, and EC2 shares an image with {SHARE_QUOTA} at most: "
        "name an organization or an organizational unit instead. Until then nobody's access changes",
        stalled=True,
    )


def render(
    image: GoldenImage,
    sharing: Grants | None,
    children: Mapping[str, ImageVersion],
    known: Mapping[str, Remembered],
    course: Course,
    retained: Retained,
) -> dict[str, ImageVersionSpec]:
    """The spec of every ImageVersion that shall be, by version.

    A region that was added gets the declared version and those that channels name; the others stay where they are.
    """
    specs = _specs(image, sharing, children, known, course)
    rendered = {}
    for version, spec in specs.items():
        child, memory = children.get(version), known.get(version)
        staged = _staged(image, spec, course, retained, child, memory)
        rendered[version] = adopted_spec.completed(
            staged, image.spec.replicas, child, memory.adopted if memory else {}, memory.withheld if memory else ()
        )
    return rendered


def _staged(
    image: GoldenImage,
    spec: ImageVersionSpec,
    course: Course,
    retained: Retained,
    child: ImageVersion | None,
    memory: Remembered | None,
) -> ImageVersionSpec:
    """With what channels and retention make of it. A version that is found again in AWS goes on as it was left there."""
    before = child.spec.stage if child else _left_at(course, memory)
    explicit = tuple(name for name in plan.names_of(spec.version, course.channels, course.standings) if name != DEFAULT_CHANNEL)
    left = child.spec.deprecated_by == "Rollback" if child else before == "Deprecated"
    by_channels = plan.stage(spec.version, course.channels, course.standings, course.made_at, before, left_before=left)
    stage = retained.stage(spec.version, by_channels, before)
    said = next((row for row in image.spec.versions if row.version == spec.version), None)
    return spec.model_copy(
        update={
            "channels": explicit,
            "stage": stage,
            "deprecated_by": "Rollback" if by_channels == "Deprecated" else "Retention" if stage not in (None, "Active") else None,
            "retirement": retained.retirement(spec.retirement),
            "keep": said.keep if said else None,
            "expires_at": said.expires_at if said else None,
        }
    )


def _left_at(course: Course, memory: Remembered | None) -> Stage | None:
    if memory is None:
        return None
    if memory.disabled:
        return "Disabled"
    cares = any(channel.deprecate_on_rollback for channel in course.channels)
    return "Deprecated" if memory.deprecated and cares else None


def _specs(
    image: GoldenImage, sharing: Grants | None, children: Mapping[str, ImageVersion], known: Mapping[str, Remembered], course: Course
) -> dict[str, ImageVersionSpec]:
    spec = image.spec
    specs = {spec.version: _declared(image, sharing, children.get(spec.version), known.get(spec.version))}
    for version, child in children.items():
        if version != spec.version and not child.deleting:
            held = tuple(
                replica
                for replica in spec.replicas
                if course.has_everywhere(version) or replica.region in {old.region for old in child.spec.replicas}
            )
            specs[version] = _with_policy(image, sharing, child.spec, held)
    for version, memory in known.items():
        if version not in specs and version not in children:
            held = tuple(replica for replica in spec.replicas if course.has_everywhere(version) or replica.region in memory.regions)
            if held:
                specs[version] = _restored(image, sharing, memory, held)
    return specs


def _declared(image: GoldenImage, sharing: Grants | None, child: ImageVersion | None, memory: Remembered | None) -> ImageVersionSpec:
    """Named by the template as it was when the version was declared first; images that were there before have names of their own."""
    spec = image.spec
    known = memory.name if memory and not memory.adopted else ec2_name(image, spec.version)
    name = child.spec.name if child else known
    fresh = ImageVersionSpec(
        golden_image=image.name,
        version=spec.version,
        source=spec.source,
        region=spec.region,
        account_ref=spec.account_ref,
        name=name,
        notes=spec.notes,
        replicas=spec.replicas,
    )
    return _with_policy(image, sharing, fresh, spec.replicas)


def _restored(image: GoldenImage, sharing: Grants | None, memory: Remembered, held: tuple[Replica, ...]) -> ImageVersionSpec:
    fresh = ImageVersionSpec(
        golden_image=image.name,
        version=memory.version,
        source=declared_source(memory.source),
        region=memory.home_region,
        account_ref=image.spec.account_ref,
        name=memory.name,
        notes=memory.notes or None,
        replicas=held,
    )
    return _with_policy(image, sharing, fresh, held)


def _with_policy(image: GoldenImage, sharing: Grants | None, spec: ImageVersionSpec, replicas: tuple[Replica, ...]) -> ImageVersionSpec:
    """What every version of the family has in common, and follows the GoldenImage in.

    A version that lost its last region keeps its old ones: leaving images where they are harms nobody.
    """
    return spec.model_copy(
        update={
            "replicas": replicas or spec.replicas,
            "description": image.spec.description,
            "tags": image.spec.tags,
            "sharing": sharing,
            "deletion_policy": image.spec.deletion_policy,
            "management_policy": image.spec.management_policy,
            "suspend": image.spec.suspend,
            "interval": image.spec.interval,
        }
    )


def conflict(image: GoldenImage, children: Mapping[str, ImageVersion], known: Mapping[str, Remembered]) -> Problem | None:
    """A version says once and for all what it is made from."""
    spec = image.spec
    child, memory = children.get(spec.version), known.get(spec.version)
    if child is not None and (child.spec.source != spec.source or child.spec.region != spec.region):
        before = f"{child.spec.source.id} in {child.spec.region}"
    elif memory is not None and (source_id(memory.source), memory.home_region) != (spec.source.id, spec.region):
        before = f"{source_id(memory.source)} in {memory.home_region}"
    else:
        return None
    return Problem(
        Reason.VERSION_REUSED,
        f"version {spec.version} was made from {before}, and spec.source says {spec.source.id} in {spec.region}; declare a new version",
        stalled=True,
    )


def body(image: GoldenImage, spec: ImageVersionSpec) -> Body:
    """The ImageVersion as it is applied."""
    return {
        "apiVersion": API_VERSION,
        "kind": IMAGE_VERSION.kind,
        "metadata": {
            "name": identity.image_version_name(image.name, spec.version),
            "namespace": image.namespace,
            "labels": {FAMILY_LABEL: image.name},
            # A look that is asked for at the GoldenImage is one at its versions.
            "annotations": {RECONCILE_REQUESTED: asked} if (asked := image.metadata.reconcile_requested) else {},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": image.kind,
                    "name": image.name,
                    "uid": image.metadata.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": spec.to_object(),
    }


def ec2_name(image: GoldenImage, version: str) -> str:
    """The AMI name of a version: the template filled in. A `+` of the version becomes `_`, because EC2 names know no plus."""
    filled = image.spec.name_template.replace("{image}", image.name).replace("{namespace}", image.namespace)
    return filled.replace("{version}", version.replace("+", "_"))
