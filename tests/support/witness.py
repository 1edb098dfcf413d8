"""A witness of what the operator does to images: written from EC2's and the API's documentation, and sharing nothing with `goldenami.plan`.

It reads the local AWS's own state and audit. Called after each look, it finds who referred to an image at the moment it was disabled or
deregistered: nobody but the operator acts during a look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from goldenami.local.aws import LocalAws, lab
from goldenami.local.aws.ec2.records import Image, Snapshot, State
from goldenami.local.aws.ec2.store import STORE, settled

Body = dict[str, Any]
OWNER, VERSION = "goldenami.dev/owner", "goldenami.dev/version"
DAY_SECONDS = 86_400.0
REMOVALS = ("DisableImage", "DeregisterImage")
LOOK_SECONDS = 5.0
"""What the looks of one moment take at most, as the clock goes in tests: two passes are apart by less than their length by that."""


def versions_named(family: Body) -> frozenset[str]:
    """The versions of a GoldenImage that stay whatever the policy says: declared, named by a channel, or still named until it has moved,
    in every region."""
    spec = family["spec"]
    declared = {channel["name"] for channel in spec.get("channels", [])} or {"current"}
    standing = [row for row in family.get("status", {}).get("channels", []) if row.get("since") and row["name"] in declared]
    return frozenset(
        {
            spec["version"],
            *(channel["version"] for channel in spec.get("channels", [])),
            *(row["version"] for row in standing),
            *(image["version"] for row in standing for image in row["images"] if "version" in image),
            *(row["version"] for row in spec.get("versions", []) if row.get("keep")),
        }
    )


def precedence(version: str) -> tuple[Any, ...]:
    """SemVer 2.0 §11, for the forms 1.2.3 and 1.2.3-rc.4."""
    core, _, before = version.partition("-")
    words = [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in before.split(".")] if before else []
    return (*(int(part) for part in core.split(".")), not before, words)


@dataclass
class Witness:
    """Watches one family in one account."""

    aws: LocalAws
    account: str
    owner: str
    """The value of the owner tag."""
    regions: tuple[str, ...]
    pass_seconds: float = 600.0
    """How long a pass of retention is."""
    bystanders: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    charges: list[str] = field(default_factory=list)
    """What was done that must never be."""
    removed: int = 0
    """Images that were disabled or deregistered so far."""
    _heard: int = 0
    _known: dict[str, tuple[str, str, str, float]] = field(default_factory=dict)
    """Version, region, state and creation of each image that the family had before the look."""
    _went: dict[str, float] = field(default_factory=dict)
    """By version: when it was disabled last, as nobody but retention asks for."""
    _admitted: list[tuple[float, float]] = field(default_factory=list)
    """How many versions the policy let go in a pass, at each look."""

    def client(self, service: str, region: str) -> Any:
        return self.aws.client(service, region=region, account=self.account)

    # What there is

    def images(self, region: str | None = None) -> list[Image]:
        """Registered images of the family."""
        with STORE.lock:
            store = settled()
            return [
                image
                for place in ([region] if region else self.regions)
                for image in store.owned[self.account, place].values()
                if image.tags.get(OWNER) == self.owner and image.state is not State.DEREGISTERED
            ]

    def image(self, image_id: str, region: str) -> Image | None:
        with STORE.lock:
            image = settled().owned[self.account, region].get(image_id)
        return None if image is None or image.state is State.DEREGISTERED else image

    def orphans(self) -> list[str]:
        """Snapshots of the family that no image refers to."""
        with STORE.lock:
            store = settled()
            return [
                snapshot.id
                for region in self.regions
                for snapshot in store.owned_snapshots[self.account, region].values()
                if snapshot.tags.get(OWNER) == self.owner and not store.users_of(snapshot.id)
            ]

    # What is not the operator's

    def remember_bystanders(self) -> None:
        """Everything there is now, and that is not the family's."""
        self.bystanders = self._others()

    def _others(self) -> dict[str, tuple[Any, ...]]:
        with STORE.lock:
            store = settled()
            held: Iterable[Image | Snapshot] = [
                record
                for region in self.regions
                for records in (store.owned[self.account, region], store.owned_snapshots[self.account, region])
                for record in records.values()
            ]
            return {record.id: _told(record) for record in held if not self._is_family(record)}

    def _is_family(self, record: Image | Snapshot) -> bool:
        return record.tags.get(OWNER) == self.owner

    def assert_bystanders_untouched(self) -> None:
        with STORE.lock:
            store = settled()
            for name, before in self.bystanders.items():
                held = [store.images[region].get(name) or store.snapshots[region].get(name) for region in self.regions]
                found = [_told(record) for record in held if record is not None]
                assert found == [before], f"{name} is not the operator's, and is not as it was:\n{before}\n{found}"

    # What is done

    def look_on(self, family: Callable[[], Body | None]) -> None:
        """After each look: every image that it disabled or deregistered, against everybody who referred to it.

        `family` reads the GoldenImage, or finds that there is none.
        """
        calls = self.aws.lab.audit_calls(account=self.account, operation="ec2.D*Image", since=self._heard)
        at = family()
        for call in calls:
            self._heard = max(self._heard, call.sequence)
            if call.operation in REMOVALS and call.effect and not call.code:
                self.removed += 1
                image_id = str(call.arguments["ImageId"])
                users = [*self._users(image_id, call.region), *self._keepers(image_id, call.region, at)]
                self.charges += [f"{call.operation} of {image_id} in {call.region}, although {user}" for user in users]
                if call.operation == "DisableImage" and self._is_retired(image_id, call.region, at):
                    self._went[self._known[image_id][0]] = lab.current().clock.now()
        self._count_passes(at)
        self._see()

    def _is_retired(self, image_id: str, region: str, family: Body | None) -> bool:
        """Whether retention alone can have asked for it: neither region nor family goes, and it is the version's only image there."""
        if family is None or family["metadata"].get("deletionTimestamp"):
            return False
        version = self._known.get(image_id, ("",))[0]
        declared = region in {row["region"] for row in family["spec"]["replicas"]}
        others = [image for image in self.images(region) if image.tags.get(VERSION) == version and image.id != image_id]
        return bool(version) and declared and not others

    def _count_passes(self, family: Body | None) -> None:
        """No more go in one pass than the policy says, or said when they were told to; a version that has come back went nowhere."""
        if family is None:
            return
        now = lab.current().clock.now()
        self._admitted.append((now, per_run(family, len({image.tags[VERSION] for image in self.images()}))))
        # Those of the last two passes, and what was said before.
        late = next((at for at, (when, _) in enumerate(self._admitted) if when >= now - 2 * self.pass_seconds), 0)
        self._admitted = self._admitted[max(0, late - 1) :]
        there = {image.tags[VERSION] for image in self.images() if image.state == "available" and image.tags[VERSION] in self._went}
        went = sorted(v for v, when in self._went.items() if now - when < self.pass_seconds - LOOK_SECONDS and v not in there)
        most = max(number for _, number in self._admitted)
        if len(went) > most:
            self.charges.append(f"{', '.join(went)} were disabled in one pass, and only {most} may go in one")

    def forget_passes(self) -> None:
        """The operator's memory is lost, and with it what is gone altogether."""
        self._went.clear()

    def _see(self) -> None:
        self._known = {
            image.id: (image.tags.get(VERSION, ""), image.region, image.state.value, image.created_at) for image in self.images()
        }

    def _users(self, image_id: str, region: str) -> list[str]:
        return [
            *self._instances(image_id, region),
            *self._templates(image_id, region),
            *self._configurations(image_id, region),
            *self._groups(image_id, region),
            *[f"parameter {name} names it" for name, value in self.parameters(region).items() if value == image_id],
        ]

    def _instances(self, image_id: str, region: str) -> list[str]:
        rows = self.client("ec2", region).describe_instances()["Reservations"]
        return [
            f"instance {row['InstanceId']} is {row['State']['Name']}"
            for reservation in rows
            for row in reservation["Instances"]
            if row["ImageId"] == image_id and row["State"]["Name"] != "terminated"
        ]

    def _templates(self, image_id: str, region: str) -> list[str]:
        ec2, parameters, found = self.client("ec2", region), self.parameters(region), []
        for template in ec2.describe_launch_templates()["LaunchTemplates"]:
            rows = ec2.describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"])["LaunchTemplateVersions"]
            found += [
                f"launch template {template['LaunchTemplateName']}:{row['VersionNumber']} says so"
                for row in rows
                if _resolved(row["LaunchTemplateData"].get("ImageId", ""), parameters) == image_id
            ]
        return found

    def _configurations(self, image_id: str, region: str) -> list[str]:
        rows = self.client("autoscaling", region).describe_launch_configurations()["LaunchConfigurations"]
        return [f"launch configuration {row['LaunchConfigurationName']} says so" for row in rows if row["ImageId"] == image_id]

    def _groups(self, image_id: str, region: str) -> list[str]:
        """By what they would launch from, also those of no instance; a template that is gone leaves its group with nothing to launch."""
        return [
            f"Auto Scaling group {row['AutoScalingGroupName']} launches from {said}"
            for row in self.client("autoscaling", region).describe_auto_scaling_groups()["AutoScalingGroups"]
            for said, named in self._launched_by(row, region)
            if named == image_id
        ]

    def _launched_by(self, group: Body, region: str) -> list[tuple[str, str]]:
        ec2, parameters = self.client("ec2", region), self.parameters(region)
        if name := group.get("LaunchConfigurationName"):
            rows = self.client("autoscaling", region).describe_launch_configurations(LaunchConfigurationNames=[name])[
                "LaunchConfigurations"
            ]
            return [(name, row["ImageId"]) for row in rows]
        named = group.get("LaunchTemplate", {})
        templates = {row["LaunchTemplateId"] for row in ec2.describe_launch_templates()["LaunchTemplates"]}
        if named.get("LaunchTemplateId") not in templates:
            return []
        version = named.get("Version", "$Default")
        rows = ec2.describe_launch_template_versions(LaunchTemplateId=named["LaunchTemplateId"], Versions=[version])
        return [
            (f"{named['LaunchTemplateId']}:{version}", _resolved(row["LaunchTemplateData"].get("ImageId", ""), parameters))
            for row in rows["LaunchTemplateVersions"]
        ]

    def parameters(self, region: str) -> dict[str, str]:
        """The value of every parameter there."""
        ssm = self.client("ssm", region)
        names = [row["Name"] for row in ssm.describe_parameters(MaxResults=50)["Parameters"]]
        return {row["Name"]: row["Value"] for row in ssm.get_parameters(Names=names)["Parameters"]} if names else {}

    def _keepers(self, image_id: str, region: str, family: Body | None) -> list[str]:
        """The GoldenImage itself; where it goes, or has given the region up, only users count."""
        if family is None or family["metadata"].get("deletionTimestamp"):
            return []
        version, _, state, _ = self._known.get(image_id, ("", region, "", 0.0))
        if state in ("pending", "failed") or region not in {row["region"] for row in family["spec"]["replicas"]}:
            return []
        if version in versions_named(family):
            return [f"version {version} is declared, kept or named by a channel"]
        if self._has_another(image_id, version, region):
            return []
        made = {of: min(at for each, _, _, at in self._known.values() if each == of) for of, *_ in self._known.values()}
        if version in kept_by(family["spec"].get("retention") or {}, made, self._now()) - self._expired(family):
            return [f"version {version} is kept by {family['spec'].get('retention')} of {sorted(made)}"]
        return []

    def _has_another(self, image_id: str, version: str, region: str) -> bool:
        """Of two images of one version in one region one goes."""
        return any(
            (image.tags[VERSION], image.id != image_id, image.state.value) == (version, True, "available") for image in self.images(region)
        )

    def _expired(self, family: Body) -> frozenset[str]:
        rows = [row for row in family["spec"].get("versions", []) if row.get("expiresAt")]
        return frozenset(row["version"] for row in rows if datetime.fromisoformat(row["expiresAt"]).timestamp() <= self._now())

    @staticmethod
    def _now() -> float:
        return lab.current().clock.now()


def kept_by(policy: Mapping[str, Any], versions: Mapping[str, float], now: float) -> frozenset[str]:
    """The versions, given with the time their first image was made, that the limits of a policy keep."""
    limits = policy.keys() & {"keepLast", "keepFor"}
    if not limits:
        return frozenset(versions)
    last = sorted(versions, key=precedence)[-policy["keepLast"] :] if "keepLast" in policy else []
    young = [version for version, made in versions.items() if "keepFor" in policy and now - made < seconds(policy["keepFor"])]
    return frozenset((*last, *young))


def per_run(family: Body, size: int) -> float:
    """How many versions its policy lets go in one pass: a number, or a share of the family, a tenth unless it says so, and at least one."""
    most = (family["spec"].get("retention") or {}).get("maxPerRun", "10%")
    return most if isinstance(most, int) else max(1, size * int(most.removesuffix("%")) // 100)


def _resolved(image: str, parameters: Mapping[str, str]) -> str:
    return parameters.get(image.removeprefix("resolve:ssm:"), "") if image.startswith("resolve:ssm:") else image


def seconds(period: str) -> float:
    """`36h`, `7d`, `2w`, `90s`."""
    return float(period[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[period[-1]]


def _told(record: Image | Snapshot) -> tuple[Any, ...]:
    """Everything but what was rendered of it, and when its last use ended."""
    told = [(each.name, getattr(record, each.name)) for each in fields(record) if each.name not in ("rows", "released_at")]
    return tuple((name, dict(value) if name == "tags" else value) for name, value in told)
