"""Versions of launch templates, with or without an Auto Scaling group. Sources: DescribeLaunchTemplates, DescribeLaunchTemplateVersions.

EC2 lists one template's versions a call. A version never changes and its number is never used again, so what was read once is kept, and
only templates with newer versions are read again; a version may have been deleted, so one that counts as a user is looked at once more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from goldenami.aws.errors import NotFound
from goldenami.aws.evidence.question import Listings, Question
from goldenami.aws.holding import PAGE, paged
from goldenami.plan.evidence import MAX_USERS, Source, Testimony


@dataclass(frozen=True)
class Template:
    """What every version of it launches: an image id, `resolve:ssm:` and a parameter, or empty where the launch has to say it."""

    template_id: str
    name: str
    default: int
    latest: int
    images: Mapping[int, str] = field(default_factory=dict)
    """By version; of deleted versions as well, as they were."""

    def counting(self, there: Iterable[int], depth: int | None) -> tuple[int, ...]:
        """Of those that are there the newest to that depth; what `$Default` and `$Latest` launch counts in any case."""
        numbers = sorted(there)
        deep = numbers if depth is None else numbers[-depth:] if depth else []
        return tuple(number for number in numbers if number in deep or number in (self.default, self.latest))


Templates = Mapping[str, Template]
"""Every template of a place, by id."""


def listed(question: Question) -> Templates:
    """Raises AwsError."""
    return question.listings.get("launch templates", lambda: _read(question.listings), question.since)


def launch_templates(question: Question) -> Testimony:
    found = launching(question, lambda launched: launched == question.image.image_id)
    return Testimony(Source.LAUNCH_TEMPLATES, tuple(told for told, _ in islice(found, MAX_USERS)))


def launching(question: Question, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """The versions that count and launch something wanted: what they are called, and what they launch. Raises AwsError.

    How deep a version lies is told by those that are there: deleted ones are known as they were, and take no place.
    """
    for template in listed(question).values():
        if any(map(wanted, template.images.values())):
            there = present(question, template.template_id)
            for number in template.counting(there, question.rules.template_versions):
                if wanted(there[number]):
                    yield f"launch template {template.template_id}:{number}", there[number]


def present(question: Question, template_id: str) -> Mapping[int, str]:
    """What the versions launch that are there now; none where the template is gone. Raises AwsError."""
    return question.listings.get(f"versions of {template_id}", lambda: _present(question.listings, template_id), question.since)


def _present(listings: Listings, template_id: str) -> Mapping[int, str]:
    try:
        return _versions(listings, template_id)
    except NotFound:
        return {}


def _versions(listings: Listings, template_id: str, newer_than: int = 0) -> Mapping[int, str]:
    """What they launch, by number, read now."""
    beyond: dict[str, Any] = {"MinVersion": str(newer_than + 1)} if newer_than else {}
    rows = paged(
        lambda more: listings.calls.ec2(
            listings.place,
            "DescribeLaunchTemplateVersions",
            lambda ec2: ec2.describe_launch_template_versions(LaunchTemplateId=template_id, MaxResults=PAGE, **beyond, **more),
            about=template_id,
        ),
        "LaunchTemplateVersions",
    )
    return {int(row["VersionNumber"]): str(row.get("LaunchTemplateData", {}).get("ImageId", "")) for row in rows}


def _read(listings: Listings) -> Templates:
    rows = paged(
        lambda more: listings.calls.ec2(
            listings.place, "DescribeLaunchTemplates", lambda ec2: ec2.describe_launch_templates(MaxResults=PAGE, **more)
        ),
        "LaunchTemplates",
    )
    known: dict[str, Mapping[int, str]] = listings.memory("launch template versions")
    for gone in known.keys() - {row["LaunchTemplateId"] for row in rows}:
        del known[gone]
    return {row["LaunchTemplateId"]: _template(listings, row, known) for row in rows}


def _template(listings: Listings, row: Mapping[str, Any], known: dict[str, Mapping[int, str]]) -> Template:
    """What is read is known at once: a listing that is cut short by its pace goes on from there."""
    template_id, latest = row["LaunchTemplateId"], int(row["LatestVersionNumber"])
    before = known.get(template_id, {})
    if latest not in before:
        known[template_id] = {**before, **_versions(listings, template_id, max(before, default=0))}
    return Template(template_id, row.get("LaunchTemplateName", ""), int(row["DefaultVersionNumber"]), latest, known[template_id])
