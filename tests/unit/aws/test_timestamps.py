"""Times in answers are what botocore makes of them, in whatever form a service sends them."""

from typing import Any

import pytest
from botocore.utils import parse_timestamp

from goldenami.aws.sessions import timestamp


@pytest.mark.parametrize(
    "sent",
    [
        "2026-11-28T08:00:00.000Z", "2026-11-28T08:00:00Z", "2026-11-28T08:00:00+01:00", "20261128T080000Z",
        1700000000, 1700000000.5, "1700000000.5", "Sat, 28 Nov 2026 08:00:00 GMT",
    ],
)  # fmt: skip
def test_a_time_is_read_as_botocore_reads_it(sent: Any) -> None:
    read, theirs = timestamp(sent), parse_timestamp(sent)
    assert (read, read.utcoffset()) == (theirs, theirs.utcoffset())


@pytest.mark.parametrize("sent", ["yesterday, or so", "2026-13-41T08:00:00Z", ""])
def test_what_is_no_time_is_refused_as_botocore_refuses_it(sent: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid timestamp|unknown|must be"):
        timestamp(sent)
