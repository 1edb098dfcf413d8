"""AssumeRole with external ids, and caller identities that look like AWS's.

Which roles there are and what external id each wants is a setting of the lab; everything else is moto's. Codes and words: STS API
reference, AssumeRole and "Common errors".
"""

import re

from moto.core.responses import ActionResult
from moto.sts import urls
from moto.sts.responses import TokenResponse

from goldenami.local.aws import lab
from goldenami.local.aws.answers import RefusedError

_ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")


def install() -> None:
    urls.url_paths["{0}/$"] = SecurityTokenService.dispatch


class SecurityTokenService(TokenResponse):
    def assume_role(self) -> ActionResult:
        role_arn = str(self._get_param("RoleArn") or "")
        if not _ROLE_ARN.fullmatch(role_arn):
            raise RefusedError("ValidationError", f"{role_arn} is invalid")
        session_name = str(self._get_param("RoleSessionName") or "")
        if not _SESSION_NAME.fullmatch(session_name):
            raise RefusedError(
                "ValidationError", f"Value '{session_name}' at 'roleSessionName' must have 2 to 64 characters of [\\w+=,.@-]"
            )
        if not self._may_assume(role_arn):
            message = f"User: {self._caller_arn()} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
            raise RefusedError("AccessDenied", message, 403)
        return super().assume_role()

    def _may_assume(self, role_arn: str) -> bool:
        """A wrong external id and an unknown role get the same answer, as in AWS."""
        settings = lab.current().settings
        if role_arn not in settings.roles:
            return not settings.strict_roles
        wanted = settings.roles[role_arn]
        return not wanted or self._get_param("ExternalId") == wanted

    def get_caller_identity(self) -> ActionResult:
        user_id, arn, account = self.backend.get_caller_identity(self.get_access_key(), self.region)
        if ":assumed-role/" not in arn:
            # A key that names an account stands for an administrator of it.
            user_id, arn = "AIDALOCALADMINISTRATOR", self._caller_arn()
        return ActionResult({"UserId": user_id, "Account": account, "Arn": arn})

    def _caller_arn(self) -> str:
        return f"arn:{self.partition}:iam::{self.current_account}:user/administrator"
