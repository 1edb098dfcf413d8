"""AWSAccount: says whether the way into the account works. Changes nothing in AWS."""

from dataclasses import dataclass
from datetime import UTC, datetime

from goldenami.api.aws_account import AWSAccount
from goldenami.api.conditions import ConcernResult, ConditionType, summarize
from goldenami.api.kinds import AWS_ACCOUNT, Key
from goldenami.api.meta import InvalidObjectError
from goldenami.api.reasons import Reason
from goldenami.controllers import judge, logs, timing, unfit
from goldenami.controllers.accounts import spec_of
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.plan.values import Problem


@dataclass(frozen=True)
class AWSAccounts:
    """The reconciler of AWSAccount."""

    world: World

    def __call__(self, key: Key) -> Outcome:
        obj = self.world.kubernetes.get(AWS_ACCOUNT, "", key.name)
        if obj is None:
            return Outcome(gone=True)
        try:
            declared = AWSAccount.from_object(obj)
        except InvalidObjectError as error:
            return unfit.tell(self.world, AWS_ACCOUNT, obj, ConditionType.ACCOUNTS_READY, error)
        logs.observe_generation(declared.generation)
        found = self.world.accounts.resolve(spec_of(declared))
        if isinstance(found, Problem):
            result = judge.of_problem(ConditionType.ACCOUNTS_READY, found)
        else:
            result = ConcernResult(ConditionType.ACCOUNTS_READY, Reason.SUCCEEDED, f"the credentials belong to account {found.account_id}")
        conditions = summarize((result,), declared.generation, declared.status.conditions, datetime.now(UTC))
        status: Body = {
            "observedGeneration": declared.generation,
            "conditions": [condition.to_object() for condition in conditions],
            "lastHandledReconcile": declared.metadata.reconcile_requested or None,
            "accountId": None if isinstance(found, Problem) else found.account_id,
        }
        self.world.tell(AWS_ACCOUNT, obj, status)
        return timing.after_problem(found) if isinstance(found, Problem) else Outcome()
