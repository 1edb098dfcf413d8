"""One call to the image core: who asks, where, for what; and what every operation does with it: parameters, dry run, client token."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goldenami.local.aws.ec2 import errors
from goldenami.local.aws.ec2.records import AccountSettings
from goldenami.local.aws.ec2.shell import Shell
from goldenami.local.aws.ec2.store import Store, Token
from goldenami.local.aws.lab import Lab


@dataclass(frozen=True)
class Call:
    """Parameters are parsed and typed by EC2's model, under its names (`ImageId`, `Filters`)."""

    action: str
    account: str
    region: str
    params: Mapping[str, Any]
    now: float
    lab: Lab
    store: Store
    shell: Shell

    @property
    def settings(self) -> AccountSettings:
        return self.store.settings[self.account, self.region]

    def text(self, name: str) -> str | None:
        """A string parameter, or None where it is absent or empty."""
        value = self.params.get(name)
        return str(value) if value not in (None, "") else None

    def texts(self, name: str) -> list[str]:
        return [str(value) for value in self.params.get(name) or []]

    def flag(self, name: str) -> bool | None:
        value = self.params.get(name)
        return None if value is None else bool(value)

    def number(self, name: str) -> int | None:
        value = self.params.get(name)
        return None if value is None else int(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise errors.missing_parameter(name)
        return value

    def confirm(self) -> None:
        """Ends a dry run. Quotas, keys, public access blocks and snapshot permissions are looked at only after this, as in EC2."""
        if self.flag("DryRun"):
            raise errors.dry_run()

    def replay(self) -> Any:
        """The answer that the call's client token got before, or None. Raises IdempotentParameterMismatch for other parameters."""
        known = self.store.tokens.get(self._token_key) if self.text("ClientToken") else None
        if known is not None and known.parameters != self._parameters:
            raise errors.token_mismatch()
        return None if known is None else known.answer

    def remember(self, answer: Any) -> None:
        """Binds the answer to the call's client token, for good: also when what was made fails later."""
        if self.text("ClientToken"):
            self.store.tokens[self._token_key] = Token(self._parameters, answer)

    @property
    def _token_key(self) -> tuple[str, str, str, str]:
        return self.action, self.account, self.region, self.required("ClientToken")

    @property
    def _parameters(self) -> str:
        compared = {name: value for name, value in self.params.items() if name not in {"ClientToken", "DryRun"}}
        return json.dumps(compared, sort_keys=True, default=str)
