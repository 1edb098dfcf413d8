"""The API as the real API server enforces it: what it refuses and in which words, what it accepts, who may change what, what is shown."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.api_server import ApiServer, Refused
from cluster.bad_manifests import BAD, Bad
from cluster.manifests import (
    ABSENT,
    AMI,
    INSTANCE,
    KEY,
    ORGANIZATION,
    OTHER_AMI,
    SNAPSHOT,
    UNIT,
    Manifest,
    accounts,
    aws_account,
    golden_image,
    image_version,
    retention_policy,
    share_list,
    with_instance,
    with_snapshot,
)
from goldenami.api.crds import DEFINITIONS, Definition, resource_schema
from goldenami.api.fields import VALIDATIONS
from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.api.kinds import GROUP, VERSION
from goldenami.local.kubernetes import ControlPlane, KubectlError, Programs
from support.schemas import fields_of, nodes_of
from support.serving import serve_kinds

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def control_plane(programs: Programs) -> Iterator[ControlPlane]:
    """Without operators: AWSAccounts are cluster-wide, so those of other tests would look after the ones that are made here."""
    with ControlPlane.start(programs=programs, audit=False) as plane:
        serve_kinds(plane)
        yield plane


@pytest.fixture(scope="module")
def module_namespace(control_plane: ControlPlane) -> Iterator[str]:
    """One for all tests here, because each leaves it empty, and making one takes longer than most of them."""
    name = f"api-{uuid.uuid4().hex[:10]}"
    control_plane.run_kubectl("create", "namespace", name)
    yield name
    control_plane.run_kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def server(control_plane: ControlPlane, module_namespace: str) -> Iterator[ApiServer]:
    server = ApiServer(control_plane, module_namespace)
    yield server
    server.clean()


def test_there_are_enough_bad_manifests() -> None:
    assert len(BAD) >= 60
    assert len({row.mistake for row in BAD}) == len(BAD)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.mistake) for row in BAD])
def test_it_is_refused_with_words_to_act_on(server: ApiServer, row: Bad) -> None:
    with pytest.raises(Refused) as refused:
        server.create(row.manifest)
    assert refused.value.status in (400, 422)
    assert [words for words in row.says if words not in str(refused.value)] == [], str(refused.value)
    with pytest.raises(Refused) as absent:
        server.get(row.manifest)
    assert absent.value.status == 404


FOR_THE_CHANGED = "oldSelf"
"""Rules that compare with what was there before; the tests of what is fixed are below."""


def test_every_rule_has_a_manifest_that_it_refuses() -> None:
    words = {part for row in BAD for part in row.says if " " in part}
    specs = [resource_schema(definition.model)["properties"]["spec"] for definition in DEFINITIONS]
    rules = [rule for spec in specs for _, node in nodes_of({"properties": {"spec": spec}}) for rule in node.get(VALIDATIONS, [])]
    of_one_manifest = [rule["message"] for rule in rules if FOR_THE_CHANGED not in rule["rule"]]
    assert [message for message in of_one_manifest if not any(part in message or message in part for part in words)] == []


GOOD = {
    "the smallest GoldenImage": golden_image(),
    "a pre-release with build metadata": golden_image(version="2.0.0-rc.1+build.7"),
    "an adopted image": golden_image(source={"image": {"id": AMI, "adopt": True}}),
    "a family found by its names": golden_image(
        adopt={"byName": {"pattern": r"^web-(?P<version>\d+(\.\d+){2}(-[\w.]+)?)(-\d{8})?$", "tags": {"team": "web"}}}
    ),
    "a family of as many versions and regions as can be listed": golden_image(
        adopt={
            "versions": [
                {"version": f"1.0.{n}", "images": [{"region": f"us-east-{r}", "id": AMI} for r in range(1, 65)]} for n in range(128)
            ]
        }
    ),
    "an image id of 8 digits": golden_image(source={"image": {"id": "ami-0a1b2c3d"}}),
    "an instance with extra volumes": with_instance(
        volumes=[{"deviceName": "/dev/sdf", "sizeGiB": 8}, {"deviceName": "xvdg", "snapshotId": SNAPSHOT["id"], "volumeType": "st1"}]
    ),
    "a snapshot with all that can be said": with_snapshot(tpmSupport="v2.0", imdsSupport="v2.0", volumeType="gp3"),
    "an arm64 snapshot": with_snapshot(architecture="arm64"),
    "keys in all their forms": golden_image(
        replicas=[
            {"region": "eu-west-1", "kmsKeyId": KEY},
            {"region": "eu-west-2", "kmsKeyId": "alias/golden"},
            {"region": "eu-west-3", "kmsKeyId": "mrk-0123456789abcdef0123456789abcdef"},
            {"region": "eu-north-1", "kmsKeyId": "01234567-89ab-cdef-0123-456789abcdef"},
            {"region": "ap-southeast-2", "kmsKeyId": "arn:aws:kms:ap-southeast-2:111122223333:alias/golden"},
        ]
    ),
    "regions of every partition's spelling": golden_image(region="us-gov-west-1", replicas=[{"region": "us-gov-east-1"}]),
    "as many replicas as the schema admits": golden_image(replicas=[{"region": f"eu-west-{number}"} for number in range(1, 65)]),
    "principals of every kind": golden_image(
        sharing={
            "accounts": accounts(998),
            "organizationArns": [ORGANIZATION],
            "organizationalUnitArns": [UNIT],
            "shareListRefs": [{"name": "partners"}],
            "snapshots": False,
            "foreignGrants": "Keep",
        }
    ),
    "a public image": golden_image(sharing={"public": True}),
    "sharing with nobody": golden_image(sharing={}),
    "the AWS-managed key where nothing is shared": golden_image(replicas=[{"region": "eu-west-1", "kmsKeyId": "alias/aws/ebs"}]),
    "a full set of settings": golden_image(
        nameTemplate="{namespace}/{image} ({version})",
        description="Web server, hardened",
        tags={"team": "platform", "ec2:SharedTag/version": "1", "empty": ""},
        aliases=[{"parameter": "/golden/{image}/{channel}"}, {"parameter": "/{namespace}/{image}"}],
        deletionPolicy="Delete",
        managementPolicy="Observe",
        suspend=True,
        interval="1h30m",
        accountRef={"name": "build"},
    ),
    "channels that move, deprecate and are published": golden_image(
        channels=[
            {"name": "stable", "version": "1.4.1", "rollout": "AllRegions", "deprecateOnRollback": True},
            {"name": "candidate", "version": "1.4.2", "rollout": "PerRegion"},
        ],
        aliases=[{"parameter": "/golden/{image}/{channel}"}],
        publish={"configMap": {"name": "web-images"}},
    ),
    "a named retention policy, and what single versions are worth": golden_image(
        retentionPolicyRef={"name": "standard"},
        versions=[{"version": "1.0.0", "keep": True}, {"version": "1.1.0", "expiresAt": "2027-01-31T00:00:00Z"}],
    ),
    "a retention policy of its own": golden_image(retention={"keepLast": 5}),
    "the smallest RetentionPolicy": retention_policy(),
    "a RetentionPolicy without a limit": retention_policy(keepLast=ABSENT),
    "a RetentionPolicy with all that can be said": retention_policy(
        keepFor="90d",
        keepIfLaunchedWithin="2w",
        deprecateAfter="30d",
        maxPerRun="10%",
        retire={"disableFor": "7d"},
        deregistrationProtection="EnabledWithCooldown",
        evidence={"launchTemplateVersions": 10, "usageReports": "NotRequired"},
        orphans={"removeAfter": "14d"},
    ),
    "a RetentionPolicy that counts": retention_policy(maxPerRun=3),
    "the smallest ImageVersion": image_version(),
    "an ImageVersion that no region declares any more": image_version(replicas=[]),
    "an ImageVersion whose keys and grants no longer fit together": image_version(
        replicas=[{"region": "eu-west-1", "kmsKeyId": "alias/aws/ebs"}], sharing={"public": True, "accounts": ["111122223333"]}
    ),
    "an empty ShareList": share_list(accounts=[]),
    "a ShareList of all kinds": share_list(organizationArns=[ORGANIZATION], organizationalUnitArns=[UNIT], description="All of them"),
    "an AWSAccount with a role": aws_account(
        roleArn="arn:aws:iam::111122223333:role/platform/goldenami", externalId="golden:1", endpointUrl="http://127.0.0.1:4566"
    ),
    "an AWSAccount for selected namespaces": aws_account(
        namespaces={"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["dev"]}]}
    ),
    "an AWSAccount in China": aws_account(partition="aws-cn", roleArn="arn:aws-cn:iam::111122223333:role/goldenami"),
}


@pytest.mark.parametrize("manifest", [pytest.param(manifest, id=name) for name, manifest in GOOD.items()])
def test_it_is_accepted_and_kept_as_written(server: ApiServer, manifest: Manifest) -> None:
    made = server.create(manifest)
    assert _within(manifest["spec"], made["spec"])


def _within(written: Any, stored: Any) -> bool:
    """Whether everything written is stored; the server may only have added defaults."""
    if isinstance(written, dict):
        return all(key in stored and _within(value, stored[key]) for key, value in written.items())
    if isinstance(written, list):
        return len(written) == len(stored) and all(map(_within, written, stored))
    return bool(written == stored)


def test_the_models_read_what_the_server_stores_and_write_it_back(server: ApiServer) -> None:
    stored = server.create(GOOD["principals of every kind"])
    image = GoldenImage.from_object(stored)
    assert (image.name, image.generation, image.spec.sharing and len(image.spec.sharing.accounts)) == ("web", 1, 998)
    again = server.replace(stored | {"spec": image.spec.to_object()})
    assert GoldenImage.from_object(again).spec == image.spec
    version = ImageVersion.from_object(server.create(image_version()))
    assert version.spec.replicas[0].region == "us-east-1"


DEFAULTS = {
    "nameTemplate": "{image}-{version}",
    "deletionPolicy": "Retain",
    "managementPolicy": "Enforce",
    "suspend": False,
}


def test_defaults_are_these_and_no_others(server: ApiServer) -> None:
    written = golden_image(sharing={})
    made = server.create(written)["spec"]
    assert {key: value for key, value in made.items() if key not in written["spec"]} == DEFAULTS
    assert made["sharing"] == {"public": False, "snapshots": True, "foreignGrants": "Remove"}
    assert made["source"] == {"image": {"id": AMI, "adopt": False}}


FIXED_FOR_A_VERSION = [
    pytest.param({"source": {"image": {"id": OTHER_AMI}}}, "the source is fixed for a version", id="another image"),
    pytest.param({"source": {"image": {"adopt": True}}}, "the source is fixed for a version", id="adoption after the fact"),
    pytest.param({"source": {"image": None, "instance": INSTANCE}}, "the source is fixed for a version", id="another kind of source"),
    pytest.param({"source": None}, "spec.source: Required value", id="no source any more"),
    pytest.param({"region": "eu-west-1"}, "the home region is fixed for a version", id="another home region"),
    pytest.param({"region": None}, "spec.region: Required value", id="no home region any more"),
    pytest.param({"accountRef": {"name": "other"}}, "the account is fixed for a version", id="another account"),
    pytest.param({"accountRef": None}, "the account is fixed for a version", id="no account any more"),
    pytest.param({"version": None}, "spec.version: Required value", id="no version any more"),
]


@pytest.mark.parametrize(("change", "says"), FIXED_FOR_A_VERSION)
def test_a_versions_source_cannot_be_changed_or_removed(server: ApiServer, change: Manifest, says: str) -> None:
    made = server.create(golden_image(accountRef={"name": "build"}))
    with pytest.raises(Refused, match=says):
        server.merge(made, change)
    assert server.get(made)["spec"] == made["spec"]


def test_an_account_cannot_be_added_to_a_version(server: ApiServer) -> None:
    made = server.create(golden_image())
    with pytest.raises(Refused, match="the account is fixed for a version"):
        server.merge(made, {"accountRef": {"name": "build"}})


def test_a_new_version_brings_its_own_source_region_and_account(server: ApiServer) -> None:
    made = server.create(golden_image())
    change = {"version": "1.5.0", "source": {"image": {"id": OTHER_AMI}}, "region": "eu-west-1", "accountRef": {"name": "build"}}
    assert server.merge(made, change)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"replicas": [{"region": "us-east-1"}]}, id="a region less"),
        pytest.param({"sharing": {"accounts": ["111122223333"]}}, id="a principal more"),
        pytest.param({"tags": {"team": "other"}}, id="other tags"),
        pytest.param({"suspend": True}, id="a pause"),
        pytest.param({"deletionPolicy": "Delete"}, id="another deletion policy"),
    ],
)
def test_what_is_not_identity_changes_within_a_version(server: ApiServer, change: Manifest) -> None:
    assert server.merge(server.create(golden_image()), change)["metadata"]["generation"] == 2


IDENTITY = {
    "goldenImage": "other",
    "version": "1.4.3",
    "source": {"image": {"id": OTHER_AMI}},
    "region": "eu-west-1",
    "name": "other-1.4.2",
    "accountRef": {"name": "other"},
}


@pytest.mark.parametrize("field", IDENTITY)
def test_an_image_versions_identity_never_changes(server: ApiServer, field: str) -> None:
    made = server.create(image_version(accountRef={"name": "build"}))
    for value in (IDENTITY[field], None):
        with pytest.raises(Refused, match=r"is fixed: declare another version|Required value"):
            server.merge(made, {field: value})
    assert server.get(made)["spec"] == made["spec"]


def test_an_aws_account_stands_for_one_account(server: ApiServer) -> None:
    made = server.create(aws_account())
    for value in ("444455556666", None):
        with pytest.raises(Refused, match=r"stands for one account|Required value"):
            server.merge(made, {"accountId": value})


def test_a_new_object_reads_as_in_progress_before_any_controller_saw_it(server: ApiServer) -> None:
    for manifest in (golden_image(), image_version(), aws_account()):
        assert server.create(manifest)["status"] == {"observedGeneration": -1}
    for manifest in (share_list(), retention_policy()):
        assert "status" not in server.create(manifest)


@pytest.mark.parametrize(
    "manifest", [pytest.param(each, id=each["kind"]) for each in (golden_image(), image_version(), aws_account(name="of-status"))]
)
def test_status_is_written_through_its_subresource_only(server: ApiServer, manifest: Manifest) -> None:
    made = server.create(manifest)
    written = server.replace(made | {"status": {"observedGeneration": 9}})
    assert written["status"] == {"observedGeneration": -1}
    changed = server.merge_status(made, {"observedGeneration": 1, "conditions": READY["conditions"]})
    assert changed["status"]["conditions"] == READY["conditions"]
    assert (changed["spec"], changed["metadata"]["generation"]) == (made["spec"], 1)


def _apply(server: ApiServer, manifest: Manifest, manager: str) -> None:
    server.plane.run_kubectl(
        "apply", "--server-side", f"--field-manager={manager}", "-n", server.namespace, "-f", "-", stdin=_json(manifest)
    )


def _json(manifest: Manifest) -> str:
    import json

    return json.dumps(manifest)


def _part(**spec: Any) -> Manifest:
    return golden_image() | {"spec": spec}


def test_two_managers_own_different_items_of_a_list(server: ApiServer) -> None:
    _apply(server, golden_image(sharing={"accounts": ["111122223333"]}, aliases=[{"parameter": "/a"}]), "platform")
    _apply(
        server,
        _part(
            replicas=[{"region": "ap-south-1", "kmsKeyId": "alias/golden"}],
            sharing={"accounts": ["444455556666"], "shareListRefs": [{"name": "partners"}]},
            aliases=[{"parameter": "/b"}],
            tags={"cost": "7"},
        ),
        "asia",
    )
    spec = server.get(golden_image())["spec"]
    assert [replica["region"] for replica in spec["replicas"]] == ["us-east-1", "eu-west-1", "ap-south-1"]
    assert spec["sharing"]["accounts"] == ["111122223333", "444455556666"]
    assert spec["aliases"] == [{"parameter": "/a"}, {"parameter": "/b"}]
    _apply(server, _part(tags={"cost": "7"}), "asia")
    spec = server.get(golden_image())["spec"]
    assert [replica["region"] for replica in spec["replicas"]] == ["us-east-1", "eu-west-1"]
    assert spec["sharing"]["accounts"] == ["111122223333"]


def test_an_item_two_managers_want_differently_is_a_conflict(server: ApiServer) -> None:
    _apply(server, golden_image(replicas=[{"region": "us-east-1", "kmsKeyId": "alias/one"}]), "platform")
    with pytest.raises(KubectlError, match="conflict"):
        _apply(server, _part(replicas=[{"region": "us-east-1", "kmsKeyId": "alias/two"}]), "other")


@pytest.mark.parametrize("definition", [pytest.param(definition, id=definition.kind.kind) for definition in DEFINITIONS])
def test_kubectl_explains_every_field(control_plane: ControlPlane, definition: Definition) -> None:
    """The recursive form leaves descriptions out, so the published schema, which kubectl explain prints, is walked instead."""
    published = json.loads(control_plane.run_kubectl("get", "--raw", f"/openapi/v3/apis/{GROUP}/{VERSION}"))["components"]["schemas"]
    schema = published[f"dev.goldenami.{VERSION}.{definition.kind.kind}"]
    undescribed = [path for path, node in fields_of(schema) if not node.get("description")]
    assert undescribed == []
    explained = control_plane.run_kubectl("explain", "--recursive", definition.kind.plural)
    assert all(f"{path.rsplit('.', 1)[-1]}\t" in explained for path, _ in fields_of(schema["properties"]["spec"]))


def test_kubectl_explains_a_field_in_a_list(control_plane: ControlPlane) -> None:
    assert "KMS key that encrypts this replica" in control_plane.run_kubectl("explain", "gi.spec.replicas.kmsKeyId")


READY: Manifest = {
    "observedGeneration": 1,
    "version": "1.4.2",
    "regionsReady": "2/2",
    "versions": 3,
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": "1.4.2 is available and shared in 2 regions",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-21T05:26:00Z",
        }
    ],
}


COLUMNS = ["NAME", "VERSION", "REGIONS", "READY", "STATUS"]


def _table(server: ApiServer, *words: str) -> list[list[str]]:
    """Rows of `kubectl get`, split where columns are; the age differs and is left out."""
    text = server.plane.run_kubectl("get", "-n", server.namespace, *words)
    header, *rows = text.splitlines()
    names = re.split(r"\s{2,}", header.strip())  # kubectl leaves three spaces between columns; a name may have one in it
    starts = [header.index(f"  {name}") + 2 if place else 0 for place, name in enumerate(names)]
    ends = [*starts[1:], None]
    cells = [[line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in (header, *rows)]
    age = names.index("AGE")
    return [[cell for place, cell in enumerate(row) if place != age] for row in cells]


STORAGE = {"images": 2, "snapshots": 2, "snapshotGib": 5}


def test_what_kubectl_get_shows_of_a_golden_image(server: ApiServer) -> None:
    made = server.create(golden_image())
    assert _table(server, "gi") == [COLUMNS, ["web", "1.4.2", "", "", ""]]
    server.merge_status(made, READY | {"storage": STORAGE})
    shown = ["web", "1.4.2", "2/2", "True", "1.4.2 is available and shared in 2 regions"]
    assert _table(server, "gi") == [COLUMNS, shown]
    assert _table(server, "gi", "-o", "wide") == [
        [*COLUMNS, "CURRENT", "VERSIONS", "REPLICAS", "GIB", "MADE", "ORPHANS", "HOME", "ACCOUNT", "DELETION", "SUSPENDED", "REASON"],
        [*shown, "1.4.2", "3", "2", "5", "", "", "us-east-1", "", "Retain", "false", "Succeeded"],
    ]


def test_what_kubectl_get_shows_of_an_image_version(server: ApiServer) -> None:
    made = server.create(image_version(notes="new kernel"))
    status = {key: value for key, value in READY.items() if key not in ("version", "versions")}
    server.merge_status(made, status | {"storage": STORAGE, "regionsReady": "1/1", "source": {"imageId": AMI}})
    shown = ["web-1.4.2", "1.4.2", "1/1", "True", "1.4.2 is available and shared in 2 regions"]
    assert _table(server, "iv") == [COLUMNS, shown]
    assert _table(server, "iv", "-o", "wide") == [
        [*COLUMNS, "IMAGE", "NAME", "SOURCE", "REPLICAS", "GIB", "MADE", "NOTES", "HOME", "ACCOUNT", "SUSPENDED", "REASON"],
        [*shown, "web", "web-1.4.2", AMI, "2", "5", "", "new kernel", "us-east-1", "", "false", "Succeeded"],
    ]


def test_what_kubectl_get_shows_of_policies(server: ApiServer) -> None:
    server.create(retention_policy(keepFor="90d", retire={"disableFor": "7d"}))
    assert _table(server, "rp") == [["NAME", "KEEP LAST", "KEEP FOR", "DISABLE FOR"], ["standard", "5", "90d", "7d"]]


def test_what_kubectl_get_shows_of_lists_and_accounts(server: ApiServer) -> None:
    server.create(share_list(description="Who launches"))
    server.create(aws_account(name=f"build-{server.namespace}"))
    assert _table(server, "sl") == [["NAME", "DESCRIPTION"], ["partners", "Who launches"]]
    row = [f"build-{server.namespace}", "111122223333", "", ""]
    assert _table(server, "awsa", f"build-{server.namespace}") == [["NAME", "ACCOUNT", "READY", "STATUS"], row]
    wide = _table(server, "awsa", f"build-{server.namespace}", "-o", "wide")
    assert wide == [["NAME", "ACCOUNT", "READY", "STATUS", "ROLE", "PARTITION", "REASON"], [*row, "", "aws", ""]]


def test_versions_of_an_image_can_be_selected(server: ApiServer) -> None:
    server.create(image_version())
    server.create(image_version(name="db-1.4.2", goldenImage="db"))
    found = server.plane.run_kubectl("get", "iv", "-n", server.namespace, "--field-selector=spec.goldenImage=db", "-o", "name")
    assert found.split() == ["imageversion.goldenami.dev/db-1.4.2"]


def test_the_category_gathers_all_kinds(server: ApiServer) -> None:
    made = [server.create(each) for each in (golden_image(), image_version(), share_list(), retention_policy(), aws_account(name="of-all"))]
    found = server.plane.run_kubectl("get", "goldenami", "-n", server.namespace, "-o", "name").split()
    assert {f"{each['kind'].lower()}.{GROUP}/{each['metadata']['name']}" for each in made} <= set(found)
    assert {each["kind"] for each in made} == {definition.kind.kind for definition in DEFINITIONS}


@pytest.mark.parametrize("way", ["--server-side", "--server-side=false"])
def test_nothing_differs_after_an_apply(server: ApiServer, way: str) -> None:
    """kubectl diff ends with 1, which is a KubectlError, when there is a difference."""
    manifests = [json.dumps(_renamed(manifest, number)) for number, manifest in enumerate(GOOD.values())]
    if way == "--server-side=false":
        # kubectl keeps the manifest in an annotation then, and the API server admits 256 KiB of those.
        manifests = [manifest for manifest in manifests if len(manifest) < 200_000]
    text = "\n---\n".join(manifests)
    words = (way, "-n", server.namespace, "-f", "-")
    try:
        server.plane.run_kubectl("apply", *words, stdin=text)
        assert server.plane.run_kubectl("diff", *words, stdin=text) == ""
    finally:
        server.plane.run_kubectl("delete", "--ignore-not-found", *words[1:], stdin=text)


def _renamed(manifest: Manifest, number: int) -> Manifest:
    return manifest | {"metadata": {"name": f"good-{number}"}}


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_accepted(server: ApiServer, path: Path) -> None:
    """In the namespace of these tests instead of their own."""
    documents = [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document["kind"] != "Namespace"]
    assert documents
    for document in documents:
        if "namespace" in document["metadata"]:
            document["metadata"]["namespace"] = server.namespace
        server.create(document)
