"""What all kinds share: the base model, object metadata, references, and turning a parsed manifest into values. No I/O."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from goldenami.api.fields import MAX_REQUEST, ObjectName
from goldenami.api.kinds import RECONCILE_REQUESTED, Key


class InvalidObjectError(ValueError):
    """An object that does not fit its kind; the text names each field and what is wrong with it."""


class Model(BaseModel):
    """Frozen, snake_case in Python and camelCase outside.

    Unknown fields are ignored: the API server has refused or pruned them already, and a CRD newer than this process must not stop it.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    def to_object(self) -> dict[str, Any]:
        """As the API server takes it: camelCase keys, lists for tuples, absent fields left out."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        """Raises InvalidObjectError with a sentence a person can act on."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise InvalidObjectError(explain(error)) from error


def explain(error: ValidationError) -> str:
    """Each field and what is wrong with it, in a line."""
    return "; ".join(f"{_path(problem['loc'])}: {problem['msg']}" for problem in error.errors(include_url=False, include_input=False))


def _path(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".") or "object"


class OwnerReference(Model):
    """Who owns an object in Kubernetes."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class ObjectMeta(Model):
    """The part of an object's metadata that the operator reads."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None

    @property
    def deleting(self) -> bool:
        return self.deletion_timestamp is not None

    @property
    def reconcile_requested(self) -> str:
        """The value of the annotation that asks for a look at once, as far as a status can repeat it; empty when nobody asked."""
        return self.annotations.get(RECONCILE_REQUESTED, "")[:MAX_REQUEST]

    def asks_for_look(self, handled: str | None) -> bool:
        """Whether somebody asked for a look that `handled`, the status's lastHandledReconcile, does not know of yet."""
        return self.reconcile_requested not in ("", handled)


class Resource(Model):
    """An object as the API server gives it. The kinds add `spec` and, where somebody writes one, `status`."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        """As every model. Of a status, which can be rebuilt, a field that does not fit is left out: nobody could correct it."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            places = [problem["loc"] for problem in error.errors(include_url=False, include_input=False)]
            unfit = {place[1] for place in places if place[0] == "status" and len(place) > 1}
            if not unfit:
                raise InvalidObjectError(explain(error)) from error
        status = {name: field for name, field in value["status"].items() if name not in unfit}
        return super().from_object({**value, "status": status})

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def generation(self) -> int:
        return self.metadata.generation

    @property
    def deleting(self) -> bool:
        return self.metadata.deleting

    @property
    def key(self) -> Key:
        return Key(self.kind, self.metadata.namespace, self.metadata.name)


class ShareListRef(Model):
    """A ShareList of the same namespace."""

    name: ObjectName
    """Name of the ShareList."""


class RetentionPolicyRef(Model):
    """A RetentionPolicy of the same namespace."""

    name: ObjectName
    """Name of the RetentionPolicy."""


class AccountRef(Model):
    """An AWSAccount, by name."""

    name: ObjectName
    """Name of the AWSAccount; its `namespaces` must select the namespace of the object that names it."""
