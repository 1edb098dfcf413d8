"""What AWS refused, as types that say what to do about it, and as sentences for people.

The only place that reads AWS's error codes; beyond `goldenami.aws` nobody sees a botocore exception. Codes decide, message text never does:
EC2 models no exceptions, and words its messages freely. An unknown code is retried: stopping for good on a fault nobody has seen would
strand the image.
"""

# ruff: noqa: N818 - the types are named by what to do, as their users read them: `except Throttled`.

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError

from goldenami.api.reasons import Outcome, Reason
from goldenami.plan.identity import Owner
from goldenami.plan.values import Place, Problem


class AwsError(Exception):
    """A refusal or a fault, ready for a condition.

    `code` is AWS's own word, empty where no answer came; `words` what it said beside, as far as people may read it.
    `retry_after_seconds` is a hint: nothing is gained by looking earlier.
    """

    def __init__(
        self, problem: Problem, *, code: str = "", operation: str = "", words: str = "", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.code = code
        self.operation = operation
        self.words = words
        self.retry_after_seconds = retry_after_seconds


class Wait(AwsError):
    """Not possible in the present state, which will change by itself."""


class Throttled(AwsError):
    """Too many calls, by AWS's measure or by our own share of it."""


class QuotaReached(AwsError):
    """A quota is used up: minutes pass until there is room, or somebody raises it."""


class FixTheSpec(AwsError):
    """Retrying is useless until somebody edits what is declared."""


class FixTheAccess(AwsError):
    """Retrying is useless until somebody edits credentials, a role, a key policy or an account's settings."""


class NotFound(AwsError):
    """No such id here. EC2 also answers so for some seconds after a call that succeeded: only the caller can tell what it means."""


class AlreadyExists(AwsError):
    """The name is taken; by whom is for the caller to find out."""


class Unreachable(AwsError):
    """No answer, or a server's fault. The call may have been carried out."""


class Unknown(AwsError):
    """A code nobody has met yet. Retried."""


class ShuttingDown(AwsError):
    """This process has been told to stop and starts nothing new."""


@dataclass(frozen=True)
class Rule:
    """What one code means: the type, the reason, and what to do next."""

    kind: type[AwsError]
    reason: Reason
    advice: str
    quote: bool = True
    """Whether AWS's own words go into the message. Never for signature errors: those echo headers, security token included."""


_WAIT = Rule(Wait, Reason.PROGRESSING, "It will be tried again.")
_THROTTLED = Rule(Throttled, Reason.THROTTLED, "It will be tried again, more slowly.", quote=False)
_QUOTA = Rule(QuotaReached, Reason.QUOTA_EXCEEDED, "Raise the quota, or remove what is no longer needed.")
_SLOTS = Rule(QuotaReached, Reason.QUEUED, "It starts as soon as others have ended.")
_TAGS = Rule(QuotaReached, Reason.TOO_MANY_TAGS, "EC2 allows 50 tags on one resource: declare fewer.")
_CREDENTIALS = Rule(
    FixTheAccess, Reason.CREDENTIALS_INVALID, "Check the credentials, and the trust policy of the role used for this account.", quote=False
)
_SETTINGS = Rule(
    FixTheAccess,
    Reason.CREDENTIALS_INVALID,
    "Correct the operator's own AWS settings: AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, its files.",
)
_REGION = Rule(FixTheAccess, Reason.REGION_NOT_ENABLED, "Enable the region for this account, or remove it from the manifest.", quote=False)
_DENIED = Rule(
    FixTheAccess, Reason.ACCESS_DENIED, "Allow it in the IAM policies, service control policies and key policies of this account."
)
_SPEC = Rule(FixTheSpec, Reason.INVALID_SPEC, "Correct the manifest.")
_GONE = Rule(NotFound, Reason.PROGRESSING_WITH_RETRY, "It will be looked for again.")
_SOURCE = Rule(NotFound, Reason.SOURCE_NOT_FOUND, "Check its id and region, and whether this account may see it.")
_NAME = Rule(AlreadyExists, Reason.NAME_CONFLICT, "Choose another nameTemplate, or remove what holds the name.")
_ALIAS = Rule(AlreadyExists, Reason.ALIAS_CONFLICT, "Choose another parameter name, or remove the one that is there.")
_KEY = Rule(FixTheSpec, Reason.ENCRYPTION_KEY_INVALID, "Name an enabled symmetric KMS key of this region that this account may use.")
_UNREACHABLE = Rule(Unreachable, Reason.REGION_UNREACHABLE, "It will be tried again.")
_UNKNOWN = Rule(Unknown, Reason.AWS_ERROR, "It will be tried again.")

# Codes that mean the same whatever was asked.
RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "InvalidAMIID.Unavailable",
            "IncorrectState",
            "InvalidState",
            "IncorrectInstanceState",
            "InvalidSnapshot.InUse",
            "ConcurrentTagAccess",
            "TooManyUpdates",
            "ResourceContention",
            "DependencyTimeoutException",
            # A copy with this token is on its way and its parameters were spelled otherwise then: the image will show up in the listing.
            "IdempotentParameterMismatch",
        ),
        _WAIT,
    ),
    **dict.fromkeys(
        (
            "RequestLimitExceeded",
            "EC2ThrottledException",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottled",
            "TooManyRequestsException",
            "SlowDown",
            "CallRateLimitExceededException",
        ),
        _THROTTLED,
    ),
    **dict.fromkeys(
        (
            "ResourceLimitExceeded",
            "SnapshotLimitExceeded",
            "LimitExceededException",
            "ParameterLimitExceeded",
            "ParameterMaxVersionLimitExceeded",
        ),
        _QUOTA,
    ),
    **dict.fromkeys(
        (
            "PendingSnapshotLimitExceeded",
            "ConcurrentSnapshotLimitExceeded",
            "ConcurrentCreateImageNoRebootLimitExceeded",
            "SnapshotCreationPerVolumeRateExceeded",
        ),
        _SLOTS,
    ),
    **dict.fromkeys(("TagLimitExceeded", "TooManyTagsError"), _TAGS),
    **dict.fromkeys(
        (
            "AuthFailure",
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "RequestExpired",
            "RequestTimeTooSkewed",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidIdentityToken",
            "PackedPolicyTooLarge",
        ),
        _CREDENTIALS,
    ),
    **dict.fromkeys(("RegionDisabledException", "OptInRequired"), _REGION),
    **dict.fromkeys(
        ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "ForbiddenException", "Blocked", "PendingVerification"), _DENIED
    ),
    **dict.fromkeys(
        (
            "MissingParameter",
            "InvalidBlockDeviceMapping",
            "InvalidAMIAttributeItemValue",
            "InvalidAMIName.Malformed",
            "InvalidUserID.Malformed",
            "UnsupportedOperation",
            "Unsupported",
            "InvalidRequest",
            "OperationNotPermitted",
            "ValidationError",
            "ValidationException",
            "InvalidRegion",
            "HierarchyTypeMismatchException",
            "HierarchyTypeMismatch",
            "ParameterPatternMismatchException",
            "UnsupportedParameterType",
            "InvalidAllowedPatternException",
        ),
        _SPEC,
    ),
    **dict.fromkeys(
        (
            "InvalidAMIID.NotFound",
            "InvalidSnapshot.NotFound",
            "InvalidInstanceID.NotFound",
            "InvalidLaunchTemplateId.NotFound",
            "InvalidLaunchTemplateId.VersionNotFound",
            "ParameterNotFound",
            "InvalidResourceId",
            "NotFoundException",
        ),
        _GONE,
    ),
    "InvalidAMIName.Duplicate": _NAME,
    "ParameterAlreadyExists": _ALIAS,
    **dict.fromkeys(
        ("DisabledException", "KMSInvalidStateException", "InvalidArnException", "InvalidKeyUsageException", "IncorrectKeyException"), _KEY
    ),
    **dict.fromkeys(
        ("InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "Unavailable", "KMSInternalException"),
        _UNREACHABLE,
    ),
}

_PUBLIC_BLOCKED = Rule(
    FixTheAccess, Reason.PUBLIC_BLOCKED, "Turn off block public access for AMIs in this region, or set sharing.public to false."
)
_STORAGE = Rule(
    FixTheAccess,
    Reason.INVALID_SOURCE,
    "The owner of the source must share its snapshots, and the key that encrypts them, with this account; images with product or billing "
    "codes cannot be copied out of their account at all.",
)
_PROTECTED = Rule(
    Wait, Reason.PROGRESSING_WITH_RETRY, "Remove its deregistration protection; a cooldown of 24 hours may follow before it can go."
)
_TRUST = Rule(
    FixTheAccess, Reason.CREDENTIALS_INVALID, "Check that the role exists, that its trust policy admits the operator, and the external id."
)
_SHARES = Rule(QuotaReached, Reason.SHARE_QUOTA_EXCEEDED, "Share with an organization or organizational unit: it counts as one.")

# Codes whose meaning depends on what was asked (EC2 models none of this).
RULES_OF: dict[tuple[str, str], Rule] = {
    ("ModifyImageAttribute", "OperationNotPermitted"): _PUBLIC_BLOCKED,
    ("ModifySnapshotAttribute", "OperationNotPermitted"): _PUBLIC_BLOCKED,
    ("ModifyImageAttribute", "ResourceLimitExceeded"): _SHARES,
    ("CopyImage", "ResourceLimitExceeded"): _SLOTS,
    ("CreateImageUsageReport", "ResourceLimitExceeded"): _SLOTS,
    ("CopyImage", "InvalidRequest"): _STORAGE,
    ("CopyImage", "InvalidAMIID.NotFound"): _SOURCE,
    ("CreateImage", "InvalidInstanceID.NotFound"): _SOURCE,
    ("RegisterImage", "InvalidSnapshot.NotFound"): _SOURCE,
    ("DeregisterImage", "OperationNotPermitted"): _PROTECTED,
    ("AssumeRole", "AccessDenied"): _TRUST,
    ("DescribeKey", "NotFoundException"): _KEY,
    ("CreateGrant", "NotFoundException"): _KEY,
}


def rule_for(operation: str, code: str, http_status: int) -> Rule:
    """The first that fits: operation and code, code, the family its name tells, the HTTP status."""
    if found := RULES_OF.get((operation, code)) or RULES.get(code):
        return found
    if code.endswith(".NotFound"):
        return _GONE
    if code.endswith(".Malformed") or code.startswith("InvalidParameter"):
        return _SPEC
    if "LimitExceeded" in code:
        return _QUOTA
    return _UNREACHABLE if http_status >= 500 else _UNKNOWN


_NOISE = (
    # What changes from call to call, so that the same failure twice is the same message; and what nobody should read in a status.
    re.compile(r"\s*(?:Encoded authorization failure message|Encoded message)\s*[:=].*", re.IGNORECASE | re.DOTALL),
    re.compile(r"\s*\([^()]*request\s?id[^()]*\)", re.IGNORECASE),
    re.compile(r"\s*request\s?id\s*[:=]?\s*[0-9a-f-]{8,}", re.IGNORECASE),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    re.compile(r"\b\d{8}T\d{6}Z\b|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"),
    re.compile(r"[A-Za-z0-9+/=_]{80,}"),
    # A role's session name may be new in every process.
    re.compile(r"(?<=:assumed-role/)([^/\s]+)/[^\s,]+"),
)
_LONGEST_QUOTE = 400


def clean(text: str) -> str:
    """AWS's words without request ids, clock times, key ids, tokens and encoded messages; at most 400 characters, without a final stop."""
    for noise in _NOISE:
        text = noise.sub(r"\1" if noise.groups else "", text)
    return " ".join(text.split())[:_LONGEST_QUOTE].rstrip(" .:")


def where(place: Place | None) -> str:
    """`us-east-1 of account 111122223333`."""
    if place is None:
        return "AWS"
    account = place.account.account_id or place.account.name
    return f"{place.region} of account {account}" if account else place.region


def problem(reason: Reason, message: str) -> Problem:
    return Problem(reason, message, stalled=reason.outcome is Outcome.STALLED)


def failure(rule: Rule, *, operation: str, place: Place | None, resource: str = "", words: str = "", code: str = "") -> AwsError:
    """The error a rule makes of one refusal."""
    asked = f"{operation} of {resource}" if resource else operation
    said = f": {words}" if words else f" ({code})" if code else ""
    message = f"{asked} failed in {where(place)}{said}. {rule.advice}"
    return rule.kind(problem(rule.reason, message), code=code, operation=operation, words=words)


def from_client_error(error: botocore_errors.ClientError, operation: str, place: Place | None, resource: str = "") -> AwsError:
    answer = error.response.get("Error", {})
    # A role is assumed inside another call; what was refused then is the AssumeRole.
    operation = error.operation_name or operation
    code = str(answer.get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    rule = rule_for(operation, code, status)
    words = clean(str(answer.get("Message", ""))) if rule.quote else ""
    return failure(rule, operation=operation, place=place, resource=resource, words=words, code=code)


_NO_CREDENTIALS = (
    botocore_errors.NoCredentialsError,
    botocore_errors.PartialCredentialsError,
    botocore_errors.CredentialRetrievalError,
    botocore_errors.TokenRetrievalError,
    botocore_errors.SSOError,
    botocore_errors.NoAuthTokenError,
)
_SETTINGS_WRONG = (
    botocore_errors.ProfileNotFound,
    botocore_errors.ConfigParseError,
    botocore_errors.ConfigNotFound,
    botocore_errors.InvalidEndpointConfigurationError,
    botocore_errors.NoRegionError,
    botocore_errors.InvalidRegionError,
)
"""What the SDK finds in its environment and files. Regions and endpoints of manifests have been checked by the API server."""
_NO_ANSWER = (
    botocore_errors.HTTPClientError,
    botocore_errors.ConnectionError,
    botocore_errors.IncompleteReadError,
)


def from_botocore(error: Exception, operation: str, place: Place | None, resource: str = "") -> AwsError:
    """What never became an answer. Endpoint addresses and header values stay out of the message."""
    if isinstance(error, _NO_CREDENTIALS):
        rule, words = _CREDENTIALS, "no usable credentials were found"
    elif isinstance(error, botocore_errors.ParamValidationError):
        rule, words = _SPEC, clean(str(error.kwargs.get("report", error)))
    elif isinstance(error, _SETTINGS_WRONG):
        rule, words = _SETTINGS, clean(str(error))
    elif isinstance(error, _NO_ANSWER):
        rule, words = _UNREACHABLE, "no answer came"
    elif isinstance(error, ResponseParserError):
        rule, words = _UNREACHABLE, "the answer could not be read"
    else:
        rule, words = _UNKNOWN, type(error).__name__
    return failure(rule, operation=operation, place=place, resource=resource, words=words)


@contextmanager
def typed_errors(operation: str, place: Place | None, resource: str = "") -> Iterator[None]:
    """Turns botocore's exceptions into ours. Other exceptions are bugs and pass through."""
    try:
        yield
    except botocore_errors.ClientError as error:
        raise from_client_error(error, operation, place, resource) from error
    except (botocore_errors.BotoCoreError, ResponseParserError) as error:
        raise from_botocore(error, operation, place, resource) from error


def region_not_enabled(place: Place, operation: str) -> AwsError:
    return failure(_REGION, operation=operation, place=place, words="the region is not enabled for this account", code="OptInRequired")


def throttled_by_ourselves(place: Place, operation: str, retry_after_seconds: float) -> Throttled:
    """Our own share of AWS's bucket is used up."""
    message = f"{operation} waits for its turn in {where(place)}: calls are paced below AWS's limits."
    return Throttled(problem(Reason.QUEUED, message), operation=operation, retry_after_seconds=retry_after_seconds)


def looked_after_by_others(place: Place, operation: str, resource: str) -> AwsError:
    rule = Rule(FixTheAccess, Reason.ACCESS_DENIED, "It belongs to another account, or to a service such as AWS Backup; manage it there.")
    return failure(rule, operation=operation, place=place, resource=resource, code="AuthFailure")


def failure_of_breaker(place: Place, operation: str, retry_after_seconds: float) -> AwsError:
    """Not even tried: the place did not answer a moment ago. The same words as when it was tried."""
    error = failure(_UNREACHABLE, operation=operation, place=place, words="no answer came")
    error.retry_after_seconds = retry_after_seconds
    return error


def name_conflict(place: Place, operation: str, name: str, holder: str) -> FixTheSpec:
    message = (
        f"the name {name} is held by {holder} in {where(place)}, which is not ours. Choose another nameTemplate, or remove that image."
    )
    return FixTheSpec(problem(Reason.NAME_CONFLICT, message), code="InvalidAMIName.Duplicate", operation=operation)


def parameter_exists(place: Place, name: str) -> AwsError:
    return failure(_ALIAS, operation="PutParameter", place=place, resource=name, words="it exists already", code="ParameterAlreadyExists")


def waiting(place: Place, operation: str, why: str, *, code: str = "") -> Wait:
    return Wait(problem(_WAIT.reason, f"{why} in {where(place)}. {_WAIT.advice}"), code=code, operation=operation)


def partly_removed(image_id: str, left: Sequence[AwsError]) -> AwsError:
    """The image is gone and some of its snapshots are not. As urgent as the worst of them."""
    first = max(left, key=lambda error: error.problem.stalled)
    message = f"{image_id} is deregistered, and {len(left)} of its snapshots are left: {first.problem.message}"
    return type(first)(Problem(first.problem.reason, message, stalled=first.problem.stalled), code=first.code, operation="DeregisterImage")


def not_ours(place: Place, operation: str, resource: str, owner: Owner) -> FixTheSpec:
    message = f"{resource} in {where(place)} does not carry our owner tag {owner}, so it stays. Remove it by hand if nobody needs it."
    return FixTheSpec(problem(Reason.CONFLICT, message), operation=operation)


def account_mismatch(name: str, declared: str, actual: str) -> FixTheAccess:
    message = (
        f"AWSAccount {name or '(own identity)'} declares account {declared}, and its credentials belong to {actual}. Correct one of them."
    )
    return FixTheAccess(problem(Reason.ACCOUNT_MISMATCH, message), operation="GetCallerIdentity")


def doubtful(place: Place, what: str) -> Wait:
    """Two answers of AWS that cannot both be whole."""
    message = f"{what} in {where(place)}, which the listing lacks though it is there: the listing may be cut short. It is read again."
    return Wait(problem(Reason.EVIDENCE_INCOMPLETE, message))


def unanswered(place: Place, operation: str, names: Sequence[str]) -> Wait:
    """What was asked about and is neither there nor said to be missing."""
    told = f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
    message = f"{operation} in {where(place)} says nothing of {told}: neither what it is, nor that there is none. It is asked again."
    return Wait(problem(Reason.EVIDENCE_INCOMPLETE, message))


def shutting_down(place: Place, operation: str) -> ShuttingDown:
    return ShuttingDown(problem(Reason.QUEUED, f"{operation} in {where(place)} is left to the next leader."), operation=operation)
