"""Auto Scaling groups that launch as EC2 lets them: moto's groups, with our launch checks, and an activity for every attempt.

A group launches from a launch configuration, a template version or a mixed instances policy, read anew at each launch. A launch that EC2
refuses leaves the group short, and is tried again: after a minute, then ever less often, for a day.
Sources: Auto Scaling user guide ("Troubleshoot Amazon EC2 Auto Scaling") and API reference (Activity, MixedInstancesPolicy).
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from moto.autoscaling import models
from moto.core.exceptions import ServiceException

from goldenami.local.aws import lab
from goldenami.local.aws.ec2 import aliases, errors
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.launches import PLACEHOLDER, bury, disks_of, launchable, settle_instance
from goldenami.local.aws.ec2.records import Image
from goldenami.local.aws.ec2.shell import Shell
from goldenami.local.aws.ec2.store import STORE, Place
from goldenami.local.aws.ec2.templates import named

FIRST_RETRY_SECONDS = 60.0
LAST_RETRY_SECONDS = 86400.0


@dataclass(frozen=True)
class Activity:
    group: str
    group_arn: str
    description: str
    cause: str
    started: datetime
    status: str  # Successful, Failed
    message: str | None = None
    id: str = field(default_factory=lambda: str(uuid4()))


ACTIVITIES: dict[Place, list[Activity]] = defaultdict(list)
"""Newest first, of deleted groups too."""


def forget(account: str | None) -> None:
    for place in [place for place in ACTIVITIES if account in {None, place[0]}]:
        del ACTIVITIES[place]


@dataclass(frozen=True)
class Plan:
    """What one launch asks EC2 for: an image as it is written down, and what else the launch says."""

    image: str
    instance_type: str
    mappings: Sequence[Mapping[str, Any]] = ()
    template: dict[str, Any] | None = None  # with the version's number
    configuration: str | None = None


class Member(models.InstanceState):
    """An instance of a group, which knows what it was launched from; moto would say the template's default version."""

    def __init__(self, instance: Any, plan: Plan, *, protected: bool) -> None:
        super().__init__(instance, protected_from_scale_in=protected)
        self.plan = plan
        self.image_id = instance.image_id

    @property
    def launch_template(self) -> dict[str, Any] | None:
        return self.plan.template

    @property
    def launch_configuration_name(self) -> str | None:
        return self.plan.configuration


class Group(models.FakeAutoScalingGroup):
    launch_configuration_name: Any = None
    _template: dict[str, Any] | None = None
    _policy: dict[str, Any] | None = None
    _retries_in: float = 0.0  # 0 while no retry is waiting

    # What it launches from

    def _set_launch_configuration(self, launch_config_name: Any, launch_template: Any, mixed_instances_policy: Any) -> None:
        """One of three; a call that names none leaves what there is."""
        if launch_config_name or launch_template or mixed_instances_policy:
            configuration: Any = self.autoscaling_backend.launch_configurations.get(launch_config_name)
            self.launch_config = configuration
            self.launch_configuration_name = launch_config_name
            self._template = self._full(launch_template) if launch_template else None
            self._policy = self._full_policy(mixed_instances_policy) if mixed_instances_policy else None
        self.mixed_instances_policy = self._policy  # moto's update forgets it

    def _full(self, specification: Mapping[str, Any]) -> dict[str, str]:
        """With id and name, as AWS shows it, whichever was given."""
        template = self._shell.template(specification.get("LaunchTemplateId"), specification.get("LaunchTemplateName"))
        full = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name}
        return {**full, "Version": specification["Version"]} if specification.get("Version") else full

    def _full_policy(self, policy: Mapping[str, Any]) -> dict[str, Any]:
        template = dict(policy["LaunchTemplate"])
        template["LaunchTemplateSpecification"] = self._full(template["LaunchTemplateSpecification"])
        template["Overrides"] = [self._full_override(each) for each in template.get("Overrides") or ()]
        distribution = {**_DISTRIBUTION, **(policy.get("InstancesDistribution") or {})}
        return {"LaunchTemplate": template, "InstancesDistribution": distribution}

    def _full_override(self, override: Mapping[str, Any]) -> dict[str, Any]:
        specification = override.get("LaunchTemplateSpecification")
        return {**override, "LaunchTemplateSpecification": self._full(specification)} if specification else dict(override)

    @property
    def launch_template(self) -> dict[str, Any] | None:
        return self._template

    @property
    def _shell(self) -> Shell:
        return Shell(self.account_id, self.region)

    def plan(self) -> Plan:
        """What the next launch would ask for. Of several overrides the first, as the `prioritized` strategy has it.

        Raises Refused, or moto's refusal, for a template or version that is not there.
        """
        if self._policy is not None:
            template = self._policy["LaunchTemplate"]
            return planned(self._shell, template["LaunchTemplateSpecification"], next(iter(template["Overrides"]), {}))
        if self._template is not None:
            return planned(self._shell, self._template, {})
        source = self.launch_config
        if source is None:
            raise errors.invalid_value(f"The launch configuration {self.launch_configuration_name} is not there any more")
        mappings = source.block_device_mapping_dict or ()
        return Plan(str(source.image_id), str(source.instance_type), mappings, configuration=source.name)

    # Launching and ending

    def set_desired_capacity(self, new_capacity: int | None) -> None:
        before = {each.instance_id for each in self.instance_states}
        super().set_desired_capacity(new_capacity)
        gone = sorted(before - {each.instance_id for each in self.instance_states})
        if gone:
            bury(_call(self), gone)
        for instance_id in gone:
            self._record(f"Terminating EC2 instance: {instance_id}", "Successful")

    def replace_autoscaling_group_instances(self, count_needed: int, propagated_tags: dict[str, str]) -> None:
        """Launches as many, one by one; moto calls this whenever the group is short."""
        if any(each["ProcessName"] == "Launch" for each in self.suspended_processes):
            return
        propagated_tags[models.ASG_NAME_TAG] = self.name
        for _ in range(count_needed):
            if not self._launched(propagated_tags):
                self._try_again()
                return
        self._retries_in = 0.0

    def _launched(self, tags: Mapping[str, str]) -> bool:
        call = _call(self)
        try:
            plan = self.plan()
            image = launchable(call, aliases.image_of(call.account, call.region, plan.image))
            instance = self._start(call, plan, image, tags)
        except errors.Refused as refused:
            return self._failed(refused.message)
        except ServiceException as error:  # moto's: there is no such template
            return self._failed(str(error.message))
        if instance.state != "running":
            return self._failed(str(instance.state_reason.message))
        instance.autoscaling_group = self
        self.instance_states.append(Member(instance, plan, protected=self.new_instances_protected_from_scale_in))
        self._record(f"Launching a new EC2 instance: {instance.id}", "Successful")
        return True

    def _start(self, call: Call, plan: Plan, image: Image, tags: Mapping[str, str]) -> Any:
        disks = disks_of(call, image, plan.mappings)
        subnet = self.vpc_zone_identifier.split(",")[0] if self.vpc_zone_identifier else None
        reservation = self.autoscaling_backend.ec2_backend.run_instances(
            image.id, 1, None, [], instance_type=plan.instance_type, is_instance_type_default=False, region_name=self.region,
            placement=random.choice(self.availability_zones), subnet_id=subnet, tags={"instance": dict(tags)},  # noqa: S311 - no secret
            launch_template=plan.template or {}, block_device_mappings=PLACEHOLDER,
        )  # fmt: skip
        instance = reservation.instances[0]
        settle_instance(call, instance, image, disks)
        return instance

    def _failed(self, message: str) -> bool:
        self._record("Launching a new EC2 instance", "Failed", f"{message.rstrip('.')}. Launching EC2 instance failed.")
        return False

    def _try_again(self) -> None:
        """Later than the last time, unless that would be more than a day."""
        self._retries_in = max(FIRST_RETRY_SECONDS, 2 * self._retries_in)
        if self._retries_in > LAST_RETRY_SECONDS:
            return

        def again(_: float) -> None:
            if self.autoscaling_backend.autoscaling_groups.get(self.name) is self:
                self.set_desired_capacity(self.desired_capacity)

        STORE.at(lab.current().clock.now() + self._retries_in, again)

    def _record(self, description: str, status: str, message: str | None = None) -> None:
        now = lab.current().clock.utc().replace(tzinfo=None)
        capacity = f"the capacity of the group is to be {self.desired_capacity}"
        cause = f"At {now:%Y-%m-%dT%H:%M:%SZ} the difference between desired and actual capacity was found: {capacity}."
        ACTIVITIES[self.account_id, self.region].insert(0, Activity(self.name, self.arn, description, cause, now, status, message))


_DISTRIBUTION = {
    "OnDemandAllocationStrategy": "prioritized", "OnDemandBaseCapacity": 0, "OnDemandPercentageAboveBaseCapacity": 100,
    "SpotAllocationStrategy": "lowest-price", "SpotInstancePools": 2,
}  # fmt: skip


def planned(shell: Shell, specification: Mapping[str, Any], override: Mapping[str, Any]) -> Plan:
    """A launch from a template, with what an override puts in its place: another template, image or type."""
    version = named(shell, override.get("LaunchTemplateSpecification") or specification)
    image = override.get("ImageId") or version.data.get("ImageId")
    if not image:
        raise errors.missing_parameter("ImageId")
    template = {
        "LaunchTemplateId": version.template_id, "LaunchTemplateName": version.template_name, "Version": str(version.number),
    }  # fmt: skip
    instance_type = str(override.get("InstanceType") or version.data.get("InstanceType") or "m1.small")
    return Plan(str(image), instance_type, version.data.get("BlockDeviceMappings") or (), template)


def specifications(template: Mapping[str, Any] | None, policy: Mapping[str, Any] | None) -> Iterable[tuple[Any, Mapping[str, Any]]]:
    """Every (template, override) that a group with these could launch from."""
    if template:
        yield template, {}
    if policy:
        base: Mapping[str, Any] = policy["LaunchTemplate"]["LaunchTemplateSpecification"]
        overrides: Sequence[Mapping[str, Any]] = policy["LaunchTemplate"].get("Overrides") or ({},)
        yield from ((base, override) for override in overrides)


def _call(group: Group) -> Call:
    present = lab.current()
    return Call(
        "RunInstances", group.account_id, group.region, {}, present.clock.now(), present, STORE, Shell(group.account_id, group.region)
    )
