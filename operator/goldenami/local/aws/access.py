"""Which account an access key acts in.

The local AWS knows no users, so the key itself names the account: the 12 digits alone, or `AKIA0000` and the 12 digits, which passes
the checks of tools that expect twenty characters. Keys that AssumeRole made act in the role's account; any other key acts in the lab's
default account.
"""

import re

_NAMED = re.compile(r"(?:AKIA[A-Z0-9]{4})?(\d{12})")
SECRET_ACCESS_KEY = "local"  # noqa: S105 - signatures are not checked, yet every SDK wants one


def access_key_of(account: str) -> str:
    """The access key that acts in this account."""
    if not re.fullmatch(r"\d{12}", account):
        raise ValueError(f"an AWS account id has 12 digits: {account!r} was given")
    return f"AKIA0000{account}"


def account_of_access_key(access_key: str) -> str | None:
    """The account a key names, or None for a key that names none."""
    named = _NAMED.fullmatch(access_key)
    return named[1] if named else None
