"""A faithful local AWS for golden AMIs: moto is the shell, the image core is ours.

`LocalAws` starts one for a test, the demo or a benchmark; `serve` runs one alone for anybody's boto3, aws CLI or
Terraform. Nothing here loads moto before a server starts.
"""

import os

from goldenami.local.aws import region_lists
from goldenami.local.aws.access import access_key_of, account_of_access_key
from goldenami.local.aws.client import AuditedCall, HeldCall, LabControl
from goldenami.local.aws.local import LocalAws, serve

__all__ = ["AuditedCall", "HeldCall", "LabControl", "LocalAws", "access_key_of", "account_of_access_key", "serve"]

# moto reads these when it is imported, and every module of this package is imported after this line.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # else 1,301 foreign images in every region, and a start that takes 2.3 s
os.environ.setdefault("MOTO_DISABLE_GLOBAL_CORS", "true")
region_lists.remember()
