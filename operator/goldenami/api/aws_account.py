"""AWSAccount: the way into one AWS account, and the namespaces that may use it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from goldenami.api.conditions import Condition
from goldenami.api.fields import ATOMIC, AccountId, Cel, HandledRequest, Partition, Shaped, list_map, rules, text
from goldenami.api.meta import Model, Resource

RoleArn = Annotated[
    str,
    Shaped(
        r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/([a-zA-Z0-9+=,.@_-]+/)*[a-zA-Z0-9+=,.@_-]{1,64}$",
        "a role is named by its full ARN: arn:aws:iam::111122223333:role/goldenami",
        640,
    ),
]

# AssumeRole, ExternalId.
ExternalId = Annotated[
    str,
    Shaped(r"^[a-zA-Z0-9_+=,.@:/-]{2,}$", "an external id has 2 to 1224 letters, digits or _ + = , . @ : / -", 1224, min_length=2),
]

EndpointUrl = Annotated[
    str,
    Shaped(
        r"^https?://[a-zA-Z0-9.:\[\]-]+(/[a-zA-Z0-9._~/-]*)?$",
        "an endpoint is an http or https address without credentials, query or fragment: http://127.0.0.1:4566",
        256,
    ),
]

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]

# Label values may be empty; keys have a prefix of 253 characters, a slash and 63 characters.
LabelKey = Annotated[str, text(317)]
LabelValue = Annotated[str, text(63, 0)]


class LabelRequirement(Model):
    """One expression of a label selector."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Cel(
                "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
                "In and NotIn need at least one value, Exists and DoesNotExist take none",
            )
        )
    )

    key: LabelKey
    """Label key."""
    operator: Operator
    """How the label is compared: In, NotIn, Exists or DoesNotExist."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64), ATOMIC] = ()
    """Values that the label must (In) or must not (NotIn) have."""

    def holds(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":  # A missing label is not in any set of values, as in Kubernetes.
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class LabelSelector(Model):
    """A label selector, as Kubernetes has it: all its parts must hold; an empty one selects everything."""

    match_labels: Annotated[
        dict[str, LabelValue],
        Field(max_length=64),
        Cel("self.all(key, key.size() >= 1 && key.size() <= 317)", "a label key has 1 to 317 characters"),
    ] = Field(default_factory=dict)
    """Labels and the value each must have."""
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=32), ATOMIC] = ()
    """Further requirements."""

    @property
    def selects_everything(self) -> bool:
        return not self.match_labels and not self.match_expressions

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.holds(labels) for requirement in self.match_expressions
        )


class AWSAccountSpec(Model):
    """How to get in, and who may."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Cel("!has(self.externalId) || has(self.roleArn)", "an externalId is sent when a role is assumed: give roleArn as well"),
            Cel(
                "!has(self.roleArn) || !self.roleArn.contains('::') || self.roleArn.split(':')[4] == self.accountId",
                "the role belongs to another account than accountId says",
                ".roleArn",
            ),
            Cel(
                "!has(self.roleArn) || !self.roleArn.startsWith('arn:') || self.roleArn.split(':')[1] == self.partition",
                "the role's ARN begins with another partition than spec.partition says",
                ".roleArn",
            ),
        )
    )

    account_id: Annotated[
        AccountId, Cel("self == oldSelf", "an AWSAccount stands for one account: create another object for another account")
    ]
    """The account, 12 digits in quotes. It is compared with what AWS answers before anything is written there."""
    role_arn: RoleArn | None = None
    """Role to assume; absent: the operator's own identity, which must then belong to this account."""
    external_id: ExternalId | None = None
    """External id that the role's trust policy asks for. Not a secret."""
    partition: Partition = "aws"
    """AWS partition of the account."""
    endpoint_url: EndpointUrl | None = None
    """Address of every AWS service, for local stand-ins; absent: AWS's own, or what the operator's environment says."""
    namespaces: LabelSelector
    """Namespaces whose objects may use the account, by their labels. {} admits every namespace, so it has to be said."""


class AWSAccountStatus(Model):
    """Whether the way in works."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    """The metadata.generation that this status is about; -1 before the operator has seen the object."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8), list_map("type")] = ()
    """Ready: the credentials lead to the account that spec.accountId says."""
    last_handled_reconcile: HandledRequest | None = None
    """The last value of the annotation goldenami.dev/reconcile-requested that was acted on."""
    account_id: AccountId | None = None
    """The account that AWS said the credentials belong to."""


class AWSAccount(Resource):
    """An AWS account the operator may work in. Cluster-scoped, like a StorageClass: administrators write it, namespaces use it."""

    spec: AWSAccountSpec
    status: AWSAccountStatus = AWSAccountStatus()
