"""Accounts in organizations and units, and one account forgotten without the others."""

import pytest

from goldenami.local.aws import LocalAws
from support.aws import NewAccount, error_of


def test_an_account_belongs_to_its_organization_and_to_every_unit_above_it(local_aws: LocalAws, new_account: NewAccount) -> None:
    management, member = new_account(), new_account()
    arns = local_aws.lab.enrol(member, management_account=management, unit_path="platform/build")
    organizations = local_aws.client("organizations", account=management)
    organization = organizations.describe_organization()["Organization"]["Arn"]
    root = organizations.list_roots()["Roots"][0]["Id"]
    (platform,) = organizations.list_organizational_units_for_parent(ParentId=root)["OrganizationalUnits"]
    (build,) = organizations.list_organizational_units_for_parent(ParentId=platform["Id"])["OrganizationalUnits"]
    assert arns == {organization, platform["Arn"], build["Arn"]}
    assert local_aws.lab.memberships(management) == {organization}


def test_an_account_outside_has_no_memberships(local_aws: LocalAws, account: str) -> None:
    assert local_aws.lab.memberships(account) == frozenset()


def test_enrolling_again_moves_the_account(local_aws: LocalAws, new_account: NewAccount) -> None:
    management, member = new_account(), new_account()
    first = local_aws.lab.enrol(member, management_account=management, unit_path="a")
    second = local_aws.lab.enrol(member, management_account=management, unit_path="b")
    assert len(first & second) == 1  # the organization
    listed = local_aws.client("organizations", account=management).list_accounts()["Accounts"]
    assert sorted(each["Id"] for each in listed) == [management, member]


def test_one_account_is_forgotten_without_the_others(local_aws: LocalAws, new_account: NewAccount) -> None:
    mine, theirs = new_account(), new_account()
    for account in (mine, theirs):
        local_aws.client("ssm", account=account).put_parameter(Name="/a", Value="1", Type="String")
        local_aws.client("ec2", account=account).create_volume(AvailabilityZone="us-east-1a", Size=1)
    local_aws.lab.enrol(mine, management_account=theirs)
    local_aws.lab.reset_account(mine)
    assert error_of(local_aws.client("ssm", account=mine).get_parameter, Name="/a")[0] == "ParameterNotFound"
    assert local_aws.client("ec2", account=mine).describe_volumes()["Volumes"] == []
    assert local_aws.lab.memberships(mine) == frozenset()
    assert local_aws.client("ssm", account=theirs).get_parameter(Name="/a")["Parameter"]["Value"] == "1"
    assert len(local_aws.client("ec2", account=theirs).describe_volumes()["Volumes"]) == 1


@pytest.mark.parametrize("again", [pytest.param(1, id="sown once"), pytest.param(2, id="sown twice")])
def test_the_demo_is_sown_once_however_often_it_is_asked_for(lab_aws: LocalAws, again: int) -> None:
    sown = [lab_aws.lab.seed() for _ in range(again)][-1]
    for account in ("111111111111", "222222222222"):
        ec2 = lab_aws.client("ec2", account=account)
        (image,) = ec2.describe_images(Owners=["self"])["Images"]
        assert (image["ImageId"], image["State"]) == (sown[account]["image"], "available")
        (reservation,) = ec2.describe_instances()["Reservations"]
        assert reservation["Instances"][0]["InstanceId"] == sown[account]["instance"]
        key = lab_aws.client("kms", account=account, region="eu-west-1").describe_key(KeyId="alias/golden")["KeyMetadata"]
        assert key["Arn"] == sown[account]["keys"]["eu-west-1"]
    assert set(sown["memberships"]) == lab_aws.lab.memberships("222222222222")
