"""Which AWS account an object works in, and whether its namespace may. Owns the condition AccountsReady."""

from dataclasses import dataclass

from goldenami.api.aws_account import AWSAccount
from goldenami.api.kinds import AWS_ACCOUNT
from goldenami.api.meta import AccountRef, InvalidObjectError
from goldenami.api.reasons import Reason
from goldenami.aws.errors import AwsError
from goldenami.aws.sessions import OWN, AccountSpec, Sessions
from goldenami.kube.client import Kubernetes
from goldenami.kube.errors import KubeForbidden
from goldenami.plan.values import Account, Problem


@dataclass(frozen=True)
class Accounts:
    """Finds the account that an `accountRef` names."""

    kubernetes: Kubernetes
    sessions: Sessions

    def of(self, reference: AccountRef | None, namespace: str) -> Account | Problem:
        """The account, its identity verified; or why there is none that this namespace could use."""
        if reference is None:
            return self.resolve(OWN)
        try:
            obj = self.kubernetes.get(AWS_ACCOUNT, "", reference.name)
        except KubeForbidden:
            return Problem(
                Reason.ACCOUNT_NOT_ALLOWED,
                f"this operator may not read AWSAccount {reference.name}: it serves single namespaces with a Role. Remove spec.accountRef "
                "to work in its own AWS account, or let it get awsaccounts by a ClusterRole",
                stalled=True,
            )
        if obj is None:
            return Problem(
                Reason.DEPENDENCY_NOT_READY, f"AWSAccount {reference.name} does not exist; create it, or correct spec.accountRef"
            )
        try:
            account = AWSAccount.from_object(obj)
        except InvalidObjectError:
            # What is wrong stays out of the message: it may be none of this namespace's business.
            return Problem(
                Reason.DEPENDENCY_NOT_READY,
                f"AWSAccount {reference.name} does not fit its definition as it is now; its own condition Ready says what to correct",
            )
        if not account.spec.namespaces.matches(self.kubernetes.namespace_labels(namespace)):
            # The selector itself stays out of the message: it tells other tenants' labels.
            return Problem(
                Reason.ACCOUNT_NOT_ALLOWED,
                f"AWSAccount {reference.name} does not admit namespace {namespace}; its spec.namespaces must select the namespace's labels",
                stalled=True,
            )
        return self.resolve(spec_of(account))

    def resolve(self, spec: AccountSpec) -> Account | Problem:
        try:
            return self.sessions.resolve(spec)
        except AwsError as error:
            return error.problem


def spec_of(account: AWSAccount) -> AccountSpec:
    spec = account.spec
    return AccountSpec(account.name, spec.account_id, spec.role_arn, spec.external_id, spec.partition, spec.endpoint_url)
