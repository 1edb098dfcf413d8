"""Auto Scaling as far as it launches images: groups, launch configurations and scaling activities, checked and paged as AWS does.

Sources: Auto Scaling API reference (the operation named per method); "You must use a valid fully-formed launch template" and "AMI cannot be
described" are how AWS refuses templates and configurations whose image cannot be launched.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

from moto.autoscaling import models, urls
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult

from goldenami.local.aws import lab
from goldenami.local.aws.answers import RefusedError
from goldenami.local.aws.ec2 import aliases, errors
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.launches import bury, launchable
from goldenami.local.aws.ec2.shell import Shell
from goldenami.local.aws.ec2.store import STORE, settled
from goldenami.local.aws.services.scaling_groups import ACTIVITIES, Activity, Group, forget, planned, specifications

PAGE = 50
ACTIVITIES_PAGE = 100
LARGEST_PAGE = 100
NAMES_AT_MOST = 50
KEPT_DAYS = 42  # activities are told for six weeks

T = TypeVar("T")


def install() -> None:
    """Puts our groups in the place of moto's, and this service over its own."""
    vars(models)["FakeAutoScalingGroup"] = Group
    urls.url_paths["{0}/$"] = AutoScaling.dispatch
    lab.on_reset(forget)


def refused(message: str) -> RefusedError:
    return RefusedError("ValidationError", message)


class AutoScaling(AutoScalingResponse):
    def call_action(self) -> Any:
        """Takes turns with EC2, whose store the launches change."""
        with STORE.lock:
            settled()
            return super().call_action()

    # Launch configurations

    def create_launch_configuration(self) -> ActionResult:
        name = str(self._get_param("LaunchConfigurationName"))
        if name in self._configurations:
            raise RefusedError(
                "AlreadyExists",
                f"Launch Configuration by this name already exists - A launch configuration already exists with the name {name}",
            )
        if self._get_param("InstanceId"):
            self._take_from_instance(str(self._get_param("InstanceId")))
        image_id = self._get_param("ImageId")
        if image_id:
            try:
                launchable(self._ec2(), str(image_id))
            except errors.Refused as error:
                raise refused(f"AMI cannot be described: {error.message}") from error
        answer: ActionResult = super().create_launch_configuration()
        self._configurations[name].created_time = lab.current().clock.utc().replace(tzinfo=None)
        return answer

    def _take_from_instance(self, instance_id: str) -> None:
        """Image and type of an instance, where the call does not say others."""
        instance = Shell(self.current_account, self.region).raw_instance(instance_id)
        if instance is None:
            raise refused(f"Instance [{instance_id}] is invalid.")
        self.params = {"ImageId": instance.image_id, "InstanceType": instance.instance_type, **self.params}

    def describe_launch_configurations(self) -> ActionResult:
        names = self._names("LaunchConfigurationNames")
        found = [each for each in self._configurations.values() if not names or each.name in names]
        shown, token = self._page(found, PAGE)
        return ActionResult({"LaunchConfigurations": shown, "NextToken": token})

    def delete_launch_configuration(self) -> ActionResult:
        name = str(self._get_param("LaunchConfigurationName"))
        if name not in self._configurations:
            raise refused(f"Launch configuration name not found - Launch configuration {name} not found")
        if any(group.launch_configuration_name == name for group in self._groups.values()):
            raise RefusedError("ResourceInUse", f"Cannot delete launch configuration {name} because it is attached to an AutoScalingGroup")
        answer: ActionResult = super().delete_launch_configuration()
        return answer

    # Groups

    def create_auto_scaling_group(self) -> ActionResult:
        name = str(self._get_param("AutoScalingGroupName"))
        if name in self._groups:
            raise RefusedError(
                "AlreadyExists", f"AutoScalingGroup by this name already exists - A group with the name {name} already exists"
            )
        self._check_source()
        answer: ActionResult = super().create_auto_scaling_group()
        self._groups[name].created_time = lab.current().clock.utc().replace(tzinfo=None)
        return answer

    def update_auto_scaling_group(self) -> ActionResult:
        group = self._group()
        self._check_source()
        minimum, maximum = self._get_param("MinSize"), self._get_param("MaxSize")
        self._check_capacity(
            self._get_param("DesiredCapacity"),
            minimum if minimum is not None else group.min_size,
            maximum if maximum is not None else group.max_size,
        )
        answer: ActionResult = super().update_auto_scaling_group()
        return answer

    def set_desired_capacity(self) -> ActionResult:
        group = self._group()
        self._check_capacity(self._get_param("DesiredCapacity"), group.min_size, group.max_size)
        answer: ActionResult = super().set_desired_capacity()
        return answer

    def delete_auto_scaling_group(self) -> ActionResult:
        group = self._group()
        if group.instance_states and not self._get_param("ForceDelete"):
            raise RefusedError(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
            )
        answer: ActionResult = super().delete_auto_scaling_group()
        return answer

    def describe_auto_scaling_groups(self) -> ActionResult:
        names = self._names("AutoScalingGroupNames")
        found = self.autoscaling_backend.describe_auto_scaling_groups(names, filters=self._get_param("Filters", []))
        shown, token = self._page(found, PAGE)
        return ActionResult({"AutoScalingGroups": shown, "NextToken": token})

    def terminate_instance_in_auto_scaling_group(self) -> ActionResult:
        instance_id = str(self._get_param("InstanceId"))
        if not any(instance_id == each.instance_id for group in self._groups.values() for each in group.instance_states):
            raise refused(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")
        answer: ActionResult = super().terminate_instance_in_auto_scaling_group()
        bury(self._ec2(), [instance_id])
        return answer

    def describe_scaling_activities(self) -> ActionResult:
        """Newest first; of groups that are gone only where they are asked for."""
        name, with_deleted = self._get_param("AutoScalingGroupName"), bool(self._get_param("IncludeDeletedGroups"))
        wanted = self._get_param("ActivityIds") or ()
        now = lab.current().clock.utc().replace(tzinfo=None)
        found = [
            each
            for each in ACTIVITIES[self.current_account, self.region]
            if name in (None, each.group) and (not wanted or each.id in wanted) and (now - each.started).days < KEPT_DAYS
            and (with_deleted or each.group in self._groups)
        ]  # fmt: skip
        shown, token = self._page(found, ACTIVITIES_PAGE)
        return ActionResult({"Activities": [_row(each) for each in shown], "NextToken": token})

    # What a call asks for

    @property
    def _groups(self) -> dict[str, Any]:
        groups: dict[str, Any] = self.autoscaling_backend.autoscaling_groups
        return groups

    @property
    def _configurations(self) -> dict[str, Any]:
        configurations: dict[str, Any] = self.autoscaling_backend.launch_configurations
        return configurations

    def _group(self) -> Any:
        name = str(self._get_param("AutoScalingGroupName"))
        if name not in self._groups:
            raise refused(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
        return self._groups[name]

    def _check_capacity(self, wanted: Any, minimum: int, maximum: int) -> None:
        if wanted is not None and int(wanted) > int(maximum):
            raise refused(f"New SetDesiredCapacity value {wanted} is above max value {maximum} for the AutoScalingGroup.")
        if wanted is not None and int(wanted) < int(minimum):
            raise refused(f"New SetDesiredCapacity value {wanted} is below min value {minimum} for the AutoScalingGroup.")

    def _check_source(self) -> None:
        """Whatever the call names to launch from must be there, and its image launchable now."""
        name = self._get_param("LaunchConfigurationName")
        if name and name not in self._configurations:
            raise refused(f"Launch configuration name not found - A launch configuration with the name: {name} does not exist")
        call = self._ec2()
        try:
            for specification, override in specifications(self._get_param("LaunchTemplate"), self._get_param("MixedInstancesPolicy")):
                self._check_launch(call, planned(call.shell, specification, override).image)
        except (errors.Refused, ServiceException) as error:
            raise refused(f"You must use a valid fully-formed launch template. {error.message}") from error

    def _check_launch(self, call: Call, reference: str) -> None:
        if not aliases.is_alias(reference):
            launchable(call, reference)
            return
        alias = aliases.alias_of(call.account, call.region, reference)
        if alias.data_type != aliases.IMAGE_TYPE:
            raise errors.invalid_value(f"The parameter {alias.arn} is not of the data type {aliases.IMAGE_TYPE}.")
        launchable(call, alias.value)

    def _ec2(self) -> Call:
        """A call to EC2 in the caller's place, as the service makes it on the caller's behalf."""
        present, shell = lab.current(), Shell(self.current_account, self.region)
        return Call("RunInstances", self.current_account, self.region, {}, present.clock.now(), present, STORE, shell)

    def _names(self, parameter: str) -> list[str]:
        names: list[str] = self._get_param(parameter, [])
        if len(names) > max(NAMES_AT_MOST, int(self._get_param("MaxRecords") or 0)):
            raise refused(f"At most {NAMES_AT_MOST} names can be given in a call")
        return names

    def _page(self, found: Sequence[T], default: int) -> tuple[Sequence[T], str | None]:
        size = int(self._get_param("MaxRecords") or default)
        if not 1 <= size <= LARGEST_PAGE:
            raise refused(
                f"1 validation error detected: Value '{size}' at 'maxRecords' failed to satisfy constraint: at most {LARGEST_PAGE}"
            )
        start = self._offset(self._get_param("NextToken"))
        more = start + size < len(found)
        return found[start : start + size], base64.b64encode(f"{self._get_action()}/{start + size}".encode()).decode() if more else None

    def _offset(self, token: str | None) -> int:
        if not token:
            return 0
        try:
            action, _, offset = base64.b64decode(token).decode().partition("/")
            if action != self._get_action():
                raise ValueError("a token of another listing")
            return int(offset)
        except (binascii.Error, ValueError) as error:
            raise RefusedError("InvalidNextToken", f"The token '{token}' is invalid.") from error


def _row(activity: Activity) -> dict[str, Any]:
    return {
        "ActivityId": activity.id, "AutoScalingGroupName": activity.group, "AutoScalingGroupARN": activity.group_arn,
        "Description": activity.description, "Cause": activity.cause, "StartTime": activity.started, "EndTime": activity.started,
        "StatusCode": activity.status, "StatusMessage": activity.message, "Progress": 100,
    }  # fmt: skip
