"""What is said when the API server gives no answer."""

import socket
import ssl

import pytest
import urllib3
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError, ProtocolError, ReadTimeoutError, SSLError

from goldenami.kube.unreachable import why

POOL = urllib3.HTTPConnectionPool("api.example.com", 6443)
UNKNOWN_NAME = socket.gaierror(-2, "Name or service not known")
CONNECTION = urllib3.connection.HTTPConnection("api.example.com", 6443)


def given_up(cause: Exception) -> MaxRetryError:
    return MaxRetryError(POOL, "/apis", cause)


def raised_from(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


def not_verified() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(
        1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"
    )
    error.verify_message = "self-signed certificate"
    return error


def no_tls() -> ssl.SSLError:
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")
    error.reason = "WRONG_VERSION_NUMBER"
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(
            given_up(raised_from(NewConnectionError(CONNECTION, "no"), ConnectionRefusedError(111, "Connection refused"))),
            "connection refused",
            id="nobody listens",
        ),
        pytest.param(
            given_up(raised_from(NameResolutionError("api.example.com", CONNECTION, UNKNOWN_NAME), UNKNOWN_NAME)),
            "its name is not known",
            id="the name has no address",
        ),
        pytest.param(
            given_up(raised_from(ReadTimeoutError(POOL, "/apis", "Read timed out."), TimeoutError("timed out"))),
            "no answer in time",
            id="it listens, and says nothing",
        ),
        pytest.param(
            given_up(ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))),
            "connection reset by peer",
            id="it hangs up",
        ),
        pytest.param(
            given_up(SSLError(not_verified())),
            "its certificate is not accepted: self-signed certificate",
            id="another authority's certificate",
        ),
        pytest.param(given_up(SSLError(no_tls())), "TLS fails: wrong version number", id="plain HTTP where TLS is expected"),
        pytest.param(given_up(ValueError("at 0x7f12")), "ValueError", id="anything else is told by its type, never by its text"),
    ],
)
def test_a_missing_answer_is_told_by_its_cause(error: Exception, words: str) -> None:
    assert why(error) == words
