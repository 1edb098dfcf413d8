"""Whatever people, fleets, faults and crashes do to a family in whatever order: nobody is harmed, and in the end only what is kept is left.

A Hypothesis state machine drives the real reconcilers on a stepped clock (`support.stepped`) against the local AWS and a real API server,
and a witness that knows nothing of the operator's plans (`support.witness`) checks after every look:
nothing that is used, declared or named was disabled or deregistered, and no more versions in a pass than it admits; nothing that is not
ours was touched; what a channel names can be launched; in the end the limits are met and no snapshot is left over; and undoing a
retirement restores the grants exactly.

`make test` runs the same few examples each time; with `RETIREMENT_EXAMPLES` (and `RETIREMENT_STEPS`) it searches anew.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import kubernetes.client
import kubernetes.config
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, currently_in_test_context, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from goldenami.aws.sessions import Sessions
from goldenami.kube.client import Kubernetes, key_of
from goldenami.local.aws import LocalAws, lab
from goldenami.local.aws.clock import Clock
from goldenami.local.aws.ec2.records import Image, Protection
from goldenami.local.kubernetes import ControlPlane
from support.stepped import INSTALLATION, INTERVAL_SECONDS, Stepped
from support.witness import VERSION, Witness, kept_by, precedence

T = TypeVar("T")
Body = dict[str, Any]

SEARCHING = "RETIREMENT_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("RETIREMENT_EXAMPLES", "12"))
STEPS = int(os.environ.get("RETIREMENT_STEPS", "16"))

HOME, AWAY = "us-east-1", "eu-west-1"
ACCOUNT, PARTNERS, FOREIGN = "711111111111", ("722222222222", "733333333333"), ("744444444444", "755555555555")
BEGINNING = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
DAY_SECONDS = 86_400.0
VERSIONS = ("1.0.0", "1.1.0-rc.1", "1.1.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "2.0.0")
PARAMETER = "/{image}/{channel}"

POLICIES: tuple[Body | None, ...] = (
    {"keepLast": 1, "retire": {"disableFor": "0s"}},
    {"keepLast": 1, "retire": {"disableFor": "1h"}, "maxPerRun": "100%"},
    {"keepLast": 2},
    {"keepFor": "60d", "retire": {"disableFor": "1d"}},
    {"keepLast": 1, "deregistrationProtection": "Enabled", "retire": {"disableFor": "0s"}},
    {"keepLast": 1, "deregistrationProtection": "EnabledWithCooldown"},
    {"keepLast": 3, "deprecateAfter": "10d"},
    None,
)
FAULTS = (
    "DescribeInstances",
    "DescribeLaunchTemplates",
    "DescribeLaunchTemplateVersions",
    "DescribeImages",
    "DescribeImageAttribute",
    "DescribeSnapshots",
    "DisableImage",
    "EnableImage",
    "DeregisterImage",
    "CreateTags",
    "DeleteTags",
    "ModifyImageAttribute",
    "EnableImageDeprecation",
    "PutParameter",
    "GetParameters",
    "DescribeParameters",
    "DescribeAutoScalingGroups",
    "DescribeLaunchConfigurations",
    "DescribeImageReferences",
    "ListImageRecipes",
    "CreateImageUsageReport",
    "DescribeImageUsageReports",
    "CopyImage",
)
PAUSES = (60.0, 3600.0, 6 * 3600.0, DAY_SECONDS, 2.5 * DAY_SECONDS, 8 * DAY_SECONDS, 31 * DAY_SECONDS, 100 * DAY_SECONDS)
NUMBERS = st.integers(0, 11)


@dataclass(frozen=True)
class Ground:
    """What all examples share."""

    kubernetes: Kubernetes
    aws: LocalAws
    sessions: Sessions


@pytest.fixture(scope="module")
def ground(control_plane: ControlPlane) -> Iterator[Ground]:
    with LocalAws.start(in_process=True, clock_scale=0) as aws, pytest.MonkeyPatch.context() as patch:
        aws.lab.settings(throttling=False, copy_seconds=2.0, copy_spread=1.2, image_seconds=1.0, usage_report_seconds=2.0)
        for name, value in aws.environment(ACCOUNT).items():
            patch.setenv(name, value)
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(control_plane.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
        yield Ground(Kubernetes(configuration), aws, Sessions(clock=lambda: lab.current().clock.now()))


def pick(things: Sequence[T], number: int) -> T:
    return things[number % len(things)]


class Retirement(RuleBasedStateMachine):
    """One family, those who use it, and those who change their minds about it."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self.ground = ground
        ground.aws.lab.reset()
        lab.current().clock = Clock(scale=0, start_epoch_seconds=BEGINNING)
        self.namespace = f"machine-{uuid.uuid4().hex[:10]}"
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        ground.kubernetes.call("POST", "/api/v1/namespaces", body=body)
        self.witness = Witness(ground.aws, ACCOUNT, f"{INSTALLATION}/{self.namespace}/web", (HOME, AWAY), INTERVAL_SECONDS)
        self.operator = Stepped(ground.kubernetes, ground.aws, ground.sessions, self.namespace, looked=lambda _: self._looked())
        self.spec: Body = {}
        self.sources: dict[str, Body] = {}
        self.foreign: dict[str, set[str]] = {}
        """By image id: whom somebody else has shared it with."""
        self.settled: Body = {}
        """The spec as it was when the operator came to rest last."""
        self.instances: list[tuple[str, str]] = []
        self.templates: list[tuple[str, str]] = []
        self.configurations: list[tuple[str, str]] = []
        self.groups: list[tuple[str, str]] = []
        self.sharing_moved = False
        """Since the operator came to rest last."""
        self.forgotten: set[str] = set()
        """Regions that were given up before a new cluster had looked: it knows them only from a spec that names them again."""
        self.new_cluster = False
        self.names = 0

    # --- the family ---

    @initialize(
        regions=st.sampled_from([(HOME,), (HOME, AWAY)]),
        sharing=st.sampled_from(["Remove", "Keep", "Keep", None]),
        deletion=st.sampled_from(["Retain", "Delete"]),
        channel=st.sampled_from([None, "AllRegions", "PerRegion"]),
        policy=st.sampled_from(POLICIES),
        ages=st.lists(st.sampled_from([0.0, 10.0, 100.0, 400.0]), min_size=2, max_size=3),
    )
    def begin(
        self, regions: tuple[str, ...], sharing: str | None, deletion: str, channel: str | None, policy: Body | None, ages: list[float]
    ) -> None:
        """Some versions declared one after the other, among images that are nobody's business."""
        self._seed_bystanders()
        self.spec = {
            "region": HOME,
            "replicas": [{"region": region} for region in regions],
            "aliases": [{"parameter": PARAMETER}],
            "deletionPolicy": deletion,
        }
        if sharing:
            self.spec["sharing"] = {"accounts": [PARTNERS[0]], "foreignGrants": sharing}
        for number, age in enumerate(ages):
            self._declare(VERSIONS[number * 2], age, adopt=True)
            if channel and number == 0:
                self.spec["channels"] = [{"name": "stable", "version": VERSIONS[0], "rollout": channel}]
            self._apply()
            self.operator.settle()
        self._retain(policy)
        self._apply()

    def _seed_bystanders(self) -> None:
        seed = self.ground.aws.lab.seed_one
        seed("image", ACCOUNT, HOME, name="web-0.9.0", age_seconds=900 * DAY_SECONDS)
        seed("image", ACCOUNT, AWAY, tags={"goldenami.dev/owner": f"other/{self.namespace}/web", VERSION: "1.0.0"}, age_seconds=9e7)
        seed("image", ACCOUNT, HOME, tags={"goldenami.dev/owner": f"{INSTALLATION}/elsewhere/web", VERSION: "1.1.0"}, users=[FOREIGN[0]])
        seed("snapshot", ACCOUNT, HOME, tags={"Name": "web-1.0.0"})
        self.witness.remember_bystanders()

    def _declare(self, version: str, age_days: float, *, adopt: bool) -> None:
        if version not in self.sources:
            made = self.ground.aws.lab.seed_one("image", ACCOUNT, HOME, age_seconds=age_days * DAY_SECONDS)
            self.sources[version] = {"image": {"id": made["image_id"], "adopt": adopt}}
        self.spec |= {"version": version, "source": self.sources[version]}

    def _retain(self, policy: Body | None) -> None:
        self.spec.pop("retention", None)
        if policy is not None:
            self.spec["retention"] = policy

    def _apply(self) -> None:
        if currently_in_test_context():
            note(f"spec: {self.spec}")
        self.operator.apply({"apiVersion": "goldenami.dev/v1alpha1", "kind": "GoldenImage", "metadata": {"name": "web"}, "spec": self.spec})

    def _family(self) -> Body | None:
        return next((obj for obj in self.operator.objects() if obj["kind"] == "GoldenImage"), None)

    def _there(self) -> list[str]:
        """Versions of which an image is left."""
        return sorted({image.tags[VERSION] for image in self.witness.images()}, key=precedence)

    # --- people ---

    @rule(number=NUMBERS, age=st.sampled_from([0.0, 3.0, 100.0]), adopt=st.booleans())
    def declare(self, number: int, age: float, adopt: bool) -> None:
        """A version that was not there before, higher or lower than the others."""
        fresh = [version for version in VERSIONS if version not in self.sources]
        if fresh:
            self._declare(pick(fresh, number), age, adopt=adopt)
            self._apply()

    @rule(number=NUMBERS)
    def declare_again(self, number: int) -> None:
        """The commit is reverted."""
        there = self._there()
        if there:
            self._declare(pick(there, number), 0, adopt=True)
            self._apply()

    @rule(number=NUMBERS, rollback=st.booleans())
    def move_channel(self, number: int, rollback: bool) -> None:
        there = self._there()
        if self.spec.get("channels") and there:
            self.spec["channels"][0] |= {"version": pick(there, number), "deprecateOnRollback": rollback}
            self._apply()

    @rule(number=NUMBERS)
    def another_channel(self, number: int) -> None:
        """It comes, or goes."""
        channels, there = self.spec.get("channels", []), self._there()
        if len(channels) == 1 and there:
            name = "candidate" if channels[0]["name"] == "stable" else "stable"
            channels.append({"name": name, "version": pick(there, number), "rollout": "PerRegion"})
        elif len(channels) == 2:
            channels.pop(number % 2)
        self._apply()

    @rule(policy=st.sampled_from(POLICIES))
    def change_policy(self, policy: Body | None) -> None:
        self._retain(policy)
        self._apply()

    @rule(number=NUMBERS, keep=st.booleans(), days=st.sampled_from([-1, 1, 20]))
    def single_out(self, number: int, keep: bool, days: int) -> None:
        """One version is kept for good, or expires; what was said of others is forgotten."""
        there = self._there()
        if there:
            at = datetime.fromtimestamp(self.operator.now() + days * DAY_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.spec["versions"] = [{"version": pick(there, number), **({"keep": True} if keep else {"expiresAt": at})}]
            self._apply()

    @rule()
    def region_comes_or_goes(self) -> None:
        away = {"region": AWAY}
        if away in self.spec["replicas"] and self.new_cluster:
            self.forgotten.add(AWAY)
        self.spec["replicas"] = [{"region": HOME}] if away in self.spec["replicas"] else [{"region": HOME}, away]
        self._apply()

    @precondition(lambda self: self.spec.get("sharing"))
    @rule(accounts=st.sets(st.sampled_from(PARTNERS)))
    def change_sharing(self, accounts: set[str]) -> None:
        self.spec["sharing"]["accounts"] = sorted(accounts)
        self.sharing_moved = True
        self._apply()

    @rule()
    def lose_the_cluster(self) -> None:
        """The objects are gone, and the same manifest is applied to a new cluster."""
        self.operator.forget_objects()
        self.witness.forget_passes()
        self.forgotten |= {HOME, AWAY} - {replica["region"] for replica in self.spec["replicas"]}
        self.new_cluster = True
        self._apply()

    # --- fleets ---

    def _launchable(self, number: int) -> Image | None:
        images = sorted((image for image in self.witness.images() if image.state == "available"), key=lambda i: (i.name, i.region))
        return pick(images, number) if images else None

    @rule(number=NUMBERS)
    def launch(self, number: int) -> None:
        if image := self._launchable(number):
            ec2 = self.witness.client("ec2", image.region)
            (instance,) = ec2.run_instances(ImageId=image.id, MinCount=1, MaxCount=1)["Instances"]
            self.instances.append((image.region, instance["InstanceId"]))

    @precondition(lambda self: self.instances)
    @rule(number=NUMBERS, stop=st.booleans())
    def end_instance(self, number: int, stop: bool) -> None:
        region, name = pick(self.instances, number)
        ec2 = self.witness.client("ec2", region)
        if stop:
            ec2.stop_instances(InstanceIds=[name])
        else:
            ec2.terminate_instances(InstanceIds=[name])
            self.instances.remove((region, name))

    @rule(number=NUMBERS, new=st.booleans(), channel=st.sampled_from(["", "", "stable", "current"]))
    def write_template(self, number: int, new: bool, channel: str) -> None:
        """A new launch template, or a new version of one, that names an image or an alias: older versions still say what they said."""
        image = self._launchable(number)
        if image is None:
            return
        ec2 = self.witness.client("ec2", image.region)
        mine = [name for region, name in self.templates if region == image.region]
        data = {"ImageId": f"resolve:ssm:/web/{channel}" if channel else image.id, "InstanceType": "t3.micro"}
        if new or not mine:
            made = ec2.create_launch_template(LaunchTemplateName=self._fleet_name(), LaunchTemplateData=data)
            self.templates.append((image.region, made["LaunchTemplate"]["LaunchTemplateId"]))
        else:
            ec2.create_launch_template_version(LaunchTemplateId=pick(mine, number), LaunchTemplateData=data)

    @precondition(lambda self: self.templates)
    @rule(number=NUMBERS)
    def delete_template(self, number: int) -> None:
        region, name = pick(self.templates, number)
        self.witness.client("ec2", region).delete_launch_template(LaunchTemplateId=name)
        self.templates.remove((region, name))

    @rule(number=NUMBERS)
    def write_configuration(self, number: int) -> None:
        if image := self._launchable(number):
            name = self._fleet_name()
            arguments = {"LaunchConfigurationName": name, "ImageId": image.id, "InstanceType": "t3.micro"}
            self.witness.client("autoscaling", image.region).create_launch_configuration(**arguments)
            self.configurations.append((image.region, name))

    @precondition(lambda self: self.configurations)
    @rule(number=NUMBERS)
    def delete_configuration(self, number: int) -> None:
        region, name = pick(self.configurations, number)
        try:
            self.witness.client("autoscaling", region).delete_launch_configuration(LaunchConfigurationName=name)
        except ClientError:
            return  # a group still launches from it
        self.configurations.remove((region, name))

    @precondition(lambda self: self.templates or self.configurations)
    @rule(number=NUMBERS, size=st.sampled_from([0, 0, 1]), version=st.sampled_from(["1", "$Default", "$Latest"]))
    def write_group(self, number: int, size: int, version: str) -> None:
        """An Auto Scaling group, often of no instance, that launches from a template's version or from a launch configuration."""
        region, source = self._launches_from(number, version)
        name = self._fleet_name()
        bounds = {"MinSize": 0, "MaxSize": 3, "DesiredCapacity": size, "AvailabilityZones": [f"{region}a"]}
        try:
            self.witness.client("autoscaling", region).create_auto_scaling_group(AutoScalingGroupName=name, **bounds, **source)
        except ClientError:
            return  # what it names is disabled by now, or gone
        self.groups.append((region, name))

    @precondition(lambda self: self.groups)
    @rule(number=NUMBERS, size=st.sampled_from([0, 1]), version=st.sampled_from(["1", "$Default", "$Latest"]))
    def change_group(self, number: int, size: int, version: str) -> None:
        """It grows or shrinks, and may launch from something else from now on."""
        region, name = pick(self.groups, number)
        change: Body = {"DesiredCapacity": size}
        if self.templates or self.configurations:
            where, source = self._launches_from(number + 1, version)
            change |= source if where == region else {}
        try:
            self.witness.client("autoscaling", region).update_auto_scaling_group(AutoScalingGroupName=name, **change)
        except ClientError:
            return

    @precondition(lambda self: self.groups)
    @rule(number=NUMBERS)
    def delete_group(self, number: int) -> None:
        region, name = pick(self.groups, number)
        self.witness.client("autoscaling", region).delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        self.groups.remove((region, name))

    def _launches_from(self, number: int, version: str) -> tuple[str, Body]:
        """A region, and what a group there is told to launch from."""
        kinds = ["LaunchTemplate"] * bool(self.templates) + ["LaunchConfigurationName"] * bool(self.configurations)
        kind = pick(kinds, number)
        region, name = pick(self.templates if kind == "LaunchTemplate" else self.configurations, number)
        return region, {kind: {"LaunchTemplateId": name, "Version": version} if kind == "LaunchTemplate" else name}

    def _fleet_name(self) -> str:
        self.names += 1
        return f"fleet-{self.names}"

    @precondition(lambda self: (self.spec.get("sharing") or {}).get("foreignGrants") != "Remove")
    @rule(number=NUMBERS, accounts=st.sets(st.sampled_from(FOREIGN), min_size=1))
    def share_by_hand(self, number: int, accounts: set[str]) -> None:
        """Somebody else shares an image, as nobody declared."""
        if image := self._launchable(number):
            added = [{"UserId": account} for account in sorted(accounts)]
            self.witness.client("ec2", image.region).modify_image_attribute(ImageId=image.id, LaunchPermission={"Add": added})
            self.foreign.setdefault(image.id, set()).update(accounts)

    # --- time, faults, crashes ---

    @rule(seconds=st.sampled_from(PAUSES))
    def time_passes(self, seconds: float) -> None:
        self.operator.pass_time(seconds)

    @rule(number=NUMBERS)
    def look(self, number: int) -> None:
        """At one object only."""
        keys = [key_of(obj) for obj in self.operator.objects()]
        if keys:
            self.operator.look(pick(keys, number))

    @rule(versions_first=st.booleans())
    def settle(self, versions_first: bool) -> None:
        self._settle(versions_first=versions_first)

    def _settle(self, *, versions_first: bool = False) -> None:
        self.operator.settle(versions_first=versions_first)
        self.new_cluster = False

    @rule(
        operation=st.sampled_from(FAULTS),
        how=st.sampled_from([{"code": "InternalError"}, {"code": "UnauthorizedOperation"}, {"form": "lose"}]),
        nth=st.integers(1, 3),
    )
    def fault(self, operation: str, how: Body, nth: int) -> None:
        """One of the next calls is refused, or done and not answered."""
        self.operator.faults.append({"form": "refuse", "operation": operation, "nth": nth, **how})

    @rule(write=st.integers(1, 12), after=st.booleans(), versions_first=st.booleans())
    def crash(self, write: int, after: bool, versions_first: bool) -> None:
        """The process dies at one of its next writes, right before or right after it took effect."""
        self.operator.die_at(write, after=after)
        self._settle(versions_first=versions_first)

    @rule()
    def rest(self) -> None:
        """All is well for a while: then everything is as declared."""
        self._come_to_rest()
        self._assert_channels_resolve()
        self._assert_foreign_grants()

    def _come_to_rest(self) -> None:
        self.operator.faults.clear()
        self.operator.pass_time(INTERVAL_SECONDS * 1.1)
        self._settle()
        self.settled = _copied(self.spec)
        self.sharing_moved = False

    # --- what always holds ---

    def _looked(self) -> None:
        self.witness.look_on(self._family)

    @invariant()
    def nothing_in_use_or_named_goes(self) -> None:
        assert self.witness.charges == []

    @invariant()
    def nothing_foreign_is_touched(self) -> None:
        self.witness.assert_bystanders_untouched()

    @invariant()
    def what_an_alias_names_can_be_launched(self) -> None:
        """In regions and for channels that were declared when all was well last, and still are."""
        for channel, region in self._aliases(self.settled) & self._aliases(self.spec):
            image_id = self._parameter(channel, region)
            if image_id is not None:
                image = self.witness.image(image_id, region)
                assert image is not None, f"{channel} names {image_id} in {region}, which is gone"
                assert image.state == "available", f"{channel} names {image_id} in {region}, which is {image.state}"
                shared = self.sharing_moved or self._shared_with() <= image.permission.users
                assert shared, f"{channel} names {image_id} in {region}, which is shared with {set(image.permission.users)} only"

    def _shared_with(self) -> set[str]:
        return set((self.spec.get("sharing") or {}).get("accounts", []))

    @staticmethod
    def _aliases(spec: Body) -> set[tuple[str, str]]:
        if not spec:
            return set()
        channels = [channel["name"] for channel in spec.get("channels", [])] or ["current"]
        return {(channel, replica["region"]) for channel in channels for replica in spec["replicas"]}

    def _parameter(self, channel: str, region: str) -> str | None:
        found = self.witness.client("ssm", region).get_parameters(Names=[f"/web/{channel}"])["Parameters"]
        return str(found[0]["Value"]) if found else None

    def _assert_channels_resolve(self) -> None:
        family = self._family()
        assert family is not None
        declared = self._shared_with()
        for row in family["status"].get("channels", []):
            for named in row["images"]:
                image = self.witness.image(named["imageId"], named["region"])
                told = f"channel {row['name']} names {named['imageId']} in {named['region']}"
                assert image is not None, f"{told}, which is gone\n{family}"
                assert image.state == "available", f"{told}, which is {image.state}\n{family}"
                assert declared <= image.permission.users, f"{told}, which is shared with {set(image.permission.users)}"
                assert self._parameter(row["name"], named["region"]) == image.id, f"{told}, and its parameter does not\n{family}"

    def _assert_foreign_grants(self) -> None:
        for image in self.witness.images():
            if image.state == "available":
                found, expected = set(image.permission.users) & set(FOREIGN), self.foreign.get(image.id, set())
                assert found == expected, f"{image.id} of {image.tags[VERSION]}"

    # --- the end ---

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None and self.spec:
                self._assert_limits_are_met_in_the_end()
        finally:
            self.operator.stop()
            self.operator.forget_objects()
            self.ground.kubernetes.call("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def _assert_limits_are_met_in_the_end(self) -> None:
        """Nobody uses anything any more, and months pass."""
        self._end_all_use()
        before: list[tuple[str, str, str]] = []
        for _ in range(30):
            self.operator.pass_time(9 * DAY_SECONDS)
            self._come_to_rest()
            left = sorted((image.tags[VERSION], image.region, image.state.value) for image in self._cared_for())
            if left == before and not any(state == "disabled" for _, _, state in left) and not self._expires_later():
                break
            before = left
        self.rest()
        self.nothing_in_use_or_named_goes()
        self.nothing_foreign_is_touched()
        self._assert_only_what_is_kept_is_left()

    def _expires_later(self) -> bool:
        rows = [row["expiresAt"] for row in self.spec.get("versions", []) if row.get("expiresAt")]
        return any(datetime.fromisoformat(at).timestamp() > self.operator.now() for at in rows)

    def _cared_for(self) -> list[Image]:
        unseen = self.forgotten - {replica["region"] for replica in self.spec["replicas"]}
        return [image for image in self.witness.images() if image.region not in unseen]

    def _end_all_use(self) -> None:
        for region, name in self.groups:
            self.witness.client("autoscaling", region).delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        for region, name in self.instances:
            self.witness.client("ec2", region).terminate_instances(InstanceIds=[name])
        for region, name in self.templates:
            self.witness.client("ec2", region).delete_launch_template(LaunchTemplateId=name)
        for region, name in self.configurations:
            self.witness.client("autoscaling", region).delete_launch_configuration(LaunchConfigurationName=name)
        self.instances, self.templates, self.configurations, self.groups = [], [], [], []

    def _assert_only_what_is_kept_is_left(self) -> None:
        images, now = self._cared_for(), self.operator.now()
        made = {
            version: min(image.created_at for image in images if image.tags[VERSION] == version)
            for version in {image.tags[VERSION] for image in images}
        }
        held = {self.spec["version"], *(channel["version"] for channel in self.spec.get("channels", []))}
        held |= {row["version"] for row in self.spec.get("versions", []) if row.get("keep")}
        expired = {row["version"] for row in self.spec.get("versions", []) if row.get("expiresAt")} - held
        policy = self.spec.get("retention") or {}
        kept = held | (kept_by(policy, made, now) - expired)
        if "deregistrationProtection" not in policy:
            # An earlier policy protected it, and this one says nothing: then somebody else may have.
            kept |= {image.tags[VERSION] for image in images if image.protection is not Protection.DISABLED}
        # What a parameter that was released still names is somebody else's promise.
        named = {value for region in (HOME, AWAY) for value in self.witness.parameters(region).values()}
        kept |= {image.tags[VERSION] for image in images if image.id in named}
        told = [(image.tags[VERSION], image.region, image.state.value, image.id) for image in images]
        assert {version for version, *_ in told} <= kept, told
        assert {state for _, _, state, _ in told} <= {"available"}, told
        assert len({(version, region) for version, region, *_ in told}) == len(told), told
        assert self.witness.orphans() == []


def _copied(spec: Body) -> Body:
    return {**spec, "channels": [dict(channel) for channel in spec.get("channels", [])], "replicas": list(spec["replicas"])}


def test_whatever_happens_nobody_is_harmed_and_only_what_is_kept_is_left(ground: Ground) -> None:
    removed: list[int] = []

    class Machine(Retirement):
        def __init__(self) -> None:
            super().__init__(ground)

        def teardown(self) -> None:
            super().teardown()
            removed.append(self.witness.removed)

    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    found = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=slow, derandomize=not SEARCHING)
    run_state_machine_as_test(Machine, settings=found)
    # Otherwise nothing would have been put to the test.
    assert sum(count > 0 for count in removed) > len(removed) // 3


@pytest.mark.parametrize("used", [False, True], ids=["while reports are made", "while all are used"])
def test_those_that_could_not_go_do_not_all_go_when_they_can(ground: Ground, *, used: bool) -> None:
    """Each waits for a report of its use in other accounts, or for an instance to end, and then all are free at the same time."""
    machine = Retirement(ground)
    try:
        machine.begin((HOME, AWAY), "Remove", "Retain", None, None, [100.0, 100.0, 100.0])
        machine.declare(0, 100.0, adopt=True)
        machine.time_passes(31 * DAY_SECONDS)
        machine.settle(versions_first=False)
        for number in range(6 if used else 0):
            machine.launch(number)
        machine.change_policy({"keepLast": 1, "retire": {"disableFor": "0s"}})
        for _ in range(4):
            machine.settle(versions_first=False)
            machine.time_passes(3600.0)
        while machine.instances:
            machine.end_instance(0, stop=False)
        machine.settle(versions_first=True)
        assert machine.witness.charges == []
        assert machine.witness.removed > 0
    finally:
        machine.teardown()


def test_one_of_which_nobody_can_tell_holds_up_the_others_for_two_days_and_goes_when_it_is_known(ground: Ground) -> None:
    """An image that may not be asked about keeps its version for good; the rest of the family must not be kept with it."""
    machine = Retirement(ground)
    try:
        machine.begin((HOME,), None, "Retain", None, None, [100.0, 100.0, 100.0])
        machine.time_passes(31 * DAY_SECONDS)
        machine.settle(versions_first=False)
        first, second, _ = machine._there()
        (image,) = (image for image in machine.witness.images() if image.tags[VERSION] == first)
        forbidden = {"operation": "ec2.DescribeInstances", "resource": image.id, "code": "UnauthorizedOperation", "status": 403}
        ground.aws.lab.add_fault("refuse", **forbidden, times=10_000)
        machine.change_policy({"keepLast": 1, "retire": {"disableFor": "0s"}})
        machine.settle(versions_first=False)
        machine.time_passes(1.9 * DAY_SECONDS)
        machine.settle(versions_first=False)
        assert second in machine._there()
        for _ in range(4):
            machine.time_passes(3600.0)
            machine.settle(versions_first=False)
        assert second not in machine._there()
        told = {each["type"]: each["reason"] for each in (machine._family() or {})["status"]["conditions"]}
        assert (told["RetentionReady"], image.state.value) == ("EvidenceIncomplete", "available")
        ground.aws.lab.clear_faults()
        for _ in range(4):
            machine.time_passes(3600.0)
            machine.settle(versions_first=False)
        assert first not in machine._there()
        assert machine.witness.charges == []
    finally:
        ground.aws.lab.clear_faults()
        machine.teardown()
