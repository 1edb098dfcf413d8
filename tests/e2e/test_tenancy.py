"""Who may use what: accounts and the namespaces they admit, share lists and the namespace they are in, credentials that end."""

from __future__ import annotations

import time

import pytest

from goldenami.api.kinds import AWS_ACCOUNT
from goldenami.kube.client import MERGE_PATCH, Body, path_of
from support.operator import HOME, SharedOperator, World, aws_account, eventually
from support.questions import declared, fence, looks, mutations

HEALED_SECONDS = 5.0


def change_account(world: World, **spec: object) -> None:
    path = path_of(AWS_ACCOUNT, "", world.account_ref)
    world.kubernetes.call("PATCH", path, query={"fieldManager": "kubectl"}, body={"spec": spec}, content_type=MERGE_PATCH)


def replace_account(world: World, account: str, **spec: object) -> None:
    """Another AWSAccount under the name that the world's images refer to."""
    world.plane.run_kubectl("delete", "awsaccount", world.account_ref)
    create_account(world, account, **spec)


def create_account(world: World, account: str, **spec: object) -> None:
    body = aws_account(world.account_ref, account, world.aws)
    world.kubernetes.apply(AWS_ACCOUNT, {**body, "spec": {**body["spec"], **spec}})


def label_namespace(world: World, **labels: str) -> None:
    path = f"/api/v1/namespaces/{world.namespace}"
    world.kubernetes.call("PATCH", path, body={"metadata": {"labels": labels}}, content_type=MERGE_PATCH)


def test_an_edited_share_list_has_its_users_looked_at_and_nobody_else(world: World, shared_operator: SharedOperator) -> None:
    source = {"image": {"id": world.seed(name="base")}}
    users = [declared(world, f"user-{n}", source=source, interval="1h", sharing={"shareListRefs": [{"name": "partners"}]}) for n in (1, 2)]
    world.apply(world.share_list("partners", world.partner), *users, declared(world, "bystander", source=source, interval="1h"))
    for name in ("user-1", "user-2", "bystander"):
        world.ready(name)
    fence(world)
    before = {name: looks(shared_operator, world, name=name) for name in ("user-1", "user-2", "bystander")}

    world.apply(world.share_list("partners", world.partner, "777777777777"))

    def moved(name: str) -> bool:
        (image,) = [row for row in world.images(HOME) if row["Name"] == f"{name}-1.0.0"]
        return world.shared_with(image["ImageId"]) == {world.partner, "777777777777"}

    for name in ("user-1", "user-2"):
        eventually(lambda name=name: moved(name), f"{name} follows", told=world.told)  # type: ignore[misc]
        # A look is told at its end, and EC2 may have been told before.
        looked = lambda name=name: looks(shared_operator, world, name=name) > before[name]  # noqa: E731
        eventually(looked, f"{name} is looked at", told=world.told)
    assert looks(shared_operator, world, name="bystander") == before["bystander"]


def test_a_share_list_of_another_namespace_is_out_of_reach(world: World) -> None:
    elsewhere = f"{world.namespace}-b"
    world.plane.run_kubectl("create", "namespace", elsewhere)
    other = World(world.plane, world.aws, elsewhere, world.account, world.partner)
    other.apply(other.share_list("partners", world.partner))
    world.apply(declared(world, sharing={"shareListRefs": [{"name": "partners"}]}))
    condition = world.reason("DependencyNotReady")
    assert f"namespace {world.namespace}" in condition["message"]
    assert mutations(world) == []
    world.plane.run_kubectl("delete", "namespace", elsewhere, "--wait=false")


def test_an_account_that_appears_late_heals_its_waiters_at_once(world: World) -> None:
    world.plane.run_kubectl("delete", "awsaccount", world.account_ref)
    world.apply(declared(world, replicas=[{"region": HOME}]))
    condition = world.reason("DependencyNotReady", condition="AccountsReady")
    assert world.account_ref in condition["message"]
    create_account(world, world.account)
    started = time.monotonic()
    eventually(lambda: world.condition("goldenimage", "web", "AccountsReady").get("status") == "True", "healed", told=world.told)
    assert time.monotonic() - started < HEALED_SECONDS
    world.ready()


def test_a_namespace_that_the_account_does_not_admit_is_told_the_fix_and_its_label_heals_it_at_once(world: World) -> None:
    replace_account(world, world.account, namespaces={"matchLabels": {"team": "platform"}})
    world.apply(declared(world, replicas=[{"region": HOME}]))
    condition = world.reason("AccountNotAllowed", condition="AccountsReady")
    assert "spec.namespaces" in condition["message"]
    assert world.namespace in condition["message"]
    assert "platform" not in condition["message"]  # the labels of other tenants are nobody's business
    assert world.condition("goldenimage", "web", "Stalled")["status"] == "True"
    assert mutations(world) == []

    label_namespace(world, team="platform")
    started = time.monotonic()
    eventually(lambda: world.condition("goldenimage", "web", "AccountsReady").get("status") == "True", "healed", told=world.told)
    assert time.monotonic() - started < HEALED_SECONDS
    world.ready()


def test_credentials_that_lead_to_another_account_than_declared_write_nothing(world: World) -> None:
    """Without a role the operator's own identity is used, which belongs elsewhere."""
    world.plane.run_kubectl("delete", "awsaccount", world.account_ref)
    body = aws_account(world.account_ref, world.account, world.aws)
    del body["spec"]["roleArn"]
    world.kubernetes.apply(AWS_ACCOUNT, body)
    world.apply(declared(world))
    condition = world.reason("AccountMismatch", condition="AccountsReady")
    assert world.account in condition["message"]
    assert "999999999999" in condition["message"]
    assert world.reason("AccountMismatch", world.account_ref, kind="awsaccount")["status"] == "False"
    assert mutations(world) == []


@pytest.mark.parametrize("sent", [None, "another"], ids=["none is sent", "a wrong one is sent"])
def test_a_role_that_wants_an_external_id_is_told_by_its_arn_and_the_right_id_heals_it(world: World, sent: str | None) -> None:
    # Another role than the operator may have taken on already.
    arn = f"arn:aws:iam::{world.account}:role/wants-an-external-id"
    world.aws.lab.settings(roles={**world.aws.lab.settings()["roles"], arn: "golden-images"})
    replace_account(world, world.account, roleArn=arn, **({"externalId": sent} if sent else {}))
    world.apply(declared(world, replicas=[{"region": HOME}]))
    condition = world.reason("CredentialsInvalid", condition="AccountsReady")
    assert "AssumeRole" in condition["message"]
    assert mutations(world) == []

    change_account(world, externalId="golden-images")
    world.ready()


def test_credentials_that_expire_midway_are_renewed_without_anybodys_help(world: World) -> None:
    world.apply(declared(world))
    world.ready()
    world.aws.lab.add_fault("credentials_expired", account=world.account, times=3)
    world.patch("goldenimage", "web", {"spec": {"tags": {"team": "a"}}})
    world.ready()
    assert {tag["Key"]: tag["Value"] for tag in world.image()["Tags"]}["team"] == "a"


def test_namesakes_in_two_namespaces_keep_apart_and_the_second_is_told_who_holds_its_name(world: World) -> None:
    """One account and one source. CopyImage would take one name in EC2 twice; the one who has it keeps it, and the other says so."""
    elsewhere = f"{world.namespace}-b"
    world.plane.run_kubectl("create", "namespace", elsewhere)
    other = World(world.plane, world.aws, elsewhere, world.account, world.partner, account_ref=world.account_ref, tail=world.tail)
    source = {"image": {"id": world.seed(name="base")}}
    world.apply(declared(world, source=source, deletionPolicy="Delete"))
    world.ready()

    other.apply(declared(other, source=source, deletionPolicy="Delete"))
    held = other.reason("NameConflict")["message"]
    assert f"tests/{world.namespace}/web" in held
    assert owners(world) == {f"tests/{world.namespace}/web"}

    other.patch("goldenimage", "web", {"spec": {"version": "1.0.1", "nameTemplate": "{namespace}-{image}-{version}"}})
    other.reason("NameConflict", "web-1.0.0", kind="imageversion")
    eventually(lambda: len(owners(world)) == 2, "both have their images", told=other.told)

    world.delete("goldenimage", "web")
    world.gone()
    assert owners(world) == {f"tests/{elsewhere}/web"}
    world.plane.run_kubectl("delete", "namespace", elsewhere, "--wait=false")


def owners(world: World) -> set[str]:
    tags: list[Body] = [{tag["Key"]: tag["Value"] for tag in row["Tags"]} for row in world.images(HOME)]
    return {row["goldenami.dev/owner"] for row in tags}
