"""What the operator may do is what it does: a whole life as its service account and under audit, beside the roles and the IAM policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from goldenami.api.kinds import API_VERSION, AWS_ACCOUNT
from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import ControlPlane, KubectlError, Programs
from goldenami.local.kubernetes.audit import AuditEntry
from support.operator import AWAY, HOME, Body, World, aws_account, eventually
from support.process import environment, running
from support.questions import declared, wait_noted
from support.serving import CRDS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SYSTEM, USER = "goldenami-system", "system:serviceaccount:goldenami-system:goldenami"

CLOSED = "af-south-1"
"""A region that has to be opted in to."""

Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""

GRANTED_UNUSED = {
    ("goldenami.dev", "goldenimages/finalizers", "update"): "what OwnerReferencesPermissionEnforcement asks for; not enabled here",
}

ACTIONS_UNUSED = {
    "ec2:EnableImage": "a region that is declared again while its image is disabled",
    "ec2:DescribeLaunchTemplateVersions": "only where there are launch templates",
    "ec2:CancelImportTask": "an import of a disk that nobody finished",
    "ec2:DeleteSnapshot": "a snapshot that DeregisterImage left behind",
    "ec2:GetEbsDefaultKmsKeyId": "only where volumes are encrypted by default",
    "ec2:GetImageBlockPublicAccessState": "only for images that are public",
    "ssm:GetParameterHistory": "a channel whose parameters are there and whose status is lost",
    "kms:Decrypt": "EC2 asks on the operator's behalf",
    "kms:Encrypt": "EC2 asks on the operator's behalf",
    "kms:GenerateDataKeyWithoutPlaintext": "EC2 asks on the operator's behalf",
    "kms:ReEncryptFrom": "EC2 asks on the operator's behalf",
    "kms:ReEncryptTo": "EC2 asks on the operator's behalf",
}


@pytest.fixture(scope="module")
def plane(programs: Programs) -> Iterator[ControlPlane]:
    """Its own: what is deployed here is the cluster's."""
    with ControlPlane.start(programs=programs) as plane:
        plane.run_kubectl("apply", "--server-side", "-f", CRDS)
        plane.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", CRDS)
        plane.run_kubectl("apply", "--server-side", "-k", DEPLOY / "kustomize/base")
        for namespace in ("images", "golden-images"):
            plane.run_kubectl("create", "namespace", namespace)
        plane.run_kubectl("apply", "--server-side", "-k", DEPLOY / "kustomize/namespaced")
        yield plane


@dataclass(frozen=True)
class Life:
    """What was asked of both APIs in the course of it."""

    requests: list[AuditEntry]
    actions: frozenset[str]


@pytest.fixture(scope="module")
def life(plane: ControlPlane, fast_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """From nothing to Ready, through edits, to nothing again; with each kind of source, keys, shares and aliases."""
    world = World(plane, fast_aws, "images", "555500000001", "555500000002", account_ref="build", installation="rights")
    key = fast_aws.client("kms", AWAY, world.account).create_key()["KeyMetadata"]["Arn"]
    surroundings = environment(
        plane.kubeconfig_for(USER), fast_aws, "555500000003", POD_NAME="goldenami-0", POD_NAMESPACE=SYSTEM, GOLDENAMI_INSTALLATION="rights"
    )
    since = max(call.sequence for call in fast_aws.lab.audit_calls(account=world.account))
    with running(tmp_path_factory.mktemp("rights") / "log", surroundings) as process:
        world.tail = process.tail
        live(world, key)
    calls = [call for account in (world.account, "555500000003") for call in fast_aws.lab.audit_calls(account=account, since=since)]
    requests = [entry for entry in plane.audit() if entry["user"] == USER]
    return Life(requests, frozenset(f"{call.service}:{call.operation}" for call in calls))


def live(world: World, key: str) -> None:
    account = aws_account("build", world.account, world.aws)
    account["spec"]["namespaces"] = {"matchLabels": {"kubernetes.io/metadata.name": "images"}}  # one that selects all is not compared
    world.kubernetes.apply(AWS_ACCOUNT, account)
    replicas = [{"region": HOME}, {"region": AWAY, "kmsKeyId": key}]
    aliases = [{"parameter": "/golden/{image}/{channel}"}]
    web = declared(
        world,
        deletionPolicy="Delete",
        replicas=replicas,
        tags={"team": "a"},
        sharing={"shareListRefs": [{"name": "partners"}]},
        aliases=aliases,
        publish={"configMap": {"name": "web-images"}},
    )
    kept = declared(world, "kept", source={"image": {"id": world.seed(name="mine"), "adopt": True}}, aliases=aliases)
    instance = declared(world, "vm", source={"instance": {"id": world.seed("instance"), "reboot": False}}, deletionPolicy="Delete")
    snapshot = {
        "id": world.seed("snapshot"),
        "architecture": "x86_64",
        "bootMode": "uefi",
        "rootDeviceName": "/dev/xvda",
        "enaSupport": True,
    }
    disk = declared(world, "disk", source={"snapshot": snapshot}, deletionPolicy="Delete")
    world.apply(web, kept, instance, disk)
    world.reason("DependencyNotReady")
    world.apply(world.share_list("partners", world.partner))
    world.apply(declared(world, "beyond", replicas=[{"region": HOME}, {"region": CLOSED}]))
    world.reason("RegionNotEnabled", "beyond")
    world.delete("goldenimage", "beyond")
    names = ("web", "kept", "vm", "disk")
    for name in names:
        world.ready(name)
    for suspend in (True, False, True, False):  # the same event twice: the second is counted on the first
        world.patch("goldenimage", "web", {"spec": {"suspend": suspend, "tags": {"team": None, "tier": "b"}}})
        wait_noted(world)
    world.apply(world.share_list("partners", "777777777777"))
    world.ready()
    live_through_a_rollback(world)
    live_through_a_retirement(world)
    eventually(lambda: grantees(world) == {"777777777777"}, "moved", told=world.told)
    for name in names:
        world.delete("goldenimage", name)
    for name in names:
        world.gone(name)


def live_through_a_rollback(world: World) -> None:
    """Back to an older version and forth again, and the id map under another name."""
    spec = (world.get("goldenimage", "disk") or {})["spec"]
    stable = {"name": "stable", "deprecateOnRollback": True}
    world.apply(world.golden_image("disk", **{**spec, "version": "0.9.0", "channels": [{**stable, "version": "1.0.0"}]}))
    world.ready("disk")
    for version in ("0.9.0", "1.0.0"):
        world.patch("goldenimage", "disk", {"spec": {"channels": [{**stable, "version": version}]}})
        world.ready("disk")
    world.patch("goldenimage", "web", {"spec": {"publish": {"configMap": {"name": "web-ids"}}}})
    world.ready()


def live_through_a_retirement(world: World) -> None:
    """An older version goes by a policy that protects what it keeps."""
    spec = {"keepLast": 1, "retire": {"disableFor": "0s"}, "deregistrationProtection": "Enabled"}
    world.apply({"apiVersion": API_VERSION, "kind": "RetentionPolicy", "metadata": {"name": "short"}, "spec": spec})
    for version in ("1.0.0", "2.0.0"):
        # EC2 tells launches a day late, so nothing younger than two days goes.
        source = {"image": {"id": world.seed(age_seconds=100 * 86_400.0), "adopt": True}}
        policy = {"retentionPolicyRef": {"name": "short"}}
        world.apply(declared(world, "family", version=version, source=source, replicas=[{"region": HOME}], **policy))
        world.ready("family")
    world.gone("family-1.0.0", "imageversion")
    world.delete("goldenimage", "family")
    world.gone("family")


def grantees(world: World) -> set[str]:
    (image,) = [row for row in world.images(AWAY) if row["Name"] == "web-1.0.0"]
    return world.shared_with(image["ImageId"], AWAY)


def rights_of(*roles: Body) -> set[Right]:
    return {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def rendered(plane: ControlPlane, folder: str) -> list[Body]:
    return list(yaml.safe_load_all(plane.run_kubectl("kustomize", DEPLOY / "kustomize" / folder)))


def named(objects: list[Body], kind: str, name: str) -> Body:
    return next(obj for obj in objects if (obj["kind"], obj["metadata"]["name"]) == (kind, name))


def used(requests: list[AuditEntry]) -> set[Right]:
    """Every right that a request needed; a server-side apply that made something needed `create` too."""
    asked = {(entry["group"], _resource(entry), entry["verb"]) for entry in requests}
    made = {(entry["group"], _resource(entry), "create") for entry in requests if entry["verb"] == "patch" and entry["code"] == 201}
    return asked | made


def _resource(entry: AuditEntry) -> str:
    return f"{entry['resource']}/{entry['subresource']}" if entry["subresource"] else entry["resource"]


def test_every_right_it_uses_is_granted_and_every_right_that_is_granted_is_used_or_explained(plane: ControlPlane, life: Life) -> None:
    objects = rendered(plane, "base")
    granted = rights_of(named(objects, "ClusterRole", "goldenami"), named(objects, "Role", "goldenami-lease"))
    needed = used(life.requests)

    assert [entry for entry in life.requests if entry["code"] == 403] == []
    assert needed - granted == set()
    assert granted - needed == GRANTED_UNUSED.keys()
    assert not any("*" in right or "secrets" in right for right in granted)
    assert {entry["namespace"] for entry in life.requests if entry["resource"] == "leases"} == {SYSTEM}


def test_the_iam_policies_allow_what_it_calls_and_nothing_without_a_reason(life: Life) -> None:
    allowed = {action for policy in policies().values() for statement in policy["Statement"] for action in statement["Action"]}
    called = {action for action in life.actions if action != "sts:GetCallerIdentity"}  # needs no permission
    assert called - allowed == set()
    assert allowed - called == ACTIONS_UNUSED.keys()
    assert not any("*" in action for action in allowed)


@pytest.mark.parametrize("name", ["destroy", "share"])
def test_what_destroys_and_what_shares_is_allowed_only_on_what_carries_the_owner_tag(name: str) -> None:
    owned = {"StringLike": {"aws:ResourceTag/goldenami.dev/owner": "*"}}
    statements = policies()[name]["Statement"]
    of_keys = [row for row in statements if all(action.startswith("kms:") for action in row["Action"])]
    assert [row["Sid"] for row in statements if row not in of_keys and row.get("Condition") != owned] == []


def policies() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in (DEPLOY / "iam").glob("*.json") if path.stem != "trust"}


def test_the_pod_is_one_that_the_restricted_standard_admits(plane: ControlPlane) -> None:
    template = named(rendered(plane, "base"), "Deployment", "goldenami")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try", "namespace": SYSTEM}, "spec": template["spec"]}
    plane.run_kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))
    (container,) = pod["spec"]["containers"]
    container["securityContext"].pop("capabilities")
    with pytest.raises(KubectlError, match="restricted"):
        plane.run_kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


def test_with_a_role_alone_it_serves_its_namespace_and_nothing_else(plane: ControlPlane, fast_aws: LocalAws, tmp_path: Path) -> None:
    account = "555500000004"
    world = World(plane, fast_aws, "golden-images", account, "555500000005", installation="single")
    elsewhere = World(plane, fast_aws, "images", account, "555500000005", installation="single")
    user = "system:serviceaccount:golden-images:goldenami"
    command = named(rendered(plane, "namespaced"), "Deployment", "goldenami")["spec"]["template"]["spec"]["containers"][0]["args"]
    arguments = [word.replace("$(POD_NAMESPACE)", world.namespace) for word in command[1:]]
    surroundings = environment(plane.kubeconfig_for(user), fast_aws, account, POD_NAME="only", POD_NAMESPACE=world.namespace)
    with running(tmp_path / "log", surroundings, "--installation", "single", *arguments) as process:
        world.tail = process.tail
        elsewhere.apply(declared(elsewhere))
        world.apply(declared(world, sharing={"accounts": [world.partner]}), elsewhere_paid(world))
        world.ready()
        condition = world.reason("AccountNotAllowed", "other")
        assert "ClusterRole" in condition["message"]
        for name in ("web", "other"):
            world.delete("goldenimage", name)
            world.gone(name)
        assert elsewhere.condition("goldenimage", "web") == {}
    elsewhere.delete("goldenimage", "web")

    requests = [entry for entry in plane.audit() if entry["user"] == user]
    granted = rights_of(*(named(rendered(plane, "namespaced"), "Role", name) for name in ("goldenami", "goldenami-lease")))
    allowed = [entry for entry in requests if entry["code"] != 403]
    assert used(allowed) - granted == set()
    assert {entry["namespace"] for entry in allowed} == {world.namespace}
    refused = {(_resource(entry), entry["verb"]) for entry in requests if entry["code"] == 403}
    assert refused <= {("awsaccounts", "list"), ("awsaccounts", "get"), ("namespaces", "list")}  # asked once, whether they may be


def elsewhere_paid(world: World) -> Body:
    obj = declared(world, "other")
    obj["spec"]["accountRef"] = {"name": "build"}
    return obj


def may(plane: ControlPlane, group: str, verb: str, resource: str) -> bool:
    name, _, subresource = resource.partition("/")
    attributes = {"namespace": "images", "group": "goldenami.dev", "resource": name, "subresource": subresource, "verb": verb}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "somebody", "groups": [group], "resourceAttributes": attributes},
    }
    answer = plane.run_kubectl("create", "-f", "-", "-o", "jsonpath={.status.allowed}", stdin=yaml.safe_dump(review))
    return answer == "true"


def test_people_get_their_rights_by_the_built_in_roles(plane: ControlPlane) -> None:
    for role in ("view", "edit", "admin"):
        plane.run_kubectl("create", "rolebinding", role, "-n", "images", f"--clusterrole={role}", f"--group={role}s")
    rows: list[tuple[str, str, str, bool]] = [
        ("views", "list", "goldenimages", True),
        ("views", "get", "imageversions", True),
        ("views", "patch", "goldenimages", False),
        ("edits", "patch", "goldenimages", True),
        ("edits", "create", "sharelists", True),
        ("edits", "delete", "imageversions", True),
        ("edits", "patch", "imageversions", False),
        ("edits", "patch", "goldenimages/status", False),
        ("admins", "delete", "goldenimages", True),
        ("admins", "patch", "goldenimages/status", False),
        ("admins", "create", "awsaccounts", False),
    ]
    eventually(lambda: may(plane, "admins", "delete", "goldenimages"), "the roles are aggregated")
    assert [row for row in rows if may(plane, *row[:3]) is not row[3]] == []
