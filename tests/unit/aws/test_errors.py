"""Errors: which code is which type, and what may never be in a message."""

import pytest
from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError

from goldenami.api.reasons import Reason
from goldenami.aws import errors
from goldenami.plan.values import Account, Place

PLACE = Place(Account("build", "111122223333"), "eu-west-1")


def refused(code: str, *, operation: str = "DescribeImages", message: str = "no", status: int = 400, said_by: str = "") -> errors.AwsError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(errors.AwsError) as raised, errors.typed_errors(operation, PLACE, "ami-1"):
        raise botocore_errors.ClientError(answer, said_by or operation)  # type: ignore[arg-type]
    return raised.value


@pytest.mark.parametrize(
    ("code", "operation", "status", "kind", "reason"),
    [
        pytest.param("ForbiddenException", "ListImageRecipes", 403, errors.FixTheAccess, "AccessDenied", id="Image Builder denies"),
        pytest.param("InvalidAMIID.Unavailable", "ModifyImageAttribute", 400, errors.Wait, "Progressing", id="a pending image: wait"),
        pytest.param("IncorrectState", "DisableImage", 400, errors.Wait, "Progressing", id="the wrong state: wait"),
        pytest.param("InvalidSnapshot.InUse", "DeleteSnapshot", 400, errors.Wait, "Progressing", id="a snapshot in use: wait"),
        pytest.param("ConcurrentTagAccess", "CreateTags", 400, errors.Wait, "Progressing", id="somebody else is tagging: wait"),
        pytest.param("TooManyUpdates", "PutParameter", 400, errors.Wait, "Progressing", id="somebody else writes the parameter: wait"),
        pytest.param("IdempotentParameterMismatch", "CopyImage", 400, errors.Wait, "Progressing", id="a spent token: already asked for"),
        pytest.param("RequestLimitExceeded", "CopyImage", 503, errors.Throttled, "Throttled", id="EC2 throttles"),
        pytest.param("ThrottlingException", "PutParameter", 400, errors.Throttled, "Throttled", id="SSM and KMS throttle"),
        pytest.param("TooManyRequestsException", "PutParameter", 429, errors.Throttled, "Throttled", id="too many requests is throttling"),
        pytest.param("ResourceLimitExceeded", "CopyImage", 400, errors.QuotaReached, "Queued", id="copy slots: the copy is queued"),
        pytest.param(
            "ResourceLimitExceeded", "CreateImageUsageReport", 400, errors.QuotaReached, "Queued", id="one report of an image at a time"
        ),
        pytest.param("ResourceLimitExceeded", "ModifyImageAttribute", 400, errors.QuotaReached, "ShareQuotaExceeded", id="too many shares"),
        pytest.param("ResourceLimitExceeded", "RegisterImage", 400, errors.QuotaReached, "QuotaExceeded", id="another quota"),
        pytest.param("SnapshotCreationPerVolumeRateExceeded", "CreateImage", 400, errors.QuotaReached, "Queued", id="a rate of snapshots"),
        pytest.param("TagLimitExceeded", "CreateTags", 400, errors.QuotaReached, "TooManyTags", id="more than fifty tags"),
        pytest.param("LimitExceededException", "CreateGrant", 400, errors.QuotaReached, "QuotaExceeded", id="grants of a key"),
        pytest.param("ParameterLimitExceeded", "PutParameter", 400, errors.QuotaReached, "QuotaExceeded", id="parameters of a region"),
        pytest.param("SomethingLimitExceeded", "CopyImage", 400, errors.QuotaReached, "QuotaExceeded", id="a limit nobody has met"),
        pytest.param("AuthFailure", "CopyImage", 401, errors.FixTheAccess, "CredentialsInvalid", id="credentials are not accepted"),
        pytest.param("ExpiredToken", "CopyImage", 400, errors.FixTheAccess, "CredentialsInvalid", id="credentials have ended"),
        pytest.param("InvalidClientTokenId", "GetCallerIdentity", 403, errors.FixTheAccess, "CredentialsInvalid", id="an unknown key"),
        pytest.param("OptInRequired", "CopyImage", 401, errors.FixTheAccess, "RegionNotEnabled", id="a region that is not enabled"),
        pytest.param("UnauthorizedOperation", "CopyImage", 403, errors.FixTheAccess, "AccessDenied", id="EC2 denies"),
        pytest.param("AccessDeniedException", "PutParameter", 400, errors.FixTheAccess, "AccessDenied", id="SSM and KMS deny"),
        pytest.param("AccessDenied", "AssumeRole", 403, errors.FixTheAccess, "CredentialsInvalid", id="the role's trust policy"),
        pytest.param(
            "OperationNotPermitted", "ModifyImageAttribute", 400, errors.FixTheAccess, "PublicBlocked", id="public access is blocked"
        ),
        pytest.param("OperationNotPermitted", "DeregisterImage", 400, errors.Wait, "ProgressingWithRetry", id="deregistration protection"),
        pytest.param("OperationNotPermitted", "DisableImage", 400, errors.FixTheSpec, "InvalidSpec", id="not permitted, elsewhere"),
        pytest.param("InvalidRequest", "CopyImage", 400, errors.FixTheAccess, "InvalidSource", id="the source's storage is not shared"),
        pytest.param("InvalidRequest", "RegisterImage", 400, errors.FixTheSpec, "InvalidSpec", id="an invalid request, elsewhere"),
        pytest.param("InvalidAMIName.Malformed", "CreateImage", 400, errors.FixTheSpec, "InvalidSpec", id="a bad name"),
        pytest.param("InvalidKmsKey.Malformed", "CopyImage", 400, errors.FixTheSpec, "InvalidSpec", id="whatever is malformed"),
        pytest.param("InvalidParameterCombination", "CopyImage", 400, errors.FixTheSpec, "InvalidSpec", id="parameters that do not fit"),
        pytest.param("NotFoundException", "DescribeKey", 400, errors.FixTheSpec, "EncryptionKeyInvalid", id="no such key"),
        pytest.param("DisabledException", "CreateGrant", 400, errors.FixTheSpec, "EncryptionKeyInvalid", id="a disabled key"),
        pytest.param("InvalidAMIID.NotFound", "CopyImage", 400, errors.NotFound, "SourceNotFound", id="no such source"),
        pytest.param(
            "InvalidAMIID.NotFound", "DeregisterImage", 400, errors.NotFound, "ProgressingWithRetry", id="no such image, elsewhere"
        ),
        pytest.param("InvalidThing.NotFound", "DescribeImages", 400, errors.NotFound, "ProgressingWithRetry", id="whatever is not found"),
        pytest.param("InvalidAMIName.Duplicate", "CreateImage", 400, errors.AlreadyExists, "NameConflict", id="the name is taken"),
        pytest.param("ParameterAlreadyExists", "PutParameter", 400, errors.AlreadyExists, "AliasConflict", id="the parameter is taken"),
        pytest.param("InternalError", "CopyImage", 500, errors.Unreachable, "RegionUnreachable", id="EC2's own fault"),
        pytest.param("SomethingNew", "CopyImage", 502, errors.Unreachable, "RegionUnreachable", id="any server's fault"),
        pytest.param("SomethingNew", "CopyImage", 400, errors.Unknown, "AWSError", id="a code nobody has met is retried"),
    ],
)
def test_a_code_becomes_a_type_and_a_reason(code: str, operation: str, status: int, kind: type[errors.AwsError], reason: str) -> None:
    error = refused(code, operation=operation, status=status)
    assert (type(error), error.problem.reason, error.code) == (kind, Reason(reason), code)
    assert error.problem.stalled is (Reason(reason).outcome.name == "STALLED")
    assert "eu-west-1 of account 111122223333" in error.problem.message


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        pytest.param(
            botocore_errors.EndpointConnectionError(endpoint_url="http://x"), errors.Unreachable, "RegionUnreachable", id="no connection"
        ),
        pytest.param(
            botocore_errors.ReadTimeoutError(endpoint_url="http://x"), errors.Unreachable, "RegionUnreachable", id="no answer in time"
        ),
        pytest.param(
            botocore_errors.ConnectTimeoutError(endpoint_url="http://x"),
            errors.Unreachable,
            "RegionUnreachable",
            id="no connection in time",
        ),
        pytest.param(
            botocore_errors.ConnectionClosedError(endpoint_url="http://x"), errors.Unreachable, "RegionUnreachable", id="connection closed"
        ),
        pytest.param(
            botocore_errors.SSLError(endpoint_url="http://x", error=ValueError()), errors.Unreachable, "RegionUnreachable", id="TLS fails"
        ),
        pytest.param(ResponseParserError("<html>"), errors.Unreachable, "RegionUnreachable", id="an answer that is not AWS's"),
        pytest.param(botocore_errors.NoCredentialsError(), errors.FixTheAccess, "CredentialsInvalid", id="no credentials at all"),
        pytest.param(
            botocore_errors.CredentialRetrievalError(provider="x", error_msg="y"),
            errors.FixTheAccess,
            "CredentialsInvalid",
            id="credentials cannot be loaded",
        ),
        pytest.param(
            botocore_errors.ParamValidationError(report="ImageId: too short"), errors.FixTheSpec, "InvalidSpec", id="refused before sending"
        ),
        pytest.param(botocore_errors.DataNotFoundError(data_path="x"), errors.Unknown, "AWSError", id="anything else of botocore"),
    ],
)
def test_what_never_became_an_answer_is_typed_too(fault: Exception, kind: type[errors.AwsError], reason: str) -> None:
    with pytest.raises(errors.AwsError) as raised, errors.typed_errors("CopyImage", PLACE):
        raise fault
    assert (type(raised.value), raised.value.problem.reason) == (kind, Reason(reason))
    assert "http://x" not in raised.value.problem.message


def test_a_bug_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), errors.typed_errors("CopyImage", PLACE):
        _ = 1 / 0


def test_a_role_that_cannot_be_assumed_is_named_as_such_within_another_call() -> None:
    error = refused("AccessDenied", operation="DescribeImages", said_by="AssumeRole", message="User x may not perform sts:AssumeRole")
    assert (error.problem.reason, error.operation) == (Reason.CREDENTIALS_INVALID, "AssumeRole")
    assert "trust policy" in error.problem.message


SECRETS = [
    pytest.param(
        "UnauthorizedOperation", "You are not authorized. Encoded authorization failure message: 7rAkXj3", "7rAkXj3", id="encoded"
    ),
    pytest.param("InvalidRequest", "Bad (Service: Ec2, Request ID: 1b2c3d4e-0000-4000-8000-123456789abc)", "1b2c3d4e", id="request id"),
    pytest.param("InvalidRequest", "Bad. RequestId: 1b2c3d4e-0000-4000-8000-123456789abc", "1b2c3d4e", id="request id, bare"),
    pytest.param("ValidationError", "Expired at 2026-11-21T05:28:36Z, it is late", "05:28", id="clock time"),
    pytest.param("ValidationError", "Signature expired: 20261121T052836Z is now", "20261121T", id="clock time of a signature"),
    pytest.param("ValidationError", "The key AKIAIOSFODNN7EXAMPLE is bad", "AKIAIOSFODNN7EXAMPLE", id="access key id"),
    pytest.param("ValidationError", f"token {'Ab9/' * 40} is bad", "Ab9/", id="session token"),
    pytest.param("SignatureDoesNotMatch", "The Canonical String was x-amz-security-token:IQoJb3", "IQoJb3", id="canonical string"),
    pytest.param("AccessDenied", "User: arn:aws:sts::1:assumed-role/op/pod-7f9 may not", "pod-7f9", id="session name of a pod"),
]


@pytest.mark.parametrize(("code", "message", "secret"), SECRETS)
def test_no_message_tells_secrets_or_what_changes_from_call_to_call(code: str, message: str, secret: str) -> None:
    assert secret not in refused(code, message=message).problem.message


def test_aws_s_words_are_kept_where_they_help() -> None:
    error = refused("InvalidRequest", operation="CopyImage", message="You do not have permission to access the storage of this ami.")
    assert error.problem.message == (
        "CopyImage of ami-1 failed in eu-west-1 of account 111122223333: You do not have permission to access the storage of this ami. "
        "The owner of the source must share its snapshots, and the key that encrypts them, with this account; images with product or "
        "billing codes cannot be copied out of their account at all."
    )
