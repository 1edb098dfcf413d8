"""The part of moto's EC2 that the image core leans on: instances, volumes, launch templates, and the tags of those.

Nothing else in the image core touches moto's models.
What is read comes back as our own values; what is written is one small call each.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from goldenami.local.aws.ec2 import errors


@dataclass(frozen=True)
class Original:
    """An answer of moto's own, still to be serialised by moto."""

    result: Any


@dataclass(frozen=True)
class Volume:
    id: str
    size: int  # GiB
    volume_type: str
    encrypted: bool
    kms_key: str | None
    iops: int | None
    throughput: int | None


@dataclass(frozen=True)
class Disk:
    """A volume as it hangs on an instance."""

    device_name: str
    delete_on_termination: bool
    volume: Volume


@dataclass(frozen=True)
class Instance:
    id: str
    image_id: str
    state: str
    root_device_name: str
    architecture: str
    disks: tuple[Disk, ...]


@dataclass(frozen=True)
class Use:
    """An instance and the image it was launched from."""

    instance_id: str
    image_id: str
    state: str


@dataclass(frozen=True)
class TemplateVersion:
    template_id: str
    template_name: str
    number: int
    description: str | None
    data: Mapping[str, Any]
    create_time: datetime
    default: bool
    latest: bool


def answer_of(result: Mapping[str, Any]) -> Original:
    """An answer of ours that moto serialises, under the model's names (`LaunchTemplates`)."""
    from moto.core.responses import ActionResult

    return Original(ActionResult(result))


def accounts_in(region: str) -> list[str]:
    """The accounts that have ever used EC2 in a region."""
    from moto.ec2.models import ec2_backends

    return [account for account, regions in list(ec2_backends.items()) if region in list(regions.keys())]


class Shell:
    """moto's EC2 as one account sees it in one region."""

    def __init__(self, account: str, region: str, run_original: Callable[[], Any] | None = None) -> None:
        self.account = account
        self.region = region
        self._run_original = run_original

    @property
    def backend(self) -> Any:
        from moto.ec2.models import ec2_backends

        return ec2_backends[self.account][self.region]

    def original(self) -> Original:
        """What moto itself does with the present call."""
        if self._run_original is None:
            raise RuntimeError("there is no present call: this shell was made for seeding")
        return Original(self._run_original())

    # Instances and volumes

    def reservations(self, instance_ids: list[str]) -> list[Any]:
        """moto's own, by id or all. Raises moto's NotFound."""
        found: list[Any] = (
            self.backend.get_reservations_by_instance_ids(instance_ids) if instance_ids else self.backend.describe_instances()
        )
        return found

    def uses(self) -> list[Use]:
        """Every instance, terminated ones too, in the order they were started."""
        return [Use(each.id, each.image_id, each.state) for each in self.backend.all_instances()]

    def forget_instances(self, instance_ids: Sequence[str]) -> None:
        for reservation in list(self.backend.reservations.values()):
            reservation.instances = [each for each in reservation.instances if each.id not in instance_ids]
            if not reservation.instances:
                del self.backend.reservations[reservation.id]

    def instance(self, instance_id: str) -> Instance | None:
        found = self.raw_instance(instance_id)
        return None if found is None else self._instance(found)

    def raw_instance(self, instance_id: str) -> Any:
        return next((each for each in self.backend.all_instances() if each.id == instance_id), None)

    def _instance(self, instance: Any) -> Instance:
        disks = tuple(
            Disk(device_name, bool(device.delete_on_termination), self.volume(device.volume_id))
            for device_name, device in instance.get_block_device_mapping
        )
        return Instance(instance.id, instance.image_id, instance.state, instance.root_device_name, instance.architecture, disks)

    def volume(self, volume_id: str) -> Volume:
        """Raises moto's InvalidVolume.NotFound."""
        found = self.backend.get_volume(volume_id)
        return Volume(
            id=found.id,
            size=int(found.size),
            volume_type=found.volume_type,
            encrypted=bool(found.encrypted),
            kms_key=found.kms_key_id,
            iops=None if found.iops is None else int(found.iops),
            throughput=None if found.throughput is None else int(found.throughput),
        )

    def replace_disks(self, instance: Any, disks: Iterable[Mapping[str, Any]]) -> None:
        """Gives a fresh instance exactly these disks, each as `launches.disks_of` describes it."""
        for device_name, device in instance.get_block_device_mapping:
            self.backend.detach_volume(device.volume_id, instance.id, device_name)
            self.backend.delete_volume(device.volume_id)
        for disk in disks:
            instance.add_block_device(
                size=disk["size"],
                device_path=disk["device_name"],
                snapshot_id=None,  # moto would look for it among its own
                encrypted=disk["encrypted"],
                delete_on_termination=disk["delete_on_termination"],
                kms_key_id=disk["kms_key"],
                volume_type=None,
            )
            volume = self.backend.get_volume(instance.block_device_mapping[disk["device_name"]].volume_id)
            volume.snapshot_id, volume.volume_type = disk["snapshot_id"], disk["volume_type"]
            volume.iops, volume.throughput = disk.get("iops"), disk.get("throughput")

    # Tags of what is moto's

    def check_exist(self, resource_ids: list[str]) -> None:
        """Raises the NotFound of the first resource that is not there, in its kind's words."""
        for resource_id in resource_ids:
            if resource_id.startswith("i-") and self.raw_instance(resource_id) is None:  # moto does not look for instances
                raise errors.Refused("InvalidInstanceID.NotFound", f"The instance ID '{resource_id}' does not exist")
        if resource_ids:
            self.backend.do_resources_exist(resource_ids)

    def tags_of(self, resource_id: str) -> dict[str, str]:
        return dict(self.backend.tags.get(resource_id, {}))

    def set_tags(self, resource_id: str, tags: Mapping[str, str]) -> None:
        self.backend.tags[resource_id] = dict(tags)

    def all_tags(self) -> Iterable[tuple[str, str, str, str]]:
        """(resource id, resource type, key, value) of every tag that moto keeps."""
        return [(row["resource_id"], row["resource_type"], row["key"], row["value"]) for row in self.backend.describe_tags(filters=None)]

    # Launch templates

    def templates(self) -> list[Any]:
        return list(self.backend.launch_templates.values())

    def template(self, template_id: str | None, name: str | None) -> Any:
        """moto's template. Raises moto's NotFound."""
        return self.backend.get_launch_template(template_id) if template_id else self.backend.get_launch_template_by_name(name)

    def versions(self, template: Any) -> list[TemplateVersion]:
        """The versions that were not deleted, oldest first."""
        kept = [version for version in template.versions if not getattr(version, "deleted", False)]
        return [
            TemplateVersion(
                template_id=template.id,
                template_name=template.name,
                number=version.number,
                description=version.description,
                data={key: value for key, value in version.data.items() if value is not None},
                create_time=version.create_time,
                default=template.is_default(version),
                latest=version.number == kept[-1].number,
            )
            for version in kept
        ]

    def delete_version(self, template: Any, number: int) -> None:
        """moto finds versions by their place in its list, and numbers are never used again: a deleted one stays there, marked."""
        template.versions[number - 1].deleted = True

    def stamp_newest(self, template: Any, now: datetime) -> None:
        """Gives a fresh template or version the lab's time (naive UTC, as moto keeps it)."""
        template.versions[-1].create_time = now
        if len(template.versions) == 1:
            template.create_time = now
