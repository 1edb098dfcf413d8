"""Instances that were launched from an image, whatever launched them. Source: DescribeInstances, many images a call."""

from collections.abc import Mapping, Sequence

from goldenami.aws.batched import Batched
from goldenami.aws.evidence.question import Listings, Question
from goldenami.aws.holding import FILTER_VALUES, PAGE, paged
from goldenami.plan.evidence import MAX_USERS, Source, Testimony

ALIVE = ("pending", "running", "shutting-down", "stopping", "stopped")
"""Every state but `terminated`, which EC2 shows for an hour: a stopped instance starts again, and its owner counts on its image."""


def instances(question: Question) -> Testimony:
    found = by_image(question.listings).get(question.image.image_id, question.since) or ()
    return Testimony(Source.INSTANCES, tuple(f"instance {name}" for name in sorted(found)[:MAX_USERS]))


def by_image(listings: Listings) -> Batched[Sequence[str]]:
    return listings.by_id("instances", lambda image_ids: _read(listings, image_ids), FILTER_VALUES)


def _read(listings: Listings, image_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
    reservations = paged(
        lambda more: listings.calls.ec2(
            listings.place,
            "DescribeInstances",
            lambda ec2: ec2.describe_instances(
                Filters=[{"Name": "image-id", "Values": list(image_ids)}, {"Name": "instance-state-name", "Values": list(ALIVE)}],
                MaxResults=PAGE,
                **more,
            ),
        ),
        "Reservations",
    )
    found: dict[str, list[str]] = {}
    for row in (row for reservation in reservations for row in reservation.get("Instances", ())):
        found.setdefault(row["ImageId"], []).append(row["InstanceId"])
    return found
