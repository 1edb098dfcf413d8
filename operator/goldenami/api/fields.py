"""The vocabulary of the API's schemas: bounded strings, ids, and the marks that become `x-kubernetes-*` in a CRD.

Every pattern comes with a sentence: the API server answers a refused value with the sentence beside the bare expression.
"""

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

JsonSchema = dict[str, Any]

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True)
class Cel:
    """A rule the API server evaluates on the value it stands beside; `message` says what is allowed and never repeats the rule.

    `path` points the error at a field below, as `.region`.
    """

    rule: str
    message: str
    path: str = ""

    def to_schema(self) -> JsonSchema:
        return {"rule": self.rule, "message": self.message} | ({"fieldPath": self.path} if self.path else {})

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        made = handler(schema)
        return made | {VALIDATIONS: [*made.get(VALIDATIONS, []), self.to_schema()]}


def rules(*cel: Cel) -> JsonSchema:
    """Rules over a whole object, for `ConfigDict(json_schema_extra=...)`."""
    return {VALIDATIONS: [rule.to_schema() for rule in cel]}


@dataclass(frozen=True)
class ListType:
    """How server-side apply merges a list: `map` by its keys, `set` by value, `atomic` as a whole."""

    name: Literal["map", "set", "atomic"]
    keys: tuple[str, ...] = ()

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        keys = {"x-kubernetes-list-map-keys": list(self.keys)} if self.keys else {}
        return handler(schema) | {"x-kubernetes-list-type": self.name} | keys


SET = ListType("set")
ATOMIC = ListType("atomic")


def list_map(*keys: str) -> ListType:
    return ListType("map", keys)


@dataclass(frozen=True)
class Shaped:
    """A string of a given shape. The schema gets the pattern, for editors, and a rule with the sentence, for people."""

    pattern: str
    sentence: str
    max_length: int
    min_length: int = 1

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        bounds = {"minLength": self.min_length, "maxLength": self.max_length, "pattern": self.pattern}
        # A JSON string is a valid CEL string literal: both escape a backslash the same way.
        rule = Cel(f"self.matches({json.dumps(self.pattern)})", self.sentence)
        return handler(schema) | bounds | {VALIDATIONS: [rule.to_schema()]}

    def fits(self, value: str) -> bool:
        return self.min_length <= len(value) <= self.max_length and re.fullmatch(self.pattern, value) is not None

    def _check(self, value: str) -> str:
        if not self.fits(value):
            raise PydanticCustomError("shape", "{value} is refused: {sentence}", {"value": json.dumps(value), "sentence": self.sentence})
        return value


def text(max_length: int, min_length: int = 1) -> Any:
    """A string that may hold anything, within bounds."""
    return Field(min_length=min_length, max_length=max_length)


MESSAGE_LENGTH = 1024
"""Characters of any message in a status."""

MAX_REGIONS = 64
"""AWS has about 35 regions in its largest partition."""

MAX_PRINCIPALS = 1000
"""EC2's quota of entities (accounts, organizations, OUs) that one image is shared with."""

MAX_PLAN_LINES = 256
PLAN_LINE_LENGTH = 512

MAX_TAGS = 40
"""EC2 allows 50 tags on a resource; less than ten are ours, the rest is left for the tools around us."""

MAX_TAG_KEYS = 256
"""Keys that a status remembers: those of before stay until every region is in step, and there may be several edits until then."""

MAX_SNAPSHOTS = 128
"""Snapshots of one image: the largest instance types take 128 EBS volumes."""

MAX_REQUEST = 256
"""Characters of the annotation that asks for a look that are looked at: an annotation may hold anything, a status may not."""

SHORT = 64
"""Longer than any id whose length the pattern fixes: the API server does not come to our sentence when a string exceeds maxLength."""

AccountId = Annotated[str, Shaped(r"^[0-9]{12}$", 'an AWS account id is 12 digits, in quotes: "111122223333"', SHORT)]

Region = Annotated[
    str,
    Shaped(
        r"^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$",
        "a region is written as us-east-1 or eu-west-3, not as an availability zone or a place",
        SHORT,
    ),
]


def _ec2_id(prefix: str, article_and_noun: str) -> Shaped:
    # EC2 gave out 8 digits until 2016 and gives 17 since; old ids stay valid.
    sentence = f"{article_and_noun} id is {prefix}- and 8 or 17 hexadecimal digits: {prefix}-0a1b2c3d4e5f60718"
    return Shaped(rf"^{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})$", sentence, SHORT)


ImageId = Annotated[str, _ec2_id("ami", "an image")]
InstanceId = Annotated[str, _ec2_id("i", "an instance")]
SnapshotId = Annotated[str, _ec2_id("snap", "a snapshot")]

_ALIAS = r"alias/[a-zA-Z0-9/_-]{1,250}"
_KEY_ID = r"(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
KmsKeyId = Annotated[
    str,
    Shaped(
        rf"^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{{12}}:({_ALIAS}|key/{_KEY_ID})|{_ALIAS}|{_KEY_ID})$",
        "a KMS key is named by its id, by alias/<name>, or by the ARN of either",
        384,
    ),
]

OrganizationArn = Annotated[
    str,
    Shaped(
        r"^arn:aws[a-z-]*:organizations::[0-9]{12}:organization/o-[a-z0-9]{10,32}$",
        "an organization is named by its full ARN, arn:aws:organizations::111122223333:organization/o-exampleorg: EC2 refuses bare ids",
        128,
    ),
]
OrganizationalUnitArn = Annotated[
    str,
    Shaped(
        r"^arn:aws[a-z-]*:organizations::[0-9]{12}:ou/o-[a-z0-9]{10,32}/ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}$",
        "an organizational unit is named by its full ARN, arn:aws:organizations::111122223333:ou/o-exampleorg/ou-abcd-12345678: "
        "EC2 refuses bare ids",
        192,
    ),
]

# semver.org, "Is there a suggested regular expression". An object name of 63, a dash and 64 make the 128 characters of an EC2 image name.
SEMVER = Shaped(
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$",
    "a version follows SemVer 2.0, without a leading v: 1.4.2, 2.0.0-rc.1 or 1.4.2+build.7",
    64,
)
SemVer = Annotated[str, SEMVER]

_DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
Interval = Annotated[
    str,
    Shaped(_DURATION, "an interval is a duration: 30s, 10m or 1h30m", SHORT),
    Cel(
        f"!self.matches({json.dumps(_DURATION)}) || (duration(self) >= duration('10s') && duration(self) <= duration('24h'))",
        "an interval is between 10s and 24h",
    ),
]

_PERIOD = "^([0-9]+(w|d|h|m|s))+$"
Period = Annotated[
    str,
    Shaped(_PERIOD, "a time is a number and a unit: 90d, 2w, 36h or 1d12h", SHORT),
    # Not part of the shape: what an older release has stored is still read.
    Cel(
        f"!self.matches('{_PERIOD}') || self.matches('^([0-9]{{1,5}}(w|d|h|m|s)){{1,5}}$')",
        "a time has numbers of at most five digits, and at most five of them: 90d, 2w, 36h or 1d12h",
    ),
]
"""A time in days and weeks, which Go's durations, and so CEL's, do not know."""

_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$"
Timestamp = Annotated[
    str,
    Shaped(_TIMESTAMP, "a moment is written as 2027-01-31T00:00:00Z", SHORT),
    # A moment that there is not makes this rule fail, whichever way it would have decided.
    Cel(
        f"!self.matches({json.dumps(_TIMESTAMP)}) || timestamp(self) == timestamp(self)",
        "a moment is on a day, and at a time, that there is: 2027-02-28T23:59:59Z",
    ),
]

ObjectName = Annotated[
    str,
    Shaped(
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "an object's name holds lower case letters, digits, dashes and dots, and begins and ends with a letter or digit",
        253,
    ),
]

DeviceName = Annotated[
    str, Shaped(r"^(/dev/)?(sd[a-z]([1-9]|1[0-5])?|xvd[a-z]{1,2})$", "a device name is written as /dev/xvda, /dev/sdf or xvdf", SHORT)
]

# CreateImage, Name: "3-128 alphanumeric characters, parentheses, square brackets, spaces, periods, slashes, dashes, single quotes,
# at-signs, underscores".
EC2_NAME_CHARACTERS = r"[a-zA-Z0-9()\[\] ./'@_-]"
Ec2Name = Annotated[
    str,
    Shaped(
        rf"^{EC2_NAME_CHARACTERS}{{3,128}}$",
        "an EC2 image name has 3 to 128 letters, digits, spaces or ( ) [ ] . / - ' @ _",
        128,
        min_length=3,
    ),
]

Description = Annotated[str, text(255)]
Notes = Annotated[str, text(512)]
HandledRequest = Annotated[str, text(MAX_REQUEST, 0)]
Message = Annotated[str, text(MESSAGE_LENGTH, 0)]
PlanLine = Annotated[str, text(PLAN_LINE_LENGTH)]
Arn = Annotated[str, text(2048)]

Tags = Annotated[
    dict[str, Annotated[str, text(256, 0)]],
    Field(max_length=MAX_TAGS),
    Cel("self.all(key, key.size() >= 1 && key.size() <= 127)", "a tag's key has 1 to 127 characters"),
    Cel("self.all(key, !key.matches('^[aA][wW][sS]:'))", "tag keys that begin with aws: belong to AWS: choose another"),
    Cel(
        "self.all(key, !key.startsWith('goldenami.dev/'))",
        "tag keys that begin with goldenami.dev/ belong to this operator: choose another",
    ),
]

Regions = ListType("map", ("region",))

DeletionPolicy = Literal["Retain", "Delete"]
Stage = Literal["Active", "Deprecated", "Disabled", "Retired"]
ManagementPolicy = Literal["Enforce", "Observe"]
ForeignGrantsPolicy = Literal["Remove", "Keep"]
Partition = Literal["aws", "aws-cn", "aws-us-gov"]
Architecture = Literal["x86_64", "arm64", "i386", "x86_64_mac", "arm64_mac"]
BootMode = Literal["legacy-bios", "uefi", "uefi-preferred"]
RootVolumeType = Literal["gp3", "gp2", "standard"]
VolumeType = Literal["gp3", "gp2", "st1", "sc1", "standard"]
