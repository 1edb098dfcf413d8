"""KMS as images need it. Sources: KMS API reference (the operation named per test) and developer guide, "Grants in AWS KMS"."""

import json
from typing import Any

import pytest

from goldenami.local.aws import LocalAws
from support.aws import NewAccount, error_of
from support.scenes import changed_settings

UNKNOWN = "00000000-0000-0000-0000-000000000000"
ROOT = "arn:aws:iam::{}:root"


def make_key(aws: LocalAws, account: str, *, region: str = "us-east-1", alias: str = "", **more: Any) -> dict[str, Any]:
    kms = aws.client("kms", account=account, region=region)
    key: dict[str, Any] = kms.create_key(**more)["KeyMetadata"]
    if alias:
        kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    return key


def grant(aws: LocalAws, account: str, key: dict[str, Any], **changes: Any) -> Any:
    arguments = {"KeyId": key["KeyId"], "GranteePrincipal": ROOT.format("222222222222"), "Operations": ["Decrypt", "DescribeKey"]}
    return aws.client("kms", account=account).create_grant(**{**arguments, **changes})


def test_a_key_is_found_by_id_arn_alias_and_alias_arn(local_aws: LocalAws, account: str) -> None:
    # DescribeKey, KeyId.
    key = make_key(local_aws, account, alias="alias/golden")
    alias_arn = f"arn:aws:kms:us-east-1:{account}:alias/golden"
    kms = local_aws.client("kms", account=account)
    for reference in (key["KeyId"], key["Arn"], "alias/golden", alias_arn):
        found = kms.describe_key(KeyId=reference)["KeyMetadata"]
        assert (found["Arn"], found["KeyManager"], found["KeyState"]) == (key["Arn"], "CUSTOMER", "Enabled")


def test_the_aws_managed_key_is_there_at_first_use_and_says_so(local_aws: LocalAws, account: str) -> None:
    # Developer guide, "AWS managed keys".
    kms = local_aws.client("kms", account=account)
    first, second = (kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"] for _ in range(2))
    assert first["KeyManager"] == "AWS"
    assert first["Arn"] == second["Arn"]


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        pytest.param("describe_key", {}, id="DescribeKey"),
        pytest.param("create_grant", {"GranteePrincipal": ROOT.format("222222222222"), "Operations": ["Decrypt"]}, id="CreateGrant"),
        pytest.param("list_grants", {}, id="ListGrants"),
        pytest.param("revoke_grant", {"GrantId": "0" * 64}, id="RevokeGrant"),
        pytest.param("disable_key", {}, id="DisableKey"),
        pytest.param("enable_key", {}, id="EnableKey"),
        pytest.param("schedule_key_deletion", {}, id="ScheduleKeyDeletion"),
    ],
)
@pytest.mark.parametrize("reference", [UNKNOWN, f"arn:aws:kms:us-east-1:111111111111:key/{UNKNOWN}"])
def test_an_unknown_key_is_not_found(local_aws: LocalAws, account: str, operation: str, arguments: dict[str, Any], reference: str) -> None:
    # Each operation's errors: NotFoundException (400).
    kms = local_aws.client("kms", account=account)
    assert error_of(getattr(kms, operation), KeyId=reference, **arguments) == ("NotFoundException", 400)


def test_an_unknown_alias_is_not_found(local_aws: LocalAws, account: str) -> None:
    assert error_of(local_aws.client("kms", account=account).describe_key, KeyId="alias/none") == ("NotFoundException", 400)


def test_the_same_named_grant_is_made_once(local_aws: LocalAws, account: str) -> None:
    # CreateGrant, Name: "When all CreateGrant parameters are identical, … the operation returns the same GrantId".
    key = make_key(local_aws, account)
    first, second = (grant(local_aws, account, key, Name="goldenami")["GrantId"] for _ in range(2))
    assert first == second
    assert len(local_aws.client("kms", account=account).list_grants(KeyId=key["KeyId"])["Grants"]) == 1


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"Name": "other"}, id="another name"),
        pytest.param({"Name": "goldenami", "Operations": ["Decrypt"]}, id="other operations"),
        pytest.param({"Name": "goldenami", "GranteePrincipal": ROOT.format("333333333333")}, id="another grantee"),
        pytest.param({}, id="no name at all"),
    ],
)
def test_any_other_grant_is_one_more(local_aws: LocalAws, account: str, changes: dict[str, Any]) -> None:
    key = make_key(local_aws, account)
    first = grant(local_aws, account, key, Name="goldenami")["GrantId"]
    assert grant(local_aws, account, key, **changes)["GrantId"] != first


def test_grants_are_listed_by_id_grantee_and_page(local_aws: LocalAws, account: str) -> None:
    # ListGrants: GrantId, GranteePrincipal, Limit, Marker.
    key = make_key(local_aws, account)
    kms = local_aws.client("kms", account=account)
    grantees = [ROOT.format(f"{number:012}") for number in range(60)]
    ids = [grant(local_aws, account, key, Name=f"n{each[13:25]}", GranteePrincipal=each)["GrantId"] for each in grantees]
    pages = [page["Grants"] for page in kms.get_paginator("list_grants").paginate(KeyId=key["Arn"])]
    assert [len(page) for page in pages] == [50, 10]
    assert [each["GrantId"] for page in pages for each in page] == ids
    (by_id,) = kms.list_grants(KeyId=key["KeyId"], GrantId=ids[3])["Grants"]
    (by_grantee,) = kms.list_grants(KeyId=key["KeyId"], GranteePrincipal=grantees[3])["Grants"]
    assert by_id == by_grantee
    assert (by_id["GranteePrincipal"], by_id["KeyId"], by_id["Operations"]) == (grantees[3], key["Arn"], ["Decrypt", "DescribeKey"])


def test_an_account_that_nobody_has_is_granted_nothing(local_aws: LocalAws, account: str) -> None:
    # CreateGrant, Errors: InvalidArnException (400), "a specified ARN, or an ARN in a key policy, is not valid".
    key = make_key(local_aws, account)
    with changed_settings(local_aws, unknown_accounts=["222222222222"]):
        assert error_of(lambda: grant(local_aws, account, key)) == ("InvalidArnException", 400)
    assert grant(local_aws, account, key)["GrantId"]


def test_a_revoked_grant_is_gone(local_aws: LocalAws, account: str) -> None:
    # RevokeGrant.
    key = make_key(local_aws, account)
    made = grant(local_aws, account, key)["GrantId"]
    kms = local_aws.client("kms", account=account)
    kms.revoke_grant(KeyId=key["KeyId"], GrantId=made)
    assert kms.list_grants(KeyId=key["KeyId"])["Grants"] == []
    assert error_of(kms.revoke_grant, KeyId=key["KeyId"], GrantId=made) == ("NotFoundException", 400)


@pytest.mark.parametrize(
    ("operation", "state", "code"),
    [
        pytest.param("disable_key", "Disabled", "DisabledException", id="a disabled key"),
        pytest.param("schedule_key_deletion", "PendingDeletion", "KMSInvalidStateException", id="a key that waits for its deletion"),
    ],
)
def test_a_key_out_of_use_takes_no_grants(local_aws: LocalAws, account: str, operation: str, state: str, code: str) -> None:
    # Developer guide, "Key states of AWS KMS keys".
    key = make_key(local_aws, account)
    kms = local_aws.client("kms", account=account)
    getattr(kms, operation)(KeyId=key["KeyId"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == state
    assert error_of(lambda: grant(local_aws, account, key))[0] == code


def test_a_disabled_key_can_be_enabled_and_a_dying_one_cannot(local_aws: LocalAws, account: str) -> None:
    key = make_key(local_aws, account)
    kms = local_aws.client("kms", account=account)
    kms.disable_key(KeyId=key["KeyId"])
    kms.enable_key(KeyId=key["KeyId"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Enabled"] is True
    kms.schedule_key_deletion(KeyId=key["KeyId"])
    assert error_of(kms.enable_key, KeyId=key["KeyId"])[0] == "KMSInvalidStateException"


@pytest.mark.parametrize("reference", [pytest.param("KeyId", id="by its id"), pytest.param("Arn", id="by its ARN")])
def test_a_key_goes_through_its_states(local_aws: LocalAws, account: str, reference: str) -> None:
    # DisableKey, EnableKey, ScheduleKeyDeletion, CancelKeyDeletion: KeyId is a key id or key ARN.
    key = make_key(local_aws, account)
    kms = local_aws.client("kms", account=account)
    states = []
    for operation in ("disable_key", "enable_key", "schedule_key_deletion", "cancel_key_deletion", "enable_key"):
        getattr(kms, operation)(KeyId=key[reference])
        states.append(kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"])
    assert states == ["Disabled", "Enabled", "PendingDeletion", "Disabled", "Enabled"]


def test_a_key_dies_on_the_day_it_is_said_to(lab_aws: LocalAws, account: str) -> None:
    # ScheduleKeyDeletion, PendingWindowInDays: 7 to 30 days, 30 without it.
    key = make_key(lab_aws, account)
    kms = lab_aws.client("kms", account=account)
    assert error_of(kms.schedule_key_deletion, KeyId=key["Arn"], PendingWindowInDays=6) == ("ValidationException", 400)
    answer = kms.schedule_key_deletion(KeyId=key["Arn"], PendingWindowInDays=7)
    assert answer["KeyId"] == key["Arn"]
    assert round(answer["DeletionDate"].timestamp() - lab_aws.lab.now()) == 7 * 86400
    assert error_of(kms.cancel_key_deletion, KeyId=make_key(lab_aws, account)["Arn"]) == ("KMSInvalidStateException", 400)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"GranteePrincipal": "222222222222"}, "InvalidArnException", id="a grantee that is no ARN"),
        pytest.param({"KeyId": "alias/golden"}, "NotFoundException", id="an alias, which grants do not take"),
    ],
)
def test_a_grant_that_means_nothing_is_refused(local_aws: LocalAws, account: str, changes: dict[str, Any], code: str) -> None:
    # CreateGrant: KeyId is a key id or key ARN; InvalidArnException.
    key = make_key(local_aws, account, alias="alias/golden")
    assert error_of(lambda: grant(local_aws, account, key, **changes)) == (code, 400)


def test_an_aws_managed_key_takes_no_grants(local_aws: LocalAws, account: str) -> None:
    key = local_aws.client("kms", account=account).describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert error_of(lambda: grant(local_aws, account, key))[0] == "AccessDeniedException"


def test_another_accounts_key_opens_with_a_grant(local_aws: LocalAws, new_account: NewAccount) -> None:
    # Developer guide, "Allowing users in other accounts to use a KMS key".
    mine, theirs = new_account(), new_account()
    key = make_key(local_aws, mine)
    other = local_aws.client("kms", account=theirs)
    assert error_of(other.describe_key, KeyId=key["Arn"]) == ("AccessDeniedException", 400)
    grant(local_aws, mine, key, GranteePrincipal=ROOT.format(theirs))
    assert other.describe_key(KeyId=key["Arn"])["KeyMetadata"]["AWSAccountId"] == mine
    assert error_of(other.list_grants, KeyId=key["Arn"]) == ("AccessDeniedException", 400)


@pytest.mark.parametrize(
    ("statement", "opens"),
    [
        pytest.param({"Action": "kms:DescribeKey"}, True, id="an Allow"),
        pytest.param({"Action": "kms:Decrypt"}, False, id="an Allow of something else"),
        pytest.param({"Effect": "Deny", "Action": "kms:*"}, False, id="a Deny"),
        pytest.param({"Action": "kms:*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-other"}}}, False, id="others only"),
    ],
)
def test_another_accounts_key_opens_with_its_policy(
    local_aws: LocalAws, new_account: NewAccount, statement: dict[str, Any], opens: bool
) -> None:
    # Developer guide, "Key policies in AWS KMS".
    mine, theirs = new_account(), new_account()
    spelled = {"Effect": "Allow", "Resource": "*", "Principal": {"AWS": ROOT.format(theirs)}, **statement}
    key = make_key(local_aws, mine, Policy=json.dumps({"Version": "2012-10-17", "Statement": [spelled]}))
    describe = local_aws.client("kms", account=theirs).describe_key
    if opens:
        assert describe(KeyId=key["Arn"])["KeyMetadata"]["AWSAccountId"] == mine
    else:
        assert error_of(describe, KeyId=key["Arn"]) == ("AccessDeniedException", 400)


def test_a_replica_of_a_multi_region_key_has_its_own_grants(local_aws: LocalAws, account: str) -> None:
    # Developer guide, "Multi-Region keys": grants and aliases are independent.
    key = make_key(local_aws, account, alias="alias/golden", MultiRegion=True)
    grant(local_aws, account, key)
    local_aws.client("kms", account=account).replicate_key(KeyId=key["KeyId"], ReplicaRegion="eu-west-1")
    there = local_aws.client("kms", account=account, region="eu-west-1")
    assert there.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["MultiRegion"] is True
    assert there.list_grants(KeyId=key["KeyId"])["Grants"] == []
    assert error_of(there.describe_key, KeyId="alias/golden")[0] == "NotFoundException"


def test_an_asymmetric_key_signs_and_a_symmetric_one_has_no_public_key(local_aws: LocalAws, account: str) -> None:
    # GetPublicKey: "You cannot use this operation to view the key material of a symmetric KMS key"; Errors, UnsupportedOperationException.
    kms = local_aws.client("kms", account=account)
    signing = make_key(local_aws, account, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    signed = {"KeyId": signing, "Message": b"golden", "SigningAlgorithm": "ECDSA_SHA_256"}
    assert kms.verify(**signed, Signature=kms.sign(**signed)["Signature"])["SignatureValid"]
    symmetric = make_key(local_aws, account)["KeyId"]
    assert error_of(kms.get_public_key, KeyId=symmetric) == ("UnsupportedOperationException", 400)
