"""CustomResourceDefinitions, generated from the models beside this module: the same models, the same bytes.

Reads no cluster; `write` and `check` touch the one directory they are given.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from goldenami.api.aws_account import AWSAccount
from goldenami.api.fields import VALIDATIONS, JsonSchema
from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.api.kinds import AWS_ACCOUNT, GOLDEN_IMAGE, GROUP, IMAGE_VERSION, RETENTION_POLICY, SHARE_LIST, VERSION, Kind
from goldenami.api.meta import Resource
from goldenami.api.retention_policy import RetentionPolicy
from goldenami.api.share_list import ShareList

HEADER = "# Generated from goldenami.api by `goldenami crds`: edit the models, not this file.\n"
CATEGORY = "goldenami"


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; `wide` ones show with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False

    def to_object(self) -> dict[str, Any]:
        column = {"name": self.name, "type": self.type, "description": self.description, "jsonPath": self.path}
        return column | ({"priority": 1} if self.wide else {})


def _ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


_READY = Column("Ready", _ready("status"), "Whether AWS is as declared.")
_MESSAGE = Column("Status", _ready("message"), "The message of the Ready condition.")
_REASON = Column("Reason", _ready("reason"), "The reason of the Ready condition.", wide=True)
_AGE = Column("Age", ".metadata.creationTimestamp", "Time since the object was created.", type="date")
_REGIONS = Column("Regions", ".status.regionsReady", "Regions whose replica is ready, of those declared.")
_HOME = Column("Home", ".spec.region", "Home region: where the source is.", wide=True)
_ACCOUNT = Column("Account", ".spec.accountRef.name", "AWSAccount; empty: the operator's own identity.", wide=True)
_DELETION = Column("Deletion", ".spec.deletionPolicy", "What happens to AMIs that are no longer declared.", wide=True)
_REPLICAS = Column("Replicas", ".status.storage.images", "Images that are available or disabled.", type="integer", wide=True)
_GIB = Column("GiB", ".status.storage.snapshotGib", "Full size of their snapshots.", type="integer", wide=True)
_MADE = Column("Made", ".status.madeAt", "Time since the first image was made.", type="date", wide=True)
_SUSPENDED = Column("Suspended", ".spec.suspend", "Whether all work is stopped.", type="boolean", wide=True)


@dataclass(frozen=True)
class Definition:
    """One kind with its model, and what `kubectl` shows of it. `selectable` paths work with `--field-selector`."""

    kind: Kind
    model: type[Resource]
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()


DEFINITIONS = (
    Definition(
        AWS_ACCOUNT,
        AWSAccount,
        (
            Column("Account", ".spec.accountId", "The account."),
            _READY,
            _MESSAGE,
            _AGE,
            Column("Role", ".spec.roleArn", "Role that is assumed; empty: the operator's own identity.", wide=True),
            Column("Partition", ".spec.partition", "AWS partition.", wide=True),
            _REASON,
        ),
    ),
    Definition(
        GOLDEN_IMAGE,
        GoldenImage,
        (
            Column("Version", ".spec.version", "The declared version."),
            _REGIONS,
            _READY,
            _MESSAGE,
            _AGE,
            Column("Current", ".status.version", "The declared version, as last looked at.", wide=True),
            Column("Versions", ".status.versions", "How many ImageVersions there are.", type="integer", wide=True),
            _REPLICAS,
            _GIB,
            _MADE,
            Column("Orphans", ".status.orphansFound", "Snapshots, failed copies and imports of no image.", type="integer", wide=True),
            _HOME,
            _ACCOUNT,
            _DELETION,
            _SUSPENDED,
            _REASON,
        ),
    ),
    Definition(
        IMAGE_VERSION,
        ImageVersion,
        (
            Column("Version", ".spec.version", "The version."),
            _REGIONS,
            _READY,
            _MESSAGE,
            _AGE,
            Column("Image", ".spec.goldenImage", "The GoldenImage this is a version of.", wide=True),
            Column("Name", ".spec.name", "Name of the AMIs in EC2.", wide=True),
            Column("Source", ".status.source.imageId", "The AMI that replicas are copied from.", wide=True),
            _REPLICAS,
            _GIB,
            _MADE,
            Column("Notes", ".spec.notes", "What is new in the version.", wide=True),
            _HOME,
            _ACCOUNT,
            _SUSPENDED,
            _REASON,
        ),
        selectable=(".spec.goldenImage", ".spec.version"),
    ),
    Definition(
        RETENTION_POLICY,
        RetentionPolicy,
        (
            Column("Keep last", ".spec.keepLast", "How many of the highest versions are kept.", type="integer"),
            Column("Keep for", ".spec.keepFor", "How long a version is kept."),
            Column("Disable for", ".spec.retire.disableFor", "How long images are disabled before they are deregistered."),
            _AGE,
        ),
    ),
    Definition(SHARE_LIST, ShareList, (Column("Description", ".spec.description", "Who they are."), _AGE)),
)


def file_name(definition: Definition) -> str:
    return f"{GROUP}_{definition.kind.plural}.yaml"


def custom_resource_definition(definition: Definition) -> dict[str, Any]:
    """The object as the API server takes it."""
    kind = definition.kind
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "goldenami"}},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short_name],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [_version(definition)],
        },
    }


def render(definition: Definition) -> str:
    """The file's text, header included."""
    text = yaml.dump(custom_resource_definition(definition), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return HEADER + text


def write(directory: Path) -> list[Path]:
    """Writes every CRD, removes those of kinds that are gone, and returns the paths written, sorted. Creates the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted = {directory / file_name(definition): render(definition) for definition in DEFINITIONS}
    for path in _left_over(directory):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return sorted(wanted)


def check(directory: Path) -> list[str]:
    """What differs from what `write` would write, a sentence per file; empty when nothing does."""
    return [*_differences(directory), *(f"{path} belongs to no kind" for path in _left_over(directory))]


def _differences(directory: Path) -> Iterator[str]:
    for definition in DEFINITIONS:
        path = directory / file_name(definition)
        if not path.exists():
            yield f"{path} is missing"
        elif path.read_bytes() != render(definition).encode():
            yield f"{path} differs from the models"


def _left_over(directory: Path) -> list[Path]:
    wanted = {file_name(definition) for definition in DEFINITIONS}
    return sorted(path for path in directory.glob(f"{GROUP}_*.yaml") if path.name not in wanted)


def _version(definition: Definition) -> dict[str, Any]:
    schema = resource_schema(definition.model)
    version: dict[str, Any] = {"name": VERSION, "served": True, "storage": True}
    if "status" in schema["properties"]:
        version["subresources"] = {"status": {}}
    version["additionalPrinterColumns"] = [column.to_object() for column in definition.columns]
    if definition.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in definition.selectable]
    return version | {"schema": {"openAPIV3Schema": schema}}


_API_VERSION = "Group and version of this representation of the object."
_KIND = "Kind of the object."


def resource_schema(model: type[Resource]) -> JsonSchema:
    """The structural schema of a whole object."""
    document = model.model_json_schema(by_alias=True)
    properties = document["properties"]
    shape = _Shape(document.get("$defs", {}))
    schema: JsonSchema = {
        "type": "object",
        "description": document["description"],
        "properties": {
            "apiVersion": {"type": "string", "description": _API_VERSION},
            "kind": {"type": "string", "description": _KIND},
            "metadata": {"type": "object"},  # the API server knows it, and refuses anything more here
            "spec": shape(properties["spec"], "spec"),
        },
        "required": ["spec"],
    }
    if "status" in properties:
        status = shape(properties["status"], "status", declared=False)
        # Without it kstatus would call an object that no controller has seen Current. As Flux does.
        schema["properties"]["status"] = status | {"default": {"observedGeneration": -1}}
    if VALIDATIONS in document:
        schema[VALIDATIONS] = _rules(document)
    return _ordered(schema)


_ORDER = (
    *("description", "type", "format", "enum", "default", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    *("minItems", "maxItems", "maxProperties", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    *("x-kubernetes-int-or-string", "items", "additionalProperties", "properties", "required", VALIDATIONS),
)
_MADE_BELOW = {"default", "items", "additionalProperties", "properties", VALIDATIONS}


@dataclass(frozen=True)
class _Shape:
    """Turns pydantic's JSON schema into a structural one: references in place, no null, no titles, no empty defaults.

    Defaults and rules are for what people declare: in a status, which only the operator writes, they would cost and say nothing.
    """

    definitions: dict[str, JsonSchema]

    def __call__(self, given: JsonSchema, path: str, *, declared: bool = True) -> JsonSchema:
        node = self._resolved(given)
        schema = {key: node[key] for key in _ORDER if key in node and key not in _MADE_BELOW}
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].split())
        if declared and VALIDATIONS in node:
            schema[VALIDATIONS] = _rules(node)
        if schema.get("type") == "integer":
            schema["format"] = "int64"
        if "properties" in node:
            schema["properties"] = {name: self(child, f"{path}.{name}", declared=declared) for name, child in node["properties"].items()}
        if "items" in node:
            schema["items"] = self(node["items"], f"{path}[]", declared=declared)
        if "additionalProperties" in node:
            schema["additionalProperties"] = self(node["additionalProperties"], f"{path}{{}}", declared=declared)
        if declared and not _is_empty(node.get("default")):
            schema["default"] = _default(node["default"], path)
        return _ordered(schema)

    def _resolved(self, node: JsonSchema) -> JsonSchema:
        """The node with its reference or its optional alternative in place; what stands beside them wins, as the more specific."""
        beside = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
        if "$ref" in node:
            return _merged(self._resolved(self.definitions[node["$ref"].rsplit("/", 1)[1]]), beside)
        if "anyOf" in node:
            (alternative,) = (option for option in node["anyOf"] if option.get("type") != "null")
            return _merged(self._resolved(alternative), beside)
        return node


def _merged(node: JsonSchema, beside: JsonSchema) -> JsonSchema:
    """`beside` wins, but rules of both hold."""
    both = [*node.get(VALIDATIONS, []), *beside.get(VALIDATIONS, [])]
    return node | beside | ({VALIDATIONS: both} if both else {})


def _rules(node: JsonSchema) -> list[JsonSchema]:
    return [{key: rule[key] for key in ("rule", "message", "fieldPath") if key in rule} for rule in node[VALIDATIONS]]


def _is_empty(default: Any) -> bool:
    return default is None or default == [] or default == {}


def _default(default: Any, path: str) -> Any:
    if "[]" in path:
        raise ValueError(f"{path} has a default inside a list item: a client-side diff (Argo CD) would never come to rest")
    return default


def _ordered(schema: JsonSchema) -> JsonSchema:
    return dict(sorted(schema.items(), key=lambda pair: _ORDER.index(pair[0])))


class _Dumper(yaml.SafeDumper):
    """Repeats instead of anchoring, and indents lists, as people write manifests."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's signature
        super().increase_indent(flow, False)
