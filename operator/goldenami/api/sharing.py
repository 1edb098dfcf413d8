"""Principals and replicas: parts that several kinds have in common."""

from typing import Annotated

from pydantic import ConfigDict, Field

from goldenami.api.fields import (
    MAX_PRINCIPALS,
    MAX_REGIONS,
    SET,
    AccountId,
    Cel,
    KmsKeyId,
    OrganizationalUnitArn,
    OrganizationArn,
    Region,
    Regions,
    rules,
)
from goldenami.api.meta import Model

Accounts = Annotated[tuple[AccountId, ...], Field(max_length=MAX_PRINCIPALS), SET]
OrganizationArns = Annotated[tuple[OrganizationArn, ...], Field(max_length=MAX_PRINCIPALS), SET]
OrganizationalUnitArns = Annotated[tuple[OrganizationalUnitArn, ...], Field(max_length=MAX_PRINCIPALS), SET]

_SIZES = " + ".join(f"(has(self.{name}) ? self.{name}.size() : 0)" for name in ("accounts", "organizationArns", "organizationalUnitArns"))
WITHIN_QUOTA = Cel(
    f"{_SIZES} <= {MAX_PRINCIPALS}",
    f"EC2 shares an image with at most {MAX_PRINCIPALS} accounts, organizations and units together: name an organization or unit instead",
)


class Replica(Model):
    """One region that shall have the image."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Cel(
                "!has(self.kmsKeyId) || !self.kmsKeyId.startsWith('arn:') || self.kmsKeyId.split(':')[3] == self.region",
                "a key encrypts in its own region only: name a key of the replica's region",
                ".kmsKeyId",
            )
        )
    )

    region: Region
    """Where the copy shall be, as eu-west-1; the home region only if it is listed, too."""
    kms_key_id: KmsKeyId | None = None
    """KMS key that encrypts this replica, by id, alias or ARN. Absent: encrypted as the source is, or as the region's default says."""


Replicas = Annotated[tuple[Replica, ...], Field(max_length=MAX_REGIONS), Regions]
DeclaredReplicas = Annotated[tuple[Replica, ...], Field(min_length=1, max_length=MAX_REGIONS), Regions]

_HOME_KEYLESS = "self.replicas.all(replica, replica.region != self.region || !has(replica.kmsKeyId))"
_ADOPTS = "has(self.source.image) && self.source.image.adopt"
# What an AWS-managed key encrypts cannot be shared: EBS user guide, "Share an Amazon EBS snapshot".
_SHARED = "has(self.sharing) && ({})".format(
    " || ".join(
        f"(has(self.sharing.{name}) && self.sharing.{name}.size() > 0)"
        for name in ("accounts", "organizationArns", "organizationalUnitArns", "shareListRefs")
    )
)

DECLARED_RULES = (
    Cel(
        "self.replicas.all(replica, replica.region.startsWith('cn-') == self.region.startsWith('cn-') "
        "&& replica.region.startsWith('us-gov-') == self.region.startsWith('us-gov-'))",
        "images are copied within one partition only: cn- and us-gov- regions do not mix with others",
        ".replicas",
    ),
    Cel(
        f"!({_ADOPTS}) || self.replicas.exists(replica, replica.region == self.region)",
        "source.image.adopt takes the source as the home region's replica: list spec.region among the replicas",
        ".replicas",
    ),
    Cel(
        f"!({_ADOPTS}) || {_HOME_KEYLESS}",
        "source.image.adopt takes the source as it is: the home region's replica takes no kmsKeyId",
        ".replicas",
    ),
    Cel(
        "!(has(self.sharing) && self.sharing.public) || self.replicas.all(replica, !has(replica.kmsKeyId))",
        "an encrypted image cannot be public: drop sharing.public or every kmsKeyId",
        ".sharing",
    ),
    Cel(
        f"!({_SHARED}) || self.replicas.all(replica, !has(replica.kmsKeyId) || !replica.kmsKeyId.matches('(^|:)alias/aws/'))",
        "what an AWS-managed key (alias/aws/...) encrypts cannot be shared: name a customer-managed key",
        ".replicas",
    ),
)
"""For a GoldenImage's spec. An ImageVersion has none of them: an older version keeps its keys and regions when the declaration moves on,
and what no longer fits together there is said in a condition, where a refused render would say nothing."""
