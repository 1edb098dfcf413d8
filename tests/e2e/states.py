"""What a run of the crash sweep has made, in AWS and in Kubernetes: ids replaced by what they name, and nothing that depends on time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from goldenami.api.kinds import GOLDEN_IMAGE, IMAGE_VERSION
from support.operator import AWAY, FAR, HOME, World, snapshots_of, tags_of

State = dict[str, Any]
REGIONS = (HOME, AWAY, FAR)


@dataclass
class Eyes:
    """Looks at one run's world."""

    world: World
    source: str
    """The image that everything is made from, which is not described."""
    keys: dict[str, str]
    """The KMS key that the story names, by region."""
    named: dict[str, str] = field(default_factory=dict)
    """What to call an image, by its id."""

    def state(self) -> State:
        """Everything the run made, with ids replaced by names, and nothing that depends on when it was made."""
        try:
            aws = {region: self._region(region) for region in REGIONS}
            return {"aws": aws, "objects": self.objects(), "id map": self._id_map()}
        except ClientError as error:
            # Something that was listed went away before it was asked about: no state of rest.
            return {"aws": {}, "objects": {"in motion": error.response["Error"]["Code"]}}

    def _region(self, region: str) -> State:
        ec2 = self.world.ec2(region)
        own = ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
        images = [image for image in own if image["ImageId"] != self.source]
        parts = {row["SnapshotId"]: row for row in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
        self.named |= {image["ImageId"]: f"image of {image.get('Name')}" for image in images}
        backed = {part for image in own for part in snapshots_of(image)}
        return {
            "images": [self._image(image, parts, region) for image in images],
            "snapshots without an image": sorted(tags_of(row).get("Name", "") for name, row in parts.items() if name not in backed),
            "parameters": self._parameters(region),
            "grants": self._grants(region),
        }

    def _image(self, image: State, parts: dict[str, State], region: str) -> State:
        return {
            "name": image.get("Name"),
            "description": _without_ids(image.get("Description", "")),
            "state": image["State"],
            "deprecated": bool(image.get("DeprecationTime")),
            "tags": self._tags(image),
            "shared with": sorted(self.world.shared_with(image["ImageId"], region)),
            "snapshots": [
                {
                    "encrypted": parts[part]["Encrypted"],
                    "key": self._key(parts[part].get("KmsKeyId"), region),
                    "description": _without_ids(parts[part]["Description"]),
                    "tags": self._tags(parts[part]),
                    "shared with": sorted(self.world.snapshot_shared_with(part, region)),
                }
                for part in snapshots_of(image)
            ],
        }

    def _tags(self, resource: State, named: str = "Tags") -> dict[str, str]:
        """Those that name an owner say `ours` where it is this run's."""
        tags = {tag["Key"]: tag["Value"].replace(f"sweep/{self.world.namespace}/web", "ours") for tag in resource.get(named, [])}
        return tags | ({"goldenami.dev/source": "source"} if "goldenami.dev/source" in tags else {})

    def _key(self, arn: str | None, region: str) -> str:
        return "" if arn is None else "golden" if arn == self.keys.get(region) else "another"

    def _parameters(self, region: str) -> State:
        ssm = self.world.ssm(region)
        rows = {row["Name"]: row for row in ssm.describe_parameters()["Parameters"]}
        values = ssm.get_parameters(Names=list(rows))["Parameters"] if rows else []
        return {row["Name"]: self._parameter(row, rows[row["Name"]], ssm) for row in values}

    def _parameter(self, row: State, described: State, ssm: Any) -> State:
        tags = self._tags(ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=row["Name"]), "TagList")
        return {
            "value": self.named.get(row["Value"], row["Value"]),
            "type": [row["Type"], row["DataType"]],
            "description": described.get("Description"),
            "tags": tags,
        }

    def _id_map(self) -> State:
        found = self.world.kubernetes.config_map(self.world.namespace, "web") or {}
        return {key: self.named.get(image_id, image_id) for key, image_id in found.get("data", {}).items()}

    def _grants(self, region: str) -> list[str]:
        """Of every key of the account there."""
        kms = self.world.aws.client("kms", region=region, account=self.world.account)
        keys = [row["KeyArn"] for row in kms.list_keys()["Keys"]]
        grants = [(key, row) for key in keys for row in kms.list_grants(KeyId=key)["Grants"]]
        return sorted(f"{self._key(key, region)}: {row['GranteePrincipal']} {','.join(sorted(row['Operations']))}" for key, row in grants)

    def objects(self) -> State:
        listed = [row for kind in (GOLDEN_IMAGE, IMAGE_VERSION) for row in self.world.kubernetes.list(kind, self.world.namespace)]
        return {f"{row['kind']} {row['metadata']['name']}": _told(row) for row in listed}


def _without_ids(text: str) -> str:
    """EC2's own words about a copied snapshot name its time as well."""
    return re.sub(r"(?<=created on )[\d,]+", "", re.sub(r"\b(ami|snap)-[0-9a-f]+", r"\1", text))


def _told(row: State) -> State:
    status = row.get("status", {})
    return {
        "spec": {name: value for name, value in row["spec"].items() if name != "source"},
        "finalizers": row["metadata"].get("finalizers", []),
        "observed": status.get("observedGeneration") == row["metadata"]["generation"],
        "conditions": {each["type"]: [each["status"], each["reason"]] for each in status.get("conditions", [])},
        "replicas": [
            {name: each.get(name) for name in ("region", "state", "shared", "attempt", "encrypted")} for each in status.get("replicas", [])
        ],
        "channels": [[each["name"], each["version"], each.get("previousVersion")] for each in status.get("channels", [])],
        "aliases": [[each["parameter"], each["region"]] for each in status.get("aliases", [])],
    }
