"""Which organization and units an account belongs to, and a way to enrol accounts with chosen ids.

Reads moto's Organizations backend; `enrol` writes to it, because moto can only create accounts with random ids.
"""

from typing import Any

PARTITION = "aws"


def memberships(account: str) -> frozenset[str]:
    """The ARNs of the account's organization and of every organizational unit above it; empty outside any organization."""
    backend = _backend_of(account)
    if backend is None:
        return frozenset()
    member = next((each for each in backend.accounts if each.id == account), None)
    return frozenset({backend.org.arn, *(_unit_arns(backend, member.parent_id) if member else ())})


def enrol(account: str, *, management_account: str, unit_path: str = "") -> frozenset[str]:
    """Makes the account a member of an organization, below units named like `platform/build`, and returns its memberships.

    Organization and units are created where they are missing. An account that is a member already is moved.
    """
    backend = _organization_of(management_account)
    parent_id = _unit_id(backend, unit_path)
    member = next((each for each in backend.accounts if each.id == account), None) or _add_account(backend, account)
    member.parent_id = parent_id
    return memberships(account)


def _backend_of(account: str) -> Any:
    """The backend of the organization's management account, or None."""
    from moto.organizations.models import organizations_backends  # only where Organizations is used

    management, partition = organizations_backends.master_accounts.get(account, (account, PARTITION))
    if management not in organizations_backends:
        return None
    backend = organizations_backends[management][partition]
    return backend if backend.org else None


def _unit_arns(backend: Any, unit_id: str) -> set[str]:
    arns: set[str] = set()
    unit = _unit(backend, unit_id)
    while unit is not None and unit.type != "ROOT":
        arns.add(unit.arn)
        unit = _unit(backend, unit.parent_id)
    return arns


def _unit(backend: Any, unit_id: str) -> Any:
    return next((unit for unit in backend.ou if unit.id == unit_id), None)


def _organization_of(management_account: str) -> Any:
    from moto.organizations.models import organizations_backends

    backend = organizations_backends[management_account][PARTITION]
    if not backend.org:
        backend.create_organization(region="us-east-1", FeatureSet="ALL")
    return backend


def _unit_id(backend: Any, path: str) -> str:
    parent_id: str = backend.org.root_id
    for name in filter(None, path.split("/")):
        unit = next((each for each in backend.ou if each.parent_id == parent_id and each.name == name), None)
        parent_id = unit.id if unit else backend.create_organizational_unit(ParentId=parent_id, Name=name)["OrganizationalUnit"]["Id"]
    return parent_id


def _add_account(backend: Any, account: str) -> Any:
    from moto.organizations.models import organizations_backends

    status = backend.create_account(AccountName=account, Email=f"{account}@example.com")["CreateAccountStatus"]
    member = backend.get_account_by_id(status["AccountId"])
    organizations_backends.master_accounts.pop(member.id, None)
    member.id = account
    organizations_backends.master_accounts[account] = (backend.account_id, PARTITION)
    return member
