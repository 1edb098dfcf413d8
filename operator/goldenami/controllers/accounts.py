"""Which AWS account an object works in, and whether its namespace may. Owns the condition AccountsReady."""

from collections.abc import Callable, Mapping

from goldenami.api.aws_account import AWSAccount, LabelSelector
from goldenami.api.kinds import AWS_ACCOUNT, Key
from goldenami.api.meta import AccountRef, InvalidObjectError
from goldenami.api.reasons import Reason
from goldenami.aws.errors import AwsError
from goldenami.aws.sessions import OWN, AccountSpec, Sessions
from goldenami.controllers.kept import Kept
from goldenami.kube.client import Body, Kubernetes
from goldenami.kube.errors import KubeForbidden
from goldenami.kube.seen import NAMESPACE
from goldenami.plan.values import Account, Problem


class Accounts:
    """Finds the account that an `accountRef` names."""

    def __init__(self, kubernetes: Kubernetes, sessions: Sessions, seen: Callable[[Key], str | None]) -> None:
        """`seen` tells the resourceVersion of an object that the watch saw last, and None for what it does not see."""
        self._kubernetes = kubernetes
        self._sessions = sessions
        self._objects: Kept[Body] = Kept(seen)
        self._labels: Kept[Mapping[str, str]] = Kept(seen)

    def of(self, reference: AccountRef | None, namespace: str) -> Account | Problem:
        """The account, its identity verified; or why there is none that this namespace could use."""
        if reference is None:
            return self.resolve(OWN)
        try:
            obj = self._object(reference.name)
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
        if not self._admits(account.spec.namespaces, namespace):
            # The selector itself stays out of the message: it tells other tenants' labels.
            return Problem(
                Reason.ACCOUNT_NOT_ALLOWED,
                f"AWSAccount {reference.name} does not admit namespace {namespace}; its spec.namespaces must select the namespace's labels",
                stalled=True,
            )
        return self.resolve(spec_of(account))

    def resolve(self, spec: AccountSpec) -> Account | Problem:
        try:
            return self._sessions.resolve(spec)
        except AwsError as error:
            return error.problem

    def _object(self, name: str) -> Body | None:
        def read() -> tuple[str, Body] | None:
            obj = self._kubernetes.get(AWS_ACCOUNT, "", name)
            return None if obj is None else (obj["metadata"]["resourceVersion"], obj)

        return self._objects.get(Key(AWS_ACCOUNT.kind, "", name), read)

    def _admits(self, selector: LabelSelector, namespace: str) -> bool:
        labels: Mapping[str, str] | None = {}
        if not selector.selects_everything:
            labels = self._labels.get(Key(NAMESPACE, "", namespace), lambda: self._kubernetes.namespace_labels(namespace))
        return labels is not None and selector.matches(labels)


def spec_of(account: AWSAccount) -> AccountSpec:
    spec = account.spec
    return AccountSpec(account.name, spec.account_id, spec.role_arn, spec.external_id, spec.partition, spec.endpoint_url)
