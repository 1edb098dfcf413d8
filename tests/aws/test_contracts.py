"""The contract as a whole: no operation that the local EC2 answers is without a test in the modules of rows."""

import re
from pathlib import Path

import pytest
from botocore import xform_name

from goldenami.local.aws.ec2.operations import OPERATIONS

ROWS = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_ec2_*.py"))
BY_THE_CLOUD = {"CopyImage": r"cloud\.copy"}
"""What rows call by `support.ec2.Cloud`."""


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_has_a_row(operation: str) -> None:
    assert re.search(rf"\b{BY_THE_CLOUD.get(operation, xform_name(operation))}\(", ROWS)
