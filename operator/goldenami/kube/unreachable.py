"""Why the API server gave no answer, in words that are the same for the same cause. Pure.

The library's own text carries object addresses, and would make every retry look like a new failure.
"""

import socket
import ssl

import urllib3.exceptions

NAMES = {
    urllib3.exceptions.ReadTimeoutError: "no answer in time",
    urllib3.exceptions.ConnectTimeoutError: "no connection in time",
    urllib3.exceptions.URLSchemeUnknown: "the address must begin with https://",
}


def why(error: BaseException) -> str:
    """The innermost cause that says something to a person; the type's name where none does."""
    causes = list(_causes(error))
    for cause in reversed(causes):
        if said := _words(cause):
            return said
    return type(causes[-1]).__name__


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what it was raised for, outermost first."""
    found: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        each = pending.pop()
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            # urllib3 keeps a cause in `reason`, or as an argument.
            pending += [each.__cause__, *each.args, getattr(each, "reason", None)]
    return found


def _words(error: BaseException) -> str:
    for kind, words in NAMES.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS fails: {error.reason.replace('_', ' ').lower()}"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return ""
