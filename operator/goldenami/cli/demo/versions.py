"""What the demo does with the versions of one family: released, promoted, rolled back, and the oldest retired once nobody uses it.

Each step is one command that anybody with kubectl or the AWS CLI could type.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from goldenami.cli.demo import past
from goldenami.cli.demo.picture import Picture, Replica
from goldenami.cli.demo.step import Step
from goldenami.local.aws.client import LabControl
from goldenami.local.aws.local import LocalAws

NEXT = "1.2.0"
"""The version that the demo declares; its base is `past.NEXT_BASE`."""
POLICY = "standard"
KEPT = 2
DISABLED_SECONDS = 5
RETENTION = {"keepLast": KEPT, "retire": {"disableFor": f"{DISABLED_SECONDS}s"}}

Kubectl = Callable[..., str]
"""Runs kubectl with these words; raises KubectlError."""


def steps(aws: LocalAws, kubectl: Kubectl, look: Callable[[], Picture]) -> Iterator[Step]:
    """The steps in their order; none where the family, its old version or its channel is missing. `look` gives the newest picture."""
    old, now = (_versions(look(), alias=alias) for alias in (False, True))
    if not (old and now):
        return
    life = _Life(aws, kubectl, look, old, now)
    yield life.release()
    yield life.promote()
    yield life.roll_back()
    instance, running = life.launch()
    yield running
    yield life.retire(instance)
    yield life.let_go(instance)


def _versions(picture: Picture, *, alias: bool) -> tuple[Replica, ...]:
    """The family's replicas of the version that a channel names, or of the old one."""
    family = [each for each in picture.replicas if each.key[:2] == (past.NAMESPACE, past.FAMILY) and each.available]
    return tuple(each for each in family if (each.published if alias else each.version == past.VERSION and not each.alias))


class _Instance:
    """Somebody's instance; its id is known once it runs."""

    id = ""


@dataclass(frozen=True)
class _Life:
    """One family's versions: the old one that shall go, and the one that a channel names now."""

    aws: LocalAws
    kubectl: Kubectl
    look: Callable[[], Picture]
    old: Sequence[Replica]
    now: Sequence[Replica]

    @property
    def stable(self) -> str:
        return self.now[0].version

    # --- released, promoted, rolled back ---

    def release(self) -> Step:
        def outcome(picture: Picture) -> str | None:
            made = _of(picture, NEXT)
            if not (picture.ready and made and all(each.available for each in made)):
                return None
            return f"{NEXT} is available in {len(made)} regions, and consumers still get {self.stable}"

        patch = {"spec": {"version": NEXT, "source": {"image": {"id": past.NEXT_BASE}}}}
        return self._patched(
            f"{past.FAMILY} {NEXT} is declared, from a new base image. No channel names it yet.",
            ("gi", past.FAMILY, "merge", patch),
            outcome,
            "the operator copies it, and moves nothing",
        )

    def promote(self) -> Step:
        return self._moved(f"{NEXT} has proven itself: channel stable moves to it.", NEXT, lambda: "")

    def roll_back(self) -> Step:
        def deprecated() -> str | None:
            return f"; {NEXT} is deprecated now" if all(each.deprecated for each in _of(self.look(), NEXT)) else None

        return self._moved(f"It has not: channel stable goes back to {self.stable}.", self.stable, deprecated)

    def _moved(self, sentence: str, version: str, more: Callable[[], str | None]) -> Step:
        """The channel to this version, and what that took; done when there is an answer to `more` as well."""
        calls = _Calls(self.aws.lab)

        def outcome(picture: Picture) -> str | None:
            named = _of(picture, version)
            if not (picture.ready and named and all(each.published for each in named)) or (also := more()) is None:
                return None
            return f"{named[0].alias} names {version} in {len(named)} regions, by {calls.told('PutParameter', 'CopyImage')}{also}"

        patch = [{"op": "replace", "path": "/spec/channels/0/version", "value": version}]
        return self._patched(sentence, ("gi", past.FAMILY, "json", patch), outcome, "the operator moves the channel", before=calls.begin)

    # --- retired ---

    def launch(self) -> tuple[_Instance, Step]:
        image, instance = self.old[-1], _Instance()

        def act() -> None:
            found = self._ec2(image.region).run_instances(ImageId=image.image_id, InstanceType="t3.micro", MinCount=1, MaxCount=1)
            instance.id = found["Instances"][0]["InstanceId"]

        return instance, Step(
            f"{past.FAMILY} {past.VERSION} is {past.AGE_DAYS} days old, and still launched in {image.region}.",
            f"aws ec2 run-instances --region {image.region} --image-id {image.image_id} --instance-type t3.micro",
            act,
            lambda _: f"{instance.id} runs" if instance.id else None,
            "it starts",
            "launched",
        )

    def retire(self, instance: _Instance) -> Step:
        def outcome(picture: Picture) -> str | None:
            going = picture.retiring((past.NAMESPACE, past.FAMILY, past.VERSION))
            kept = next((part for part in going.message.split("; ") if instance.id in part), "") if going else ""
            return kept if kept and picture.ready else None

        return self._patched(
            f"From now on {KEPT} versions are kept. What goes is disabled and, after {DISABLED_SECONDS} s instead of 7 days, deregistered.",
            ("rp", POLICY, "merge", {"spec": RETENTION}),
            outcome,
            "the operator looks for everybody who uses it",
            "refused",
        )

    def let_go(self, instance: _Instance) -> Step:
        region = self.old[-1].region
        snapshots = {each.region: self._snapshots(each) for each in self.old}

        def outcome(picture: Picture) -> str | None:
            if not picture.ready or _of(picture, past.VERSION) or any(self._is_there(each, snapshots[each.region]) for each in self.old):
                return None
            kept = sorted({each.version for each in picture.replicas if each.key[:2] == (past.NAMESPACE, past.FAMILY)})
            return f"{len(self.old)} AMIs and {sum(map(len, snapshots.values()))} snapshots of {past.VERSION}; {' and '.join(kept)} stay"

        return Step(
            "The instance ends, so nobody uses the version any more.",
            f"aws ec2 terminate-instances --region {region} --instance-ids {instance.id}",
            lambda: self._ec2(region).terminate_instances(InstanceIds=[instance.id]),
            outcome,
            f"disabled, looked at once more after {DISABLED_SECONDS} s, then deregistered",
            "gone",
        )

    def _snapshots(self, replica: Replica) -> list[str]:
        (image,) = self._ec2(replica.region).describe_images(ImageIds=[replica.image_id], IncludeDisabled=True)["Images"]
        return [mapping["Ebs"]["SnapshotId"] for mapping in image["BlockDeviceMappings"] if "Ebs" in mapping]

    def _is_there(self, replica: Replica, snapshots: list[str]) -> bool:
        """Asked of AWS itself. True where it does not say: it may throttle who asks often."""
        ec2 = self._ec2(replica.region)
        try:
            images = ec2.describe_images(Filters=[{"Name": "image-id", "Values": [replica.image_id]}], IncludeDisabled=True)["Images"]
            return bool(images or ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": snapshots}])["Snapshots"])
        except ClientError:
            return True

    # --- as it is typed ---

    def _patched(
        self,
        sentence: str,
        change: tuple[str, str, str, Any],
        outcome: Callable[[Picture], str | None],
        waiting: str,
        done: str = "done",
        *,
        before: Callable[[], None] = lambda: None,
    ) -> Step:
        kind, name, how, patch = change
        words = ["-n", past.NAMESPACE, "patch", kind, name, "--type", how, "-p", json.dumps(patch)]

        def act() -> None:
            before()
            self.kubectl(*words)

        return Step(sentence, f"kubectl {shlex.join(words)}", act, outcome, waiting, done)

    def _ec2(self, region: str) -> Any:
        return self.aws.client("ec2", region=region, account=self.old[0].account_id)


@dataclass
class _Calls:
    """The calls since a moment, counted by AWS."""

    lab: LabControl
    since: int = 0

    def begin(self) -> None:
        self.since = max((call.sequence for call in self.lab.audit_calls(mutating=True)), default=0)

    def told(self, *operations: str) -> str:
        """`2 calls of PutParameter and none of CopyImage`."""
        counts = self.lab.audit_counts(since=self.since)
        found = {name: sum(count for key, count in counts.items() if key.endswith(f".{name}")) for name in operations}
        return " and ".join(
            f"{count or 'none'}{' calls' if number == 0 else ''} of {name}" for number, (name, count) in enumerate(found.items())
        )


def _of(picture: Picture, version: str) -> list[Replica]:
    return [each for each in picture.replicas if each.key[:3] == (past.NAMESPACE, past.FAMILY, version)]
