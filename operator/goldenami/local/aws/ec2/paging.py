"""Pages of a listing. A token names the last row that was given, so rows that come and go in between neither repeat nor hide others."""

import base64
import binascii
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

from goldenami.local.aws.ec2 import errors
from goldenami.local.aws.ec2.call import Call

T = TypeVar("T")

LARGEST_PAGE = 1000


def page(
    call: Call,
    rows: Iterable[T],
    *,
    sequence: Callable[[T], int],
    passes: Callable[[T], bool] = lambda _: True,
    minimum: int = 1,
    default: int | None = None,
) -> tuple[list[T], str | None]:
    """The page the call asks for, of the rows that pass, and the token of the next. Rows come in the order of `sequence`.

    Without MaxResults everything that is left (or `default` rows). A row that is not on the page is not looked at, so that reading ten
    thousand rows page by page stays cheap. Raises InvalidNextToken for a token that this listing did not give.
    """
    size = call.number("MaxResults")
    if size is not None and size < minimum:
        raise errors.invalid_value(f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value of at least {minimum}.")
    after = _last_sequence(call)
    rest = (row for row in rows if sequence(row) > after and passes(row))
    size = default if size is None else min(size, LARGEST_PAGE)
    if size is None:
        return list(rest), None
    found = list(islice(rest, size + 1))
    return found[:size], _token(call, sequence(found[size - 1])) if len(found) > size else None


def _seal(call: Call) -> str:
    return f"{call.action}/{call.account}/{call.region}/"


def _token(call: Call, sequence: int) -> str:
    return base64.urlsafe_b64encode(f"{_seal(call)}{sequence}".encode()).decode()


def _last_sequence(call: Call) -> int:
    token = call.text("NextToken")
    if token is None:
        return 0
    try:
        plain = base64.urlsafe_b64decode(token.encode()).decode()
        if not plain.startswith(_seal(call)):
            raise ValueError("a token of another listing")
        return int(plain.removeprefix(_seal(call)))
    except (ValueError, binascii.Error) as error:
        raise errors.Refused("InvalidNextToken", f"The token '{token}' is invalid") from error
