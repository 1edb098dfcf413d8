"""What the demo breaks behind the operator's back, each as one call that anybody with the AWS CLI could make, and when it is repaired."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from goldenami.cli.demo.picture import Picture, Replica
from goldenami.cli.demo.step import Step
from goldenami.local.aws.local import LocalAws


def breakages(aws: LocalAws, picture: Picture) -> Iterator[Step]:
    """Those that the present images allow, each on another region where there is one."""
    shared = [replica for replica in _by_interest(picture) if replica.available and _accounts(replica)]
    for number, make in enumerate((_unshared, _made_public, _deregistered)):
        if shared:
            yield make(aws, shared[number % len(_of_first(shared))])


def _by_interest(picture: Picture) -> list[Replica]:
    """The image with most to lose first: an alias, then many regions; its regions in the order they are shown."""
    regions = {replica.key[:3]: 0 for replica in picture.replicas}
    for replica in picture.replicas:
        regions[replica.key[:3]] += 1
    return sorted(picture.replicas, key=lambda replica: (not replica.alias, -regions[replica.key[:3]]))


def _of_first(replicas: list[Replica]) -> list[Replica]:
    return [replica for replica in replicas if replica.key[:3] == replicas[0].key[:3]]


def _accounts(replica: Replica) -> list[str]:
    return [name for name in replica.shared_with if name.isdecimal()]


def _unshared(aws: LocalAws, replica: Replica) -> Step:
    account = _accounts(replica)[0]
    change = {"Remove": [{"UserId": account}]}
    return Step(
        f"Somebody takes the share with account {account} away from {_the_image(replica)}.",
        f"{_modify(replica)} \\\n    --launch-permission 'Remove=[{{UserId={account}}}]'",
        lambda: _ec2(aws, replica).modify_image_attribute(ImageId=replica.image_id, LaunchPermission=change),
        lambda _: f"{replica.image_id} is shared with {account} again" if _granted(aws, replica, {"UserId": account}) else None,
    )


def _made_public(aws: LocalAws, replica: Replica) -> Step:
    change = {"Add": [{"Group": "all"}]}
    return Step(
        f"Somebody makes {_the_image(replica)} public: anybody in the world can launch it.",
        f"{_modify(replica)} \\\n    --launch-permission 'Add=[{{Group=all}}]'",
        lambda: _ec2(aws, replica).modify_image_attribute(ImageId=replica.image_id, LaunchPermission=change),
        lambda _: f"{replica.image_id} is private again" if _granted(aws, replica, {"Group": "all"}) is False else None,
    )


def _deregistered(aws: LocalAws, replica: Replica) -> Step:
    def repaired(picture: Picture) -> str | None:
        now = picture.replica(replica.key)
        if now is None or not picture.ready or now.image_id == replica.image_id or not (now.available and now.shared):
            return None
        return f"{now.image_id} took its place, shared{' and published' if now.published else ''}"

    return Step(
        f"Somebody deregisters {_the_image(replica)}.",
        f"aws ec2 deregister-image --region {replica.region} --image-id {replica.image_id}",
        lambda: _ec2(aws, replica).deregister_image(ImageId=replica.image_id),
        repaired,
    )


def _the_image(replica: Replica) -> str:
    return f"{replica.image} {replica.version} in {replica.region}"


def _modify(replica: Replica) -> str:
    return f"aws ec2 modify-image-attribute --region {replica.region} --image-id {replica.image_id}"


def _ec2(aws: LocalAws, replica: Replica) -> Any:
    return aws.client("ec2", region=replica.region, account=replica.account_id)


def _granted(aws: LocalAws, replica: Replica, grant: dict[str, str]) -> bool | None:
    """None where AWS does not say: it may throttle who asks often."""
    try:
        answer = _ec2(aws, replica).describe_image_attribute(ImageId=replica.image_id, Attribute="launchPermission")
    except ClientError:
        return None
    return grant in answer["LaunchPermissions"]
