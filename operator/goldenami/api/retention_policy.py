"""RetentionPolicy: which versions of a family are kept, and how the others go."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from goldenami.api.fields import SHORT, VALIDATIONS, Cel, JsonSchema, Period
from goldenami.api.meta import Model, Resource

_SHARE = r"^([1-9][0-9]?|100)%$"


class _CountOrShare:
    """A count, or a share in percent: what Kubernetes calls IntOrString."""

    sentence = "a number of versions of at least 1, or a share of the family between 1% and 100%"

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._check, serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value)
        )

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchema:
        rule = Cel(f"type(self) == int ? self >= 1 : self.matches('{_SHARE}')", f"maxPerRun is {self.sentence}")
        return {"x-kubernetes-int-or-string": True, "maxLength": SHORT, VALIDATIONS: [rule.to_schema()]}

    def _check(self, value: Any) -> int | str:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        if isinstance(value, str) and re.fullmatch(_SHARE, value):
            return value
        raise PydanticCustomError("shape", "{value} is refused: write {sentence}", {"value": repr(value), "sentence": self.sentence})


CountOrShare = Annotated[int | str, _CountOrShare()]
DeregistrationProtection = Literal["Enabled", "EnabledWithCooldown", "Disabled"]
UsageReports = Literal["Required", "NotRequired"]


class Retire(Model):
    """How a version goes."""

    disable_for: Period | None = None
    """How long its images stay disabled, which stops launches and can be undone, before they are deregistered, as 2w. Absent: 7d."""


class EvidenceRules(Model):
    """What has to be known before an image is disabled or deregistered."""

    launch_template_versions: Annotated[int | None, Field(ge=1, le=10_000)] = None
    """How many versions of each launch template count, the newest first; its default version, and those that Auto Scaling groups name,
    always do. Absent: all of them."""
    usage_reports: UsageReports | None = None
    """Whether EC2 has to be asked who uses a shared image in other accounts.
    Absent: Required. NotRequired: only the own account is looked at."""


class Orphans(Model):
    """What becomes of snapshots and imports that carry the owner tag and belong to no image."""

    remove_after: Period | None = None
    """How long they are listed in the status before they are deleted, or cancelled, as 2w. Absent: 7d."""


class RetentionPolicySpec(Model):
    """Which versions are kept. A version goes when none of the given limits keeps it; without any limit only those that expire go.
    The declared version, and those that a channel names, are always kept."""

    keep_last: Annotated[int | None, Field(ge=1, le=1000)] = None
    """How many of the highest versions are kept, whatever their age."""
    keep_for: Period | None = None
    """How long a version is kept after its first image was made, as 90d or 12w."""
    keep_if_launched_within: Period | None = None
    """A version is kept while EC2 says that one of its images was launched within this time, as 30d, by anybody. EC2 tells it a day late,
    so nothing younger than two days goes by it."""
    deprecate_after: Period | None = None
    """When a version that is neither declared nor named by a channel is deprecated in EC2, counted from its first image, as 60d."""
    max_per_run: CountOrShare | None = None
    """How many versions go at most in one pass over the family, as a number or a share such as 10%. Absent: 10%, and at least one."""
    retire: Retire | None = None
    """How a version goes."""
    deregistration_protection: DeregistrationProtection | None = None
    """EC2's protection of the images that are kept; it is switched off before one goes, and with a cooldown that takes a day.
    Absent: left as it is, and an image that somebody protected stays."""
    evidence: EvidenceRules | None = None
    """What has to be known before an image is disabled or deregistered."""
    orphans: Orphans | None = None
    """What becomes of snapshots and imports that belong to no image."""


class RetentionPolicy(Resource):
    """A reusable rule for which versions of a GoldenImage are kept, and how the others go: deprecated, disabled, deregistered.

    Nothing goes that is in use, or of which that cannot be told.
    """

    spec: RetentionPolicySpec
