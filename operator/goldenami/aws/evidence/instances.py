"""Instances that were launched from an image, whatever launched them. Source: DescribeInstances."""

from goldenami.aws.evidence.question import Question
from goldenami.aws.holding import PAGE, paged
from goldenami.plan.evidence import MAX_USERS, Source, Testimony

ALIVE = ("pending", "running", "shutting-down", "stopping", "stopped")
"""Every state but `terminated`, which EC2 shows for an hour: a stopped instance starts again, and its owner counts on its image."""


def instances(question: Question) -> Testimony:
    place, image_id = question.place, question.image.image_id
    reservations = paged(
        lambda more: question.calls.ec2(
            place,
            "DescribeInstances",
            lambda ec2: ec2.describe_instances(
                Filters=[{"Name": "image-id", "Values": [image_id]}, {"Name": "instance-state-name", "Values": list(ALIVE)}],
                MaxResults=PAGE,
                **more,
            ),
            about=image_id,
        ),
        "Reservations",
    )
    found = sorted(row["InstanceId"] for reservation in reservations for row in reservation.get("Instances", ()))
    return Testimony(Source.INSTANCES, tuple(f"instance {name}" for name in found[:MAX_USERS]))
